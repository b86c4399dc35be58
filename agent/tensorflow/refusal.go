//go:build tensorflow

package tensorflow

/*
// Of tensorflow/c/tf_status.h.
extern int TF_GetCode(const void *status);
*/
import "C"

import (
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/isocost/isocost/agent"
)

// TensorFlow's status codes (TF_Code of tensorflow/c/tf_status.h) by which it says that it
// lacks something. All others are failures of the run, of the machine or of isocost.
const (
	codeInvalidArgument = 3
	codeNotFound        = 5
	codeUnimplemented   = 12
)

// refusal marks TensorFlow's own no, an error of the binding's, as agent.ErrUnsupported. Any
// other of its errors stays what it is.
func refusal(err error) error {
	if code, ok := codeOf(err); ok && refuses(code, err.Error()) {
		return fmt.Errorf("%w: %w", agent.ErrUnsupported, err)
	}
	return err
}

// refuses reports whether a status says that TensorFlow has no such operation, kernel, type
// or format. Unimplemented always does; two other codes have that meaning and others.
func refuses(code int, text string) bool {
	switch code {
	case codeUnimplemented:
		return true
	case codeInvalidArgument, codeNotFound:
		return slices.ContainsFunc(lacking, func(words string) bool { return strings.Contains(text, words) })
	}
	return false
}

// lacking are the words by which the two codes say so.
var lacking = []string{
	"Op type not registered", "No OpKernel was registered", "OpKernel for", "no supported kernel",
	"does not support", "not supported", "only supports", "not in the list of allowed values",
}

// codeOf is the status code of an error that the binding returned, false for one that is not
// TensorFlow's. The binding hides the code, in a type of its own around a TF_Status, so it is
// asked of the C API.
func codeOf(err error) (int, bool) {
	if fmt.Sprintf("%T", err) != "*tensorflow.statusError" {
		return 0, false
	}
	status, wrong := handle(err)
	if wrong != nil {
		return 0, false
	}
	code := int(C.TF_GetCode(status))
	runtime.KeepAlive(err) // its finaliser frees the status
	return code, true
}

// Package hint attaches to an error what its reader can do about it.
//
// Commands print the error after "error:" and the hint after "hint:".
package hint

import (
	"errors"
	"fmt"
)

type hinted struct {
	error
	hint string
}

func (h *hinted) Unwrap() error { return h.error }
func (h *hinted) Hint() string  { return h.hint }

// Wrap returns err carrying a hint: something to do, in lower case, without a
// full stop. A nil err stays nil.
func Wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// Of returns the outermost hint in err's chain, or "". Any error with a method
// Hint() string takes part, so that packages limited to the standard library
// (lut) can give hints too.
func Of(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

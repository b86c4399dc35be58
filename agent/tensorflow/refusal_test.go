//go:build tensorflow

package tensorflow

import (
	"errors"
	"strings"
	"testing"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"

	"github.com/isocost/isocost/agent"
)

// TestModelsThatCannotRunAreRefused: texts are TensorFlow's, shortened, but the last, which is made up.
func TestModelsThatCannotRunAreRefused(t *testing.T) {
	for _, c := range []struct {
		code int
		text string
		want bool
	}{
		{12, "Fused conv implementation does not support grouped convolutions for now.", true},
		{12, "The Conv2D op currently only supports the NHWC tensor format on the CPU. The op was given the format: NCHW", true},
		{5, "No registered 'Conv2D' OpKernel for 'CPU' devices compatible with node {{node Conv2D}}", true},
		{3, "No OpKernel was registered to support Op 'CudnnRNN' used by {{node CudnnRNN}}", true},
		{3, "Value for attr 'T' of string is not in the list of allowed values: bfloat16, half, float", true},
		{5, "Resource localhost/x/N10tensorflow3VarE does not exist.", false},
		{3, "Incompatible shapes: [2] vs. [3]", false},
		{8, "OOM when allocating tensor with shape[4096] and type float", false},
		{10, "Operation received an exception: Status: 2, message: could not create a primitive descriptor", false},
		{13, "Blas xGEMM launch failed; this type is not supported", false},
	} {
		if got := refuses(c.code, c.text); got != c.want {
			t.Errorf("code %d, %q: a refusal %v, want %v", c.code, c.text, got, c.want)
		}
	}
}

// TestRefusalNamesTheOperation: TensorFlow's own errors, from graphs that it does not take and from runs
// that fail.
func TestRefusalNamesTheOperation(t *testing.T) {
	for name, c := range map[string]struct {
		make func(*writer)
		code int
		says string
		want bool
	}{
		"an operation it lacks": {func(w *writer) { w.op("NoSuchOperation", nil) }, codeInvalidArgument, "NoSuchOperation", true},
		"a type an operation lacks": {func(w *writer) {
			w.op("MatMul", map[string]any{"T": tf.Bool}, w.constant(tf.NewTensor([][]bool{{true}})), w.constant(tf.NewTensor([][]bool{{true}})))
		}, codeInvalidArgument, "allowed values", true},
		"a kernel the device lacks": {func(w *writer) {
			x := w.constant(tf.NewTensor([][]float32{{1}}))
			w.op("NcclAllReduce", map[string]any{"reduction": "sum", "num_devices": int64(1), "shared_name": "x"}, x)
		}, codeInvalidArgument, "kernel", true},
		"shapes that do not fit": {func(w *writer) {
			w.op("AddV2", nil, w.constant(tf.NewTensor([]float32{1, 2})), w.constant(tf.NewTensor([]float32{1, 2, 3})))
		}, codeInvalidArgument, "Dimensions must be equal", false},
		"memory that is not there": {func(w *writer) {
			w.op("Fill", nil, w.constant(tf.NewTensor([]int64{1 << 58})), w.constant(tf.NewTensor(float32(1))))
		}, 8, "OOM", false},
		"a check that fails": {func(w *writer) {
			x := w.constant(tf.NewTensor(float32(1)))
			w.op("CheckNumerics", map[string]any{"message": "seen"}, w.op("Log", nil, w.op("Neg", nil, x)))
		}, codeInvalidArgument, "seen", false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWriter(devices["cpu"])
			c.make(w)
			err := w.err
			if err == nil {
				err = runLast(t, w)
			}
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("%v; want it to say %q", err, c.says)
			}
			if errors.Is(err, agent.ErrUnsupported) != c.want {
				t.Errorf("%v; unsupported must be %v", err, c.want)
			}
			if code, ok := codeWithin(err); !ok || code != c.code {
				t.Errorf("%v: code %d, want %d", err, code, c.code)
			}
		})
	}
	if code, ok := codeOf(errors.New("other")); ok {
		t.Errorf("an error of ours has TensorFlow's code %d", code)
	}
}

// codeWithin is the status code of the first error of TensorFlow's that err wraps.
func codeWithin(err error) (int, bool) {
	if code, ok := codeOf(err); ok {
		return code, true
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return codeWithin(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			if code, ok := codeWithin(inner); ok {
				return code, true
			}
		}
	}
	return 0, false
}

// runLast runs the operation that the writer added last, and returns what Open makes of its error.
func runLast(t *testing.T, w *writer) error {
	t.Helper()
	ops := w.g.Operations()
	s, err := tf.NewSession(w.g, &tf.SessionOptions{Config: config(1)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err = s.Run(nil, nil, []*tf.Operation{&ops[len(ops)-1]}); err == nil {
		t.Fatal("it ran")
	}
	return refusal(err)
}

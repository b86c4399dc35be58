package onnxreader

import (
	"slices"
	"testing"

	"github.com/isocost/isocost/internal/onnx"
)

// Law: in a graph that the runtime wrote, what it left apart stays apart, whatever the reader's
// rules would merge in a model that is still to be optimised; what the catalogue alone prices
// as one kernel is one in both.
func TestWhatTheRuntimeLeftApart(t *testing.T) {
	const fused, conv = "conv[act=relu,k=1,s=1]/fp32@cin=16,cout=16,h=8,w=8", "conv[k=1,s=1]/fp32@cin=16,cout=16,h=8,w=8"
	for name, test := range map[string]struct {
		build func(q *quantised, x string) string
		want  []string // of kernels behind the fused convolution
	}{
		"float convolution among bytes": {
			func(q *quantised, x string) string { return q.conv("a", q.pair(x), 16) },
			[]string{"quantize/int8@dim=8,seq=128", "dequantize/int8@dim=8,seq=128", "conv[k=1,s=1]/int8w@cin=16,cout=16,h=8,w=8", "quantize/int8@dim=8,seq=128", "dequantize/int8@dim=8,seq=128"}},
		"relu": {
			func(q *quantised, x string) string {
				return q.node("Relu", "r", []string{q.node("Conv", "a", []string{x, q.floats("w", 16, 16, 1, 1)})})
			},
			[]string{conv, "relu/fp32@c=16,h=8,w=8"}},
		"batch norm": {
			func(q *quantised, x string) string {
				x = q.node("Conv", "a", []string{x, q.floats("w", 16, 16, 1, 1)})
				return q.node("BatchNormalization", "n", []string{x, q.floats("g", 16), q.floats("b", 16), q.floats("m", 16), q.floats("v", 16)})
			},
			[]string{conv, "batchnorm/fp32@c=16,h=8,w=8"}},
		"two that are equal": {
			func(q *quantised, x string) string {
				return q.node("Add", "s", []string{q.node("Erf", "e", []string{x}), q.node("Erf", "f", []string{x})})
			},
			[]string{"erf/fp32@c=16,h=8,w=8", "erf/fp32@c=16,h=8,w=8", "add/fp32@dim=8,seq=128"}},
		"hard swish": {
			func(q *quantised, x string) string {
				return q.node("Mul", "m", []string{x, q.node("HardSigmoid", "h", []string{x}, onnx.FloatAttr("alpha", 1.0/6))})
			},
			[]string{"hswish/fp32@c=16,h=8,w=8"}},
	} {
		t.Run(name, func(t *testing.T) {
			var q quantised
			x := q.node("FusedConv", "first", []string{"x", q.floats("first.w", 16, 16, 1, 1)}, onnx.StringAttr("activation", "Relu"))
			q.g.Nodes[0].Domain = "com.microsoft"
			if got, want := q.keys(t, 16, 8, test.build(&q, x)), append([]string{fused}, test.want...); !slices.Equal(got, want) {
				t.Errorf("got\n%q, want\n%q", got, want)
			}
		})
	}
}

// floats is a float constant of so many dimensions.
func (q *quantised) floats(name string, dims ...int) string {
	n := 1
	for _, d := range dims {
		n *= d
	}
	q.g.Initializers = append(q.g.Initializers, onnx.FloatTensor(name, onnx.Float, make([]float32, n), dims...))
	return name
}

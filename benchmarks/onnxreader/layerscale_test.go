package onnxreader

import (
	"slices"
	"testing"

	"github.com/isocost/isocost/internal/onnx"
)

// Law: the product with a constant for each channel after a convolution (a layer scale)
// goes into its weights, and a shortcut's addition into the convolution if the shortcut
// lies blocked as well; one that has come through an operator which knows no blocks is
// added by an operator of its own. Compared with ONNX Runtime 1.32's optimised graphs
// of ConvNeXt (10 of 12 additions inside), EfficientFormer, PoolFormer and GhostNet (none).
func TestLayerScaleAndShortcut(t *testing.T) {
	const conv = "conv[k=1,s=1]/fp32@cin=16,cout=16,h=8,w=8"
	for name, test := range map[string]struct {
		shortcut []string // operators on it
		want     []string
	}{
		"blocked": {nil, []string{conv, conv, "add[fused=1]/fp32@c=16,h=8,w=8"}},
		"plain":   {[]string{"Erf"}, []string{conv, "erf/fp32@c=16,h=8,w=8", conv, "add/fp32@c=16,h=8,w=8"}},
	} {
		t.Run(name, func(t *testing.T) {
			var q quantised // of nothing quantised
			weights := func(name string, dims ...int) string {
				n := 1
				for _, d := range dims {
					n *= d
				}
				q.g.Initializers = append(q.g.Initializers, onnx.FloatTensor(name, onnx.Float, make([]float32, n), dims...))
				return name
			}
			x := q.node("Conv", "a", []string{"x", weights("a.w", 16, 16, 1, 1)})
			for _, op := range test.shortcut {
				x = q.node(op, x+"."+op, []string{x})
			}
			y := q.node("Conv", "b", []string{x, weights("b.w", 16, 16, 1, 1), weights("b.b", 16)})
			y = q.node("Mul", "scaled", []string{weights("gamma", 1, 16, 1, 1), y})
			if got := q.keys(t, 16, 8, q.node("Add", "sum", []string{y, x})); !slices.Equal(got, test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
		})
	}
}

// Law: a Slice up to a number is run although it keeps everything, one to the end
// whatever the size is removed (ONNX Runtime's EliminateSlice; profiles of GhostNet and
// Swin, of whose slices 32 and 24 keep everything).
func TestSliceOfEverything(t *testing.T) {
	for end, want := range map[int64][]string{
		16:                  {"erf/fp32@dim=8,seq=128", "slice/fp32@dim=8,seq=128", "erf/fp32@dim=8,seq=128"},
		9223372036854775807: {"erf/fp32@dim=8,seq=128", "erf/fp32@dim=8,seq=128"},
	} {
		var q quantised // of nothing quantised
		number := func(name string, v int64) string {
			q.g.Initializers = append(q.g.Initializers, onnx.IntTensor(name, onnx.Int64, []int64{v}, 1))
			return name
		}
		x := q.node("Erf", "a", []string{"x"})
		x = q.node("Slice", "all", []string{x, number("start", 0), number("end", end), number("axis", 1)})
		if got := q.keys(t, 16, 8, q.node("Erf", "b", []string{x})); !slices.Equal(got, want) {
			t.Errorf("up to %d: got %q, want %q", end, got, want)
		}
	}
}

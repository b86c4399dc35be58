package benchmarks

import (
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
)

func init() {
	define(kind{
		name: "softmax", doc: "over n of m rows", attrs: []attribute{inner}, axesOf: rowsOrInner, axesDoc: "m n", in: rowsOrInnerShape, out: rowsOrInnerShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value { return b.softmax(x, "softmax", reducedAxis) },
		frame: alone, weights: noWeights, grid: gridOf(scoresGrid), example: "softmax/P@m=4,n=16",
		// Over one axis. Ints: axis, the last when left out.
		operator: &operator{
			value: reference.Fill(softmaxReference).Rounding(func(n *graph.Node) int { return termsOfLine(n) - 1 + reference.Composed }), work: each,
			onnx:   onnxwriter.OpBy("Softmax", softmaxONNX),
			tflite: tflitewriter.OpBy(tflitefb.Softmax, softmaxTFLite),
			tf:     tfgraph.OpBy("Softmax", softmaxTF),
		},
	})
}

// softmax of near-normal logits: the largest of n is about √(2 ln n) standard
// deviations out, but what matters for scales is fixed: results lie in [0, 1].
func (b *builder) softmax(x *graph.Value, name string, axis int) *graph.Value {
	n := float64(x.Shape[axis])
	y := b.ints(b.node("softmax", b.layer+"."+name, x.Shape, stat{1 / n, math.E / (n * n)}, x), "axis", axis).Out[0]
	if y.Quant != nil {
		y.Quant = unit(b.stats[y])
	}
	return y
}

// softmaxTFLite is over an axis that must stand last in the file.
func softmaxTFLite(w *tflitewriter.Writer, n *graph.Node) {
	rank := len(n.In[0].Shape)
	axis := n.Int("axis", rank-1)
	l := append(slices.Delete(tflitewriter.RowMajor(rank), axis, axis+1), axis)
	x, y := w.Ends(n, l, l)
	w.Emit(tflitefb.Softmax, w.Version(x, 2), []int32{x}, []int32{y}, tflitefb.Options{Type: tflitefb.SoftmaxOptions, Values: map[string]float64{"beta": 1}})
}

func softmaxONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	w.Emit("Softmax", w.Ins(n), out, onnx.IntAttr("axis", int64(n.Int("axis", -1))))
}

func softmaxReference(e *reference.Env, n *graph.Node, out []float32) {
	x := n.In[0]
	axis := n.Int("axis", len(x.Shape)-1)
	d, inner := x.Shape[axis], reference.Product(x.Shape[axis+1:])
	for i := range len(out) / d {
		softmaxLine(e.Of(x), out, i/inner*d*inner+i%inner, d, inner)
	}
}

// softmaxLine is over d elements of x from the first one on, stride apart.
func softmaxLine(x, out []float32, first, d, stride int) {
	top, total := math.Inf(-1), 0.0
	for i := range d {
		top = max(top, float64(x[first+i*stride]))
	}
	for i := range d {
		total += math.Exp(float64(x[first+i*stride]) - top)
	}
	for i := range d {
		out[first+i*stride] = float32(math.Exp(float64(x[first+i*stride])-top) / total)
	}
}

// softmaxTF is over the last axis of the operation; another changes places with it.
func softmaxTF(b tfgraph.Builder, n *graph.Node) {
	x := n.In[0]
	last := len(x.Shape) - 1
	axis := n.Int("axis", last)
	z := b.Get(x, true)
	if axis == last {
		b.Set(n.Out[0], b.Op("Softmax", nil, z), true)
		return
	}
	perm := make([]int, len(x.Shape))
	for i := range perm {
		perm[i] = i
	}
	perm[axis], perm[last] = last, axis
	swap := b.Ints(perm...)
	b.Set(n.Out[0], b.Op("Transpose", nil, b.Op("Softmax", nil, b.Op("Transpose", nil, z, swap)), swap), true)
}

func scoresGrid(add func(gridAttrs, gridCoords)) {
	sequences(func(seq, dim int) { add(nil, gridCoords{"m": seq * dim / headDim, "n": seq}) })
}

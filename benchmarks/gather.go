package benchmarks

import (
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
		// By a list of constant indices, which a runtime looks up one after another. They lie
		// apart, so that no list of them is a slice.
		name: "gather", doc: "every `of`-th of the channels (rows), by their indices; the axes are the result's",
		attrs: []attribute{oneIn.named("of", "the step from one kept entry to the next", "2")}, axes: mapAxes, sequence: true, in: wholeShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			n := b.move("gather", x, b.layer+".gather", append([]int{x.Shape[0]}, mapShape(a)...))
			b.ints(n, "axis", 1)
			return b.ints(n, "step", a.int("of", 2)).Out[0]
		},
		frame: frame{how: standsAlone, lazy: true}, weights: noWeights, grid: asInModel, example: "gather/P@c=16,h=16,w=16",
		// Entries 0, step, 2·step … of an axis. Ints: axis, step.
		operator: &operator{
			value: reference.Fill(gatherReference).Moving(), work: each,
			onnx: onnxwriter.OpBy("Gather", func(w *onnxwriter.Writer, n *graph.Node, out string) {
				w.Emit("Gather", []string{w.In(n.In[0]), w.Int64s(n.Name+".indices", indices(n)...)}, out, onnx.IntAttr("axis", int64(n.Int("axis", 1))))
			}),
			tflite: tflitewriter.OpBy(tflitefb.Gather, gatherTFLite),
			tf: tfgraph.OpBy("GatherV2", func(b tfgraph.Builder, n *graph.Node) {
				b.Set(n.Out[0], b.Op("GatherV2", nil, b.Get(n.In[0], true), b.Ints(indices(n)...), b.Int(n.Int("axis", 1))), true)
			}).Moving(),
		},
	})
}

// indices are the entries that a gather keeps.
func indices(n *graph.Node) []int {
	list := make([]int, n.Out[0].Shape[n.Int("axis", 1)])
	for i := range list {
		list[i] = i * n.Int("step", 1)
	}
	return list
}

// gatherTFLite writes GATHER, version 2 for int8.
func gatherTFLite(w *tflitewriter.Writer, n *graph.Node) {
	x, y, l := w.InPlace(n)
	var list []int32
	for _, i := range indices(n) {
		list = append(list, int32(i))
	}
	w.Emit(tflitefb.Gather, w.Version(x, 2), []int32{x, w.Int32s(list...)}, []int32{y},
		tflitefb.Options{Type: tflitefb.GatherOptions, Values: map[string]float64{"axis": float64(l.Axis(n.Int("axis", 1)))}})
}

func gatherReference(e *reference.Env, n *graph.Node, out []float32) {
	x, y, axis := e.Of(n.In[0]), n.Out[0].Shape, n.Int("axis", 1)
	inner := reference.Product(y[axis+1:])
	from := n.In[0].Shape[axis]
	for i, entry := range indices(n) {
		for outer := range reference.Product(y[:axis]) {
			copy(out[(outer*y[axis]+i)*inner:][:inner], x[(outer*from+entry)*inner:])
		}
	}
}

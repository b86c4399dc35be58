package benchmarks

import (
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/tflitefb"
)

func init() {
	define(kind{
		name: "expand", doc: "one map (row) repeated; the axes are the result's",
		axes: mapAxes, sequence: true, out: mapShape,
		in: func(a args) Shape {
			s := mapShape(a)
			s[0] = 1
			return s
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.move("expand", x, b.layer+".expand", append([]int{x.Shape[0]}, mapShape(a)...)).Out[0]
		},
		frame: alone, weights: noWeights, grid: asInModel, example: "expand/P@c=16,h=16,w=16",
		// x is repeated along every axis on which it is 1, to y.Shape.
		operator: &operator{
			value: reference.Fill(expandReference).Moving(), work: each,
			onnx:   onnxwriter.ToShape("Expand"),
			tflite: tflitewriter.OpBy(tflitefb.BroadcastTo, expandTFLite),
			tf: tfgraph.OpBy("BroadcastTo", func(b tfgraph.Builder, n *graph.Node) {
				b.Set(n.Out[0], b.Op("BroadcastTo", nil, b.Get(n.In[0], true), b.Ints(n.Out[0].Shape...)), true)
			}).Moving(),
		},
	})
}

// expandTFLite writes BROADCAST_TO, version 3 for int8; there is no version 1.
func expandTFLite(w *tflitewriter.Writer, n *graph.Node) {
	x, y, _ := w.InPlace(n)
	version := w.Version(x, 3)
	if version == 1 {
		version = 2
	}
	w.Emit(tflitefb.BroadcastTo, version, []int32{x, w.Int32s(w.Tensor(y).Shape...)}, []int32{y}, tflitefb.Options{})
}

func expandReference(e *reference.Env, n *graph.Node, out []float32) {
	x, y := n.In[0], n.Out[0]
	for i := range out {
		out[i] = e.Of(x)[reference.Broadcast(i, y.Shape, x.Shape)]
	}
}

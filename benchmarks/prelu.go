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
		name: "prelu", doc: "a slope below 0 for every channel (feature)",
		axes: mapAxes, sequence: true, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			shape := []int{x.Shape[1], 1, 1}
			if a.has("seq") {
				shape = []int{x.Shape[2]}
			}
			slope := b.floats(".slope", shape[0], 0.25)
			slope.Shape = shape
			return b.node("prelu", b.layer+".prelu", x.Shape, rectified(b.stats[x]), x, slope).Out[0]
		},
		frame: fuses, weights: noWeights, grid: mapGrid(nil), example: "prelu/P@c=16,h=16,w=16",
		// x, slope broadcast as numpy does.
		operator: &operator{
			value: reference.Fill(preluReference),
			work:  each,
			onnx:  onnxwriter.Op("PRelu"),
			tflite: tflitewriter.OpBy(tflitefb.Prelu, func(w *tflitewriter.Writer, n *graph.Node) {
				x, y, l := w.InPlace(n)
				w.Emit(tflitefb.Prelu, 1, []int32{x, w.Operand(n.In[1], l)}, []int32{y}, tflitefb.Options{})
			}).InFloat(), // its slopes are kept in floating point
			tf: tfgraph.By("Relu(x) − slope·Relu(−x), as Keras's layer", func(b tfgraph.Builder, n *graph.Node) {
				x := n.In[0]
				plain := len(x.Shape) != len(n.In[1].Shape) || b.IsPlain(x)
				z := b.Get(x, plain)
				below := b.Op("Mul", nil, b.Get(n.In[1], plain), b.Op("Relu", nil, b.Op("Neg", nil, z)))
				b.Set(n.Out[0], b.Op("Sub", nil, b.Op("Relu", nil, z), below), plain)
			}),
		},
	})
}

// preluReference has a slope for what is negative, a constant tensor that is broadcast.
func preluReference(e *reference.Env, n *graph.Node, out []float32) {
	slope, y := n.In[1], n.Out[0]
	for i, v := range e.Of(n.In[0]) {
		out[i] = v
		if v < 0 {
			out[i] *= e.Of(slope)[reference.Broadcast(i, y.Shape, slope.Shape)]
		}
	}
}

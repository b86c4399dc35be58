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
		// As stride-2 convolutions of TensorFlow's padding want.
		name: "pad", doc: "a row of zeros below and a column to the right; the axes are the result's",
		axes: mapAxes, sequence: true, out: mapShape,
		in: func(a args) Shape {
			s := mapShape(a)
			s[len(s)-1]--
			if len(s) == 3 {
				s[1]--
			}
			return s
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.move("pad", x, b.layer+".pad", append([]int{x.Shape[0]}, mapShape(a)...)).Out[0]
		},
		frame: fuses, weights: noWeights, grid: asInModel, example: "pad/P@c=16,h=16,w=16",
		// Zeros after the last entry of every axis, up to y.Shape.
		operator: &operator{
			value: reference.Fill(padReference).Moving(), work: each,
			onnx:   onnxwriter.OpBy("Pad", padONNX),
			tflite: tflitewriter.OpBy(tflitefb.Pad, padTFLite),
			tf: tfgraph.OpBy("Pad", func(b tfgraph.Builder, n *graph.Node) {
				var amounts [][2]int
				for i, to := range n.Out[0].Shape {
					amounts = append(amounts, [2]int{0, to - n.In[0].Shape[i]})
				}
				b.Set(n.Out[0], b.Op("Pad", nil, b.Get(n.In[0], true), b.Pairs(amounts)), true)
			}).Moving(),
		},
	})
}

// padTFLite adds zeros after the last entry of every axis.
func padTFLite(w *tflitewriter.Writer, n *graph.Node) {
	x, y, _ := w.InPlace(n)
	var amounts []int32
	for i, to := range w.Tensor(y).Shape {
		amounts = append(amounts, 0, to-w.Tensor(x).Shape[i])
	}
	w.PadOp(n, x, y, amounts...)
}

func padONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	x, y := n.In[0].Shape, n.Out[0].Shape
	pads := make([]int, 2*len(y))
	for i := range y {
		pads[len(y)+i] = y[i] - x[i]
	}
	amounts := w.Int64s(n.Name+".pads", pads...)
	w.Emit("Pad", []string{w.In(n.In[0]), amounts}, out)
}

// padReference leaves zeros behind the end of each axis.
func padReference(e *reference.Env, n *graph.Node, out []float32) {
	x, y := n.In[0], n.Out[0]
	for i, v := range e.Of(x) {
		k, stride, r := 0, 1, i // the element's place in y
		for j := len(x.Shape) - 1; j >= 0; j-- {
			k += r % x.Shape[j] * stride
			r /= x.Shape[j]
			stride *= y.Shape[j]
		}
		out[k] = v
	}
}

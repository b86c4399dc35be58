package benchmarks

import (
	"math"
	"strconv"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/tflitefb"
)

func init() {
	define(kind{
		name: "pow", doc: "to the constant power e, of numbers from 0 to 1",
		attrs: []attribute{need(attribute{name: "e", doc: "exponent: 2 or 3, which runtimes multiply out, or 0.7 for any other", absent: "–", valid: oneOf("2", "3", "0.7")})},
		axes:  mapAxes, sequence: true, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			e, _ := strconv.ParseFloat(a.str("e"), 64)
			st := b.stats[x]
			n := b.node("pow", b.layer+".pow", x.Shape, stat{math.Pow(st.ms, e/2) / 2, 3 * math.Pow(st.ms, e)}, x)
			return b.float(n, "exponent", float32(e)).Out[0]
		},
		frame: ofPositive, weights: noWeights, grid: asInModel, example: "pow[e=2]/P@c=16,h=16,w=16",
		// Floats: exponent.
		operator: &operator{
			value: reference.Fill(powReference), work: each,
			onnx:   onnxwriter.OpBy("Pow", powONNX),
			tflite: tflitewriter.Function("SQUARE for 2, MUL of it for 3, else POW", powTFLite).InFloat(),
			tf: tfgraph.Function("Square for 2, Mul of it for 3, else Pow", func(b tfgraph.Builder, n *graph.Node, x tfgraph.Tensor) tfgraph.Tensor {
				switch e := n.Attrs.Floats["exponent"]; e {
				case 2:
					return b.Op("Square", nil, x)
				case 3:
					return b.Op("Mul", nil, b.Op("Square", nil, x), x)
				default:
					return b.Op("Pow", nil, x, b.Number(float64(e), n.Out[0].DType))
				}
			}),
		},
	})
}

// powTFLite multiplies a square and a cube out, as converters do.
func powTFLite(w *tflitewriter.Writer, n *graph.Node, x, y int32) {
	switch e := n.Attrs.Floats["exponent"]; e {
	case 2:
		w.Into(y, tflitefb.Square, x)
	case 3:
		w.Into(y, tflitefb.Mul, x, w.Step(n.Name+".square", tflitefb.Square, x))
	default:
		w.Into(y, tflitefb.Pow, x, w.Scalar(e, x))
	}
}

func powONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	w.Emit("Pow", []string{w.In(n.In[0]), w.Scalar(n.Name+".exponent", onnxwriter.FloatOf(n.Out[0]), n.Attrs.Floats["exponent"])}, out)
}

func powReference(e *reference.Env, n *graph.Node, out []float32) {
	for i, v := range e.Of(n.In[0]) {
		out[i] = float32(math.Pow(float64(v), float64(n.Attrs.Floats["exponent"])))
	}
}

package benchmarks

import (
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

func init() {
	define(kind{
		name: "gap", doc: "global average pooling; of a sequence, over its tokens",
		axes: mapAxes, sequence: true, in: mapShape,
		out: func(a args) Shape {
			if a.has("seq") {
				return Shape{a.axis("dim")}
			}
			return Shape{a.axis("c"), 1, 1}
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			if a.has("seq") {
				return b.meanOverSequence(x, "gap")
			}
			return b.gap(x, "gap")
		},
		frame: alone, weights: noWeights, grid: mapGrid(nil), example: "gap/P@c=16,h=16,w=16",
		// x[N,C,H,W] → y[N,C,1,1], the mean of each channel.
		operator: &operator{
			value: reference.Fill(gapReference).Rounding(func(n *graph.Node) int { return reference.Product(n.In[0].Shape[2:]) + reference.Composed }), work: each,
			onnx: onnxwriter.Op("GlobalAveragePool"),
			tflite: tflitewriter.OpBy(tflitefb.Mean, func(w *tflitewriter.Writer, n *graph.Node) {
				meanTFLite(w, n, []int{2, 3}, true)
			}).OfImages(),
			tf: tfgraph.OpBy("Mean", func(b tfgraph.Builder, n *graph.Node) {
				b.Set(n.Out[0], b.Op("Mean", tfgraph.Attrs{"keep_dims": true}, b.Get(n.In[0], false), b.Ints(1, 2)), false)
			}),
		},
	})
	// The mean over one axis, which disappears. Ints: axis.
	defineOperator(operator{
		name: "mean", work: each,
		value: reference.Fill(func(e *reference.Env, n *graph.Node, out []float32) {
			x := n.In[0]
			reference.Lines(e.Of(x), x.Shape, n.Int("axis", 1), func(i int, line []float32) { out[i] = float32(reference.Mean(line, nil)) })
		}).Rounding(termsOfLine),
		onnx: onnxwriter.OpBy("ReduceMean", meanONNX),
		tflite: tflitewriter.OpBy(tflitefb.Mean, func(w *tflitewriter.Writer, n *graph.Node) {
			meanTFLite(w, n, []int{n.Int("axis", 1)}, false)
		}),
		tf: tfgraph.OpBy("Mean", func(b tfgraph.Builder, n *graph.Node) {
			b.Set(n.Out[0], b.Op("Mean", tfgraph.Attrs{"keep_dims": false}, b.Get(n.In[0], true), b.Ints(n.Int("axis", 0))), true)
		}),
	})
}

// termsOfLine is the length of the axis that goes, and one.
func termsOfLine(n *graph.Node) int {
	x := n.In[0].Shape
	return x[n.Int("axis", len(x)-1)] + 1
}

func (b *builder) gap(x *graph.Value, name string) *graph.Value {
	st, n := b.stats[x], x.Shape[2]*x.Shape[3]
	// The mean of n elements; neighbours are correlated, so its spread shrinks less
	// than 1/n: a quarter of the elements count as independent.
	st.ms = st.mean*st.mean + (st.ms-st.mean*st.mean)/max(1, float64(n)/4)
	node := b.node("gap", b.layer+"."+name, []int{x.Shape[0], x.Shape[1], 1, 1}, st, x)
	if x.Quant != nil { // runtimes want the scale kept
		node.Out[0].Quant = x.Quant
	}
	return node.Out[0]
}

// meanOverSequence is the global pooling of a sequence: [N,S,D] → [N,D].
func (b *builder) meanOverSequence(x *graph.Value, name string) *graph.Value {
	st := b.stats[x]
	st.ms = st.mean*st.mean + (st.ms-st.mean*st.mean)/max(1, float64(x.Shape[1])/4)
	n := b.ints(b.node("mean", b.layer+"."+name, []int{x.Shape[0], x.Shape[2]}, st, x), "axis", 1)
	n.Out[0].Quant = x.Quant
	return n.Out[0]
}

// meanTFLite writes the mean over axes of the graph's order; those that keep stay, of
// length one.
func meanTFLite(w *tflitewriter.Writer, n *graph.Node, axes []int, keep bool) {
	l := tflitewriter.ChannelsLast(4)
	out := l
	if !keep {
		l = w.LayoutOf(n.In[0])
		out = l.Without(axes[0])
	}
	x, y := w.Ends(n, l, out)
	var at []int32
	for _, a := range axes {
		at = append(at, int32(l.Axis(a)))
	}
	w.ReduceOp(tflitefb.Mean, x, y, keep, at...)
}

func meanONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	w.Along("ReduceMean", n, n.Int("axis", 1), out)
}

func gapReference(e *reference.Env, n *graph.Node, out []float32) {
	x := n.In[0]
	area := x.Shape[2] * x.Shape[3]
	for i := range out {
		out[i] = float32(reference.Mean(e.Of(x)[i*area:(i+1)*area], nil))
	}
}

// pooled takes a map or a sequence to a vector.
func pooled(s Shape) lut.Op {
	if len(s) == 2 {
		return lut.NewOp("gap", lut.FP32, nil, map[string]int{"seq": s[0], "dim": s[1]})
	}
	return lut.NewOp("gap", lut.FP32, nil, map[string]int{"c": s[0], "h": s[1], "w": s[2]})
}

package benchmarks

import (
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/tflitefb"
)

// reduction is one way to make one number of a line of n.
type reduction struct {
	name   string
	of     func(line []float32) float64
	spread func(n float64, s stat) stat
	onnx   string
	// tflite is the operator, tf the operation; of what each number goes through before,
	// and the result after, where there is none of its own.
	tflite         tflitefb.Op
	tf             string
	before, after  tflitefb.Op
	eachTF, lastTF string
	parts          bool // there is none of its own
	float          bool // none for integers
}

// reductions are the values of the attribute op.
var reductions = []reduction{
	{
		name: "mean", onnx: "ReduceMean", tflite: tflitefb.Mean, tf: "Mean",
		of:     func(x []float32) float64 { return reference.Mean(x, nil) },
		spread: func(n float64, s stat) stat { return stat{s.mean, s.mean*s.mean + s.ms/n} },
	},
	{
		name: "sum", onnx: "ReduceSum", tflite: tflitefb.Sum, tf: "Sum",
		of:     func(x []float32) float64 { return folded(x, 0, func(s, v float64) float64 { return s + v }) },
		spread: func(n float64, s stat) stat { return stat{n * s.mean, n*n*s.mean*s.mean + n*s.ms} },
	},
	{
		name: "max", onnx: "ReduceMax", tflite: tflitefb.ReduceMax, tf: "Max",
		of: func(x []float32) float64 {
			return folded(x, math.Inf(-1), func(s, v float64) float64 { return max(s, v) })
		},
		spread: func(_ float64, s stat) stat { return stat{s.mean + 2*s.std(), 6 * s.ms} },
	},
	{
		name: "min", onnx: "ReduceMin", tflite: tflitefb.ReduceMin, tf: "Min",
		of: func(x []float32) float64 {
			return folded(x, math.Inf(1), func(s, v float64) float64 { return min(s, v) })
		},
		spread: func(_ float64, s stat) stat { return stat{s.mean - 2*s.std(), 6 * s.ms} },
	},
	{
		name: "prod", onnx: "ReduceProd", tflite: tflitefb.ReduceProd, tf: "Prod", float: true,
		of:     func(x []float32) float64 { return folded(x, 1, func(s, v float64) float64 { return s * v }) },
		spread: func(n float64, s stat) stat { return stat{0, math.Pow(s.ms, n)} },
	},
	{
		name: "l1", onnx: "ReduceL1", parts: true, before: tflitefb.Abs, eachTF: "Abs", float: true,
		of:     func(x []float32) float64 { return folded(x, 0, func(s, v float64) float64 { return s + math.Abs(v) }) },
		spread: func(n float64, s stat) stat { return stat{0.8 * n * math.Sqrt(s.ms), n * n * s.ms} },
	},
	{
		name: "l2", onnx: "ReduceL2", parts: true, before: tflitefb.Square, after: tflitefb.Sqrt, eachTF: "Square", lastTF: "Sqrt", float: true,
		of:     func(x []float32) float64 { return math.Sqrt(squares(x)) },
		spread: func(n float64, s stat) stat { return stat{math.Sqrt(n * s.ms), n * s.ms} },
	},
	{
		name: "sumsquare", onnx: "ReduceSumSquare", parts: true, before: tflitefb.Square, eachTF: "Square", float: true,
		of:     squares,
		spread: func(n float64, s stat) stat { return stat{n * s.ms, 3 * n * n * s.ms * s.ms} },
	},
}

func reductionOf(name string) reduction {
	for _, r := range reductions {
		if r.name == name {
			return r
		}
	}
	return reduction{}
}

func init() {
	define(kind{
		name: "reduce", doc: "m rows of n numbers to one each",
		attrs: []attribute{need(attribute{name: "op", doc: "mean, sum, max, min, prod, l1, l2 or sumsquare", absent: "–",
			valid: func(v string) bool { return reductionOf(v).name != "" }}), inner},
		axesOf: rowsOrInner, axesDoc: "m n", in: rowsOrInnerShape,
		out: func(a args) Shape {
			if a.str("axis") == "inner" {
				return Shape{a.axis("b"), a.axis("n")}
			}
			return Shape{a.axis("m")}
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			axis := reducedAxis
			st := reductionOf(a.str("op")).spread(float64(x.Shape[axis]), b.stats[x])
			y := b.node("reduce", b.layer+".reduce", slices.Delete(slices.Clone(x.Shape), axis, axis+1), st, x)
			b.str(b.ints(y, "axis", axis), "op", a.str("op"))
			return y.Out[0]
		},
		frame: alone, weights: noWeights, grid: asInModel, example: "reduce[op=sum]/P@m=16,n=24",
		// Of one axis, which disappears: Ints axis, the last when left out. Strings: op.
		operator: &operator{
			value: reference.Fill(func(e *reference.Env, n *graph.Node, out []float32) {
				x, f := n.In[0], reductionOf(n.Attrs.Strings["op"]).of
				reference.Lines(e.Of(x), x.Shape, n.Int("axis", len(x.Shape)-1), func(i int, line []float32) { out[i] = float32(f(line)) })
			}).Rounding(termsOfLine),
			work: each,
			onnx: onnxwriter.By("ReduceMean, ReduceSum … by op", func(w *onnxwriter.Writer, n *graph.Node, out string) {
				w.Along(reductionOf(n.Attrs.Strings["op"]).onnx, n, n.Int("axis", len(n.In[0].Shape)-1), out)
			}),
			tflite: tflitewriter.By("MEAN, SUM, REDUCE_MAX … by op; ABS, SQUARE, SUM, SQRT for l1, l2 and sumsquare", reduceTFLite).InFloatWhere(
				func(_ *tflitewriter.Writer, n *graph.Node) bool { return reductionOf(n.Attrs.Strings["op"]).float }),
			tf: tfgraph.By("Mean, Sum, Max … by op; Abs, Square, Sum, Sqrt for l1, l2 and sumsquare", reduceTF),
		},
	})
}

// rowsOrInner are the axes of what works on every row of a matrix m×n, or with
// axis=inner on every column of b matrices: numbers that lie apart in memory.
func rowsOrInner(a args) []string {
	if a.str("axis") == "inner" {
		return []string{"b", "m", "n"}
	}
	return []string{"m", "n"}
}

func rowsOrInnerShape(a args) Shape {
	var s Shape
	for _, axis := range rowsOrInner(a) {
		s = append(s, a.axis(axis))
	}
	return s
}

// reducedAxis is the axis that goes, of a tensor N×m×n or N×b×m×n.
const reducedAxis = 2

// reduceTFLite writes reductions of one axis. The integer maximum and minimum have no
// scale of their own: they are taken in the input's and then rescaled.
func reduceTFLite(w *tflitewriter.Writer, n *graph.Node) {
	l := w.LayoutOf(n.In[0])
	axis := n.Int("axis", len(l)-1)
	x, y := w.Ends(n, l, l.Without(axis))
	at := int32(l.Axis(axis))
	r := reductionOf(n.Attrs.Strings["op"])
	sum := func(y int32, code tflitefb.Op) {
		w.ReduceOp(tflitefb.Sum, w.Step(n.Name+".each", code, x), y, false, at)
	}
	switch {
	case w.Tensor(y).Type == tflitefb.Int8 && (r.tflite == tflitefb.ReduceMax || r.tflite == tflitefb.ReduceMin):
		z := w.ShapedLike(x, n.Name+"."+r.name, w.Tensor(y).Shape...)
		w.ReduceOp(r.tflite, x, z, false, at)
		w.QuantizeOp(z, y)
	case !r.parts:
		w.ReduceOp(r.tflite, x, y, false, at)
	case r.lastTF == "":
		sum(y, r.before)
	default:
		z := w.Like(y, n.Name+".sum")
		sum(z, r.before)
		w.Into(y, r.after, z)
	}
}

// reduceTF writes reductions of one axis.
func reduceTF(b tfgraph.Builder, n *graph.Node) {
	r := reductionOf(n.Attrs.Strings["op"])
	x := b.Get(n.In[0], true)
	axis := b.Ints(n.Int("axis", len(n.In[0].Shape)-1))
	typ := r.tf
	if r.parts {
		x, typ = b.Op(r.eachTF, nil, x), "Sum"
	}
	y := b.Op(typ, tfgraph.Attrs{"keep_dims": false}, x, axis)
	if r.lastTF != "" {
		y = b.Op(r.lastTF, nil, y)
	}
	b.Set(n.Out[0], y, true)
}

func squares(x []float32) float64 {
	return folded(x, 0, func(s, v float64) float64 { return s + v*v })
}

func folded(x []float32, s float64, f func(s, v float64) float64) float64 {
	for _, v := range x {
		s = f(s, float64(v))
	}
	return s
}

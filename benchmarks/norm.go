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
	"github.com/isocost/isocost/lut"
)

func init() {
	define(kind{
		name: "layernorm", doc: "layer normalisation over dim",
		attrs: []attribute{flag("skip", "`1`: of the sum with a shortcut that nothing else wants, which runtimes compute in one operator", "of its input")},
		axes:  []string{"seq", "dim"}, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			if a.str("skip") == "1" {
				x = b.add(x, b.operand(a, x), "skip", "")
			}
			return b.layerNorm(x, "layernorm")
		},
		frame: frame{how: standsAlone, own: func(op lut.Op, in Shape) Sum {
			if op.Attr("skip") != "1" { // of the sum, a convolution or product would take in the addition
				return nil
			}
			p := framePrecision(op.Precision)
			return framed(op, join(before(in, p), apart(op, in, p)))
		}},
		weights: noWeights, grid: gridOf(sequenceGrid), example: "layernorm/P@dim=32,seq=16",
		// x[…,D], gamma[D], beta[D]. Floats: eps.
		operator: normOperator(onnxwriter.OpBy("LayerNormalization", layerNormONNX), reference.Fill(rowsReference).Rounding(termsOfNorm)),
	})
	define(kind{
		name: "rmsnorm", doc: "root-mean-square normalisation over dim",
		axes: []string{"seq", "dim"}, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			d := a.axis("dim")
			n := b.node("rmsnorm", b.layer+".rmsnorm", x.Shape, stat{0, 1}, x, b.vector(b.layer+".rmsnorm.gamma", d, 1, 0.1))
			return b.float(n, "eps", 1e-6).Out[0]
		},
		frame: alone, weights: noWeights, grid: gridOf(sequenceGrid), example: "rmsnorm/P@dim=32,seq=16",
		// x[…,D], gamma[D]. Floats: eps.
		operator: normOperator(onnxwriter.By("Pow, ReduceMean, Add, Sqrt, Div, Mul: the operator is newer (opset 23) than most runtimes", rmsNormONNX),
			reference.Fill(rowsReference).Rounding(termsOfNorm)),
	})
	define(kind{
		name: "instancenorm", doc: "every map normalised", axes: mapAxes, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			c := a.axis("c")
			return b.node("instancenorm", b.layer+".instancenorm", x.Shape, stat{0, 1}, x, b.floats(".gamma", c, 1), b.floats(".beta", c, 0)).Out[0]
		},
		frame: alone, weights: noWeights, grid: asInModel, example: "instancenorm/P@c=16,h=16,w=16",
		// x[N,C,H,W], gamma[C], beta[C]; epsilon 1e-5.
		operator: imageNorm(normOperator(onnxwriter.Op("InstanceNormalization", onnx.FloatAttr("epsilon", mapEps)), reference.Fill(instanceNormReference).Rounding(termsOfNorm))),
	})
}

func normOperator(form onnxwriter.Form, value reference.Form) *operator {
	return &operator{
		value: value, work: each, onnx: form,
		tflite: tflitewriter.By("MEAN, SUB, SQUARED_DIFFERENCE, MEAN, ADD, RSQRT, MUL, MUL, ADD, as far as it has them", normTFLite).InFloat(),
		tf:     tfgraph.By("Mean, Sub, Square, Mean, AddV2, Rsqrt, Mul, Mul, AddV2, as far as it has them", normTF),
	}
}

// termsOfNorm says how many numbers are normalised together.
func termsOfNorm(n *graph.Node) int {
	x := n.In[0].Shape
	if overMap(n) {
		return reference.Product(x[2:]) + reference.Composed
	}
	return x[len(x)-1] + reference.Composed
}

func imageNorm(o *operator) *operator {
	o.tflite = o.tflite.OfImages()
	return o
}

// overMap tells the normalisation over a map's pixels, uncentred the one whose mean stays.
func overMap(n *graph.Node) bool   { return n.Op.String() == "instancenorm" }
func uncentred(n *graph.Node) bool { return n.Op.String() == "rmsnorm" }

// normalised is the key of a normalisation of a sequence.
func normalised(s Shape, p lut.Precision) lut.Op {
	return lut.NewOp("layernorm", p, nil, coordinates(s))
}

func (b *builder) layerNorm(x *graph.Value, name string) *graph.Value {
	d := x.Shape[len(x.Shape)-1]
	name = b.layer + "." + name
	n := b.node("layernorm", name, x.Shape, stat{0, 1}, x, b.vector(name+".gamma", d, 1, 0.1), b.vector(name+".beta", d, 0, 0.1))
	return b.float(n, "eps", 1e-5).Out[0]
}

// mapEps is the number that batch and instance normalisations add to a variance.
const mapEps = 1e-5

// normTFLite writes layer, RMS and instance normalisation as the operators they are made
// of: over the last axis, or over a map's pixels, whose parameters are the channels'.
func normTFLite(w *tflitewriter.Writer, n *graph.Node) {
	rank := len(n.In[0].Shape)
	l, eps := tflitewriter.RowMajor(rank), n.Attrs.Floats["eps"]
	axes := []int32{int32(rank - 1)}
	if overMap(n) {
		l, eps, axes = tflitewriter.ChannelsLast(rank), mapEps, []int32{1, 2}
	}
	x, y := w.Ends(n, l, l)
	few := slices.Clone(w.Tensor(x).Shape) // of the statistics
	for _, a := range axes {
		few[a] = 1
	}
	statistic := func(name string) int32 { return w.ShapedLike(x, n.Name+"."+name, few...) }
	square := w.Like(x, n.Name+".square")
	centred := x
	if uncentred(n) {
		w.Arithmetic(tflitefb.Mul, tflitefb.ActNone, square, x, x)
	} else {
		mean := statistic("mean")
		w.ReduceOp(tflitefb.Mean, x, mean, true, axes...)
		centred = w.Like(x, n.Name+".centred")
		w.Arithmetic(tflitefb.Sub, tflitefb.ActNone, centred, x, mean)
		w.Emit(tflitefb.SquaredDifference, 1, []int32{x, mean}, []int32{square}, tflitefb.Options{Type: tflitefb.SquaredDifferenceOptions})
	}
	variance, sum, inverse := statistic("variance"), statistic("eps"), statistic("inverse")
	w.ReduceOp(tflitefb.Mean, square, variance, true, axes...)
	w.Arithmetic(tflitefb.Add, tflitefb.ActNone, sum, variance, w.Scalar(eps, x))
	w.Emit(tflitefb.Rsqrt, 1, []int32{sum}, []int32{inverse}, tflitefb.Options{})
	unit := w.Like(x, n.Name+".unit")
	w.Arithmetic(tflitefb.Mul, tflitefb.ActNone, unit, centred, inverse)
	gamma := w.Get(n.In[1], tflitewriter.RowMajor(1)) // along the file's last axis either way
	if uncentred(n) {
		w.Arithmetic(tflitefb.Mul, tflitefb.ActNone, y, unit, gamma)
		return
	}
	scaled := w.Like(x, n.Name+".scaled")
	w.Arithmetic(tflitefb.Mul, tflitefb.ActNone, scaled, unit, gamma)
	w.Arithmetic(tflitefb.Add, tflitefb.ActNone, y, scaled, w.Get(n.In[2], tflitewriter.RowMajor(1)))
}

func layerNormONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	w.Emit("LayerNormalization", w.Ins(n), out, onnx.IntAttr("axis", -1), onnx.FloatAttr("epsilon", n.Attrs.Floats["eps"]))
}

// rmsNormONNX is written out: the operator is newer (opset 23) than most runtimes, and
// ONNX Runtime fuses this form.
func rmsNormONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	x, t := w.In(n.In[0]), onnxwriter.FloatOf(n.Out[0])
	name := n.Name
	sq := w.Emit("Pow", []string{x, w.Scalar("two."+t.String(), t, 2)}, name+".square").Outputs[0]
	mean := w.Emit("ReduceMean", []string{sq, w.Int64s("last.axis", -1)}, name+".mean", onnx.IntAttr("keepdims", 1)).Outputs[0]
	eps := w.Emit("Add", []string{mean, w.Scalar(name+".eps", t, n.Attrs.Floats["eps"])}, name+".mean.eps").Outputs[0]
	root := w.Emit("Sqrt", []string{eps}, name+".rms").Outputs[0]
	norm := w.Emit("Div", []string{x, root}, name+".norm").Outputs[0]
	w.Emit("Mul", []string{norm, w.In(n.In[1])}, out)
}

// rowsReference normalises over the last axis.
func rowsReference(e *reference.Env, n *graph.Node, out []float32) {
	x := n.In[0]
	d := x.Shape[len(x.Shape)-1]
	for i := 0; i < len(out); i += d {
		rowReference(e, n, e.Of(x)[i:i+d], out[i:i+d])
	}
}

// rowReference normalises one row over its last axis.
func rowReference(e *reference.Env, n *graph.Node, x, out []float32) {
	gamma, eps, mu := e.Of(n.In[1]), float64(n.Attrs.Floats["eps"]), 0.0
	if !uncentred(n) {
		mu = reference.Mean(x, nil)
	}
	sd := math.Sqrt(reference.Mean(x, func(v float64) float64 { return (v - mu) * (v - mu) }) + eps)
	for i, v := range x {
		out[i] = float32((float64(v) - mu) / sd * float64(gamma[i]))
		if !uncentred(n) {
			out[i] += e.Of(n.In[2])[i]
		}
	}
}

func instanceNormReference(e *reference.Env, n *graph.Node, out []float32) {
	x, scale, shift := n.In[0], e.Of(n.In[1]), e.Of(n.In[2])
	a, area := e.Of(x), reference.Product(x.Shape[2:])
	for i := 0; i < len(a); i += area {
		c := i / area % x.Shape[1]
		m := reference.Mean(a[i:i+area], nil)
		v := reference.Mean(a[i:i+area], func(u float64) float64 { return (u - m) * (u - m) })
		for j := i; j < i+area; j++ {
			out[j] = float32((float64(a[j])-m)/math.Sqrt(v+mapEps)*float64(scale[c]) + float64(shift[c]))
		}
	}
}

// normTF writes layer, RMS and instance normalisation: over the last axis, or over a
// map's pixels.
func normTF(b tfgraph.Builder, n *graph.Node) {
	x, y := n.In[0], n.Out[0]
	t := y.DType
	plain := !overMap(n)
	z, axis, eps := b.Get(x, plain), b.Ints(len(x.Shape)-1), n.Attrs.Floats["eps"]
	if overMap(n) {
		axis, eps = b.Ints(1, 2), mapEps
	}
	keep := tfgraph.Attrs{"keep_dims": true}
	if !uncentred(n) {
		z = b.Op("Sub", nil, z, b.Op("Mean", keep, z, axis))
	}
	ms := b.Op("Mean", keep, b.Op("Square", nil, z), axis)
	z = b.Op("Mul", nil, z, b.Op("Rsqrt", nil, b.Op("AddV2", nil, ms, b.Number(float64(eps), t))))
	z = b.Op("Mul", nil, z, b.Get(n.In[1], true))
	if !uncentred(n) {
		z = b.Op("AddV2", nil, z, b.Get(n.In[2], true))
	}
	b.Set(y, z, plain)
}

func sequenceGrid(add func(gridAttrs, gridCoords)) {
	sequences(func(seq, dim int) { add(nil, gridCoords{"seq": seq, "dim": dim}) })
}

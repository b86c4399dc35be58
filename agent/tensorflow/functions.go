//go:build tensorflow

package tensorflow

import (
	"math"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"

	"github.com/isocost/isocost/benchmarks/graph"
)

// functions are the graph's functions of one number that are one operation.
var functions = map[string]string{
	graph.Relu: "Relu", graph.Relu6: "Relu6", graph.Sigmoid: "Sigmoid", graph.Erf: "Erf", graph.Tanh: "Tanh", graph.Exp: "Exp",
	graph.Sqrt: "Sqrt", graph.Log: "Log", graph.Neg: "Neg", graph.Abs: "Abs", graph.Elu: "Elu", graph.Softplus: "Softplus",
	graph.Reciprocal: "Reciprocal", graph.Sin: "Sin", graph.Cos: "Cos", graph.Round: "Round",
}

// pairwise are the operations of two operands that broadcast.
var pairwise = map[string]string{
	graph.Add: "AddV2", graph.Sub: "Sub", graph.Mul: "Mul", graph.Div: "RealDiv", graph.Min: "Minimum", graph.Max: "Maximum",
}

// composed writes the functions that are several operations, or one with
// attributes; ok is false for any other operator.
func (w *writer) composed(n *graph.Node, x tf.Output) (_ tf.Output, ok bool) {
	t := n.Out[0].DType
	mul := func(a, b tf.Output) tf.Output { return w.op("Mul", nil, a, b) }
	add := func(a, b tf.Output) tf.Output { return w.op("AddV2", nil, a, b) }
	number := func(f float64) tf.Output { return w.number(f, t) }
	switch n.Op {
	case graph.SiLU:
		return mul(x, w.op("Sigmoid", nil, x)), true
	case graph.HSigmoid:
		return w.hardSigmoid(x, t), true
	case graph.HSwish:
		return mul(x, w.hardSigmoid(x, t)), true
	case graph.Gelu:
		e := w.op("Erf", nil, mul(x, number(math.Sqrt2/2)))
		return mul(mul(x, number(0.5)), add(e, number(1))), true
	case graph.GeluTanh: // Hendrycks & Gimpel 2016, as tf.nn.gelu writes it
		cube := mul(mul(x, x), x)
		inner := mul(add(x, mul(cube, number(0.044715))), number(math.Sqrt(2/math.Pi)))
		return mul(mul(x, number(0.5)), add(w.op("Tanh", nil, inner), number(1))), true
	case graph.Mish:
		return mul(x, w.op("Tanh", nil, w.op("Softplus", nil, x))), true
	case graph.Pow:
		switch e := n.Attrs.Floats["exponent"]; e {
		case 2:
			return w.op("Square", nil, x), true
		case 3:
			return mul(w.op("Square", nil, x), x), true
		default:
			return w.op("Pow", nil, x, number(float64(e))), true
		}
	case graph.LeakyRelu: // the slope is the graph's
		return w.op("LeakyRelu", map[string]any{"alpha": float32(0.01)}, x), true
	case graph.Clip:
		return w.op("ClipByValue", nil, x, number(-1), number(1)), true
	}
	return tf.Output{}, false
}

// reduce writes reductions of one axis.
func (w *writer) reduce(n *graph.Node) {
	x := w.plain(n.In[0])
	axis := w.ints(n.Int("axis", len(n.In[0].Shape)-1))
	over := func(typ string, x tf.Output) tf.Output { return w.op(typ, map[string]any{"keep_dims": false}, x, axis) }
	var y tf.Output
	switch op := n.Attrs.Strings["op"]; op {
	case "mean":
		y = over("Mean", x)
	case "sum":
		y = over("Sum", x)
	case "max":
		y = over("Max", x)
	case "min":
		y = over("Min", x)
	case "prod":
		y = over("Prod", x)
	case "l1":
		y = over("Sum", w.op("Abs", nil, x))
	case "l2":
		y = w.op("Sqrt", nil, over("Sum", w.op("Square", nil, x)))
	case "sumsquare":
		y = over("Sum", w.op("Square", nil, x))
	default:
		w.unsupported("reduction %q", op)
	}
	w.set(n.Out[0], y, true)
}

// batchNorm is the inference of FusedBatchNormV3, whose parameters are float32.
func (w *writer) batchNorm(n *graph.Node) {
	in := []tf.Input{w.last(n.In[0])}
	for _, v := range n.In[1:] {
		in = append(in, w.constant(floatTensor(v.Data, v.Shape)))
	}
	w.set(n.Out[0], w.op("FusedBatchNormV3", map[string]any{"epsilon": float32(normEpsilon), "is_training": false}, in...), false)
}

// normEpsilon is the graph's, of the operators that carry none.
const normEpsilon = 1e-5

// slice keeps the first entries of an axis, pad adds zeros after the last of each.
func (w *writer) slice(n *graph.Node) {
	shape := n.Out[0].Shape
	w.set(n.Out[0], w.op("Slice", nil, w.plain(n.In[0]), w.ints(make([]int, len(shape))...), w.ints(shape...)), true)
}

func (w *writer) pad(n *graph.Node) {
	var amounts [][]int32
	for i, to := range n.Out[0].Shape {
		amounts = append(amounts, []int32{0, int32(to - n.In[0].Shape[i])})
	}
	w.set(n.Out[0], w.op("Pad", nil, w.plain(n.In[0]), w.constant(tf.NewTensor(amounts))), true)
}

// softmax is over the last axis of the operation; another changes places with it.
func (w *writer) softmax(n *graph.Node) {
	x := n.In[0]
	last := len(x.Shape) - 1
	axis := n.Int("axis", last)
	z := w.plain(x)
	if axis == last {
		w.set(n.Out[0], w.op("Softmax", nil, z), true)
		return
	}
	perm := make([]int, len(x.Shape))
	for i := range perm {
		perm[i] = i
	}
	perm[axis], perm[last] = last, axis
	swap := w.ints(perm...)
	w.set(n.Out[0], w.op("Transpose", nil, w.op("Softmax", nil, w.op("Transpose", nil, z, swap)), swap), true)
}

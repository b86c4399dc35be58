package tflitewriter

import (
	"github.com/isocost/isocost/benchmarks/graph"
)

// floatOnly says that a node of int8 values is an operator of which TensorFlow Lite
// has no integer form, alone or in what it is composed of.
func (w *writer) floatOnly(n *graph.Node) bool {
	if n.Out[0].DType != graph.Int8 {
		return false
	}
	switch n.Op {
	case graph.Div, graph.Reciprocal, graph.Sqrt, graph.Pow, graph.Neg, graph.Sin, graph.Cos, graph.Round, graph.Erf, graph.Softplus, graph.Mish,
		graph.LayerNorm, graph.RMSNorm, graph.InstanceNorm,
		graph.PRelu: // its slopes are kept in floating point
		return true
	case graph.Exp, graph.Log: // newer libraries have them
		return w.classic
	case graph.Reduce:
		op := n.Attrs.Strings["op"]
		return op == "prod" || op == "l1" || op == "l2" || op == "sumsquare"
	}
	return false
}

// inFloat writes a node of int8 values in floating point, as TensorFlow's converter
// leaves what it cannot quantise: its inputs are dequantised, its result is
// quantised again.
func (w *writer) inFloat(n *graph.Node) {
	wide := *n
	wide.In = nil
	for _, v := range n.In {
		wide.In = append(wide.In, w.dequantised(v))
	}
	y := n.Out[0]
	result := floatOf(y)
	wide.Out = []*graph.Value{result}
	w.node(&wide)
	w.node(&graph.Node{Op: graph.Quantize, Name: y.Name, In: []*graph.Value{result}, Out: []*graph.Value{y}})
}

// dequantised is an int8 activation in floating point, made once.
func (w *writer) dequantised(v *graph.Value) *graph.Value {
	if v.DType != graph.Int8 || w.weights[v] {
		return v
	}
	f, ok := w.floats[v]
	if !ok {
		f = floatOf(v)
		w.floats[v] = f
		w.node(&graph.Node{Op: graph.Dequantize, Name: f.Name, In: []*graph.Value{v}, Out: []*graph.Value{f}})
	}
	return f
}

func floatOf(v *graph.Value) *graph.Value {
	return &graph.Value{Name: v.Name + ".float", DType: graph.Float32, Shape: v.Shape}
}

package tflitewriter

import (
	"github.com/isocost/isocost/benchmarks/graph"
)

// floatOnly says that a node of int8 values is an operator of which TensorFlow Lite
// has no integer form: quantised division (of int8), what is composed of a division
// or a square root, and in older libraries the exponential.
func (w *writer) floatOnly(n *graph.Node) bool {
	if n.Out[0].DType != graph.Int8 {
		return false
	}
	switch n.Op {
	case graph.Div, graph.Erf, graph.LayerNorm, graph.RMSNorm, graph.InstanceNorm:
		return true
	case graph.Exp:
		return w.classic
	case graph.Reduce:
		return n.Attrs.Strings["op"] == "l2"
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

package onnxwriter

import (
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/onnx"
)

// Ins are the names of a node's inputs as float tensors.
func (w *Writer) Ins(n *graph.Node) []string {
	names := make([]string, len(n.In))
	for i, v := range n.In {
		names[i] = w.In(v)
	}
	return names
}

// EmitMicrosoft is Emit of one of ONNX Runtime's own operators.
func (w *Writer) EmitMicrosoft(op string, in []string, out string, attrs ...*onnx.Attr) *onnx.Node {
	n := w.Emit(op, in, out, attrs...)
	n.Domain, w.microsoft = "com.microsoft", true
	return n
}

// Convert changes a tensor's number format: QuantizeLinear, DequantizeLinear or Cast.
// From int8 to int8 goes through float.
func (w *Writer) Convert(n *graph.Node) {
	x, y := n.In[0], n.Out[0]
	switch {
	case y.DType == graph.Int8:
		name := w.In(x)
		scale, zero, attrs := w.QuantParams(y)
		w.Emit("QuantizeLinear", []string{name, scale, zero}, y.Name, attrs...)
	case x.DType == graph.Int8:
		scale, zero, attrs := w.QuantParams(x)
		w.Emit("DequantizeLinear", []string{x.Name, scale, zero}, y.Name, attrs...)
	default:
		w.Emit("Cast", []string{x.Name}, y.Name, onnx.IntAttr("to", int64(elementType(y.DType))))
	}
}

// ToShape is an operator whose second input is the shape of its output.
func ToShape(op string) Form {
	return OpBy(op, func(w *Writer, n *graph.Node, out string) {
		shape := w.Int64s(n.Name+".shape", n.Out[0].Shape...)
		w.Emit(op, []string{w.In(n.In[0]), shape}, out)
	})
}

// Along reduces one axis, which goes.
func (w *Writer) Along(op string, n *graph.Node, axis int, out string) {
	axes := w.Int64s(n.Name+".axes", axis)
	w.Emit(op, []string{w.In(n.In[0]), axes}, out, onnx.IntAttr("keepdims", 0))
}

// Outputs adds a node of several outputs, each of them quantised when it is int8.
func (w *Writer) Outputs(node *onnx.Node, values []*graph.Value) {
	w.g.Nodes = append(w.g.Nodes, node)
	for _, v := range values {
		out, done := w.out(v)
		node.Outputs = append(node.Outputs, out)
		done()
	}
}

package onnxwriter

import (
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/onnx"
)

// Dynamic quantises x at run time, once: the names of its integers and their zero point.
// The scale is the integers' name with .scale after it, which InFloat reads.
func (w *Writer) Dynamic(x *graph.Value) (integers, zero string) {
	name := w.In(x)
	q := name + ".dyn"
	if !w.have[q] {
		w.have[q] = true
		w.g.Nodes = append(w.g.Nodes, &onnx.Node{Name: q, Op: "DynamicQuantizeLinear", Inputs: []string{name}, Outputs: []string{q, q + ".scale", q + ".zero"}})
	}
	return q, q + ".zero"
}

// InFloat makes numbers of an integer product of a dynamically quantised input: scaled
// by the input's and the weight's scales, with the bias. shape is how the weight's scales
// lie along the product.
func (w *Writer) InFloat(n *graph.Node, integers, product, out string, shape ...int) {
	weight, bias := n.In[1], n.In[2]
	ws := w.Constant(onnx.FloatTensor(weight.Name+".scale", onnx.Float, weight.Quant.Scale, shape...))
	b := w.Constant(onnx.FloatTensor(bias.Name, onnx.Float, bias.Data, shape...))
	f := w.Emit("Cast", []string{product}, n.Name+".float", onnx.IntAttr("to", int64(onnx.Float))).Outputs[0]
	scale := w.Emit("Mul", []string{integers + ".scale", ws}, n.Name+".scale").Outputs[0]
	scaled := w.Emit("Mul", []string{f, scale}, n.Name+".scaled").Outputs[0]
	w.Emit("Add", []string{scaled, b}, out)
}

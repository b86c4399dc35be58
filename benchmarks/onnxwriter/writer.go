package onnxwriter

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxmodule"
	"github.com/isocost/isocost/internal/onnx"
)

// opset and irVersion are the versions that models are written for: the first operator set
// that ONNX Runtime, all its mobile builds since 1.20 and TensorRT 10 read and in
// which Gelu is an operator (20) and int8 QDQ covers every type (21).
//
// Convolutions and pools of bfloat16 are in the operator set from 22 on, so models
// with such values are written for that.
const (
	opset         = 21
	opsetBFloat16 = 22
	irVersion     = 10
)

// Write writes the graph as an ONNX model. Equal graphs give equal bytes.
//
// A value keeps its name. An int8 value v is written in QDQ form, the way
// runtimes recognise static quantisation: the operator computes v.f in float,
// QuantizeLinear makes v of it, and its consumers share one DequantizeLinear v.dq.
// Activations are uint8 (zero point + 128) beside signed weights: x86's dot product
// instructions want that, and ONNX Runtime's own change from int8 to uint8 passes
// residual connections over and leaves them unfused. A fused activation v =
// name.act is a node of its own after name. Int8 weights w are stored as w.q.
func Write(g *graph.Graph) ([]byte, error) {
	m, err := Model(g)
	if err != nil {
		return nil, err
	}
	return onnx.Encode(m), nil
}

// Shapes is the graph's ONNX form with the shapes of its weights and without their
// elements: what a plan of its memory needs, for a graph built with Shapes. It is not a
// model to encode; a weight says that its elements are in another file, and there is none.
func Shapes(g *graph.Graph) (*onnx.Model, error) {
	m, err := Model(g)
	if err != nil {
		return nil, err
	}
	for i, t := range m.Graph.Initializers {
		n, err := t.Len()
		if err != nil {
			return nil, err
		}
		if len(t.Raw) != n*t.Type.Bits()/8 {
			m.Graph.Initializers[i] = &onnx.Tensor{Name: t.Name, Type: t.Type, Dims: t.Dims, IsExternal: true}
		}
	}
	return m, nil
}

// Model is Write before the encoding, for those who add nodes.
func Model(g *graph.Graph) (*onnx.Model, error) {
	w := &Writer{g: &onnx.Graph{Name: "isocost"}, weights: map[*graph.Value]bool{}, have: map[string]bool{}}
	for _, v := range g.Weights {
		w.weights[v] = true
	}
	for _, v := range g.Inputs {
		w.g.Inputs = append(w.g.Inputs, onnx.NewValue(v.Name, elementType(v.DType), v.Shape...))
	}
	for _, n := range g.Nodes {
		if err := w.node(n); err != nil {
			return nil, fmt.Errorf("write onnx: node %s: %w", n.Name, err)
		}
	}
	for _, v := range g.Outputs {
		w.g.Outputs = append(w.g.Outputs, onnx.NewValue(v.Name, elementType(v.DType), v.Shape...))
	}
	m := &onnx.Model{IRVersion: irVersion, ProducerName: "isocost", Graph: w.g, Opsets: []onnx.Opset{{Version: opset}}}
	if slices.ContainsFunc(g.Nodes, func(n *graph.Node) bool { return n.Out[0].DType == graph.BFloat16 }) {
		m.Opsets[0].Version = opsetBFloat16
	}
	if w.microsoft {
		m.Opsets = append(m.Opsets, onnx.Opset{Domain: "com.microsoft", Version: 1})
	}
	if err := w.versions(m); err != nil {
		return nil, fmt.Errorf("write onnx: %w", err)
	}
	return m, nil
}

func elementType(t graph.DType) onnx.DataType {
	switch t {
	case graph.Float32:
		return onnx.Float
	case graph.Float16:
		return onnx.Float16
	case graph.BFloat16:
		return onnx.BFloat16
	case graph.Int8:
		return onnx.Int8
	case graph.Uint8:
		return onnx.Uint8
	case graph.Int32:
		return onnx.Int32
	case graph.Int64:
		return onnx.Int64
	case graph.Bool:
		return onnx.Bool
	}
	return onnx.Undefined
}

// Writer writes one model; an operator's form calls its methods.
type Writer struct {
	g         *onnx.Graph
	weights   map[*graph.Value]bool
	have      map[string]bool // initializers and dequantised values written
	microsoft bool            // a com.microsoft operator is used
	modules   []*onnxmodule.Module
	err       error // of a fused activation
}

// Emit adds a node named after its first output.
func (w *Writer) Emit(op string, in []string, out string, attrs ...*onnx.Attr) *onnx.Node {
	n := &onnx.Node{Name: out, Op: op, Inputs: in, Outputs: []string{out}, Attrs: attrs}
	w.g.Nodes = append(w.g.Nodes, n)
	return n
}

// Constant adds an initializer once and returns its name.
func (w *Writer) Constant(t *onnx.Tensor) string {
	if !w.have[t.Name] {
		w.have[t.Name] = true
		w.g.Initializers = append(w.g.Initializers, t)
	}
	return t.Name
}

// Int64s adds a constant list of integers.
func (w *Writer) Int64s(name string, v ...int) string {
	t := make([]int64, len(v))
	for i, x := range v {
		t[i] = int64(x)
	}
	return w.Constant(onnx.IntTensor(name, onnx.Int64, t, len(v)))
}

// QuantParams adds the scale and zero point of v and the axis attribute when
// they are per channel.
func (w *Writer) QuantParams(v *graph.Value) (scale, zero string, attrs []*onnx.Attr) {
	q := v.Quant
	var dims []int
	if len(q.Scale) > 1 {
		dims = []int{len(q.Scale)}
		attrs = append(attrs, onnx.IntAttr("axis", int64(q.Axis)))
	}
	scale = w.Constant(onnx.FloatTensor(v.Name+".scale", onnx.Float, q.Scale, dims...))
	z, typ := make([]int64, len(q.Zero)), elementType(v.DType)
	for i, x := range q.Zero {
		z[i] = int64(x)
		if v.DType == graph.Int8 && !w.weights[v] {
			z[i], typ = z[i]+128, onnx.Uint8
		}
	}
	return scale, w.Constant(onnx.IntTensor(v.Name+".zero", typ, z, dims...)), attrs
}

// In returns the name of v as a float tensor, writing a constant's initializer or
// a DequantizeLinear where needed.
func (w *Writer) In(v *graph.Value) string {
	name := v.Name
	if v.Quant == nil || v.DType == graph.Float32 {
		if w.weights[v] {
			w.Constant(onnx.FloatTensor(name, elementType(v.DType), v.Data, v.Shape...))
		}
		return name
	}
	scale, zero, attrs := w.QuantParams(v)
	if w.weights[v] {
		q := w.Constant(onnx.IntTensor(name+".q", elementType(v.DType), v.Integers(), v.Shape...))
		return w.Dequantized(q, scale, zero, name, attrs)
	}
	return w.Dequantized(name, scale, zero, name+".dq", attrs)
}

// Dequantized reads the integers q as floats under the name out, once.
func (w *Writer) Dequantized(q, scale, zero, out string, attrs []*onnx.Attr) string {
	if !w.have[out] {
		w.have[out] = true
		w.Emit("DequantizeLinear", []string{q, scale, zero}, out, attrs...)
	}
	return out
}

// out returns the name under which an operator writes the float form of v, and
// what to do afterwards: quantise it when v is int8.
func (w *Writer) out(v *graph.Value) (string, func()) {
	if v.DType != graph.Int8 {
		return v.Name, func() {}
	}
	f := v.Name + ".f"
	return f, func() {
		scale, zero, attrs := w.QuantParams(v)
		w.Emit("QuantizeLinear", []string{f, scale, zero}, v.Name, attrs...)
	}
}

// act writes a node with its fused activation: op must write to the name it is given.
func (w *Writer) act(n *graph.Node, op func(out string)) {
	y := n.Out[0]
	out, done := w.out(y)
	defer done()
	pre := out
	if n.Fused != nil {
		pre = strings.TrimSuffix(y.Name, ".act")
	}
	op(pre)
	if n.Fused == nil {
		return
	}
	f, err := formOf(n.Fused)
	switch {
	case err != nil:
		w.err = err
	case f.function != nil:
		f.function(w, pre, out, FloatOf(y))
	default:
		w.Emit(f.Name, []string{pre}, out, f.attrs...)
	}
}

// FloatOf is the type a value's operator computes in.
func FloatOf(v *graph.Value) onnx.DataType {
	if v.DType == graph.Float16 || v.DType == graph.BFloat16 {
		return elementType(v.DType)
	}
	return onnx.Float
}

// Scalar adds a constant number of type t.
func (w *Writer) Scalar(name string, t onnx.DataType, v float32) string {
	return w.Constant(onnx.FloatTensor(name, t, []float32{v}))
}

// IntsAttr is an attribute that is a list of integers.
func IntsAttr(name string, v []int) *onnx.Attr {
	a := &onnx.Attr{Name: name, Type: onnx.AttrInts}
	for _, x := range v {
		a.Ints = append(a.Ints, int64(x))
	}
	return a
}

// node writes one node: a function of its first input, or as its form says.
func (w *Writer) node(n *graph.Node) error {
	f, err := formOf(n.Op)
	switch {
	case err != nil:
		return err
	case f.whole != nil:
		f.whole(w, n)
	case f.function != nil:
		w.act(n, func(out string) { f.function(w, w.In(n.In[0]), out, FloatOf(n.Out[0])) })
	case f.result != nil:
		w.act(n, func(out string) { f.result(w, n, out) })
	default:
		w.act(n, func(out string) { w.Emit(f.Name, w.Ins(n), out, f.attrs...) })
	}
	return w.err
}

func formOf(op graph.Operator) (Form, error) {
	o, ok := op.(Operator)
	if !ok {
		return Form{}, fmt.Errorf("operator %v has no ONNX form", op)
	}
	f := o.ONNXForm()
	if f.Why != "" || !f.Said() {
		return Form{}, fmt.Errorf("operator %v has no ONNX form: %s", op, f.Why)
	}
	return f, nil
}

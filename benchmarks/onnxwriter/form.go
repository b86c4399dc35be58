package onnxwriter

import (
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/onnx"
)

// Operator is an operator's definition as this package wants it.
type Operator interface {
	graph.Operator
	ONNXForm() Form
}

// Form says how an operator stands in an ONNX model. The zero value says nothing and is
// refused; None says that there is no form, and why.
type Form struct {
	// Name is the operator that the node becomes, with its domain before a colon when it
	// has one; "" when it becomes several.
	Name string
	// Variant is an attribute (name, value) that tells the operator from another one of
	// this name; empty for none.
	Variant [2]string
	// Also are further names under which models have the operator.
	Also []string
	// Parts says of which operators the node becomes, in words.
	Parts string
	// Why says why there is no form.
	Why string

	attrs []*onnx.Attr
	// One of these writes the node: a function of the tensor x; the float result of the
	// node under the name out, its activation and quantisation follow; all of it.
	function func(w *Writer, x, out string, t onnx.DataType)
	result   func(w *Writer, n *graph.Node, out string)
	whole    func(w *Writer, n *graph.Node)
}

// Said reports that the form says something.
func (f Form) Said() bool { return f.Name != "" || f.Parts != "" || f.Why != "" }

// Op is one operator that takes a node's inputs as they are, with the same attributes
// wherever it stands.
func Op(name string, attrs ...*onnx.Attr) Form { return Form{Name: name, attrs: attrs} }

// OpVariant is Op with one string attribute that makes it another operator.
func OpVariant(name, attr, value string) Form {
	f := Op(name, onnx.StringAttr(attr, value))
	f.Variant = [2]string{attr, value}
	return f
}

// OpBy is one operator whose inputs or attributes write works out; it writes the float
// result under the name out.
func OpBy(name string, write func(w *Writer, n *graph.Node, out string)) Form {
	return Form{Name: name, result: write}
}

// Function is a function of one tensor by several operators; t is the type of its numbers.
func Function(parts string, write func(w *Writer, x, out string, t onnx.DataType)) Form {
	return Form{Parts: parts, function: write}
}

// By is several operators, the last of which writes the float result under the name out.
func By(parts string, write func(w *Writer, n *graph.Node, out string)) Form {
	return Form{Parts: parts, result: write}
}

// Whole is By for a node that writes the form of its outputs in a model itself.
func Whole(parts string, write func(w *Writer, n *graph.Node)) Form {
	return Form{Parts: parts, whole: write}
}

// OpWhole is one operator that write adds with what its outputs need.
func OpWhole(name string, write func(w *Writer, n *graph.Node)) Form {
	return Form{Name: name, whole: write}
}

// None returns the refusal of any form, and why.
func None(why string) Form { return Form{Why: why} }

// Or adds names under which models have the operator as well.
func (f Form) Or(names ...string) Form {
	f.Also = append(f.Also, names...)
	return f
}

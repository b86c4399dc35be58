// Package tfgraph says how operators stand in a TensorFlow graph, without TensorFlow:
// an operator's definition holds a Form, which tells a Builder – the adapter's, the only
// one that needs the library – what to add.
package tfgraph

import "github.com/isocost/isocost/benchmarks/graph"

// Tensor is one output of an operation; what it is, the builder knows.
type Tensor any

// Attrs are an operation's attributes: integers as int64, numbers as float32, lists,
// strings, booleans.
type Attrs = map[string]any

// Builder adds operations to a graph. It keeps its first error and does nothing after it,
// so that forms need not ask.
//
// Values of four axes stand N,H,W,C ("last") unless they are plain: in the graph's order.
type Builder interface {
	// Op adds an operation of these inputs, each a Tensor or a list []Tensor, and returns
	// its first output; Outputs returns n of them.
	Op(typ string, attrs Attrs, in ...any) Tensor
	Outputs(n int, typ string, attrs Attrs, in ...any) []Tensor

	// Number is a scalar of an element type, Int an int32 scalar, Ints a list, Pairs a
	// matrix of two columns.
	Number(f float64, t graph.DType) Tensor
	Int(v int) Tensor
	Ints(v ...int) Tensor
	Pairs(v [][2]int) Tensor
	// Floats is a constant in float32, row-major; Weight is one in v's type.
	Floats(data []float32, shape ...int) Tensor
	Weight(v *graph.Value, data []float32, shape ...int) Tensor
	// Data are a weight's elements, on their grid where it is quantised.
	Data(v *graph.Value) []float32

	// Get is a value, plain or channels last; IsPlain is how it stands already. Set says
	// where a value is, rounded to its grid when it is quantised.
	Get(v *graph.Value, plain bool) Tensor
	IsPlain(v *graph.Value) bool
	Set(v *graph.Value, x Tensor, plain bool)

	Cast(x Tensor, from, to graph.DType) Tensor
	// Activate applies a node's fused activation, Bias adds its third input, Quantised is
	// its first input x, rounded where that happens at run time.
	Activate(n *graph.Node, x Tensor) Tensor
	Bias(n *graph.Node, x Tensor) Tensor
	Quantised(n *graph.Node, x Tensor) Tensor

	// Refuse says that there is no form of this node.
	Refuse(format string, args ...any)
}

// Operator is an operator's definition as an adapter wants it.
type Operator interface {
	graph.Operator
	TensorFlowForm() Form
}

// Form says how an operator stands in a TensorFlow graph. The zero value says nothing and
// is refused; None says that there is no form, and why.
type Form struct {
	Name  string // the operation, "" when there are several
	Parts string // of which operations it is made, in words
	Why   string // there is none
	Attrs Attrs
	// Moves says that the results are elements of the inputs: they lie on a grid already.
	Moves bool
	// One of these when the operation is not one of the node's first input, which keeps
	// its order: a function of it; a pair of inputs that broadcast; all of the node.
	Function func(b Builder, n *graph.Node, x Tensor) Tensor
	IsPair   bool
	Whole    func(b Builder, n *graph.Node)
}

// Said reports that the form says something.
func (f Form) Said() bool { return f.Name != "" || f.Parts != "" || f.Why != "" }

// Op is one operation of one input.
func Op(name string) Form { return Form{Name: name} }

// OpWith is Op with attributes.
func OpWith(name string, attrs Attrs) Form { return Form{Name: name, Attrs: attrs} }

// Pair is one operation of two inputs that broadcast.
func Pair(name string) Form { return Form{Name: name, IsPair: true} }

// Function is a function of one input by several operations.
func Function(parts string, write func(b Builder, n *graph.Node, x Tensor) Tensor) Form {
	return Form{Parts: parts, Function: write}
}

// OpBy is one operation that write adds, with what its inputs need.
func OpBy(name string, write func(b Builder, n *graph.Node)) Form {
	return Form{Name: name, Whole: write}
}

// By is several operations that write adds.
func By(parts string, write func(b Builder, n *graph.Node)) Form {
	return Form{Parts: parts, Whole: write}
}

// None returns the refusal of any form, and why.
func None(why string) Form { return Form{Why: why} }

// Moving says that the results are elements of the inputs.
func (f Form) Moving() Form {
	f.Moves = true
	return f
}

package reference

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
)

// Operator is an operator's definition as this package wants it.
type Operator interface {
	graph.Operator
	Arithmetic() Form
}

// Form is an operator's arithmetic. The zero value says nothing and is refused.
type Form struct {
	// One of these: a function of one number; of two, whose tensors are broadcast; of a
	// node's inputs, which fills the elements of its outputs.
	function func(x float64) float64
	pair     func(u, v float64) float64
	fill     func(e *Env, n *graph.Node, out [][]float32)

	moves    bool // the results are elements of the inputs: nothing rounds
	integers bool // the results are integers
	rounds   func(n *graph.Node) int
}

// Moving says that the operator's results are elements of its inputs.
func (f Form) Moving() Form {
	f.moves = true
	return f
}

// ToIntegers says that the operator rounds to integers: a result is exact once its
// operand is.
func (f Form) ToIntegers() Form {
	f.integers = true
	return f
}

// Rounding says how many operations, each of which rounds, are on the way to one element
// of the result: for a sum of many terms about as many. An operator that does not say has
// Composed.
func (f Form) Rounding(rounds func(n *graph.Node) int) Form {
	f.rounds = rounds
	return f
}

// Said reports that the form says something.
func (f Form) Said() bool { return f.function != nil || f.pair != nil || f.fill != nil }

// Function is a function of one number.
func Function(f func(x float64) float64) Form { return Form{function: f} }

// Pair is a function of two numbers, whose tensors are broadcast.
func Pair(f func(u, v float64) float64) Form { return Form{pair: f} }

// Fill is an operator of one output: fill sets its elements.
func Fill(fill func(e *Env, n *graph.Node, out []float32)) Form {
	return FillAll(func(e *Env, n *graph.Node, out [][]float32) { fill(e, n, out[0]) })
}

// FillAll is an operator of several outputs.
func FillAll(fill func(e *Env, n *graph.Node, out [][]float32)) Form { return Form{fill: fill} }

// Same is an operator that changes a tensor's shape or number format alone.
func Same() Form {
	return Fill(func(e *Env, n *graph.Node, out []float32) { copy(out, e.Of(n.In[0])) })
}

// Unary reports that the operator is a function of one number, Binary of two.
func (f Form) Unary() bool { return f.function != nil }

// Binary reports that the operator is a function of two numbers.
func (f Form) Binary() bool { return f.pair != nil }

// At is the function at a number; the operator must be unary.
func (f Form) At(x float64) float64 { return f.function(x) }

func formOf(op graph.Operator) (Form, error) {
	if o, ok := op.(Operator); ok {
		if f := o.Arithmetic(); f.Said() {
			return f, nil
		}
	}
	return Form{}, fmt.Errorf("the operator %v has no arithmetic", op)
}

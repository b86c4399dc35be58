package graph

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/onnx"
)

// An If whose condition is known when the model is loaded is the branch that it takes: of
// branches in branches and in a function, with constants and names of its own, and with a
// result that it only hands on.
func TestDecidedBranches(t *testing.T) {
	body := func(out string, tensors []*onnx.Tensor, nodes ...*onnx.Node) *onnx.Graph {
		return &onnx.Graph{Nodes: nodes, Initializers: tensors, Outputs: []*onnx.ValueInfo{onnx.NewValue(out, onnx.Float)}}
	}
	choose := func(name, condition string, yes, no *onnx.Graph) *onnx.Node {
		n := nodeOf("If", name, condition)
		n.Attrs = []*onnx.Attr{{Name: "then_branch", Type: onnx.AttrGraph, G: yes}, {Name: "else_branch", Type: onnx.AttrGraph, G: no}}
		return n
	}
	add := nodeOf("Add", "sum", "x", "one")
	one := []*onnx.Tensor{onnx.FloatTensor("one", onnx.Float, []float32{1}, 1)}
	for what, c := range map[string]struct {
		node *onnx.Node
		want string // operators from y back to x
	}{
		"a constant":        {choose("y", "yes", body("sum", one, add), body("x", nil)), "Add"},
		"the other":         {choose("y", "no", body("sum", one, add), body("x", nil)), "Identity"},
		"a branch in one":   {choose("y", "yes", body("z", nil, choose("z", "no", body("a", nil, nodeOf("Relu", "a", "x")), body("a", nil, nodeOf("Tanh", "a", "x")))), body("x", nil)), "Tanh"},
		"what a shape says": {choose("y", "flat", body("sum", one, add), body("a", nil, nodeOf("Relu", "a", "x"))), "Relu"},
		"in a function":     {&onnx.Node{Op: "F", Domain: "local", Name: "call", Inputs: []string{"x", "yes"}, Outputs: []string{"y"}}, "Tanh Relu"},
	} {
		m := small(8, nodeOf("Shape", "shape", "x"), nodeOf("Size", "rank", "shape"), nodeOf("Equal", "flat", "rank", "two"), c.node)
		m.Graph.Inputs[0] = onnx.NewValue("x", onnx.Float, 1, 2, 3)
		m.Graph.Outputs[0].Name = "y"
		m.Graph.Initializers = []*onnx.Tensor{onnx.IntTensor("yes", onnx.Bool, []int64{1}), onnx.IntTensor("no", onnx.Bool, []int64{0}), onnx.IntTensor("two", onnx.Int64, []int64{2})}
		m.Functions = []*onnx.Function{{Name: "F", Domain: "local", Inputs: []string{"i", "c"}, Outputs: []string{"o"},
			Nodes: []*onnx.Node{nodeOf("Relu", "r", "i"), choose("o", "c", body("a", nil, nodeOf("Tanh", "a", "r")), body("i", nil))}}}
		var ops []string
		y := inferred(t, m).Values["y"]
		if !y.Known || len(y.Shape) != 3 {
			t.Errorf("%s: y is of shape %v", what, y.Shape)
		}
		for v := y; v.From != nil; v = v.From.In[0] {
			ops = append(ops, v.From.Op)
		}
		if got := strings.Join(ops, " "); got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}

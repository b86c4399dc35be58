package graph

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/onnx"
)

// small is a model of nodes on one input x of shape [1,4].
func small(ir int64, nodes ...*onnx.Node) *onnx.Model {
	last := nodes[len(nodes)-1]
	return &onnx.Model{IRVersion: ir, Opsets: []onnx.Opset{{Version: 18}}, Graph: &onnx.Graph{
		Inputs:  []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1, 4)},
		Outputs: []*onnx.ValueInfo{onnx.NewValue(last.Outputs[0], onnx.Float)}, Nodes: nodes}}
}

func nodeOf(op, out string, in ...string) *onnx.Node {
	return &onnx.Node{Op: op, Name: out, Inputs: in, Outputs: []string{out}}
}

func inferred(t *testing.T, m *onnx.Model) *Graph {
	t.Helper()
	g, err := Load(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Infer(nil); err != nil {
		t.Fatal(err)
	}
	return g
}

func TestNodesRunAfterWhatTheyUse(t *testing.T) {
	names := func(g *Graph) (out []string) {
		for _, n := range g.Nodes {
			out = append(out, n.Name)
		}
		return out
	}
	a, b, c := nodeOf("Relu", "a", "x"), nodeOf("Sigmoid", "b", "a"), nodeOf("Add", "c", "b", "a")
	for _, order := range [][]*onnx.Node{{a, b, c}, {c, b, a}, {b, c, a}} {
		m := small(8, order...)
		m.Graph.Outputs[0].Name = "c"
		if got := names(inferred(t, m)); !slices.Equal(got, []string{"a", "b", "c"}) {
			t.Errorf("the nodes are %q", got)
		}
	}
	_, err := Load(small(8, nodeOf("Add", "p", "x", "q"), nodeOf("Relu", "q", "p")), Options{})
	if err == nil || !strings.Contains(err.Error(), `"p" (Add) is computed from its own output`) {
		t.Errorf("a circle: %v", err)
	}
}

// A Loop or Scan of constants, or an If that is given its condition, whose body takes what the
// network computes runs with it.
func TestBodiesAreNotConstant(t *testing.T) {
	for _, op := range []string{"If", "Loop", "Scan"} {
		body := &onnx.Graph{Nodes: []*onnx.Node{nodeOf("Sigmoid", "inner", "a")}, Outputs: []*onnx.ValueInfo{onnx.NewValue("inner", onnx.Float)}}
		n := nodeOf(op, "y", "yes")
		n.Attrs = []*onnx.Attr{{Name: "then_branch", Type: onnx.AttrGraph, G: body}}
		m := small(8, n, nodeOf("Relu", "a", "x")) // the body's operand comes later in the file
		m.Graph.Outputs[0].Name = "y"
		if m.Graph.Initializers = []*onnx.Tensor{onnx.IntTensor("yes", onnx.Bool, []int64{1})}; op == "If" {
			m.Graph.Inputs = append(m.Graph.Inputs, onnx.NewValue("yes", onnx.Bool)) // whoever runs the model may give another
		}
		g := inferred(t, m)
		y, a := g.Values["y"], g.Values["a"]
		if y.Constant || y.From.Gone || !slices.Contains(a.To, y.From) || !slices.Equal(y.From.Takes, []*Value{a}) {
			t.Errorf("%s: constant %v, gone %v, takes %v", op, y.Constant, y.From.Gone, y.From.Takes)
		}
		if c := g.Clone(); c.Values["y"].From.Takes[0] != c.Values["a"] {
			t.Errorf("%s: a clone's body takes the original's value", op)
		}
	}
}

// Since IR version 4 an initializer that is an input too may be replaced by who runs the
// model: its elements say shapes, but nothing is computed from it ahead.
func TestListedInitializersAreDefaults(t *testing.T) {
	for ir, constant := range map[int64]bool{3: true, 4: false, 10: false} {
		m := small(ir, nodeOf("Neg", "minus", "two"), nodeOf("Reshape", "y", "x", "two"))
		m.Graph.Initializers = []*onnx.Tensor{onnx.IntTensor("two", onnx.Int64, []int64{2, 2}, 2)}
		m.Graph.Inputs = append(m.Graph.Inputs, onnx.NewValue("two", onnx.Int64, 2))
		g := inferred(t, m)
		if two := g.Values["two"]; two.Constant != constant || two.Default == constant || g.Values["minus"].From.Gone != constant {
			t.Errorf("IR version %d: constant %v, folded %v, want %v", ir, two.Constant, g.Values["minus"].From.Gone, constant)
		}
		if y := g.Values["y"]; !slices.Equal(y.Shape, []int{2, 2}) {
			t.Errorf("IR version %d: y is %v", ir, y.Shape)
		}
	}
}

func TestSparseInitializers(t *testing.T) {
	m := small(8, nodeOf("MatMul", "y", "x", "w"))
	m.Graph.Sparse = []*onnx.SparseTensor{{Values: onnx.FloatTensor("w", onnx.Float, []float32{1}, 1), Indices: onnx.IntTensor("", onnx.Int64, []int64{3}, 1), Dims: []int64{4, 5}}}
	g := inferred(t, m)
	if w, y := g.Values["w"], g.Values["y"]; !w.Constant || w.HasData || !slices.Equal(w.Shape, []int{4, 5}) || !slices.Equal(y.Shape, []int{1, 5}) {
		t.Errorf("w is %v of shape %v, y of %v", w.Constant, w.Shape, y.Shape)
	}
	m.Graph.Sparse[0].Dims = []int64{1 << 30, 1 << 30}
	if _, err := Load(m, Options{}); err == nil || !strings.Contains(err.Error(), `sparse initializer "w"`) {
		t.Errorf("a tensor of 2^60 elements: %v", err)
	}
}

func TestResizeKeepsTheAspectRatio(t *testing.T) {
	for policy, want := range map[string][]int{"": {1, 4, 16, 30}, "not_larger": {1, 4, 16, 24}, "not_smaller": {1, 4, 20, 30}} {
		n := nodeOf("Resize", "y", "x", "", "", "sizes")
		n.Attrs = []*onnx.Attr{{Name: "axes", Type: onnx.AttrInts, Ints: []int64{2, -1}}}
		if policy != "" {
			n.Attrs = append(n.Attrs, &onnx.Attr{Name: "keep_aspect_ratio_policy", Type: onnx.AttrString, S: []byte(policy)})
		}
		m := small(8, n)
		m.Graph.Inputs[0] = onnx.NewValue("x", onnx.Float, 1, 4, 8, 12)
		m.Graph.Initializers = []*onnx.Tensor{onnx.IntTensor("sizes", onnx.Int64, []int64{16, 30}, 2)}
		if y := inferred(t, m).Values["y"]; !slices.Equal(y.Shape, want) {
			t.Errorf("policy %q: %v, want %v", policy, y.Shape, want)
		}
	}
}

// Arithmetic on constants has the range of its type.
func TestFoldsHoldTheirType(t *testing.T) {
	attr := func(n *onnx.Node, a ...*onnx.Attr) *onnx.Node { n.Attrs = a; return n }
	ints := func(name string, typ onnx.DataType, v ...int64) *onnx.Tensor {
		return onnx.IntTensor(name, typ, v, len(v))
	}
	floats := func(v ...float32) *onnx.Tensor { return onnx.FloatTensor("a", onnx.Float, v, len(v)) }
	for what, c := range map[string]struct {
		node *onnx.Node
		in   []*onnx.Tensor
		want []float64 // nil: not known
	}{
		"the divisor's sign":         {nodeOf("Mod", "y", "a", "b"), []*onnx.Tensor{ints("a", onnx.Int64, -50, 50, -7, 7, 6), ints("b", onnx.Int64, 7, -7, -7, 7, 3)}, []float64{6, -6, 0, 0, 0}},
		"the dividend's with fmod":   {attr(nodeOf("Mod", "y", "a", "b"), onnx.IntAttr("fmod", 1)), []*onnx.Tensor{ints("a", onnx.Int64, -50), ints("b", onnx.Int64, 7)}, []float64{-1}},
		"a cast to 8 bits wraps":     {attr(nodeOf("Cast", "y", "a"), onnx.IntAttr("to", int64(onnx.Int8))), []*onnx.Tensor{ints("a", onnx.Int64, 300, -129, 127)}, []float64{44, 127, 127}},
		"a cast to uint8 wraps":      {attr(nodeOf("Cast", "y", "a"), onnx.IntAttr("to", int64(onnx.Uint8))), []*onnx.Tensor{ints("a", onnx.Int32, -1, 256)}, []float64{255, 0}},
		"a float is cut":             {attr(nodeOf("Cast", "y", "a"), onnx.IntAttr("to", int64(onnx.Int32))), []*onnx.Tensor{floats(-2.7, 2.7)}, []float64{-2, 2}},
		"a float beyond the range":   {attr(nodeOf("Cast", "y", "a"), onnx.IntAttr("to", int64(onnx.Int32))), []*onnx.Tensor{floats(3e9)}, nil},
		"half a float is true":       {attr(nodeOf("Cast", "y", "a"), onnx.IntAttr("to", int64(onnx.Bool))), []*onnx.Tensor{floats(0.5, 0)}, []float64{1, 0}},
		"a sum of 32 bits wraps":     {nodeOf("Add", "y", "a", "b"), []*onnx.Tensor{ints("a", onnx.Int32, 1<<31-1), ints("b", onnx.Int32, 1)}, []float64{-1 << 31}},
		"a division by zero":         {nodeOf("Div", "y", "a", "b"), []*onnx.Tensor{ints("a", onnx.Int64, 5), ints("b", onnx.Int64, 0)}, nil},
		"beyond 2^53":                {nodeOf("Mul", "y", "a", "b"), []*onnx.Tensor{ints("a", onnx.Int64, 1<<40), ints("b", onnx.Int64, 1<<20)}, nil},
		"a tie as the runtime's":     {attr(nodeOf("QuantizeLinear", "y", "a", "b", "c")), []*onnx.Tensor{floats(0.15), onnx.FloatTensor("b", onnx.Float, []float32{0.1}), onnx.IntTensor("c", onnx.Int8, []int64{0})}, []float64{2}},
		"a list of no axes is all":   {nodeOf("ReduceSum", "y", "a", "b"), []*onnx.Tensor{ints("a", onnx.Int64, 3, 4), ints("b", onnx.Int64)}, []float64{7}},
		"a product of 32 bits stops": {nodeOf("ReduceProd", "y", "a"), []*onnx.Tensor{ints("a", onnx.Int32, 1<<20, 1<<20)}, nil},
		"the largest with no number": {nodeOf("ReduceMax", "y", "a"), []*onnx.Tensor{floats(float32(math.NaN()), 1)}, nil},
		"the largest of nothing":     {nodeOf("ReduceMax", "y", "a"), []*onnx.Tensor{ints("a", onnx.Int64)}, nil},
		"steps of a float's 32 bits": {nodeOf("Range", "y", "a", "b", "c"), []*onnx.Tensor{onnx.FloatTensor("a", onnx.Float, []float32{0}), onnx.FloatTensor("b", onnx.Float, []float32{0.35}), onnx.FloatTensor("c", onnx.Float, []float32{0.1})}, []float64{0, float64(float32(0.1)), float64(float32(0.2)), float64(float32(0.1) + float32(0.2))}},
	} {
		m := small(8, c.node)
		m.Graph.Initializers = c.in
		y := inferred(t, m).Values["y"]
		if !y.Constant || y.HasData != (c.want != nil) || !slices.Equal(y.Data, c.want) {
			t.Errorf("%s: %v (known: %v), want %v", what, y.Data, y.HasData, c.want)
		}
	}
}

// A shape by the file's word alone does not make a fold reach beyond its inputs.
func TestFoldsTrustRulesAlone(t *testing.T) {
	for _, op := range []string{"Transpose", "EyeLike", "Range", "Gather", "Expand", "Where", "Add", "Slice", "Concat", "ReduceSum", "Clip", "Cast", "Mod", "QuantizeLinear"} {
		for _, in := range [][]string{{"a"}, {"", "a"}, {"a", "", "a"}, {"a", "a", "a", "a", "a"}} {
			for _, shape := range [][]int{{}, {7}, {2, 3, 4}} {
				m := small(8, nodeOf(op, "y", in...))
				m.Graph.Initializers = []*onnx.Tensor{onnx.IntTensor("a", onnx.Int64, []int64{3, 1}, 2)}
				m.Graph.ValueInfos = []*onnx.ValueInfo{onnx.NewValue("y", onnx.Int64, shape...)}
				g, err := Load(m, Options{})
				if err != nil {
					continue // an input that the operator cannot be without
				}
				if err := g.Infer(nil); err != nil {
					t.Fatal(err)
				}
				if y := g.Values["y"]; y.HasData && (!y.Ruled || len(y.Data) != Elements(y.Shape)) {
					t.Errorf("%s of %q: %v of shape %v", op, in, y.Data, y.Shape)
				}
			}
		}
	}
}

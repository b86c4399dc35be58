package graph

import (
	"slices"

	"github.com/isocost/isocost/internal/onnx"
)

// MaxElements bounds a tensor, as internal/onnx does.
const MaxElements = 1 << 40

// Rule gives a node's outputs their types and shapes, where its inputs' are known and fit.
type Rule func(*Graph, *Node)

// Fold evaluates a node on small constants. The inputs' and the output's shapes are
// known; ok is false when an input's elements are not.
type Fold func(*Graph, *Node) (elements []float64, ok bool)

// Value is a tensor: an edge of the graph.
type Value struct {
	Name  string
	Type  onnx.DataType
	Shape []int // complete when known
	Known bool
	Ruled bool // the shape follows by a rule, not by the file's word alone
	// Constant: an initializer, or computed from initializers alone. Data are its
	// elements in row-major order, where they are few and worth following (HasData).
	Constant bool
	// Default: an initializer that is an input too, so that whoever runs the model may give
	// another (IR version 4 on). Data are its elements, but nothing may be computed from them
	// when the model is loaded.
	Default     bool
	Data        []float64
	HasData     bool
	Dequantised bool // a constant that is dequantised from weights of type Stored
	Stored      onnx.DataType
	Output      bool // of the graph
	From        *Node
	To          []*Node // consumers, one entry per use
}

// Node is one operator. Editing can make one of several.
type Node struct {
	Src   *onnx.Node // attributes; nil for a fused one
	Op    string     // op_type, with "domain:" before it when not ONNX's own
	Name  string
	In    []*Value // nil for an optional input left out
	Out   []*Value
	Takes []*Value // what its bodies (of an If, Loop or Scan) use from outside, one entry a use
	Parts []string // nodes of the file in it
	Gone  bool     // computed when the model is loaded, or merged into another node
	// Decided: out of the branch of an If whose condition is known, which stands in the graph only
	// once a runtime has computed what is constant.
	Decided bool
}

// Input is the i-th input, nil where there is none.
func (n *Node) Input(i int) *Value {
	if i < len(n.In) {
		return n.In[i]
	}
	return nil
}

// Data returns the followed elements of a constant input.
func (n *Node) Data(i int) ([]float64, bool) {
	v := n.Input(i)
	if v == nil || !v.HasData {
		return nil, false
	}
	return v.Data, true
}

// Ints is a list attribute; nil where the node has none.
func (n *Node) Ints(name string) []int {
	if n.Src == nil {
		return nil
	}
	var out []int
	for _, v := range n.Src.Ints(name) {
		out = append(out, Clamp(v))
	}
	return out
}

// Int is an integer attribute, def where the node has none.
func (n *Node) Int(name string, def int) int {
	if n.Src == nil {
		return def
	}
	return Clamp(n.Src.Int(name, int64(def)))
}

// WithInts is the node of a file with a list of integers as an attribute.
func WithInts(n *onnx.Node, name string, v []int) *onnx.Node {
	c := *n
	c.Attrs = slices.DeleteFunc(slices.Clone(n.Attrs), func(a *onnx.Attr) bool { return a.Name == name })
	a := &onnx.Attr{Name: name, Type: onnx.AttrInts}
	for _, x := range v {
		a.Ints = append(a.Ints, int64(x))
	}
	c.Attrs = append(c.Attrs, a)
	return &c
}

// Clamp keeps arithmetic on a file's numbers from overflowing.
func Clamp(v int64) int { return int(min(max(v, -1<<40), 1<<40)) }

// Has says whether the node has the attribute.
func (n *Node) Has(attr string) bool { return n.Src != nil && n.Src.Attr(attr) != nil }

// Graph is a model. Nodes are in the order of the file, which is one in which they can run.
type Graph struct {
	Opset     int64             // of the format's own operators
	Functions bool              // the file has functions of its own
	Values    map[string]*Value // by name: initializers, inputs and what nodes compute
	Nodes     []*Node
	Outputs   []*Value
	Dims      map[string]int // values given to symbolic dimensions

	model    *onnx.Model // the file
	opt      Options
	followed int // elements of constants followed so far
}

func (g *Graph) value(name string) *Value {
	v, ok := g.Values[name]
	if !ok {
		v = &Value{Name: name}
		g.Values[name] = v
	}
	return v
}

// Elements is the product of a shape, −1 when beyond maxElements.
func Elements(shape []int) int {
	n := 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > MaxElements/d {
			return -1
		}
		n *= d
	}
	return n
}

// Rank is the number of dimensions, 0 of none.
func (v *Value) Rank() int {
	if v == nil {
		return 0
	}
	return len(v.Shape)
}

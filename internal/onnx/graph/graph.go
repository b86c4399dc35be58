package graph

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
)

// Bounds on what a file may ask for. Real models stay far below them.
const (
	maxNodes    = 200_000
	maxRank     = 16
	MaxElements = 1 << 40 // of one tensor, as internal/onnx
	maxInline   = 1 << 16 // nodes that function calls may expand to
	maxConstant = 1 << 14 // elements of a constant whose values are followed
	maxFollowed = 1 << 22 // elements of all of them together
)

// graphOptions say what a file leaves open.
type Options struct {
	// Dims gives symbolic dimensions their values, by name. A batch (the first
	// dimension of an input) without a value is 1.
	Dims map[string]int
	// Root is the folder external data lies in; nil when there is none. Only small
	// constants are read from it.
	Root fs.FS
}

// rule gives a node's outputs their types and shapes, where its inputs' are known and fit.
type Rule func(*Graph, *Node)

// folder evaluates a node on small constants. The inputs' and the output's shapes are
// known; ok is false when an input's elements are not.
type Fold func(*Graph, *Node) (elements []float64, ok bool)

// value is a tensor: an edge of the graph.
type Value struct {
	Name  string
	Type  onnx.DataType
	Shape []int // complete when known
	Known bool
	Ruled bool // the shape follows by a rule, not by the file's word alone
	// constant: an initializer, or computed from initializers alone. data are its
	// elements when they are few and worth following.
	Constant    bool
	Data        []float64
	HasData     bool
	Dequantised bool // a constant that is dequantised from int8 weights
	Output      bool // of the graph
	From        *Node
	To          []*Node // consumers, one entry a use
}

// node is one operator. Fusion replaces several by one.
type Node struct {
	Src   *onnx.Node // attributes; nil for a fused one
	Op    string     // op_type, with "domain:" before it when not ONNX's own
	Name  string
	In    []*Value // nil for an optional input left out
	Out   []*Value
	Parts []string // nodes of the file in it
	Gone  bool     // merged into another node, or free
}

func (n *Node) Input(i int) *Value {
	if i < len(n.In) {
		return n.In[i]
	}
	return nil
}

// data returns the followed elements of a constant input.
func (n *Node) Data(i int) ([]float64, bool) {
	v := n.Input(i)
	if v == nil || !v.HasData {
		return nil, false
	}
	return v.Data, true
}

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

func (n *Node) Int(name string, def int) int {
	if n.Src == nil {
		return def
	}
	return Clamp(n.Src.Int(name, int64(def)))
}

// withInts is the node of a file with a list of integers as an attribute.
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

// clampInt keeps arithmetic on a file's numbers from overflowing.
func Clamp(v int64) int { return int(min(max(v, -1<<40), 1<<40)) }

func (n *Node) Has(attr string) bool { return n.Src != nil && n.Src.Attr(attr) != nil }

type Graph struct {
	opt      Options
	Opset    int64
	Values   map[string]*Value
	Nodes    []*Node
	Outputs  []*Value
	followed int            // elements of constants followed so far
	Dims     map[string]int // values given to symbolic dimensions
}

func (g *Graph) value(name string) *Value {
	v, ok := g.Values[name]
	if !ok {
		v = &Value{Name: name}
		g.Values[name] = v
	}
	return v
}

// load builds the graph: initializers, inputs with their dimensions, nodes with
// functions inlined, and checks that it is a graph in topological order.
func (g *Graph) load(m *onnx.Model) error {
	src := m.Graph
	for _, t := range src.Initializers {
		if _, twice := g.Values[t.Name]; twice {
			return fmt.Errorf("initializer %.80q is doubled", t.Name)
		}
		v := g.value(t.Name)
		if err := g.constant(v, t); err != nil {
			return err
		}
	}
	for i, in := range src.Inputs {
		if v, ok := g.Values[in.Name]; ok && v.Constant {
			continue // IR version 3 lists initializers among the inputs
		}
		if err := g.inputValue(in, i); err != nil {
			return err
		}
	}
	nodes := src.Nodes
	if len(m.Functions) > 0 {
		var err error
		if nodes, err = inline(m); err != nil {
			return err
		}
	}
	if len(nodes) > maxNodes {
		return fmt.Errorf("%d nodes are more than %d", len(nodes), maxNodes)
	}
	for i, s := range nodes {
		n := &Node{Src: s, Op: s.Op, Name: s.Name}
		if s.Domain != "" && s.Domain != "ai.onnx" {
			n.Op = s.Domain + ":" + s.Op
		}
		n.Name = cmp.Or(s.Name, fmt.Sprintf("%s_%d", s.Op, i))
		n.Parts = []string{n.Op + " " + n.Name}
		for _, name := range s.Inputs {
			if name == "" {
				n.In = append(n.In, nil)
				continue
			}
			v, ok := g.Values[name]
			if !ok {
				return fmt.Errorf("node %q (%s): input %.80q is not computed before it", n.Name, n.Op, name)
			}
			v.To = append(v.To, n)
			n.In = append(n.In, v)
		}
		for _, a := range s.Attrs { // values that a subgraph takes from outside are used
			for _, sub := range append([]*onnx.Graph{a.G}, a.Graphs...) {
				g.capture(sub, n, 0)
			}
		}
		for _, name := range s.Outputs {
			if name == "" {
				n.Out = append(n.Out, nil)
				continue
			}
			if _, twice := g.Values[name]; twice {
				return fmt.Errorf("node %q (%s): output %.80q is computed twice", n.Name, n.Op, name)
			}
			v := g.value(name)
			v.From = n
			n.Out = append(n.Out, v)
		}
		g.Nodes = append(g.Nodes, n)
	}
	for _, o := range src.Outputs {
		if v, ok := g.Values[o.Name]; ok {
			v.Output = true
			g.Outputs = append(g.Outputs, v)
		} else {
			return fmt.Errorf("output %.80q is not computed", o.Name)
		}
	}
	for _, vi := range src.ValueInfos { // what the exporter or runtime knew; our own inference goes first
		if v, ok := g.Values[vi.Name]; ok && v.From != nil && vi.Type != nil && vi.Type.HasShape {
			shape := make([]int, 0, len(vi.Type.Shape))
			for _, d := range vi.Type.Shape {
				if !d.Known || d.Value < 0 || d.Value > MaxElements {
					shape = nil
					break
				}
				shape = append(shape, int(d.Value))
			}
			if len(shape) == len(vi.Type.Shape) && len(shape) <= maxRank {
				v.Shape, v.Type = shape, vi.Type.Elem
			}
		}
	}
	return nil
}

// capture notes the uses that a subgraph of n (the body of an If, Loop or Scan)
// makes of outer values.
func (g *Graph) capture(sub *onnx.Graph, n *Node, depth int) {
	if sub == nil || depth > 32 {
		return
	}
	for _, s := range sub.Nodes {
		for _, name := range s.Inputs {
			if v, ok := g.Values[name]; ok {
				v.To = append(v.To, n)
			}
		}
		for _, a := range s.Attrs {
			for _, inner := range append([]*onnx.Graph{a.G}, a.Graphs...) {
				g.capture(inner, n, depth+1)
			}
		}
	}
	for _, o := range sub.Outputs {
		if v, ok := g.Values[o.Name]; ok {
			v.To = append(v.To, n)
		}
	}
}

// constant makes v a constant with the tensor's type and, if small, its elements.
func (g *Graph) constant(v *Value, t *onnx.Tensor) error {
	n, err := t.Len()
	if err != nil {
		return err
	}
	if len(t.Dims) > maxRank {
		return fmt.Errorf("tensor %.80q has rank %d", t.Name, len(t.Dims))
	}
	v.Constant, v.Known, v.Type = true, true, t.Type
	v.Shape = make([]int, len(t.Dims))
	for i, d := range t.Dims {
		v.Shape[i] = int(d)
	}
	if n > maxConstant || g.followed+n > maxFollowed {
		return nil
	}
	if t.IsExternal {
		if g.opt.Root == nil || t.LoadExternal(g.opt.Root) != nil {
			return nil // its values stay unknown; only a shape that needs them suffers
		}
	}
	switch t.Type {
	case onnx.Float, onnx.Double, onnx.Float16, onnx.BFloat16:
		fs, err := t.Floats()
		if err != nil {
			return err
		}
		v.Data = make([]float64, len(fs))
		for i, f := range fs {
			v.Data[i] = float64(f)
		}
	case onnx.Int8, onnx.Uint8, onnx.Int16, onnx.Uint16, onnx.Int32, onnx.Uint32, onnx.Int64, onnx.Uint64, onnx.Bool, onnx.Int4, onnx.Uint4:
		is, err := t.Ints()
		if err != nil {
			return err
		}
		v.Data = make([]float64, len(is))
		for i, x := range is {
			v.Data[i] = float64(x)
		}
	default:
		return nil
	}
	v.HasData = true
	g.followed += n
	return nil
}

func (g *Graph) inputValue(in *onnx.ValueInfo, index int) error {
	if _, twice := g.Values[in.Name]; twice {
		return fmt.Errorf("input %.80q is doubled", in.Name)
	}
	v := g.value(in.Name)
	if in.Type == nil || in.Type.Other != nil {
		return fmt.Errorf("input %.80q is not a tensor", in.Name)
	}
	v.Type = in.Type.Elem
	if !in.Type.HasShape {
		return hint.Wrap(fmt.Errorf("input %.80q has no shape", in.Name), "export the model with the shapes of its inputs")
	}
	if len(in.Type.Shape) > maxRank {
		return fmt.Errorf("input %.80q has rank %d", in.Name, len(in.Type.Shape))
	}
	for i, d := range in.Type.Shape {
		size := d.Value
		if d.Open() {
			name := in.DimName(i)
			given, ok := g.opt.Dims[name]
			switch {
			case ok:
				size = int64(given)
			case i == 0:
				size = 1 // a batch
			default:
				return hint.Wrap(fmt.Errorf("input %.80q: dimension %d (%.80q) is open", in.Name, i, name), "give it a value: --dim %s=224", name)
			}
			if g.Dims == nil {
				g.Dims = map[string]int{}
			}
			g.Dims[name] = int(size)
		}
		if size < 0 || size > MaxElements {
			return fmt.Errorf("input %.80q: dimension %d is %d", in.Name, i, size)
		}
		v.Shape = append(v.Shape, int(size))
	}
	if Elements(v.Shape) < 0 {
		return fmt.Errorf("input %.80q: shape %v is too large", in.Name, v.Shape)
	}
	v.Known = true
	return nil
}

// elements is the product of a shape, −1 when beyond maxElements.
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

func (v *Value) Rank() int {
	if v == nil {
		return 0
	}
	return len(v.Shape)
}

// batch is the first dimension of the network's inputs where they agree, else 1.
// Keys exclude it: it belongs to the protocol.
func (g *Graph) Batch() int {
	b := 0
	for _, v := range g.Values {
		if v.From != nil || v.Constant || !v.Known || len(v.Shape) < 2 || len(v.To) == 0 {
			continue
		}
		if b != 0 && b != v.Shape[0] {
			return 1
		}
		b = v.Shape[0]
	}
	return max(b, 1)
}

// loadGraph builds the graph of a decoded model.
func Load(m *onnx.Model, opt Options) (*Graph, error) {
	if m.Graph == nil {
		return nil, errors.New("the file holds no graph")
	}
	g := &Graph{opt: opt, Values: map[string]*Value{}, Opset: cmp.Or(m.Opset(""), 1)}
	if err := g.load(m); err != nil {
		return nil, err
	}
	return g, nil
}

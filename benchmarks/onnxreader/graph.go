package onnxreader

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
)

// value is a tensor: an edge of the graph.
type value struct {
	name  string
	dtype onnx.DataType
	shape []int // complete when known
	known bool
	ruled bool // the shape follows by a rule, not by the file's word alone
	// constant: an initializer, or computed from initializers alone. data are its
	// elements when they are few and worth following; tensor where they are.
	constant bool
	data     []float64
	hasData  bool
	tensor   *onnx.Tensor
	quant    bool    // a constant that is dequantised from int8 weights
	scale    float64 // of a tensor that QuantizeLinear makes, when it is one constant; else 0
	late     bool    // a constant that the runtime computes in every inference
	vague    bool    // the shape follows from late constants: the runtime does not know it when it loads the model
	asked    int     // how many ask for the shape then, in every inference
	output   bool    // of the graph
	from     *node
	to       []*node // consumers, one entry a use
}

// node is one operator. Fusion replaces several by one.
type node struct {
	src    *onnx.Node // attributes; nil for a fused one
	op     string     // op_type, with "domain:" before it when not ONNX's own
	name   string
	in     []*value // nil for an optional input left out
	out    []*value
	parts  []string // nodes of the file in it
	act    string   // fused activation, the catalogue's name
	int8   bool     // runs quantised
	dyn    bool     // quantises its input itself
	dead   bool     // merged into another node, or free
	why    string   // free
	groups int
	skip   bool  // a layer normalisation that adds a shortcut first
	axis   int   // of a Split made of Slices
	pad    []int // of a Pad merged into it: begin of each side, then end
}

func (n *node) input(i int) *value {
	if i < len(n.in) {
		return n.in[i]
	}
	return nil
}

// data returns the followed elements of a constant input.
func (n *node) data(i int) ([]float64, bool) {
	v := n.input(i)
	if v == nil || !v.hasData {
		return nil, false
	}
	return v.data, true
}

func (n *node) ints(name string) []int {
	if n.src == nil {
		return nil
	}
	var out []int
	for _, v := range n.src.Ints(name) {
		out = append(out, clampInt(v))
	}
	return out
}

func (n *node) int(name string, def int) int {
	if n.src == nil {
		return def
	}
	return clampInt(n.src.Int(name, int64(def)))
}

// clampInt keeps arithmetic on a file's numbers from overflowing.
func clampInt(v int64) int { return int(min(max(v, -1<<40), 1<<40)) }

func (n *node) has(attr string) bool { return n.src != nil && n.src.Attr(attr) != nil }

type graph struct {
	opt      Options
	opset    int64
	values   map[string]*value
	weights  map[string]bool
	nodes    []*node
	outputs  []*value
	followed int // elements of constants followed so far
	lowered  bool
	warnings []string
	dims     map[string]int   // values given to symbolic dimensions
	inUse    map[string]int64 // of a lowered graph: the activations in use while each of the file's nodes runs, by its part
}

func (g *graph) value(name string) *value {
	v, ok := g.values[name]
	if !ok {
		v = &value{name: name}
		g.values[name] = v
	}
	return v
}

func (g *graph) warn(format string, args ...any) {
	w := fmt.Sprintf(format, args...)
	if !slices.Contains(g.warnings, w) && len(g.warnings) < 20 {
		g.warnings = append(g.warnings, w)
	}
}

// load builds the graph: initializers, inputs with their dimensions, nodes with
// functions inlined, and checks that it is a graph in topological order.
func (g *graph) load(m *onnx.Model) error {
	src := m.Graph
	for _, t := range src.Initializers {
		if _, twice := g.values[t.Name]; twice {
			return fmt.Errorf("initializer %.80q is doubled", t.Name)
		}
		v := g.value(t.Name)
		if err := g.constant(v, t); err != nil {
			return err
		}
	}
	for i, in := range src.Inputs {
		if v, ok := g.values[in.Name]; ok && v.constant {
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
		n := &node{src: s, op: s.Op, name: s.Name}
		if s.Domain != "" && s.Domain != "ai.onnx" {
			n.op = s.Domain + ":" + s.Op
		}
		if n.op == "com.microsoft:FusedConv" || s.Domain == "com.microsoft.nchwc" || s.Domain == "com.microsoft" && s.Op == "QLinearConv" {
			g.lowered = true
		}
		n.name = cmp.Or(s.Name, fmt.Sprintf("%s_%d", s.Op, i))
		n.parts = []string{n.op + " " + n.name}
		for _, name := range s.Inputs {
			if name == "" {
				n.in = append(n.in, nil)
				continue
			}
			v, ok := g.values[name]
			if !ok {
				return fmt.Errorf("node %q (%s): input %.80q is not computed before it", n.name, n.op, name)
			}
			v.to = append(v.to, n)
			n.in = append(n.in, v)
		}
		for _, a := range s.Attrs { // values that a subgraph takes from outside are used
			for _, sub := range append([]*onnx.Graph{a.G}, a.Graphs...) {
				g.capture(sub, n, 0)
			}
		}
		for _, name := range s.Outputs {
			if name == "" {
				n.out = append(n.out, nil)
				continue
			}
			if _, twice := g.values[name]; twice {
				return fmt.Errorf("node %q (%s): output %.80q is computed twice", n.name, n.op, name)
			}
			v := g.value(name)
			v.from = n
			n.out = append(n.out, v)
		}
		g.nodes = append(g.nodes, n)
	}
	for _, o := range src.Outputs {
		if v, ok := g.values[o.Name]; ok {
			v.output = true
			g.outputs = append(g.outputs, v)
		} else {
			return fmt.Errorf("output %.80q is not computed", o.Name)
		}
	}
	for _, vi := range src.ValueInfos { // what the exporter or runtime knew; our own inference goes first
		if v, ok := g.values[vi.Name]; ok && v.from != nil && vi.Type != nil && vi.Type.HasShape {
			shape := make([]int, 0, len(vi.Type.Shape))
			for _, d := range vi.Type.Shape {
				if !d.Known || d.Value < 0 || d.Value > maxElements {
					shape = nil
					break
				}
				shape = append(shape, int(d.Value))
			}
			if len(shape) == len(vi.Type.Shape) && len(shape) <= maxRank {
				v.shape, v.dtype = shape, vi.Type.Elem
			}
		}
	}
	return nil
}

// capture notes the uses that a subgraph of n (the body of an If, Loop or Scan)
// makes of outer values.
func (g *graph) capture(sub *onnx.Graph, n *node, depth int) {
	if sub == nil || depth > 32 {
		return
	}
	for _, s := range sub.Nodes {
		for _, name := range s.Inputs {
			if v, ok := g.values[name]; ok {
				v.to = append(v.to, n)
			}
		}
		for _, a := range s.Attrs {
			for _, inner := range append([]*onnx.Graph{a.G}, a.Graphs...) {
				g.capture(inner, n, depth+1)
			}
		}
	}
	for _, o := range sub.Outputs {
		if v, ok := g.values[o.Name]; ok {
			v.to = append(v.to, n)
		}
	}
}

// constant makes v a constant with the tensor's type and, if small, its elements.
func (g *graph) constant(v *value, t *onnx.Tensor) error {
	n, err := t.Len()
	if err != nil {
		return err
	}
	if len(t.Dims) > maxRank {
		return fmt.Errorf("tensor %.80q has rank %d", t.Name, len(t.Dims))
	}
	v.constant, v.known, v.dtype, v.tensor = true, true, t.Type, t
	v.shape = make([]int, len(t.Dims))
	for i, d := range t.Dims {
		v.shape[i] = int(d)
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
		v.data = make([]float64, len(fs))
		for i, f := range fs {
			v.data[i] = float64(f)
		}
	case onnx.Int8, onnx.Uint8, onnx.Int16, onnx.Uint16, onnx.Int32, onnx.Uint32, onnx.Int64, onnx.Uint64, onnx.Bool, onnx.Int4, onnx.Uint4:
		is, err := t.Ints()
		if err != nil {
			return err
		}
		v.data = make([]float64, len(is))
		for i, x := range is {
			v.data[i] = float64(x)
		}
	default:
		return nil
	}
	v.hasData = true
	g.followed += n
	return nil
}

func (g *graph) inputValue(in *onnx.ValueInfo, index int) error {
	if _, twice := g.values[in.Name]; twice {
		return fmt.Errorf("input %.80q is doubled", in.Name)
	}
	v := g.value(in.Name)
	if in.Type == nil || in.Type.Other != nil {
		return fmt.Errorf("input %.80q is not a tensor", in.Name)
	}
	v.dtype = in.Type.Elem
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
			if g.dims == nil {
				g.dims = map[string]int{}
			}
			g.dims[name] = int(size)
		}
		if size < 0 || size > maxElements {
			return fmt.Errorf("input %.80q: dimension %d is %d", in.Name, i, size)
		}
		v.shape = append(v.shape, int(size))
	}
	if elements(v.shape) < 0 {
		return fmt.Errorf("input %.80q: shape %v is too large", in.Name, v.shape)
	}
	v.known = true
	return nil
}

// elements is the product of a shape, −1 when beyond maxElements.
func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		if d < 0 || d > 0 && n > maxElements/d {
			return -1
		}
		n *= d
	}
	return n
}

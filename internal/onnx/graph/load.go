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
	maxInline   = 1 << 16 // nodes that function calls may expand to
	maxConstant = 1 << 14 // elements of a constant whose values are followed
	maxFollowed = 1 << 22 // elements of all of them together
)

// Load builds the graph of a decoded model: nodes in the order of the file, functions
// inlined, open dimensions given their values; where the file's order is none in which
// they can run, in one that is. It fails for a file that is not a graph, is
// inconsistent or beyond the bounds, and for an open dimension without a value (hint:
// which).
func Load(m *onnx.Model, opt Options) (*Graph, error) {
	if m.Graph == nil {
		return nil, errors.New("the file holds no graph")
	}
	g := &Graph{model: m, Functions: len(m.Functions) > 0, opt: opt, Values: map[string]*Value{}, Opset: cmp.Or(m.Opset(""), 1)}
	if err := g.load(m); err != nil {
		return nil, err
	}
	return g, nil
}

// load builds the graph: initializers, inputs with their dimensions, nodes with
// functions inlined, and checks that it is a graph in topological order.
func (g *Graph) load(m *onnx.Model) error {
	src := m.Graph
	for _, t := range src.Initializers {
		if _, twice := g.Values[t.Name]; twice {
			return fmt.Errorf("duplicate initializer %.80q", t.Name)
		}
		v := g.value(t.Name)
		if err := g.constant(v, t); err != nil {
			return err
		}
	}
	for _, t := range src.Sparse {
		if err := g.sparse(t); err != nil {
			return err
		}
	}
	for i, in := range src.Inputs {
		if v, ok := g.Values[in.Name]; ok && v.Constant {
			// IR version 3 lists every initializer among the inputs; later ones only those
			// that may be replaced.
			v.Constant, v.Default = m.IRVersion < 4, m.IRVersion >= 4
			continue
		}
		if err := g.inputValue(src.Inputs, i); err != nil {
			return err
		}
	}
	nodes := src.Nodes
	var err error
	if len(m.Functions) > 0 {
		if nodes, err = Inline(m); err != nil {
			return err
		}
	}
	if len(nodes) > maxNodes {
		return fmt.Errorf("%d nodes are more than %d", len(nodes), maxNodes)
	}
	if nodes, err = inOrder(nodes); err != nil {
		return err
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
		for _, name := range outer(s) {
			if v, ok := g.Values[name]; ok {
				v.To = append(v.To, n)
				n.Takes = append(n.Takes, v)
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
		if err := whole(n); err != nil {
			return err
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

// sparse makes a constant of a sparse initializer: its type and dimensions, not its elements.
func (g *Graph) sparse(t *onnx.SparseTensor) error {
	if t.Values == nil {
		return errors.New("a sparse initializer has no values")
	}
	if _, twice := g.Values[t.Values.Name]; twice {
		return fmt.Errorf("duplicate initializer %.80q", t.Values.Name)
	}
	v := g.value(t.Values.Name)
	v.Constant, v.Known, v.Type = true, true, t.Values.Type
	for _, d := range t.Dims {
		v.Shape = append(v.Shape, Clamp(d))
	}
	if len(v.Shape) > maxRank || Elements(v.Shape) < 0 {
		return fmt.Errorf("sparse initializer %.80q: dimensions %v are none of a tensor", v.Name, t.Dims)
	}
	return nil
}

// lacking are the dimensions of inputs without a length, each once; the first of an input is a
// batch.
func lacking(inputs []*onnx.ValueInfo, dims map[string]int) []string {
	var names []string
	for _, in := range inputs {
		if in.Type == nil {
			continue
		}
		for i, d := range in.Type.Shape {
			name := in.DimName(i)
			if _, given := dims[name]; i > 0 && d.Open() && !given && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

func (g *Graph) inputValue(inputs []*onnx.ValueInfo, index int) error {
	in := inputs[index]
	if _, twice := g.Values[in.Name]; twice {
		return fmt.Errorf("duplicate input %.80q", in.Name)
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
				return hint.Wrap(fmt.Errorf("input %.80q: dimension %d (%.80q) is open", in.Name, i, name), "give %s", hint.Dims(lacking(inputs, g.opt.Dims)...))
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

// Options say what a file leaves open.
type Options struct {
	// Dims gives symbolic dimensions their values, by name. A batch (the first
	// dimension of an input) without a value is 1.
	Dims map[string]int
	// Root is the folder external data lies in; nil when there is none. Only small
	// constants are read from it.
	Root fs.FS
}

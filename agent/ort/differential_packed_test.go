//go:build cgo

package ort

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/internal/onnx"
)

// Law: the kernels of layers that stand in functions of the model, in the branches of an If,
// in bodies of a Loop or a Scan or are used from there, and whose tensors lie in other files
// are those of the graph that ONNX Runtime makes of it.
func TestPackedAgreeWithRuntime(t *testing.T) {
	dir := t.TempDir()
	d := backendtest.NewDifferential(t, 120)
	d.Of = " in functions, branches, bodies and files"
	agreeOnKernels(t, d, func(seed uint64) sample { return newPacked(t, dir, seed) })
}

func newPacked(t *testing.T, dir string, seed uint64) sample {
	t.Helper()
	w := newLayers(seed, 6, layerShapes...)
	w.grow(t, seed, w.layer)
	s := w.sample()
	p := &packer{rng: w.rng, m: s.model, shapes: w.shapeOfName}
	for range min(1+w.rng.IntN(3), 3*len(s.model.Graph.Nodes)) {
		[]func(){p.function, p.function, p.branch, p.loop, p.scan}[w.rng.IntN(5)]()
	}
	if w.rng.IntN(3) == 0 {
		s.file = p.write(t, dir)
	}
	s.text = fmt.Sprintf("%v of %s", p.did, s.text)
	return s
}

// shapeOfName is the shape of a tensor by name, nil where it is not known.
func (w *fusions) shapeOfName(name string) []int {
	if name == "x" {
		return shapeOf(w.g.Inputs[0])
	}
	if v := w.read.Values[name]; v != nil && v.Known && v.Type == onnx.Float && !v.Constant {
		return v.Shape
	}
	return nil
}

// packer rewrites a model to one that computes the same in another form.
type packer struct {
	rng    *rand.Rand
	m      *onnx.Model
	shapes func(string) []int
	count  int
	did    []string
}

func (p *packer) name(kind string) string {
	p.count++
	return fmt.Sprintf("%s%d", kind, p.count)
}

// cut is a run of nodes with what it takes from outside and what is used of it there.
func (p *packer) cut(g *onnx.Graph) (from, to int, in, out []string) {
	n := len(g.Nodes)
	from = p.rng.IntN(n)
	to = from + 1 + p.rng.IntN(min(4, n-from))
	made, used := map[string]bool{}, map[string]bool{}
	for _, node := range g.Nodes[from:to] {
		for _, name := range taken(node) {
			if !made[name] && name != "" && !slices.Contains(in, name) {
				in = append(in, name)
			}
		}
		for _, name := range node.Outputs {
			made[name] = true
		}
	}
	for _, node := range g.Nodes[to:] {
		for _, name := range taken(node) {
			used[name] = true
		}
	}
	for _, o := range g.Outputs {
		used[o.Name] = true
	}
	for _, node := range g.Nodes[from:to] {
		for _, name := range node.Outputs {
			if used[name] {
				out = append(out, name)
			}
		}
	}
	return from, to, in, out
}

// taken are the tensors that a node takes, those of its bodies included.
func taken(n *onnx.Node) []string {
	names := slices.Clone(n.Inputs)
	for _, a := range n.Attrs {
		if a.G == nil {
			continue
		}
		own := map[string]bool{}
		for _, v := range a.G.Inputs {
			own[v.Name] = true
		}
		for _, b := range a.G.Nodes {
			for _, name := range taken(b) {
				if !own[name] {
					names = append(names, name)
				}
			}
			for _, name := range b.Outputs {
				own[name] = true
			}
		}
		for _, o := range a.G.Outputs {
			if !own[o.Name] {
				names = append(names, o.Name)
			}
		}
	}
	return names
}

// function puts a run of nodes into a function of the model, which has names of its own and
// takes one of its numbers from the call.
func (p *packer) function() {
	g := p.m.Graph
	from, to, in, out := p.cut(g)
	if len(out) == 0 {
		return
	}
	f := &onnx.Function{Name: p.name("F"), Domain: "local", Opsets: slices.Clone(p.m.Opsets)}
	call := &onnx.Node{Op: f.Name, Domain: "local", Name: p.name("call"), Inputs: in, Outputs: out}
	inner := map[string]string{"": ""}
	for i, name := range in {
		inner[name] = fmt.Sprintf("i%d", i)
		f.Inputs = append(f.Inputs, inner[name])
	}
	rename := func(names []string) (all []string) {
		for _, name := range names {
			if _, ok := inner[name]; !ok {
				inner[name] = fmt.Sprintf("t%d", len(inner))
			}
			all = append(all, inner[name])
		}
		return all
	}
	for _, n := range g.Nodes[from:to] {
		c := &onnx.Node{Op: n.Op, Domain: n.Domain, Name: n.Name, Inputs: rename(n.Inputs), Outputs: rename(n.Outputs)}
		for _, a := range n.Attrs {
			switch {
			case a.G != nil:
				c.Attrs = append(c.Attrs, &onnx.Attr{Name: a.Name, Type: a.Type, G: renamed(a.G, rename)})
			case a.Type == onnx.AttrInt && p.rng.IntN(2) == 0 && call.Attr(a.Name) == nil && !slices.Contains(f.Params, a.Name) && !slices.ContainsFunc(f.Defaults, func(d *onnx.Attr) bool { return d.Name == a.Name }):
				c.Attrs = append(c.Attrs, &onnx.Attr{Name: a.Name, Type: a.Type, Ref: a.Name})
				if p.rng.IntN(3) == 0 { // the function's own
					f.Defaults = append(f.Defaults, a)
				} else {
					f.Params, call.Attrs = append(f.Params, a.Name), append(call.Attrs, a)
				}
				continue
			default:
				c.Attrs = append(c.Attrs, a)
			}
		}
		f.Nodes = append(f.Nodes, c)
	}
	f.Outputs = rename(out)
	p.m.Functions = append(p.m.Functions, f)
	if !slices.ContainsFunc(p.m.Opsets, func(o onnx.Opset) bool { return o.Domain == "local" }) {
		p.m.Opsets = append(slices.Clone(p.m.Opsets), onnx.Opset{Domain: "local", Version: 1})
	}
	for _, f := range p.m.Functions {
		f.Opsets = p.m.Opsets
	}
	g.Nodes = slices.Replace(slices.Clone(g.Nodes), from, to, call)
	p.did = append(p.did, "function")
}

// renamed is a body whose nodes have other names for all tensors.
func renamed(g *onnx.Graph, rename func([]string) []string) *onnx.Graph {
	c := *g
	values := func(list []*onnx.ValueInfo) (all []*onnx.ValueInfo) {
		for _, v := range list {
			all = append(all, &onnx.ValueInfo{Name: rename([]string{v.Name})[0], Type: v.Type})
		}
		return all
	}
	c.Inputs, c.Nodes = values(g.Inputs), nil
	for _, n := range g.Nodes {
		d := *n
		d.Inputs, d.Outputs = rename(n.Inputs), rename(n.Outputs)
		d.Attrs = nil
		for _, a := range n.Attrs {
			if a.G != nil {
				a = &onnx.Attr{Name: a.Name, Type: a.Type, G: renamed(a.G, rename)}
			}
			d.Attrs = append(d.Attrs, a)
		}
		c.Nodes = append(c.Nodes, &d)
	}
	c.Outputs = values(g.Outputs)
	return &c
}

// branch puts a run of nodes into both branches of an If, whose condition is a constant or
// is computed.
func (p *packer) branch() {
	g := p.m.Graph
	from, to, _, out := p.cut(g)
	if len(out) == 0 {
		return
	}
	body := func(prefix string) *onnx.Graph {
		b := &onnx.Graph{Name: prefix}
		made := map[string]bool{}
		for _, n := range g.Nodes[from:to] {
			for _, name := range n.Outputs {
				made[name] = true
			}
		}
		rename := func(names []string) (all []string) {
			for _, name := range names {
				if made[name] {
					name = prefix + name
				}
				all = append(all, name)
			}
			return all
		}
		b.Nodes = renamed(&onnx.Graph{Nodes: g.Nodes[from:to]}, rename).Nodes
		for _, n := range b.Nodes {
			n.Name = prefix + n.Name
		}
		for _, name := range out {
			b.Outputs = append(b.Outputs, &onnx.ValueInfo{Name: prefix + name, Type: &onnx.Type{Elem: onnx.Float}})
		}
		return b
	}
	node := &onnx.Node{Op: "If", Name: p.name("if"), Outputs: out, Attrs: []*onnx.Attr{{Name: "then_branch", Type: onnx.AttrGraph, G: body(p.name("t") + "/")},
		{Name: "else_branch", Type: onnx.AttrGraph, G: body(p.name("e") + "/")}}}
	nodes := []*onnx.Node{node}
	for _, name := range out {
		p.state(name, p.shapes(name))
	}
	if p.rng.IntN(2) == 0 {
		node.Inputs = []string{p.constant(onnx.Bool, int64(p.rng.IntN(2)))}
		p.did = append(p.did, "constant if")
	} else {
		node.Inputs = []string{p.input(onnx.Bool)}
		p.did = append(p.did, "if")
	}
	g.Nodes = slices.Replace(slices.Clone(g.Nodes), from, to, nodes...)
}

// constant is a new initializer of one number.
func (p *packer) constant(typ onnx.DataType, v int64) string {
	name := p.name("k")
	p.m.Graph.Initializers = append(slices.Clone(p.m.Graph.Initializers), onnx.IntTensor(name, typ, []int64{v}))
	return name
}

// input is a new input of one number.
func (p *packer) input(typ onnx.DataType) string {
	name := p.name("given")
	p.m.Graph.Inputs = append(slices.Clone(p.m.Graph.Inputs), onnx.NewValue(name, typ))
	return name
}

// some is a tensor that a body may change and its shape, and where in the graph it is there.
func (p *packer) some() (name string, shape []int, at int) {
	g := p.m.Graph
	for range 8 {
		at = p.rng.IntN(len(g.Nodes))
		name = g.Nodes[at].Outputs[0]
		if shape = p.shapes(name); len(shape) > 0 {
			return name, shape, at + 1
		}
	}
	return "", nil, 0
}

// loop appends a Loop that changes a tensor, another one from outside added, some times.
func (p *packer) loop() {
	name, shape, at := p.some()
	if name == "" {
		return
	}
	carried, out := p.name("c"), p.name("l")
	body := &onnx.Graph{Name: "body", Inputs: []*onnx.ValueInfo{onnx.NewValue(out+"/i", onnx.Int64), onnx.NewValue(out+"/go", onnx.Bool), onnx.NewValue(carried, onnx.Float, shape...)},
		Nodes: []*onnx.Node{{Op: "Identity", Name: out + "/stay", Inputs: []string{out + "/go"}, Outputs: []string{out + "/on"}},
			{Op: "Relu", Name: out + "/relu", Inputs: []string{carried}, Outputs: []string{out + "/r"}},
			{Op: "Add", Name: out + "/add", Inputs: []string{out + "/r", name}, Outputs: []string{out + "/s"}}},
		Outputs: []*onnx.ValueInfo{onnx.NewValue(out+"/on", onnx.Bool), onnx.NewValue(out+"/s", onnx.Float, shape...)}}
	n := &onnx.Node{Op: "Loop", Name: p.name("loop"), Inputs: []string{p.constant(onnx.Int64, 3), p.constant(onnx.Bool, 1), name}, Outputs: []string{out},
		Attrs: []*onnx.Attr{{Name: "body", Type: onnx.AttrGraph, G: body}}}
	p.place(n, at, shape)
	p.did = append(p.did, "loop")
}

// scan appends a Scan over the first dimension of a tensor.
func (p *packer) scan() {
	name, shape, at := p.some()
	if name == "" {
		return
	}
	out := p.name("s")
	body := &onnx.Graph{Name: "body", Inputs: []*onnx.ValueInfo{onnx.NewValue(out+"/e", onnx.Float, shape[1:]...)},
		Nodes:   []*onnx.Node{{Op: "Relu", Name: out + "/relu", Inputs: []string{out + "/e"}, Outputs: []string{out + "/r"}}},
		Outputs: []*onnx.ValueInfo{onnx.NewValue(out+"/r", onnx.Float, shape[1:]...)}}
	n := &onnx.Node{Op: "Scan", Name: p.name("scan"), Inputs: []string{name}, Outputs: []string{out},
		Attrs: []*onnx.Attr{{Name: "body", Type: onnx.AttrGraph, G: body}, onnx.IntAttr("num_scan_inputs", 1)}}
	p.place(n, at, shape)
	p.did = append(p.did, "scan")
}

// state writes down the shape of what bodies compute, as exporters do.
func (p *packer) state(name string, shape []int) {
	if shape != nil {
		p.m.Graph.ValueInfos = append(slices.Clone(p.m.Graph.ValueInfos), onnx.NewValue(name, onnx.Float, shape...))
	}
}

// place inserts a node whose result a further layer takes and hands out.
func (p *packer) place(n *onnx.Node, at int, shape []int) {
	g, end := p.m.Graph, p.name("end")
	g.Nodes = slices.Insert(slices.Clone(g.Nodes), at, n, &onnx.Node{Op: "Tanh", Name: p.name("tanh"), Inputs: n.Outputs, Outputs: []string{end}})
	p.state(n.Outputs[0], shape)
	g.Outputs = append(g.Outputs, onnx.NewValue(end, onnx.Float, shape...))
}

// write moves tensors into files of their own, in folders, at offsets, and writes the model
// beside them.
func (p *packer) write(t *testing.T, dir string) string {
	t.Helper()
	p.did = append(p.did, "files")
	g := p.m.Graph
	files := [][]byte{nil, nil, nil}
	names := []string{"weights.bin", "data/a.bin", "data/deep/b.bin"}
	for i, init := range g.Initializers {
		c := *init
		if len(c.Raw) == 0 || p.rng.IntN(4) == 0 {
			continue
		}
		f := p.rng.IntN(3)
		files[f] = append(files[f], make([]byte, p.rng.IntN(3)*8)...)
		c.IsExternal, c.External = true, []onnx.Entry{{Key: "location", Value: names[f]}, {Key: "length", Value: fmt.Sprint(len(c.Raw))}}
		if at := len(files[f]); at > 0 || p.rng.IntN(2) == 0 {
			c.External = append(c.External, onnx.Entry{Key: "offset", Value: fmt.Sprint(at)})
		}
		files[f] = append(files[f], c.Raw...)
		c.Raw, c.HasRaw = nil, false
		g.Initializers[i] = &c
	}
	for i, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, files[i], 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(dir, "model.onnx")
	if err := os.WriteFile(path, onnx.Encode(p.m), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

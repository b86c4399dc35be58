package onnxmodule

import (
	"fmt"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/onnx"
)

// Requires returns the versions of operator sets that a model with the module's nodes
// imports at least, and that of the file format.
func (m *Module) Requires() (opsets []onnx.Opset, ir int64) { return m.model.Opsets, m.model.IRVersion }

// Fits says why the module's nodes would not mean the same in a model that is written
// for version opset of ONNX's own operators, nil when they do.
func (m *Module) Fits(opset int64) error {
	var walk func(nodes []*onnx.Node) error
	walk = func(nodes []*onnx.Node) error {
		for _, n := range nodes {
			if n.Domain != "" && n.Domain != "ai.onnx" {
				continue
			}
			if v := onnx.ChangedBetween(n, m.Opset, opset); v != 0 {
				return hint.Wrap(fmt.Errorf("its node %q (%s) is written for version %d of ONNX's operators and means something else from version %d on; the network is of version %d",
					n.Name, n.Op, m.Opset, v, opset), "export it with opset_version=%d or higher", v)
			}
			for _, a := range n.Attrs {
				if a.G != nil {
					if err := walk(a.G.Nodes); err != nil {
						return err
					}
				}
				for _, g := range a.Graphs {
					if err := walk(g.Nodes); err != nil {
						return err
					}
				}
			}
		}
		return nil
	}
	return walk(m.nodes)
}

// Into adds the module to a model's graph: its nodes, which read the value in and write
// the value out, and its constants. Names of its own begin with prefix.
func (m *Module) Into(g *onnx.Graph, prefix, in, out string) {
	rename := func(name string) string {
		switch name {
		case "":
			return ""
		case m.input:
			return in
		case m.output:
			return out
		}
		return prefix + name
	}
	for _, t := range m.model.Graph.Initializers {
		c := *t
		c.Name = rename(t.Name)
		g.Initializers = append(g.Initializers, &c)
	}
	for _, t := range m.model.Graph.Sparse {
		g.Sparse = append(g.Sparse, renamedSparse(t, rename))
	}
	if m.input == m.output { // a module that is nothing
		g.Nodes = append(g.Nodes, &onnx.Node{Name: prefix + "identity", Op: "Identity", Inputs: []string{in}, Outputs: []string{out}})
	}
	g.Nodes = append(g.Nodes, renamedNodes(m.nodes, prefix, rename)...)
}

func renamedSparse(t *onnx.SparseTensor, rename func(string) string) *onnx.SparseTensor {
	c := *t
	v := *t.Values
	v.Name = rename(v.Name)
	c.Values = &v
	return &c
}

// renamedNodes copies nodes under other names, their bodies too: values of an If or a
// Loop share one name space with those around it.
func renamedNodes(nodes []*onnx.Node, prefix string, rename func(string) string) []*onnx.Node {
	var out []*onnx.Node
	for _, n := range nodes {
		c := &onnx.Node{Name: prefix + n.Name, Op: n.Op, Domain: n.Domain, Overload: n.Overload}
		for _, s := range n.Inputs {
			c.Inputs = append(c.Inputs, rename(s))
		}
		for _, s := range n.Outputs {
			c.Outputs = append(c.Outputs, rename(s))
		}
		for _, a := range n.Attrs {
			if a.G != nil || len(a.Graphs) > 0 {
				b := *a
				b.G, b.Graphs = renamedGraph(a.G, prefix, rename), nil
				for _, g := range a.Graphs {
					b.Graphs = append(b.Graphs, renamedGraph(g, prefix, rename))
				}
				a = &b
			}
			c.Attrs = append(c.Attrs, a)
		}
		out = append(out, c)
	}
	return out
}

func renamedGraph(g *onnx.Graph, prefix string, rename func(string) string) *onnx.Graph {
	if g == nil {
		return nil
	}
	c := &onnx.Graph{Name: g.Name, Nodes: renamedNodes(g.Nodes, prefix, rename), Inputs: renamedValues(g.Inputs, rename), Outputs: renamedValues(g.Outputs, rename)}
	for _, t := range g.Initializers {
		b := *t
		b.Name = rename(t.Name)
		c.Initializers = append(c.Initializers, &b)
	}
	for _, t := range g.Sparse {
		c.Sparse = append(c.Sparse, renamedSparse(t, rename))
	}
	return c
}

func renamedValues(values []*onnx.ValueInfo, rename func(string) string) []*onnx.ValueInfo {
	var out []*onnx.ValueInfo
	for _, v := range values {
		c := *v
		c.Name = rename(v.Name)
		out = append(out, &c)
	}
	return out
}

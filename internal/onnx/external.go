package onnx

import (
	"maps"
	"slices"
)

// ExternalFiles lists the files that hold tensors' elements outside of the model's own,
// as their locations are written: relative to the model's folder, with slashes, sorted.
func (m *Model) ExternalFiles() []string {
	found := map[string]bool{}
	tensor := func(t *Tensor) {
		if t == nil || !t.IsExternal {
			return
		}
		for _, e := range t.External {
			if e.Key == "location" {
				found[e.Value] = true
			}
		}
	}
	sparse := func(s *SparseTensor) {
		if s != nil {
			tensor(s.Values)
			tensor(s.Indices)
		}
	}
	var graph func(g *Graph)
	nodes := func(list []*Node) {
		for _, n := range list {
			for _, a := range n.Attrs {
				tensor(a.T)
				for _, s := range a.Sparse {
					sparse(s)
				}
				for _, t := range a.Tensors {
					tensor(t)
				}
				graph(a.G)
				for _, g := range a.Graphs {
					graph(g)
				}
			}
		}
	}
	graph = func(g *Graph) {
		if g == nil {
			return
		}
		for _, t := range g.Initializers {
			tensor(t)
		}
		for _, s := range g.Sparse {
			sparse(s)
		}
		nodes(g.Nodes)
	}
	graph(m.Graph)
	for _, f := range m.Functions {
		nodes(f.Nodes)
	}
	return slices.Sorted(maps.Keys(found))
}

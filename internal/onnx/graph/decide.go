package graph

import (
	"fmt"
	"maps"
	"slices"

	"github.com/isocost/isocost/internal/onnx"
)

// decide replaces each If whose condition is known by the nodes of the branch that is taken,
// as runtimes do when they load a model, and reads the graph again. It does so until no
// such If is left: a branch may hold further ones.
func (g *Graph) decide(extra func(op string) (Rule, Fold)) error {
	decided := map[*onnx.Node]bool{}
	for depth := 0; ; depth++ {
		taken := map[*onnx.Node]*onnx.Graph{}
		for _, n := range g.Nodes {
			d, ok := n.Data(0)
			if n.Op != "If" || !ok || len(d) != 1 || !n.In[0].Constant {
				continue
			}
			branch := "else_branch"
			if d[0] != 0 {
				branch = "then_branch"
			}
			if a := n.Src.Attr(branch); a != nil && a.G != nil && len(a.G.Outputs) == len(n.Src.Outputs) {
				taken[n.Src] = a.G
			}
		}
		if len(taken) == 0 {
			return nil
		}
		if depth > maxNested {
			return fmt.Errorf("branches stand in each other deeper than %d", maxNested)
		}
		m := *g.model
		src := *m.Graph
		m.Graph, m.Functions, src.Nodes, src.Initializers = &src, nil, nil, slices.Clone(src.Initializers)
		for _, n := range g.Nodes {
			b := taken[n.Src]
			if b == nil {
				src.Nodes = append(src.Nodes, n.Src)
				continue
			}
			nodes, tensors := branchNodes(n, b)
			for _, n := range nodes {
				decided[n] = true
			}
			src.Nodes, src.Initializers = append(src.Nodes, nodes...), append(src.Initializers, tensors...)
		}
		next, err := Load(&m, g.opt)
		if err != nil {
			return err
		}
		if err := next.infer(extra); err != nil {
			return err
		}
		for _, n := range next.Nodes {
			n.Decided = decided[n.Src]
		}
		next.Dims, next.Functions = maps.Clone(g.Dims), g.Functions
		*g = *next
	}
}

// branchNodes are the nodes and constants of a branch of n, its results named as n's are.
func branchNodes(n *Node, b *onnx.Graph) (nodes []*onnx.Node, tensors []*onnx.Tensor) {
	names := map[string]string{}
	own := func(name string) {
		if name != "" {
			names[name] = n.Name + "/" + name
		}
	}
	for _, t := range b.Initializers {
		own(t.Name)
	}
	for _, s := range b.Nodes {
		for _, name := range s.Outputs {
			own(name)
		}
	}
	same := make([]bool, len(b.Outputs)) // a result is a tensor of the branch
	for i, o := range b.Outputs {
		to := n.Src.Outputs[i]
		if at, ok := names[o.Name]; ok && to != "" && at == n.Name+"/"+o.Name {
			names[o.Name], same[i] = to, true
		}
	}
	rename := func(name string) string {
		if to, ok := names[name]; ok {
			return to
		}
		return name
	}
	for _, t := range b.Initializers {
		c := *t
		c.Name = rename(t.Name)
		tensors = append(tensors, &c)
	}
	nodes = renameNodes(b.Nodes, rename)
	for i, o := range b.Outputs {
		if to := n.Src.Outputs[i]; to != "" && !same[i] {
			nodes = append(nodes, &onnx.Node{Op: "Identity", Name: n.Name + "/" + to, Inputs: []string{rename(o.Name)}, Outputs: []string{to}})
		}
	}
	return nodes, tensors
}

// renameNodes are nodes whose tensors have other names, in their bodies as well.
func renameNodes(nodes []*onnx.Node, rename func(string) string) []*onnx.Node {
	all := func(names []string) (out []string) {
		for _, name := range names {
			out = append(out, rename(name))
		}
		return out
	}
	var out []*onnx.Node
	for _, n := range nodes {
		c := *n
		c.Inputs, c.Outputs, c.Attrs = all(n.Inputs), all(n.Outputs), nil
		for _, a := range n.Attrs {
			if a.G != nil {
				b, body := *a, *a.G
				body.Nodes, body.Outputs = renameNodes(a.G.Nodes, rename), named(a.G.Outputs, rename)
				b.G, a = &body, &b
			}
			c.Attrs = append(c.Attrs, a)
		}
		out = append(out, &c)
	}
	return out
}

package graph

import (
	"fmt"
	"strings"
)

// String lists the nodes that run, one per line: what a node computes, of which type and
// shape where they are known, and from what.
func (g *Graph) String() string {
	var b strings.Builder
	for _, n := range g.Nodes {
		if !n.Gone {
			fmt.Fprintf(&b, "%s\n", n)
		}
	}
	return b.String()
}

// Folded are the nodes that are computed when the model is loaded.
type Folded []*Node

// Folded lists the nodes that Infer has computed.
func (g *Graph) Folded() Folded {
	var list Folded
	for _, n := range g.Nodes {
		if n.Gone {
			list = append(list, n)
		}
	}
	return list
}

// String lists the nodes, one per line, with their values where these are few.
func (f Folded) String() string {
	const few = 8
	var b strings.Builder
	for _, n := range f {
		b.WriteString(n.String())
		if len(n.Out) > 0 && n.Out[0] != nil && n.Out[0].HasData && len(n.Out[0].Data) <= few {
			fmt.Fprintf(&b, " = %.6g", n.Out[0].Data)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// String is the node as "y float32[1 16 8 8] ← Conv x, w".
func (n *Node) String() string {
	out := make([]string, 0, len(n.Out))
	for _, v := range n.Out {
		if v != nil {
			out = append(out, v.String())
		}
	}
	in := make([]string, len(n.In))
	for i, v := range n.In {
		if in[i] = "–"; v != nil {
			in[i] = short(v.Name)
		}
	}
	return strings.TrimRight(fmt.Sprintf("%s ← %s %s", strings.Join(out, ", "), short(n.Op), strings.Join(in, ", ")), " ")
}

// String is the value's name, type and shape.
func (v *Value) String() string {
	if !v.Known {
		return short(v.Name)
	}
	return fmt.Sprintf("%s %v%v", short(v.Name), v.Type, v.Shape)
}

// short is a name of the file as it may be printed: bounded, and quoted where it holds
// what a terminal might obey.
func short(name string) string {
	if q := fmt.Sprintf("%.80q", name); q != `"`+name+`"` {
		return q
	}
	return name
}

package graph

import (
	"slices"
)

// Replace makes root one node op of everything matched, on the input x.
func (m *Match) Replace(root *Node, x *Value, op string) {
	var parts []string
	for _, n := range m.nodes {
		for _, v := range n.In {
			if v != nil {
				Unlink(v, n)
			}
		}
	}
	for i := len(m.nodes) - 1; i >= 0; i-- {
		n := m.nodes[i]
		parts = append(parts, n.Parts...)
		if n != root {
			n.Gone = true
		}
	}
	root.Op, root.Src, root.In, root.Parts = op, nil, []*Value{x}, parts
	x.To = append(x.To, root)
}

// Only reports that v is used once and is not an output of the network, so that its
// producer can take its consumer in.
func Only(v *Value) bool { return v != nil && len(v.To) == 1 && !v.Output }

// Absorb merges next, which alone uses out 0 of n, into n.
func Absorb(n, next *Node) {
	n.Parts = append(n.Parts, next.Parts...)
	for _, v := range next.In {
		if v != nil {
			Unlink(v, next)
		}
	}
	next.Gone = true
	n.Out[0] = next.Out[0]
	n.Out[0].From = n
}

// Enter merges s, the producer of n's input i, into n, which then takes x.
func Enter(n *Node, i int, s *Node, x *Value) {
	Unlink(x, s)
	s.Gone = true
	n.Parts = append(n.Parts, s.Parts...)
	n.In[i] = x
	x.To = append(x.To, n)
}

// Unlink ends one use of v by n.
func Unlink(v *Value, n *Node) {
	if i := slices.Index(v.To, n); i >= 0 {
		v.To = slices.Delete(v.To, i, i+1)
	}
}

// Clone is a copy that may be edited: nodes and values are its own, tensors and
// attributes the file's.
func (g *Graph) Clone() *Graph {
	c := *g
	c.Nodes, c.Outputs, c.Values = make([]*Node, len(g.Nodes)), make([]*Value, len(g.Outputs)), make(map[string]*Value, len(g.Values))
	values, nodes := map[*Value]*Value{nil: nil}, make(map[*Node]*Node, len(g.Nodes))
	valueOf := func(v *Value) *Value {
		w, ok := values[v]
		if !ok {
			w = new(Value)
			*w = *v
			values[v] = w
		}
		return w
	}
	for i, n := range g.Nodes {
		m := new(Node)
		*m = *n
		m.In, m.Out = make([]*Value, len(n.In)), make([]*Value, len(n.Out))
		for j, v := range n.In {
			m.In[j] = valueOf(v)
		}
		for j, v := range n.Out {
			m.Out[j] = valueOf(v)
		}
		m.Takes = make([]*Value, len(n.Takes))
		for j, v := range n.Takes {
			m.Takes[j] = valueOf(v)
		}
		c.Nodes[i], nodes[n] = m, m
	}
	for name, v := range g.Values {
		c.Values[name] = valueOf(v)
	}
	for i, v := range g.Outputs {
		c.Outputs[i] = valueOf(v)
	}
	for old, v := range values {
		if old == nil {
			continue
		}
		v.From = nodes[old.From]
		v.To = make([]*Node, len(old.To))
		for i, n := range old.To {
			v.To[i] = nodes[n]
		}
	}
	return &c
}

package ortmodel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// shareEqual removes nodes that compute what another has computed: the same operator with the
// same attributes on the same tensors (ONNX Runtime's CommonSubexpressionElimination). Their
// users then share a tensor, which no longer fuses with either. The runtime does it before it
// decides branches (all is false), and for all nodes when it starts again behind that; numbers
// that nodes out of branches take are not those that the others share since the first time
// (ConstantSharing).
func (g *Fused) shareEqual(all bool) {
	first := map[string]*graph.Node{}
	names := map[*graph.Value]string{}
	name := func(v *graph.Value) string {
		if v == nil {
			return ""
		}
		if s, ok := names[v]; ok {
			return s
		}
		s := fmt.Sprintf("%p", v)
		if v.Constant && v.HasData && len(v.Data) == 1 { // scalars are equal by value
			s = fmt.Sprint(v.Type, v.Shape, v.Data, slices.ContainsFunc(v.To, func(n *graph.Node) bool { return n.Decided }))
		}
		names[v] = s
		return s
	}
	for _, n := range g.Nodes {
		if n.Gone || n.Src == nil || n.Decided && !all || len(n.Takes) > 0 || strings.HasSuffix(n.Op, "uantizeLinear") || graph.Random(n.Op) {
			continue
		}
		var b strings.Builder
		fmt.Fprintf(&b, "%s/%d", n.Op, len(n.Out))
		for _, v := range n.In {
			fmt.Fprintf(&b, "(%s)", name(v))
		}
		attrs := slices.Clone(n.Src.Attrs)
		slices.SortFunc(attrs, func(x, y *onnx.Attr) int { return strings.Compare(x.Name, y.Name) })
		plain := true
		for _, a := range attrs {
			plain = plain && a.G == nil && len(a.Graphs) == 0 && a.T == nil && len(a.Tensors) == 0
			fmt.Fprintf(&b, " %s=%d %v %v %q %v %v %q", a.Name, a.Type, a.F, a.I, a.S, a.Floats, a.Ints, a.Strings)
		}
		key := b.String()
		same := first[key]
		switch {
		case !plain:
		case same == nil:
			first[key] = n
		case !slices.Contains(n.Out, nil) && !slices.ContainsFunc(same.Out, func(v *graph.Value) bool { return v == nil || v.Output }):
			g.share(same, n)
		}
	}
}

// share gives the users of n's outputs those of same.
func (g *Fused) share(same, n *graph.Node) {
	for i, v := range n.Out {
		for _, user := range v.To {
			for j, in := range user.In {
				if in == v {
					user.In[j] = same.Out[i]
				}
			}
			for j, in := range user.Takes {
				if in == v {
					user.Takes[j] = same.Out[i]
				}
			}
			same.Out[i].To = append(same.Out[i].To, user)
		}
		v.To = nil
		same.Out[i].Output = same.Out[i].Output || v.Output
	}
	n.Gone, g.free[n] = true, network.FreeTwice
	for _, v := range n.In {
		if v != nil {
			graph.Unlink(v, n)
		}
	}
}

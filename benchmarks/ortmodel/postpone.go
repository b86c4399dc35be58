package ortmodel

import (
	"strings"

	"github.com/isocost/isocost/internal/onnx/graph"
)

// postponed says what the runtime does not compute when it loads the model: it leaves
// quantisations and dequantisations, also of constants, to the inference, and what
// depends on them. A quantiser puts them into shape arithmetic that was done in floats.
type postponed struct {
	late  map[*graph.Value]bool // constants that are computed in every inference
	vague map[*graph.Value]bool // of a shape that follows from late constants: not known when the model is loaded
	asked map[*graph.Value]int  // how many ask for a vague value's shape, in every inference
}

func postpone(g *graph.Graph) postponed {
	p := postponed{map[*graph.Value]bool{}, map[*graph.Value]bool{}, map[*graph.Value]int{}}
	for _, n := range g.Nodes {
		late, vague := strings.HasSuffix(n.Op, "uantizeLinear"), false
		for i, v := range n.In {
			if v == nil {
				continue
			}
			late = late || p.late[v]
			vague = vague || p.vague[v] || i > 0 && p.late[v] && operators[n.Op].byValue
		}
		if x := n.Input(0); (n.Op == "Shape" || n.Op == "Size") && x != nil {
			if late = p.vague[x]; late {
				p.asked[x]++
			}
		}
		for _, v := range n.Out {
			if v != nil {
				p.late[v], p.vague[v] = v.Constant && late, !v.Constant && vague
			}
		}
	}
	return p
}

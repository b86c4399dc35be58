package ortmodel

import (
	"strings"

	"github.com/isocost/isocost/internal/onnx/graph"
)

// postponed says what the runtime does not compute when it loads the model: it leaves
// quantisations and dequantisations, also of constants, to the inference, and what
// depends on them. A quantiser puts them into shape arithmetic that was done in floats.
type postponed struct {
	perRun  map[*graph.Value]bool // constants that are computed in every inference
	resized map[*graph.Value]bool // of a shape that follows from such constants: not known when the model is loaded
	asked   map[*graph.Value]int  // how many ask for a resized value's shape, in every inference
}

func postpone(g *graph.Graph) postponed {
	p := postponed{map[*graph.Value]bool{}, map[*graph.Value]bool{}, map[*graph.Value]int{}}
	for _, n := range g.Nodes {
		perRun, resized := strings.HasSuffix(n.Op, "uantizeLinear"), false
		for i, v := range n.In {
			if v == nil {
				continue
			}
			perRun = perRun || p.perRun[v]
			resized = resized || p.resized[v] || i > 0 && p.perRun[v] && operators[n.Op].byValue
		}
		if x := n.Input(0); (n.Op == "Shape" || n.Op == "Size") && x != nil {
			if perRun = p.resized[x]; perRun {
				p.asked[x]++
			}
		}
		for _, v := range n.Out {
			if v != nil {
				p.perRun[v], p.resized[v] = v.Constant && perRun, !v.Constant && resized
			}
		}
	}
	return p
}

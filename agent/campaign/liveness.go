package campaign

import (
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
)

// liveness is the static lower bound of a model's activation memory: nodes run
// in the order of the graph, a value lives from the node that makes it to the
// last that reads it, inputs and outputs live throughout; the bound is the
// largest sum of live bytes. A runtime that reorders, fuses or works in place
// may need less, one that pads or keeps copies needs more. ok is false for models
// whose graph is not known.
func liveness(chain benchmarks.Chain, batch int) (bytes int64, ok bool) {
	if len(chain) == 0 {
		return 0, false
	}
	g, err := benchmarks.Build(chain, benchmarks.BuildOptions{Batch: batch})
	if err != nil {
		return 0, false
	}
	return peakLive(g), true
}

func peakLive(g *graph.Graph) int64 {
	constant := map[*graph.Value]bool{}
	for _, w := range g.Weights {
		constant[w] = true
	}
	last := map[*graph.Value]int{}
	for i, n := range g.Nodes {
		for _, v := range n.In {
			last[v] = i
		}
	}
	for _, v := range append(g.Inputs[:len(g.Inputs):len(g.Inputs)], g.Outputs...) {
		last[v] = len(g.Nodes)
	}
	live, peak := int64(0), int64(0)
	held := map[*graph.Value]bool{}
	hold := func(v *graph.Value) {
		if v != nil && !constant[v] && !held[v] {
			held[v] = true
			live += v.Bytes()
		}
	}
	for _, v := range g.Inputs {
		hold(v)
	}
	peak = live // a change of layout alone may be no node at all
	for i, n := range g.Nodes {
		for _, v := range n.Out {
			hold(v)
		}
		peak = max(peak, live)
		for v := range held {
			if last[v] <= i {
				live -= v.Bytes()
				delete(held, v)
			}
		}
	}
	return peak
}

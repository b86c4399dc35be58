package agent

import (
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
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

// cellMemory is what a cell of metric memory holds: the most bytes of activations
// alive while its operator runs, its input and output among them, by the liveness of
// the operator's own graph. It is not a difference of models – peaks do not add up –
// and no allocator can tell it: the peak of a framed model may be its frame's. A
// network's peak is the largest of its operators', plus what a branch around them
// keeps alive, which a table of operators does not know.
func cellMemory(op lut.Op, batch int) *record.Memory {
	n, ok := liveness(benchmarks.Chain{op}, batch)
	if !ok {
		return nil
	}
	return &record.Memory{LivenessBytes: &n}
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

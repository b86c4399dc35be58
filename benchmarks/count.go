package benchmarks

import "github.com/isocost/isocost/benchmarks/graph"

// Counts are a graph's parameters and multiply-adds.
type Counts struct {
	// Params is the number of trained parameters, as papers count them: weights and
	// biases, and for a convolution with a batch normalisation folded in, its scale
	// and shift instead of the bias.
	Params int64
	// Stored is the number of constants of the graph as it runs.
	Stored int64
	// MACs is the number of multiply-adds of convolutions and matrix products, for
	// the graph's whole batch. Element-wise work is not counted, as papers do not.
	MACs int64
}

// Count counts a graph, exactly.
func Count(g *graph.Graph) Counts {
	var c Counts
	for _, w := range g.Weights {
		c.Stored += int64(w.Len())
	}
	c.Params = c.Stored
	for _, n := range g.Nodes {
		y := n.Out[0]
		if n.Attrs.Strings["folded"] == graph.NormFolded {
			c.Params += int64(y.Shape[1])
		}
		if o, ok := n.Op.(*operator); ok && o.work.macs != nil {
			c.MACs += o.work.macs(n)
		}
	}
	return c
}

// MACs is the number of multiply-adds of the chain at batch 1.
func (c Chain) MACs() (int64, error) {
	g, err := Build(c, BuildOptions{Shapes: true})
	if err != nil {
		return 0, err
	}
	return Count(g).MACs, nil
}

package census

import (
	"math"
	"math/rand/v2"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// reach says how many kernels further on a walk may go on: enough to pass a branch of a
// block, so that a walk stays in the block it is in.
const reach = 12

// Walk draws a chain of kernels of the network, in the order it has them: of all chains
// from one kernel to a later one, in which each takes what the one before puts out, that
// of the greatest weight, the weight of each kernel being weight(op) times a random number.
// A chain is at most `most` kernels long and nil where no two kernels follow one another.
func (n *Network) Walk(rng *rand.Rand, most int, weight func(lut.Op) float64) benchmarks.Chain {
	type stop struct {
		in, out benchmarks.Shape
		ok      bool
		own     float64 // weight of the kernel itself
		best    float64 // of the best chain that ends here
		from    int     // the kernel before, −1 at the chain's start
		length  int
	}
	at := make([]stop, len(n.Kernels))
	for i, op := range n.Kernels {
		s := &at[i]
		var err error
		s.in, s.out, err = benchmarks.Shapes(op)
		s.ok, s.from, s.length = err == nil, -1, 1
		s.own = weight(op) * math.Pow(rng.Float64(), 2) // uneven: walks of one network differ
		s.best = s.own
	}
	last := -1
	for j := range at {
		if !at[j].ok {
			continue
		}
		for i := max(0, j-reach); i < j; i++ {
			if at[i].ok && at[i].length < most && at[i].out.Fits(at[j].in) && at[i].best+at[j].own > at[j].best {
				at[j].best, at[j].from, at[j].length = at[i].best+at[j].own, i, at[i].length+1
			}
		}
		if at[j].length > 1 && (last < 0 || at[j].best > at[last].best) {
			last = j
		}
	}
	if last < 0 {
		return nil
	}
	chain := make(benchmarks.Chain, at[last].length)
	for i, k := last, len(chain)-1; i >= 0; i, k = at[i].from, k-1 {
		chain[k] = n.Kernels[i]
	}
	return chain
}

// Without is the network without the kernels of these keys: a walk passes over them.
func (n *Network) Without(keys map[string]bool) *Network {
	if len(keys) == 0 {
		return n
	}
	out := *n
	out.Kernels = nil
	for _, op := range n.Kernels {
		if !keys[op.String()] {
			out.Kernels = append(out.Kernels, op)
		}
	}
	return &out
}

package deviceplan

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/lut"
)

// Candidate is one thing that could be measured.
type Candidate struct {
	Ops     []lut.Op // the kernels that its cost is the sum of
	Seconds float64  // of device time, about
	// Run says how long one run of its models takes, about, in seconds, all together: what its
	// noise is a part of.
	Run float64

	weights float64          // bytes of a sum's weights
	name    string           // of a sum: FAMILY/NETWORK.N
	chain   benchmarks.Chain // of a sum; nil for a marginal cost
	long    bool             // as much of its network as can be
}

// IsSum says that the candidate is a chain of several kernels.
func (c *Candidate) IsSum() bool { return c.chain != nil }

// FamilyOf is the family of networks that a sum was taken from, by its name in plans and
// records; "" of other names.
func FamilyOf(name string) string {
	family, _, ok := strings.Cut(name, "/")
	if !ok {
		return ""
	}
	return family
}

// networkOf returns FAMILY/NETWORK, with which the names of a network's chains begin.
func networkOf(name string) string {
	for range 2 { // the seed and the number
		name = name[:max(0, strings.LastIndexByte(name, '.'))]
	}
	return name
}

// IsShort reports whether a name is that of a sum that is a small part of its network.
func IsShort(name string) bool {
	return FamilyOf(name) != "" && !strings.HasSuffix(name, ".0")
}

// Bounds of what is worth measuring. Weights of VGG's first classifier take half a second to
// load and 411 MB for as long as the campaign lasts.
const (
	mostWeights   = 64 << 20 // bytes of one model
	longestRun    = 0.25     // seconds of one model
	shortestChain = 3        // kernels
)

// cell is the marginal cost of a kernel as a candidate; ok is false where the catalogue
// cannot measure it or it is too large.
func cell(op lut.Op, s benchmarks.Schedule) (c Candidate, ok bool) {
	p := benchmarks.Planner{Cold: true}
	if err := p.Cell(op); err != nil {
		return c, false
	}
	c.Ops = []lut.Op{op}
	for i, m := range p.Models() {
		seconds, run, ok := models(m.Chain, s)
		if !ok {
			return c, false
		}
		if i > 0 { // frames are shared between cells of one input
			seconds /= 2
		}
		c.Seconds += seconds
		c.Run += run
	}
	return c, true
}

// models holds what a model takes in all and in a run, in seconds.
func models(chain benchmarks.Chain, s benchmarks.Schedule) (all, run float64, ok bool) {
	weights, err := weightsOf(chain)
	if err != nil {
		return 0, 0, false
	}
	run, err = benchmarks.Seconds(chain)
	if err != nil || run > longestRun || weights > mostWeights {
		return 0, 0, false
	}
	all, err = s.ModelSeconds(chain)
	return all, run, err == nil
}

// weightsOf are the bytes of all weights.
func weightsOf(ops []lut.Op) (bytes int, err error) {
	for _, op := range ops {
		m, err := benchmarks.MemoryOf(op)
		if err != nil {
			return 0, err
		}
		bytes += m.Weights
	}
	return bytes, nil
}

// sum is a chain as a candidate: its kernels are those that ONNX Runtime makes of it, by the
// reader's rules. ok is false where they are not all known, or one is among those never
// planned.
func sum(name string, long bool, chain benchmarks.Chain, never map[string]bool, s benchmarks.Schedule) (c Candidate, ok bool) {
	if len(chain) < shortestChain {
		return c, false
	}
	g, err := benchmarks.Build(chain, benchmarks.BuildOptions{Batch: 1, Shapes: true})
	if err != nil {
		return c, false
	}
	m, err := onnxwriter.Shapes(g)
	if err != nil {
		return c, false
	}
	net, err := onnxreader.ReadModel(m, onnxreader.Options{Name: name, Target: ortmodel.Target{}})
	if err != nil || len(net.Unpriced) > 0 || len(net.Kernels) < shortestChain {
		return c, false
	}
	c = Candidate{Ops: net.Ops(), name: name, long: long, chain: chain}
	for _, op := range c.Ops {
		if never[op.String()] {
			return c, false
		}
	}
	c.Seconds, c.Run, ok = models(chain, s)
	if weights, err := weightsOf(chain); err == nil {
		c.weights = float64(weights)
	}
	return c, ok
}

// sums draws chains of the census: of every network some short ones, for what their kernels
// cost beside one another, and one as long as it can be, which stands for the whole network
// when the table is calibrated.
func (r *Request) sums(rng *rand.Rand, weight func(lut.Op) float64) []Candidate {
	never := r.never()
	weigh := func(op lut.Op) float64 {
		if never[op.String()] {
			return 0
		}
		return weight(op)
	}
	var out []Candidate
	have := map[string]bool{}
	draw := func(n *census.Network, k, most int) {
		chain := n.Without(never).Walk(rng, most, weigh)
		if key := chain.String(); chain != nil && !have[key] {
			have[key] = true
			if k > 0 { // a long one is as cold as its network
				if cold, err := (&benchmarks.Planner{}).Evicted(chain); err == nil {
					chain = cold
				}
			}
			if c, ok := sum(fmt.Sprintf("%s/%s.%s.%d.%d", n.Family, n.Name, n.Precision, r.Seed, k), k == 0, chain, never, r.Schedule); ok {
				out = append(out, c)
			}
		}
	}
	for i := range r.Census.Networks {
		n := &r.Census.Networks[i]
		draw(n, 0, len(n.Kernels))
		for k := 1; k <= r.PerNetwork; k++ {
			draw(n, k, 4+rng.IntN(21))
		}
	}
	return out
}

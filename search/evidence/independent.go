package evidence

import (
	"math"
	"slices"

	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/selector"
)

// Independent is evidence from independent samples: each incumbent has one share of
// δ, whole, for the bounds on all its neighbours (decision 0503).
type Independent struct {
	*Base
	trusted int // low fidelities that have an equal part of the share
}

// share is the part of the incumbent's δ that a bound at one fidelity has.
func (e *Independent) share() float64 { return e.Epoch.Delta / float64(1+e.trusted) }

// Compare returns what is known of z against the incumbent x, this look taken into
// its running bounds. It is counted when both are sampled for the first time; with
// count false, a comparison not counted yet stays so.
func (e *Independent) Compare(x, z *Arm, count bool) Comparison {
	id := [2]string{x.Key, z.Key}
	if _, ok := e.comparisons[id]; !ok && !(count && x.recent.N > 0 && z.recent.N > 0) {
		return unknown
	}
	k := e.open(id)
	e.full(k, x, z)
	k.Lower = e.lead(x, z)
	return *k
}

// full looks at a comparison at full fidelity.
func (e *Independent) full(k *Comparison, x, z *Arm) {
	if x.recent.N == 0 || z.recent.N == 0 {
		return
	}
	k.Delta = e.share()
	k.D = z.recent.Center - x.recent.Center
	k.W = anytime.Excess(x.recent, z.recent, e.Sigma, e.prior(x), k.Delta)
	if k.D+k.W < k.Upper {
		k.Upper, k.By = k.D+k.W, 0
	}
}

// Retired says whether z has been shown not to improve on x by more than ε.
func (e *Independent) Retired(x, z *Arm) bool {
	k, ok := e.comparisons[[2]string{x.Key, z.Key}]
	return ok && !z.Dead() && k.Upper <= e.Epsilon
}

// Forget gives up the upper bounds of x's neighbours.
func (e *Independent) Forget(x *Arm, zs []*Arm) {
	for _, z := range zs {
		if k, ok := e.comparisons[[2]string{x.Key, z.Key}]; ok {
			k.Upper, k.By = math.Inf(1), 0
		}
	}
}

// firstSamples says how many candidates get their first sample between two looks:
// an improvement is then taken before all of a large neighbourhood is sampled. Of
// 1, 2, 3, 4, 6 and 8 NAS-Bench-Macro needs the fewest samples with 3.
const firstSamples = 3

// maxRound says how many of the incumbent's samples one round asks for at most.
const maxRound = 64

// Plan hands out the samples of one look: the selector's candidates, and the
// incumbent as often as serves all neighbours.
func (b *Base) Plan(l *Look, c selector.Choice) []Want {
	switch {
	case c.Equal: // the incumbent is one more arm, sampled as often as the others
		least := 0
		if len(c.Sample) > 0 {
			least = l.Candidate[c.Sample[0]].N
		}
		n := 0
		if l.X.Left() != 0 && (l.X.recent.N <= least || len(c.Sample) == 0) {
			n = 1
		}
		return wants(n, c.Sample)
	case c.Every:
		pull := b.pull(l)
		for _, i := range c.Sample {
			pull += b.Weight(l.Z[i]) * (b.weighed(l.Z[i], 1) - b.weighed(l.Z[i], 0))
		}
		n := min(b.short(l.X, pull), maxRound)
		if n == 0 && len(c.Sample) == 0 && l.X.Left() != 0 {
			n = 1
		}
		return wants(n, c.Sample)
	}
	// First samples first: without them nothing can be compared.
	var out []Want
	if l.X.recent.N == 0 && l.X.Left() != 0 {
		out = append(out, Want{Z: -1})
	}
	for _, i := range unsampled(l, c.Sample) {
		if len(out) < max(l.Batch, firstSamples) {
			out = append(out, Want{Z: i})
		}
	}
	if len(out) > 0 {
		return out
	}
	out = wants(min(b.short(l.X, b.pull(l)), l.Batch), nil)
	for _, i := range c.Sample {
		if len(out) < l.Batch && l.Candidate[i].Left != 0 {
			out = append(out, Want{Z: i})
		}
	}
	if len(out) == 0 && l.X.Left() != 0 {
		out = wants(1, nil)
	}
	return out
}

// wants is n samples of the incumbent, then one of each candidate.
func wants(n int, candidates []int) []Want {
	out := slices.Repeat([]Want{{Z: -1}}, n)
	for _, i := range candidates {
		out = append(out, Want{Z: i})
	}
	return out
}

// unsampled lists those of the candidates without a sample of this incumbent's
// time, in the neighbourhood's order.
func unsampled(l *Look, candidates []int) []int {
	var out []int
	for _, i := range candidates {
		if l.Candidate[i].N == 0 {
			out = append(out, i)
		}
	}
	slices.Sort(out)
	return out
}

// pull is Σ weight·n² over the neighbours in all layers: the scope's, taken to stand
// for the others.
func (b *Base) pull(l *Look) float64 {
	sum := 0.0
	for _, z := range l.Z {
		sum += b.Weight(z) * b.weighed(z, 0)
	}
	return sum * (float64(b.Epoch.Neighbours) / float64(max(len(l.Z), 1)))
}

// weighed is an arm's part of the pull with so many samples more: n², and n^1.5 over the
// noise where the half-widths of two arms add up (Lagrange, as in short).
func (b *Base) weighed(a *Arm, more int) float64 {
	n := float64(a.recent.N + more)
	if b.noise == nil {
		return n * n
	}
	return math.Pow(n, 1.5) / b.noise(a)
}

// short says how many samples the incumbent is short of its share. The cheapest
// allocation that gives every candidate its half-width has n₀²·weight₀ =
// Σ n²·weight – √K to 1 for K equal ones (Glynn and Juneja 2004; by Lagrange's
// condition with costs as weights).
func (b *Base) short(x *Arm, pull float64) int {
	left := x.Left()
	if left == 0 {
		return 0
	}
	n := Balance(pull, b.Weight(x), x.recent.N)
	if b.noise != nil {
		n = max(0, int(math.Ceil(math.Pow(pull*b.noise(x)/b.Weight(x), 2./3)-1e-9))-x.recent.N)
	}
	if left > 0 {
		n = min(n, left)
	}
	return n
}

// Balance says how many samples an incumbent with n, each costing weight, is short of
// √(pull/weight).
func Balance(pull, weight float64, n int) int {
	return max(0, int(math.Ceil(math.Sqrt(pull/weight)-1e-9))-n)
}

// Further says how many further samples of both arms together bring the half-width of
// a comparison down to target if they are sampled as until now; -1 when no number
// does.
func (e *Independent) Further(x, z *Arm, _ Comparison, target float64) int {
	prior := e.Epoch.prior
	if prior == (anytime.Prior{}) { // an estimate must not settle it
		prior = anytime.NewPrior(e.Rho, e.Epoch.Neighbours, 1)
	}
	return e.further(x, z, target, func(a, b anytime.Evidence) float64 {
		return anytime.Excess(a, b, e.Sigma, prior, e.share())
	})
}

// further is Further for a half-width as a function of what two arms say.
func (b *Base) further(x, z *Arm, target float64, width func(x, z anytime.Evidence) float64) int {
	nx, nz := max(x.recent.N, 1), max(z.recent.N, 1)
	at := func(n int, m float64) anytime.Evidence {
		return anytime.Infinite(b.Sigma, int(math.Ceil(float64(n)*m)), 0, b.Rho)
	}
	return anytime.Further(func(m float64) float64 { return width(at(nx, m), at(nz, m)) }, nx+nz, target)
}

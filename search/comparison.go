package search

import (
	"math"

	"github.com/isocost/isocost/search/anytime"
)

// comparison is what is known about f(z) − f(x), x being the incumbent.
type comparison struct {
	index        int     // its place among the distinct comparisons, from 1
	delta        float64 // its error probability
	upper, lower float64
	d, w         float64 // at the last look; d+w is the last upper bound
	pairs        pairs
	low          []LevelView
	by           int // the level upper is from, 0 for full fidelity
}

// unknown is a comparison nothing is known of.
var unknown = comparison{upper: math.Inf(1), lower: math.Inf(-1), w: math.Inf(1)}

// turned is the comparison seen from the other side.
func (k comparison) turned() comparison {
	k.d, k.upper, k.lower = -k.d, -k.lower, -k.upper
	return k
}

// compare returns the comparison of z with the incumbent x, this look taken into
// its running bounds. It is counted, and gets its share of δ, when both are
// sampled for the first time.
func (r *searcher) compare(x, z *arm) comparison { return r.looked(x, z, true) }

// looked is compare; with count false a comparison not counted yet stays
// uncounted and unbounded.
func (r *searcher) looked(x, z *arm, count bool) comparison {
	if r.s.Schedule == ScheduleComparisons {
		return r.both(x, z, count)
	}
	if r.pairing {
		return r.atCommonSeeds(x, z, count)
	}
	id := [2]string{x.key, z.key}
	k, ok := r.comparisons[id]
	if !ok && !count || !ok && !met(x, z) {
		return unknown
	}
	if !ok {
		k = &comparison{}
		*k = unknown
		k.index = len(r.comparisons) + 1
		r.comparisons[id] = k
	}
	if x.evidence.N > 0 && z.evidence.N > 0 {
		k.delta = r.levelDelta()
		k.d = z.evidence.Center - x.evidence.Center
		k.w = anytime.Excess(x.evidence, z.evidence, r.sigma, r.prior(), k.delta)
		if k.d+k.w < k.upper {
			k.upper, k.by = k.d+k.w, 0
		}
	}
	r.low(k, x, z)
	k.lower = r.lead(x, z)
	return *k
}

// epochDelta is the error probability of the present incumbent's certificate. Where
// a device may refuse neighbours the j-th set of them gets its part of it,
// 1/(j(j+1)), j from 1: the claim is about the best neighbour left, and that is the
// i-th best of all only after i−1 refusals.
func (r *searcher) epochDelta() float64 {
	d := anytime.Share(r.incumbents) * r.s.SelectionDelta()
	if r.p.Admit != nil {
		d = anytime.Delta(d, r.hood.refused+1)
	}
	return d
}

// anew forgets which neighbours were retired; under ScheduleComparisons bounds
// stay.
func (r *searcher) anew() {
	r.hood.out = make([]bool, len(r.hood.arms))
	if r.s.Schedule != ScheduleEpochs {
		return
	}
	for _, z := range r.hood.arms {
		if k, ok := r.comparisons[[2]string{r.x.key, z.key}]; ok {
			k.upper, k.by = math.Inf(1), 0
		}
	}
}

// met says whether two arms have been sampled in the incumbent's time at one
// fidelity at least.
func met(x, z *arm) bool {
	if x.evidence.N > 0 && z.evidence.N > 0 {
		return true
	}
	for i := range min(len(x.low), len(z.low)) {
		if x.low[i].evidence.N > 0 && z.low[i].evidence.N > 0 {
			return true
		}
	}
	return false
}

// prior is that of the present incumbent's bounds, settled at the first look at
// one. What samples cost may enter it: costs are taken to say nothing about the
// noise of utilities.
func (r *searcher) prior() anytime.Prior {
	if r.hood.prior == (anytime.Prior{}) {
		w := min(max(r.contender(r.x).Weight, 1./64), 64)
		r.hood.prior = anytime.NewPrior(r.s.Rho, len(r.hood.arms), w)
	}
	return r.hood.prior
}

// lead is how much better z looks than x by all samples there are, less MoveScore
// standard errors. The certificate does not rest on it; a wrong move costs samples
// and no more. Means settle, so that a search makes finitely many of them.
func (r *searcher) lead(x, z *arm) float64 {
	if len(x.values) == 0 || len(z.values) == 0 {
		return math.Inf(-1)
	}
	se := r.sigma * math.Sqrt(x.meanVariance()+z.meanVariance())
	return z.mean() - x.mean() - r.s.MoveScore*se
}

// both is a comparison under ScheduleComparisons: bounds on either side, from all
// samples, kept for the pair whichever of the two is the incumbent.
func (r *searcher) both(x, z *arm, count bool) comparison {
	a, b := x, z
	if x.key > z.key {
		a, b = z, x
	}
	id := [2]string{a.key, b.key}
	k, ok := r.comparisons[id]
	if !ok && !count || len(x.values) == 0 || len(z.values) == 0 {
		return unknown
	}
	if !ok {
		k = &comparison{}
		*k = unknown
		k.index = len(r.comparisons) + 1
		k.delta = anytime.Delta(r.s.SelectionDelta(), k.index)
		r.comparisons[id] = k
	}
	k.d = b.all.Center - a.all.Center
	k.w = anytime.Width(a.all, b.all, k.delta)
	k.upper = min(k.upper, k.d+k.w)
	k.lower = max(k.lower, k.d-k.w)
	if x.key > z.key {
		return k.turned()
	}
	return *k
}

// retired says whether a neighbour has been shown not to improve by more than ε.
func (r *searcher) retired(z *arm) bool {
	if z.dead() {
		return false
	}
	id := [2]string{r.x.key, z.key}
	turn := r.s.Schedule == ScheduleComparisons && r.x.key > z.key
	if turn {
		id = [2]string{z.key, r.x.key}
	}
	k, ok := r.comparisons[id]
	if !ok {
		return false
	}
	if turn {
		return -k.lower <= r.s.Epsilon
	}
	return k.upper <= r.s.Epsilon
}

// weigh recomputes an arm's evidence.
func (r *searcher) weigh(a *arm) {
	if a.pool > 0 {
		a.all = anytime.Pool(r.sigma, a.pool, a.values, 0, r.s.Rho)
		a.evidence = anytime.Pool(r.sigma, a.pool, a.values, a.base, r.s.Rho)
		return
	}
	a.all = anytime.Infinite(r.sigma, len(a.values), a.sum, r.s.Rho)
	a.evidence = anytime.Infinite(r.sigma, len(a.values)-a.base, a.sum-a.baseSum, r.s.Rho)
}

// more is how many further samples of both arms together bring the half-width of
// a comparison down to target if they are sampled as until now; -1 when no number
// does.
func (r *searcher) more(z *arm, k comparison, target float64) int {
	nx, nz := max(r.x.evidence.N, 1), max(z.evidence.N, 1)
	prior := r.hood.prior
	if prior == (anytime.Prior{}) { // an estimate must not settle it
		prior = anytime.NewPrior(r.s.Rho, len(r.hood.arms), 1)
	}
	at := func(n int, m float64) anytime.Evidence {
		return anytime.Infinite(r.sigma, int(math.Ceil(float64(n)*m)), 0, r.s.Rho)
	}
	if r.pairing {
		n := max(k.pairs.n, 1)
		more := anytime.Further(func(m float64) float64 {
			return anytime.PairedExcess(r.diff.Value, int(math.Ceil(m*float64(n))), r.s.Rho, r.hood.delta)
		}, n, target)
		return more * min(2, 1+max(0, more)) // of both arms; -1 stays
	}
	return anytime.Further(func(m float64) float64 {
		if r.s.Schedule == ScheduleComparisons {
			delta := k.delta
			if delta == 0 {
				delta = anytime.Delta(r.s.SelectionDelta(), len(r.comparisons)+1)
			}
			return anytime.Width(at(nx, m), at(nz, m), delta)
		}
		return anytime.Excess(at(nx, m), at(nz, m), r.sigma, prior, r.levelDelta())
	}, nx+nz, target)
}

package evidence

import (
	"fmt"
	"math"

	"github.com/isocost/isocost/search/anytime"
)

// Bounded is evidence from independent samples between two declared values, of any
// distribution: no noise level is assumed, so that an architecture whose training
// fails now and then is not taken for a quiet one. A difference is bounded by an
// upper bound on the candidate's mean and a lower one on the incumbent's, each with
// half of the incumbent's share of δ (anytime.Bets).
type Bounded struct {
	*Independent
	Lo, Hi float64

	bets   map[string]*epochBets
	ss     float64 // Σ squared deviations within architectures, for moves alone
	degree int
}

// epochBets are an arm's bounds in one incumbent's time.
type epochBets struct {
	epoch        int
	taken        int // of the arm's samples of this time
	alpha        float64
	bets         *anytime.Bets
	lower, upper float64
}

// NewBounded returns the evidence of utilities from lo to hi.
func NewBounded(b *Base, lo, hi float64) *Bounded {
	return &Bounded{Independent: NewIndependent(b), Lo: lo, Hi: hi, bets: map[string]*epochBets{}}
}

// Take records a sample, which has to be in the range.
func (e *Bounded) Take(a *Arm, s Sample, utility, seconds float64) {
	if n := float64(len(a.Values)); n > 0 {
		d := utility - a.Mean()
		e.ss += d * d * n / (n + 1)
		e.degree++
	}
	e.Base.Take(a, s, utility, seconds)
	if e.degree > 0 {
		// For moves and for what is left to do; no bound rests on it.
		e.Sigma = math.Max(math.Sqrt(e.ss/float64(e.degree)), 1e-12*(e.Hi-e.Lo))
	}
}

// of brings an arm's bounds up to its samples.
func (e *Bounded) of(a *Arm) *epochBets {
	alpha := e.share() / 2
	b, ok := e.bets[a.Key]
	if !ok || b.epoch != e.Epoch.Incumbent || b.alpha != alpha {
		b = &epochBets{epoch: e.Epoch.Incumbent, alpha: alpha, bets: anytime.NewBets(alpha), lower: 0, upper: 1}
		e.bets[a.Key] = b
	}
	values := a.Recent()
	if b.taken == len(values) {
		return b
	}
	for ; b.taken < len(values); b.taken++ {
		b.bets.Add(min(1, max(0, (values[b.taken]-e.Lo)/(e.Hi-e.Lo))))
	}
	b.lower, b.upper = b.bets.Lower(), b.bets.Upper()
	return b
}

// Compare returns what is known of z against the incumbent x.
func (e *Bounded) Compare(x, z *Arm, count bool) Comparison {
	id := [2]string{x.Key, z.Key}
	if _, ok := e.comparisons[id]; !ok && !(count && x.recent.N > 0 && z.recent.N > 0) {
		return unknown
	}
	k := e.open(id)
	if x.recent.N > 0 && z.recent.N > 0 {
		k.Delta = e.share()
		k.D = z.recent.Center - x.recent.Center
		k.W = (e.Hi-e.Lo)*(e.of(z).upper-e.of(x).lower) - k.D
		if k.D+k.W < k.Upper {
			k.Upper, k.By = k.D+k.W, 0
		}
	}
	k.Lower = e.lead(x, z)
	return *k
}

// Further is an estimate: widths fall at least with the root of the samples.
func (e *Bounded) Further(x, z *Arm, k Comparison, target float64) int {
	if !(target > 0) || math.IsInf(k.W, 1) {
		return -1
	}
	more := k.W*k.W/(target*target) - 1
	return int(math.Ceil(max(0, more) * float64(max(x.recent.N, 1)+max(z.recent.N, 1))))
}

// Alarms lists nothing: the bounds assume no noise level.
func (e *Bounded) Alarms(*Arm, []*Arm, []*Arm) []string { return nil }

// LowerBound is false: the bound is one for normal noise.
func (e *Bounded) LowerBound() bool { return false }

// Rests says what the bounds rest on.
func (e *Bounded) Rests(int, int) []string {
	return []string{fmt.Sprintf("independent samples from %g to %g, as declared, of any distribution: no noise level is assumed", e.Lo, e.Hi)}
}

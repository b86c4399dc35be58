package search

import (
	"math"

	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/space"
)

// Neighbour is one feasible neighbour of the final architecture and what is
// known about it.
type Neighbour struct {
	Proposal
	N       int
	Mean    float64 // NaN without samples
	Index   int     // i of its comparison with the final architecture, 0 without one
	Delta   float64 // its share of δ
	D, W    float64 // f(neighbour) − f(final): estimate and half-width now
	Upper   float64 // smallest upper bound seen; +Inf without samples
	Lower   float64
	Retired bool // Upper ≤ ε
	Dead    string
	// Low is what low fidelities said, By the one Upper is from: 0 for full fidelity,
	// i for the i-th low one.
	Low  []LevelView
	By   int
	More int // samples still needed to retire it if its mean stays, both arms together; -1 when it looks better
}

// Summary is one architecture's own numbers.
type Summary struct {
	Arch   space.Arch
	Key    string
	Costs  []Bounds
	Dev    []float64 // ln(ĝ/B)
	N      int
	Mean   float64 // of the search samples, NaN without
	Spread float64
}

// Result is what a search found and what it may claim.
type Result struct {
	Settings   Settings
	Anchor     Summary
	Final      Summary
	Moves      []Move
	Neighbours []Neighbour
	Infeasible []Proposal
	Path       []Visited
	Sigma      SigmaReport
	Stop       string
	// Reached says that the whole claim holds: every feasible neighbour retired, no
	// alarm, none unevaluable.
	Reached     bool
	EpsilonHat  float64 // +Inf while a feasible neighbour is unsampled
	Comparisons int
	Samples     int // search stream, σ calibration included
	Failures    int
	Cost        float64 // of the samples, one of full fidelity being 1
	OnTrust     int     // neighbours retired at a low fidelity, its bias bound believed
	Archs       int     // architectures sampled
	// LowerBound is the least number of samples any δ-correct procedure needs for
	// this certificate, at the gaps as estimated; NaN for paired samples and
	// where bias bounds are believed.
	LowerBound float64
	Alarms     []string
	Gain       *CertGain // on fresh seeds, nil without
}

func (r *searcher) result(stop string) *Result {
	res := &Result{
		Settings: r.s, Moves: r.moves, Infeasible: r.hood.infeasible, Sigma: r.sigmaNote, Stop: stop,
		Samples: r.samples, Failures: r.failures,
		Path: r.path(), Anchor: r.summary(r.arms[r.p.Anchor.Key()]), Final: r.summary(r.x),
	}
	reached := !r.s.Published
	var gaps []float64
	for i, z := range r.hood.arms {
		c := r.compare(r.x, z)
		n := Neighbour{Proposal: r.hood.feasible[i], N: len(z.values), Mean: z.mean(), Index: c.index, Delta: c.delta,
			D: c.d, W: c.w, Upper: c.upper, Lower: c.lower, Retired: c.upper <= r.s.Epsilon, Low: c.low, By: c.by}
		if z.dead() {
			n.Dead, n.Retired = z.reason, false
		}
		if !n.Retired {
			reached = false
			n.More = r.more(z, c, r.s.Epsilon-c.d)
		}
		gaps = append(gaps, r.s.Epsilon-c.d)
		res.Neighbours = append(res.Neighbours, n)
	}
	res.EpsilonHat = r.epsilonHat()
	res.Alarms = r.alarms()
	res.Reached = reached && len(res.Alarms) == 0
	res.Cost, res.OnTrust = r.spent(), r.onTrust()
	res.Comparisons = len(r.comparisons)
	if res.LowerBound = math.NaN(); !r.pairing && r.s.trusted() == 0 { // the bound is for independent samples
		res.LowerBound = anytime.Certificate(r.sigma, gaps, r.s.Delta)
	}
	for _, a := range r.order {
		if len(a.values) > 0 {
			res.Archs++
		}
	}
	return res
}

func (r *searcher) summary(a *arm) Summary {
	s := Summary{Arch: a.arch, Key: a.key, N: len(a.values), Mean: a.mean(), Spread: a.spread()}
	_, s.Costs, s.Dev, _ = r.comp.Inside(a.arch) // priced when it was proposed
	if s.N == 0 {
		s.Mean = math.NaN()
	}
	return s
}

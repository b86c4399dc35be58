package search

import (
	"math"

	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/space"
)

// Neighbour is one feasible neighbour of the final architecture and what is
// known about it.
type Neighbour struct {
	Proposal
	N       int
	Failed  int     // samples that could not be had
	Strays  int     // outliers among the samples
	Mean    float64 // NaN without samples
	Median  float64 // NaN but where the claim is about medians
	Index   int     // i of its comparison with the final architecture, 0 without one
	Delta   float64 // its share of δ
	D, W    float64 // f(neighbour) − f(final): estimate and half-width now
	Upper   float64 // smallest upper bound seen; +Inf without samples
	Lower   float64
	Retired bool // Upper ≤ ε
	Dead    string
	// Low holds what low fidelities said, By the one Upper is from: 0 for full fidelity,
	// i for the i-th low one.
	Low  []evidence.Level
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
	Failed int     // samples that could not be had
	Strays int     // outliers among the search samples
	Mean   float64 // of the search samples, NaN without
	Median float64 // of them, NaN but where the claim is about medians
	Spread float64
}

// Stop says why a search ended: one of these, or the text of what stopped it.
type Stop string

// Ends that a search comes to by itself.
const (
	StopCertified Stop = "certified"
	StopOnePass   Stop = "one pass done" // the published form's only sweep
)

// Result holds what a search found and what it may claim.
type Result struct {
	Settings   Settings
	Anchor     Summary
	Final      Summary
	Moves      []Move
	Neighbours []Neighbour
	Infeasible []Proposal
	Path       []Visited
	Sigma      SigmaReport
	Stop       Stop
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
	Explored   *CertExploration
	Drawn      int       // networks drawn from the band at the final
	Rests      []string  // what the bounds rest on besides independent samples
	Condition  string    // what the claim holds under besides its probability
	Gain       *CertGain // on fresh seeds, nil without
}

// Vacuous says that there are too few neighbours for a claim about them.
func (r *Result) Vacuous() bool { return len(r.Neighbours) < fewNeighbours && r.Drawn == 0 }

func (r *searcher) result(stop Stop) *Result {
	res := &Result{
		Settings: r.s, Moves: r.moves, Infeasible: r.hood.infeasible, Sigma: r.sigmaNote, Stop: stop,
		Samples: r.base.Samples, Failures: r.failures,
		Path: r.path(), Anchor: r.summary(r.arms[r.p.Anchor.Key()]), Final: r.summary(r.x),
	}
	if e, ok := r.evidence.(*evidence.Pairs); ok && res.Sigma.Source == evidence.FromPairs {
		if s, n := e.Noise(); n > 0 {
			res.Sigma.Value, res.Sigma.S, res.Sigma.Nu = s, s, n
		}
	}
	reached := !r.s.Published
	var gaps []float64
	for i, z := range r.hood.arms {
		c := r.evidence.Compare(r.x, z, true)
		n := Neighbour{Proposal: r.hood.feasible[i], N: len(z.Values), Failed: z.Failures, Strays: z.Outliers(), Mean: z.Mean(), Median: r.median(z), Index: c.Index, Delta: c.Delta,
			D: c.D, W: c.W, Upper: c.Upper, Lower: c.Lower, Retired: c.Upper <= r.s.Epsilon, Low: c.Low, By: c.By}
		if z.Dead() {
			n.Dead, n.Retired = z.Reason, false
		}
		if !n.Retired {
			reached = false
			n.More = r.evidence.Further(r.x, z, c, r.s.Epsilon-c.D)
		}
		gaps = append(gaps, r.s.Epsilon-c.D)
		res.Neighbours = append(res.Neighbours, n)
	}
	res.EpsilonHat = r.epsilonHat()
	res.Explored, res.Drawn = r.explored, r.hood.drawn
	if r.s.Noise != NoiseAuto { // which goes on with other bounds instead
		res.Alarms = r.evidence.Alarms(r.x, r.hood.arms, r.order)
	}
	res.Reached = reached && len(res.Alarms) == 0
	res.Cost, res.OnTrust = r.evidence.Cost(r.order), r.evidence.OnTrust(r.x, r.hood.arms)
	res.Comparisons = r.base.Comparisons()
	res.Rests, res.Condition = r.evidence.Rests(res.OnTrust, len(r.hood.arms)), r.evidence.Condition()
	if res.LowerBound = math.NaN(); r.evidence.LowerBound() {
		res.LowerBound = anytime.Certificate(r.base.Sigma, gaps, r.s.Delta)
	}
	for _, a := range r.order {
		if len(a.Values) > 0 {
			res.Archs++
		}
	}
	return res
}

// median of an arm's samples, where the claim is about medians.
func (r *searcher) median(a *evidence.Arm) float64 {
	if !r.base.Medians() {
		return math.NaN()
	}
	return a.Median()
}

func (r *searcher) summary(a *evidence.Arm) Summary {
	s := Summary{Arch: a.Arch, Key: a.Key, N: len(a.Values), Failed: a.Failures, Strays: a.Outliers(), Mean: a.Mean(), Median: r.median(a), Spread: a.Spread()}
	_, s.Costs, s.Dev, _ = r.comp.Inside(a.Arch) // priced when it was proposed
	if s.N == 0 {
		s.Mean = math.NaN()
	}
	return s
}

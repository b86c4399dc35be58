// Package evidence says what the samples of a search prove: what to ask for next
// about a candidate, which bounds on its difference to the incumbent follow, and
// what share of δ each of them has. Selectors choose among the bounds and do not
// know where they come from.
//
//   - Independent: every sample has a seed of its own; one bound per incumbent
//     (decision 0503). Finite pools are drawn without replacement.
//   - Comparisons: the same samples, a share of δ for each distinct comparison.
//   - CommonSeeds: incumbent and candidates are evaluated at common seeds and the
//     differences' own noise counts (decision 0504).
//   - Separate: each network bounded by its own samples alone, where no common noise
//     level is assumed – utilities between two declared values, normal noise of each
//     network's own size, or medians (decisions 0511 and 0512).
//   - Fidelities: cheap forms of the evaluator order candidates, or retire them
//     where the bias is bounded (decision 0505).
package evidence

import (
	"fmt"
	"math"

	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/selector"
)

// Streams of samples that bounds rest on.
const (
	StreamSearch = "search" // at full fidelity
	StreamLow    = "low"    // with the fidelity after a colon
)

// Comparison holds what is known about f(z) − f(x), x being the incumbent.
type Comparison struct {
	Index        int     // its place among the distinct comparisons, from 1; 0 when it has none
	Delta        float64 // its error probability
	Upper, Lower float64 // the smallest and the largest seen: bounds hold at all times at once
	D, W         float64 // at the last look: D+W is the last upper bound
	Low          []Level // what low fidelities say
	By           int     // the level Upper is from, 0 for full fidelity

	pairs pairs
}

// unknown is a comparison nothing is known of.
var unknown = Comparison{Upper: math.Inf(1), Lower: math.Inf(-1), W: math.Inf(1)}

// Epoch is the present incumbent's time.
type Epoch struct {
	Incumbent  int     // its number, from 1
	Delta      float64 // the error probability of its certificate
	Neighbours int     // feasible ones
	prior      anytime.Prior
	first      int // index at which its samples begin
}

// Next opens the time of the next incumbent.
func (e *Epoch) Next(neighbours int) {
	*e = Epoch{Incumbent: e.Incumbent + 1, Neighbours: neighbours, first: e.first}
}

// Base holds what all kinds of evidence have: the noise, the comparisons made and the
// present incumbent's time.
type Base struct {
	Sigma     float64 // of one sample; +Inf until it is known
	Rho       float64 // of the mixtures
	MoveScore float64
	Epsilon   float64
	Epoch     Epoch

	Samples int     // at all fidelities
	Seconds float64 // of the full ones
	Repeats int     // samples beyond an architecture's first
	Varies  bool    // some repeat differed from the first

	comparisons map[[2]string]*Comparison
	median      bool // centres are medians
	// noise is the size of an arm's noise where half-widths of two arms add up; nil where
	// their squares do, at a common size.
	noise func(a *Arm) float64
}

// NewBase returns the base of a search whose noise is not known yet.
func NewBase(rho, moveScore, epsilon float64) *Base {
	return &Base{Sigma: math.Inf(1), Rho: rho, MoveScore: moveScore, Epsilon: epsilon, comparisons: map[[2]string]*Comparison{}}
}

// Comparisons is the number of distinct comparisons so far.
func (b *Base) Comparisons() int { return len(b.comparisons) }

// open returns the comparison of a pair; a new one is counted.
func (b *Base) open(id [2]string) *Comparison {
	k, ok := b.comparisons[id]
	if !ok {
		k = &Comparison{}
		*k = unknown
		k.Index = len(b.comparisons) + 1
		b.comparisons[id] = k
	}
	return k
}

// Weight returns what a sample of the arm costs, the mean one being 1.
func (b *Base) Weight(a *Arm) float64 {
	if a.seconds > 0 && b.Seconds > 0 && len(a.Values) > 0 {
		return a.seconds / float64(len(a.Values)) / (b.Seconds / float64(b.Samples))
	}
	return 1
}

// Weigh recomputes what an arm's samples say at full fidelity.
func (b *Base) Weigh(a *Arm) { a.weigh(b.Sigma, b.Rho) }

// Sample says how the next sample of an arm is asked for.
type Sample struct {
	Level    int // 0 for full fidelity, i for the i-th low one
	Stream   string
	Index    int
	Seeds    string // the architecture the seed is derived for: "" for common seeds
	Fidelity float64
}

// Next uses up an arm's next sample; ok is false when it has none left.
func (b *Base) Next(a *Arm, _ int) (s Sample, ok bool) {
	if a.Left() == 0 {
		return s, false
	}
	s = Sample{Stream: StreamSearch, Index: a.next, Seeds: a.Key, Fidelity: 1}
	a.next++
	return s, true
}

// Take records what a sample of Next came to.
func (b *Base) Take(a *Arm, s Sample, utility, seconds float64) {
	if len(a.Values) > 0 {
		b.Repeats++
		b.Varies = b.Varies || utility != a.Values[0]
	}
	a.Add(utility)
	a.at(s.Index, utility)
	a.seconds += seconds
	b.Seconds += seconds
	b.Samples++
	b.Weigh(a)
}

// Fail records that a sample of Next could not be had.
func (b *Base) Fail(a *Arm, _ Sample, reason string) {
	a.Failures++
	a.Reason = reason
}

// LeaveBehind makes what has been sampled so far no evidence.
func (b *Base) LeaveBehind(arms []*Arm) {
	for _, a := range arms {
		a.leaveBehind()
		b.Epoch.first = max(b.Epoch.first, a.next)
		b.Weigh(a)
	}
}

// Cost returns what all samples cost, a full one being 1.
func (b *Base) Cost(arms []*Arm) float64 {
	sum := 0.0
	for _, a := range arms {
		sum += float64(len(a.Values) + a.Failures)
	}
	return sum
}

// Promise returns what is known of a candidate besides its bounds.
func (b *Base) Promise(Comparison, *Arm, *Arm) float64 { return 0 }

// OnTrust counts the neighbours of x that are retired by what is declared.
func (b *Base) OnTrust(*Arm, []*Arm) int { return 0 }

// LowerBound says whether the lower bound for independent samples applies.
func (b *Base) LowerBound() bool { return true }

// Rests says what the bounds rest on besides independent samples of known noise;
// onTrust of all neighbours are retired by what is declared.
func (b *Base) Rests(onTrust, all int) []string { return nil }

// Condition returns what the claim holds under besides its probability, as it goes on
// from there; "" for nothing.
func (b *Base) Condition() string { return "" }

// Settle settles the prior of the new incumbent's bounds from the samples before its
// time: a mixture has to be fixed before the first of the samples it speaks about.
func (b *Base) Settle(x *Arm) { b.prior(x) }

// prior is that of the present incumbent's bounds. Where Settle has not been called, as
// in searches of earlier versions, it is settled at the first look at a bound: costs of
// samples that the bound rests on enter it, taken to say nothing about the noise of
// utilities.
func (b *Base) prior(x *Arm) anytime.Prior {
	e := &b.Epoch
	if e.prior == (anytime.Prior{}) {
		w := min(max(b.Weight(x), 1./64), 64)
		e.prior = anytime.NewPrior(b.Rho, e.Neighbours, w)
	}
	return e.prior
}

// lead says how much better z looks than x by all samples there are, less MoveScore
// standard errors. The certificate does not rest on it; a wrong move costs samples
// and no more. Means settle, so that a search makes finitely many of them.
func (b *Base) lead(x, z *Arm) float64 {
	if len(x.Values) == 0 || len(z.Values) == 0 {
		return math.Inf(-1)
	}
	se := b.Sigma * math.Sqrt(x.meanVariance()+z.meanVariance())
	return b.Center(z) - b.Center(x) - b.MoveScore*se
}

// Center is the mean of an arm's samples, their median where the claim is about
// medians; NaN without samples.
func (b *Base) Center(a *Arm) float64 {
	if b.median {
		return a.Median()
	}
	return a.Mean()
}

// Medians says that the claim is about medians.
func (b *Base) Medians() bool { return b.median }

// AlarmLevel is the probability of a false heteroscedasticity alarm in a run.
const AlarmLevel = 0.0001

// Loud says that an architecture's own spread contradicts σ, where it is one of so many;
// why says how much.
func (b *Base) Loud(a *Arm, archs int) (why string, loud bool) {
	n := len(a.Values)
	if n < 3 || !(b.Sigma > 0) || !anytime.VarianceSuspect(a.Spread(), n, b.Sigma, AlarmLevel/float64(archs)) {
		return "", false
	}
	return fmt.Sprintf("%s has standard deviation %.4g over %d samples, σ is %.4g", a.Key, a.Spread(), n, b.Sigma), true
}

// Alarms lists architectures whose own spread is larger than σ allows: the noise
// is not the same everywhere, and the bounds may be too tight.
func (b *Base) Alarms(_ *Arm, _, all []*Arm) []string {
	tested := 0
	for _, a := range all {
		if len(a.Values) >= 3 {
			tested++
		}
	}
	var out []string
	for _, a := range all {
		if why, loud := b.Loud(a, tested); loud {
			out = append(out, "heteroscedastic: "+why)
		}
	}
	return out
}

// Look is the incumbent and the candidates of the present scope when samples are
// handed out.
type Look struct {
	X         *Arm
	Z         []*Arm
	Known     []Comparison         // one per candidate
	Candidate []selector.Candidate // as the selector sees them
	Batch     int                  // samples between two looks
}

// Want is one sample to be asked for: of candidate Z, -1 for the incumbent.
type Want struct {
	Z     int
	Level int
}

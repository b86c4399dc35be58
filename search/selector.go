package search

import (
	"fmt"
	"math"
	"strings"
)

// Contender is one arm as a selector sees it.
type Contender struct {
	N       int     // samples the bounds rest on
	Left    int     // samples still to be had; -1 without limit
	Mean    float64 // estimate
	D, W    float64 // difference to the incumbent and its half-width; W is +Inf before both are sampled
	Upper   float64 // smallest D+W seen so far: the bounds hold at all times at once
	Lower   float64 // largest D−W seen so far
	Retired bool
	Weight  float64 // relative cost of a sample, 1 when all cost the same
	// Low is what the low fidelities say, for the multi-fidelity selector; of the
	// incumbent only its N.
	Low []LevelView
}

// View is what a selector is shown: the incumbent and the feasible candidates of
// the present scope.
type View struct {
	Incumbent  Contender
	Candidates []Contender
	// Pull is Σ weight·n² over the neighbours in all layers: see incumbentWants.
	Pull    float64
	Epsilon float64
	Sigma   float64 // of a full sample
	Move    float64 // ε₀
	Batch   int
}

// Decision is what a selector wants. Candidates are indices into
// View.Candidates. A decision that moves does nothing else; one with nothing in
// it says the scope is finished.
type Decision struct {
	Move   int   // candidate that becomes the incumbent, -1 for none
	Retire []int // candidates shown not to improve by more than ε
	Sample []int // candidates to sample once each, -1 meaning the incumbent
	Level  []int // the fidelity of each, 0 for the full one; nil for that alone
}

// Selector decides, and does nothing else: it never evaluates and never sees the
// budget. It must be a function of the view and of its own past decisions, so
// that a replay repeats it.
type Selector interface {
	Select(v *View) Decision
}

// NewSelector returns a selector by name: lucb (default), elimination, uniform. All
// stop by the same certifying rule; they differ in what they sample.
func NewSelector(name string, s Settings) (Selector, error) {
	if f, ok := selectors[name]; ok {
		return f(s), nil
	}
	return nil, fmt.Errorf("unknown selector %q: there are %s", name, strings.Join(SelectorNames(), ", "))
}

// verdicts applies the rule all certifying selectors share: a candidate with
// D−W > ε₀ becomes the incumbent (the one whose lower bound is largest), one
// with D+W ≤ ε retires. live lists the others.
func verdicts(v *View) (d Decision, live []int) {
	d.Move = -1
	best := v.Move
	for i := range v.Candidates {
		if c := &v.Candidates[i]; !c.Retired && c.Lower > best {
			best, d.Move = c.Lower, i
		}
	}
	if d.Move >= 0 {
		return d, nil
	}
	for i := range v.Candidates {
		switch c := &v.Candidates[i]; {
		case c.Retired:
		case c.Upper <= v.Epsilon:
			d.Retire = append(d.Retire, i)
		default:
			live = append(live, i)
		}
	}
	return d, live
}

// incumbentWants is how many samples the incumbent is short of its share when
// the candidates' Σ weight·n² is pull. The cheapest allocation that gives every
// candidate its half-width has n₀²·weight₀ = Σ n²·weight – √K to 1 for K equal
// ones (Glynn and Juneja 2004; by Lagrange's condition with costs as weights).
func incumbentWants(v *View, pull float64) int {
	c := &v.Incumbent
	if c.Left == 0 {
		return 0
	}
	n := max(0, int(math.Ceil(math.Sqrt(pull/c.Weight)-1e-9))-c.N)
	if c.Left > 0 {
		n = min(n, c.Left)
	}
	return n
}

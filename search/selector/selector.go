// Package selector chooses among confidence bounds: which candidate becomes the
// incumbent, which are retired, and which deserve samples next. Where the bounds
// come from, what a sample is and how often the incumbent needs one are evidence's
// business. A selector never evaluates and never sees the budget.
package selector

import (
	"cmp"
	"fmt"
	"slices"
)

// Candidate is a feasible neighbour as a selector sees it.
type Candidate struct {
	N       int     // samples its bounds rest on
	Left    int     // samples still to be had; -1 without limit
	Lower   float64 // of its difference to the incumbent
	Upper   float64
	Promise float64 // breaks ties of Upper: what is known besides bounds, larger first
	Retired bool
}

// View is the candidates of the present scope.
type View struct {
	Candidates []Candidate
	Epsilon    float64 // at or below which an upper bound retires
	Move       float64 // ε₀, which a lower bound must exceed to move
}

// Choice holds what a selector wants. Candidates are indices into View.Candidates. A
// choice that moves does nothing else.
type Choice struct {
	Move   int   // the candidate that becomes the incumbent, -1 for none
	Retire []int // shown not to improve by more than ε
	Done   bool  // every candidate is retired: the scope is finished
	Sample []int // to be sampled, the most deserving first
	Every  bool  // all of Sample, once each; otherwise as many as a batch has room for
	Equal  bool  // the incumbent counts as one of the candidates, with as many samples
}

// Selector chooses. Its choice is a function of the view alone, so that a replay
// repeats it.
type Selector interface {
	Choose(v *View) Choice
}

// Name holds a selector's name on the command line.
type Name string

// Selectors.
const (
	LUCB        Name = "lucb"
	Elimination Name = "elimination"
	Uniform     Name = "uniform"
)

var byName = map[Name]Selector{LUCB: lucb{}, Elimination: elimination{}, Uniform: uniform{}}

// New returns a selector by name. All stop by the same certifying rule; they
// differ in what they sample.
func New(name Name) (Selector, error) {
	if s, ok := byName[name]; ok {
		return s, nil
	}
	return nil, fmt.Errorf("unknown selector %q: there are %s, %s, %s", name, Elimination, LUCB, Uniform)
}

// judge applies the rule all selectors share: the candidate with the largest lower
// bound above ε₀ becomes the incumbent, those with an upper bound of at most ε are
// retired. live lists the others.
func judge(v *View) (c Choice, live []int) {
	c.Move = -1
	best := v.Move
	for i := range v.Candidates {
		if z := &v.Candidates[i]; !z.Retired && z.Lower > best {
			best, c.Move = z.Lower, i
		}
	}
	if c.Move >= 0 {
		return c, nil
	}
	for i := range v.Candidates {
		switch z := &v.Candidates[i]; {
		case z.Retired:
		case z.Upper <= v.Epsilon:
			c.Retire = append(c.Retire, i)
		default:
			live = append(live, i)
		}
	}
	c.Done = len(live) == 0
	return c, live
}

// lucb is the certifying selector in the manner of LUCB (Kalyanakrishnan et al.
// 2012): of the candidates neither moved to nor retired it samples the one with
// the largest upper bound.
type lucb struct{}

func (lucb) Choose(v *View) Choice {
	c, live := judge(v)
	slices.SortStableFunc(live, func(a, b int) int {
		x, y := &v.Candidates[a], &v.Candidates[b]
		return cmp.Or(cmp.Compare(y.Upper, x.Upper), cmp.Compare(y.Promise, x.Promise))
	})
	c.Sample = live
	return c
}

// elimination is successive elimination (Even-Dar et al. 2006): all candidates
// still in play are sampled equally often, round by round. It needs no ordering
// by bounds and its rounds parallelise over all candidates, but it spends on
// clear cases what the doubtful ones need.
type elimination struct{}

func (elimination) Choose(v *View) Choice {
	c, live := judge(v)
	if c.Every = true; len(live) == 0 {
		return c
	}
	least := v.Candidates[live[0]].N
	for _, i := range live {
		least = min(least, v.Candidates[i].N)
	}
	for _, i := range live {
		if z := &v.Candidates[i]; z.N == least && z.Left != 0 {
			c.Sample = append(c.Sample, i)
		}
	}
	return c
}

// uniform samples every candidate of the scope equally often until all of them
// are decided, retired or not: the published allocation under the certifying
// stopping rule. It is the baseline the others are measured against.
type uniform struct{}

func (uniform) Choose(v *View) Choice {
	c, live := judge(v)
	if c.Every, c.Equal = true, true; len(live) == 0 {
		return c
	}
	least := -1
	for i := range v.Candidates {
		if z := &v.Candidates[i]; z.Left != 0 && (least < 0 || z.N < least) {
			least = z.N
		}
	}
	for i := range v.Candidates {
		if z := &v.Candidates[i]; z.N == least && z.Left != 0 {
			c.Sample = append(c.Sample, i)
		}
	}
	return c
}

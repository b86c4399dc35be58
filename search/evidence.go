package search

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/selector"
)

// Evidence says where the bounds of a search come from: package evidence has the
// kinds.
type Evidence interface {
	bounds
	sampling
	account
}

// bounds say what is known of neighbours z against the incumbent x.
type bounds interface {
	Compare(x, z *evidence.Arm, count bool) evidence.Comparison
	Retired(x, z *evidence.Arm) bool
	Forget(x *evidence.Arm, zs []*evidence.Arm)
	Further(x, z *evidence.Arm, k evidence.Comparison, target float64) int
}

// sampling says what is asked for and takes the answers.
type sampling interface {
	Promise(k evidence.Comparison, x, z *evidence.Arm) float64
	Plan(l *evidence.Look, c selector.Choice) []evidence.Want
	Next(a *evidence.Arm, level int) (evidence.Sample, bool)
	Take(a *evidence.Arm, s evidence.Sample, utility, seconds float64)
	Fail(a *evidence.Arm, s evidence.Sample, reason string)
	LeaveBehind(arms []*evidence.Arm)
	Weigh(a *evidence.Arm)
}

// account says what the samples cost and what the bounds rest on.
type account interface {
	Alarms(x *evidence.Arm, zs, all []*evidence.Arm) []string
	Loud(a *evidence.Arm, archs int) (why string, loud bool)
	Cost(all []*evidence.Arm) float64
	OnTrust(x *evidence.Arm, zs []*evidence.Arm) int
	LowerBound() bool
	Rests(onTrust, all int) []string
	Condition() string
}

var (
	_ Evidence = (*evidence.Independent)(nil)
	_ Evidence = (*evidence.Comparisons)(nil)
	_ Evidence = (*evidence.CommonSeeds)(nil)
	_ Evidence = (*evidence.Fidelities)(nil)
	_ Evidence = (*evidence.Separate)(nil)
	_ Evidence = (*evidence.Pairs)(nil)
)

// Selector is a name of --selector: how candidates are chosen, and by which
// evidence.
type Selector string

// Selectors.
const (
	LUCB                   = Selector(selector.LUCB)
	Elimination            = Selector(selector.Elimination)
	Uniform                = Selector(selector.Uniform)
	Paired        Selector = "paired"         // LUCB at common seeds
	MultiFidelity Selector = "multi-fidelity" // LUCB through rising fidelities
)

// ruleOf holds the rule each selector chooses by.
var ruleOf = map[Selector]selector.Name{
	LUCB: selector.LUCB, Elimination: selector.Elimination, Uniform: selector.Uniform,
	Paired: selector.LUCB, MultiFidelity: selector.LUCB,
}

// Selectors lists them.
func Selectors() []Selector { return slices.Sorted(maps.Keys(ruleOf)) }

// SelectorNames lists them as a sentence does.
func SelectorNames() string {
	var out []string
	for _, s := range Selectors() {
		out = append(out, string(s))
	}
	return strings.Join(out, ", ")
}

// check says that there is no such selector.
func (s Selector) check() error {
	if _, ok := ruleOf[s]; !ok {
		return fmt.Errorf("unknown selector %q: there are %s", string(s), SelectorNames())
	}
	return nil
}

// newEvidence returns the evidence that the settings ask for.
func newEvidence(b *evidence.Base, s *Settings) Evidence {
	switch {
	case s.pairs():
		return &evidence.CommonSeeds{Base: b, Diff: &evidence.DiffReport{Value: math.Inf(1)}} // until it is known, nothing is
	case s.Schedule == ScheduleComparisons:
		return &evidence.Comparisons{Base: b, Delta: s.SelectionDelta()}
	case s.UtilityRange != nil:
		return evidence.NewBounded(b, s.UtilityRange[0], s.UtilityRange[1])
	case s.Robust == RobustMedian:
		return evidence.NewMedian(b)
	case s.Noise == NoisePerNetwork:
		return evidence.NewPerNetwork(b, nil)
	case s.Noise == NoiseAuto && s.Sigma == nil:
		return evidence.NewPairs(b)
	case len(s.Fidelities) > 0:
		return evidence.NewFidelities(b, s.Fidelities)
	}
	return evidence.NewIndependent(b)
}

// pairs says whether the settings ask for common seeds.
func (s *Settings) pairs() bool { return s.Selector == Paired && !s.Published }

// epochDelta is the error probability of the present incumbent's certificate. Where
// a device may refuse neighbours the j-th set of them gets its part of it,
// 1/(j(j+1)), j from 1: the claim is about the best neighbour left, and that is the
// i-th best of all only after i−1 refusals.
func (r *searcher) epochDelta() float64 {
	d := anytime.Share(r.base.Epoch.Incumbent) * r.s.SelectionDelta()
	if r.s.BandShare > 0 { // the rest is for the draws
		d *= 1 - missShare
	}
	if r.p.Admit != nil {
		d = anytime.Delta(d, r.hood.refused+1)
	}
	return d
}

// checkNoise says what is wrong with how noise is bounded.
func (s *Settings) checkNoise() error {
	var problems []error
	if s.Noise == NoiseAuto {
		return nil
	}
	if s.Noise != "" && s.Noise != NoisePerNetwork {
		problems = append(problems, fmt.Errorf("noise %q is none of %s, %s and %s", s.Noise, NoiseAuto, NoiseShared, NoisePerNetwork))
	}
	if s.Robust != "" && s.Robust != RobustMedian {
		problems = append(problems, fmt.Errorf("robust %q is not %s", s.Robust, RobustMedian))
	}
	what := "noise " + string(NoisePerNetwork)
	switch {
	case s.Noise == "" && s.Robust == "":
		return nil
	case s.Noise != "" && s.Robust != "":
		problems = append(problems, fmt.Errorf("robust %s assumes no noise at all: noise %s does not go with it", s.Robust, s.Noise))
	case s.Robust != "":
		what = "robust " + string(s.Robust)
	}
	if s.Sigma != nil || s.UtilityRange != nil || s.Selector == Paired || s.Selector == MultiFidelity || s.Schedule != ScheduleEpochs || s.Published || s.Pool {
		problems = append(problems, fmt.Errorf("%s bounds each network by its own samples: it goes with selectors %s, %s and %s, schedule %s, and samples without end; not with sigma or a utility range",
			what, LUCB, Elimination, Uniform, ScheduleEpochs))
	}
	return errors.Join(problems...)
}

// checkRange says what is wrong with a declared range of utilities.
func (s *Settings) checkRange() error {
	r := s.UtilityRange
	switch {
	case r == nil:
		return nil
	case !(r[0] < r[1]) || math.IsInf(r[0], 0) || math.IsInf(r[1], 0):
		return fmt.Errorf("utility range %g to %g is not one of two rising numbers", r[0], r[1])
	case s.Sigma != nil || s.Selector == Paired || s.Selector == MultiFidelity || s.Schedule != ScheduleEpochs || s.Published || s.Pool:
		return fmt.Errorf("a utility range takes the place of sigma: it goes with selectors %s, %s and %s, schedule %s, and samples without end", LUCB, Elimination, Uniform, ScheduleEpochs)
	}
	return nil
}

// CheckFidelities says what is wrong with fidelities, were they and their selector
// these settings'.
func (s Settings) CheckFidelities(sel Selector, f []evidence.Fidelity) error {
	s.Selector, s.Fidelities = sel, f
	return s.checkFidelities()
}

// checkFidelities says what is wrong with them.
func (s *Settings) checkFidelities() error {
	if s.Selector != MultiFidelity {
		if len(s.Fidelities) > 0 {
			return errors.New("fidelities are for selector multi-fidelity")
		}
		return nil
	}
	var problems []error
	if len(s.Fidelities) == 0 || len(s.Fidelities) > 8 {
		problems = append(problems, fmt.Errorf("selector multi-fidelity needs 1 to 8 fidelities, not %d", len(s.Fidelities)))
	}
	if s.Schedule != ScheduleEpochs {
		problems = append(problems, fmt.Errorf("selector multi-fidelity needs schedule %s", ScheduleEpochs))
	}
	last := 0.0
	for _, f := range s.Fidelities {
		if !(f.Value > last && f.Value < 1) {
			problems = append(problems, fmt.Errorf("fidelity %g is not above %g and below 1: they rise to the full one", f.Value, last))
		}
		last = f.Value
		for _, v := range []*float64{f.Bias, f.Sigma} {
			if v != nil && (!(*v >= 0) || math.IsInf(*v, 0)) {
				problems = append(problems, fmt.Errorf("fidelity %g: bias or sigma %g is not a number from 0", f.Value, *v))
			}
		}
	}
	return errors.Join(problems...)
}

package search

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search/anytime"
)

// SigmaReport says where the noise level came from.
type SigmaReport struct {
	Source  string  `json:"source"` // declared, calibrated, deterministic, not needed (paired) or unknown (stopped before)
	Value   float64 `json:"value"`  // the σ every radius uses
	S       float64 `json:"s,omitempty"`
	Nu      int     `json:"nu,omitempty"`   // degrees of freedom behind S
	Beta    float64 `json:"beta,omitempty"` // probability that σ exceeds Value
	Archs   int     `json:"archs,omitempty"`
	Repeats int     `json:"repeats,omitempty"`
	// Diff is the noise of differences at common seeds, for the paired selector.
	Diff *DiffReport `json:"difference,omitempty"`
}

// ErrDeterministic says that repeated samples are identical: there is no noise
// to make a confidence statement about.
var ErrDeterministic = errors.New("deterministic evaluator: cannot certify")

// minRepeats is how many identical repeats it takes: rounded utilities (two
// decimals of accuracy) coincide now and then.
const minRepeats = 4

// deterministic is the identical-values alarm, and its opposite.
func (r *searcher) deterministic() error {
	switch {
	case r.sigmaNote.Source == "deterministic" && r.varies:
		return hint.Wrap(errors.New("the evaluator was declared deterministic (sigma 0) but its repeats differ"), "leave --sigma out to calibrate it")
	case r.sigmaNote.Source != "deterministic" && !r.varies && r.repeats >= minRepeats:
		return hint.Wrap(fmt.Errorf("%w: all %d repeated samples are identical to the first", ErrDeterministic, r.repeats),
			"make the evaluator use its seed, or declare it deterministic with --sigma 0")
	}
	return nil
}

// calibrate sets σ: as declared, or the upper bound from repeated samples of the
// anchor and neighbours spread over the neighbourhood. The samples stay in use:
// the union bound over "σ exceeds its bound" and "a radius with the true σ is
// crossed" needs no independence.
func (r *searcher) calibrate(ctx context.Context) error {
	if r.pairing && len(r.hood.arms) == 0 && r.s.SigmaDiff == nil { // nothing to pair with
		r.unpair()
	}
	if r.pairing {
		if ok, err := r.pair(ctx); ok || err != nil {
			if r.s.Sigma != nil { // for reports alone
				r.sigma, r.sigmaNote.Source, r.sigmaNote.Value = *r.s.Sigma, "declared", *r.s.Sigma
			} else if r.sigmaNote.Source = "not needed"; err != nil {
				r.sigmaNote.Source = "unknown"
			}
			return err
		}
		r.unpair()
	}
	if r.s.Sigma != nil {
		r.sigma = *r.s.Sigma
		r.sigmaNote.Source, r.sigmaNote.Value = "declared", r.sigma
		if r.sigma == 0 {
			// One repeat, to find out a declaration that is plainly wrong.
			r.sigmaNote.Source = "deterministic"
			return r.sample(ctx, []*arm{r.x, r.x})
		}
		return nil
	}
	arms := r.calibrationArms(r.s.SigmaArchs)
	var want []*arm
	for range r.s.SigmaRepeats {
		want = append(want, arms...)
	}
	r.sigmaNote.Source = "unknown"
	if err := r.sample(ctx, want); err != nil {
		return err
	}
	r.sigmaNote.Source = "calibrated"
	ss, nu, used := 0.0, 0, 0
	for _, a := range arms {
		if n := len(a.values) - a.base; n > 1 {
			d := spreadOf(a.values[a.base:])
			ss += d * d * float64(n-1)
			nu += n - 1
			used++
		}
	}
	if nu == 0 {
		return hint.Wrap(errors.New("sigma cannot be calibrated: no architecture has two samples"), "declare it with --sigma")
	}
	s := math.Sqrt(ss / float64(nu))
	beta := r.s.SigmaBeta
	if r.sigmaNote.Diff != nil {
		beta /= 2 // the other half went to the differences
	}
	r.sigma = anytime.SigmaUpper(s, nu, beta)
	r.sigmaNote = SigmaReport{Source: "calibrated", Value: r.sigma, S: s, Nu: nu, Beta: beta, Archs: used, Repeats: r.s.SigmaRepeats, Diff: r.sigmaNote.Diff}
	if s == 0 {
		return hint.Wrap(fmt.Errorf("%w: all repeated samples are identical", ErrDeterministic),
			"make the evaluator use its seed, or declare it deterministic with --sigma 0")
	}
	for _, a := range r.order {
		r.weigh(a)
	}
	r.emit(Event{Kind: "sigma", D: s, Upper: r.sigma, Samples: r.samples})
	return nil
}

// calibrationArms are n architectures, the anchor and neighbours spread over its
// neighbourhood; fewer if there are no more.
func (r *searcher) calibrationArms(n int) []*arm {
	arms := []*arm{r.x}
	others := len(r.hood.arms)
	for i, k := 0, min(n-1, others); i < k; i++ {
		arms = append(arms, r.hood.arms[i*others/k])
	}
	return arms
}

// alarmLevel is the probability of a false heteroscedasticity alarm in a run.
const alarmLevel = 0.0001

// alarms lists architectures whose own spread is larger than σ allows: the noise
// is not the same everywhere, and the radii may be too short.
func (r *searcher) alarms() []string {
	if r.pairing {
		return r.differing()
	}
	out := append(r.biased(), r.loud()...)
	tested := 0
	for _, a := range r.order {
		if len(a.values) >= 3 {
			tested++
		}
	}
	for _, a := range r.order {
		if n := len(a.values); n >= 3 && r.sigma > 0 && anytime.VarianceSuspect(a.spread(), n, r.sigma, alarmLevel/float64(tested)) {
			out = append(out, fmt.Sprintf("heteroscedastic: %s has standard deviation %.4g over %d samples, σ is %.4g", a.key, a.spread(), n, r.sigma))
		}
	}
	return out
}

package search

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/evidence"
)

// SigmaReport says where the noise level came from.
type SigmaReport struct {
	Source  evidence.Source `json:"source"`
	Value   float64         `json:"value"` // the σ every radius uses; from pairs the estimate, as bounds weigh every σ
	S       float64         `json:"s,omitempty"`
	Nu      int             `json:"nu,omitempty"`   // degrees of freedom behind S
	Beta    float64         `json:"beta,omitempty"` // probability that σ exceeds Value
	Archs   int             `json:"archs,omitempty"`
	Repeats int             `json:"repeats,omitempty"`
	// PerNetwork says which network's samples contradicted one size of noise for all, from
	// when on each has its own; "" for none.
	PerNetwork string `json:"per_network,omitempty"`
	// Diff is the noise of differences at common seeds, for the paired selector.
	Diff *evidence.DiffReport `json:"difference,omitempty"`
}

// paired says whether the bounds rest on differences at common seeds.
func (s *SigmaReport) paired() bool { return s.Diff != nil && s.Diff.Used }

// ErrDeterministic says that repeated samples are identical: there is no noise
// to make a confidence statement about.
var ErrDeterministic = errors.New("deterministic evaluator: cannot certify")

// minRepeats says how many identical repeats it takes: rounded utilities (two
// decimals of accuracy) coincide now and then.
const minRepeats = 4

// useSeed says what to do about an evaluator whose repeats are identical.
const useSeed = "make the evaluator use its seed, or declare it deterministic with --sigma 0"

// deterministic is the identical-values alarm, and its opposite.
func (r *searcher) deterministic() error {
	exact, b := r.sigmaNote.Source == evidence.Deterministic, r.base
	switch {
	case exact && b.Varies:
		return hint.Wrap(errors.New("the evaluator was declared deterministic (sigma 0) but its repeats differ"), "leave --sigma out to calibrate it")
	case !exact && !b.Varies && b.Repeats >= minRepeats:
		return hint.Wrap(fmt.Errorf("%w: all %d repeated samples are identical to the first", ErrDeterministic, b.Repeats), useSeed)
	}
	return nil
}

// calibrate settles the noise: as declared, or the upper bound from repeated
// samples of the anchor and neighbours spread over the neighbourhood. The samples
// stay in use: the union bound over "σ exceeds its bound" and "a radius with the
// true σ is crossed" needs no independence.
func (r *searcher) calibrate(ctx context.Context) error {
	if e, ok := r.evidence.(*evidence.CommonSeeds); ok {
		if done, err := r.pair(ctx, e); done || err != nil {
			return err
		}
		// Pairing does not pay: on with independent seeds. What was sampled at common
		// ones is dependent and stays out of the evidence.
		r.evidence = evidence.NewIndependent(r.base)
		r.evidence.LeaveBehind(r.order)
	}
	if r.s.UtilityRange != nil || r.s.Noise == NoisePerNetwork || r.s.Robust != "" {
		r.sigmaNote.Source = evidence.NotNeeded
		return nil
	}
	if e, ok := r.evidence.(*evidence.Pairs); ok {
		e.Begin()
		r.sigmaNote.Source = evidence.FromPairs
		return nil
	}
	if r.s.Sigma != nil {
		r.base.Sigma = *r.s.Sigma
		r.sigmaNote.Source, r.sigmaNote.Value = evidence.Declared, r.base.Sigma
		if r.base.Sigma == 0 {
			// One repeat, to find out a declaration that is plainly wrong.
			r.sigmaNote.Source = evidence.Deterministic
			return r.sample(ctx, nil, []evidence.Want{{Z: -1}, {Z: -1}})
		}
		return nil
	}
	return r.estimate(ctx)
}

// estimate estimates σ.
func (r *searcher) estimate(ctx context.Context) error {
	arms := r.calibrationArms(r.s.SigmaArchs)
	r.sigmaNote.Source = evidence.Unknown
	r.emit(Event{Kind: EventCalibrate, Layer: -1, From: r.x.Key, Samples: r.base.Samples, Need: len(arms) * r.s.SigmaRepeats, EpsHat: math.Inf(1),
		Failures: r.failures, Best: r.base.Center(r.x), Anchor: r.base.Center(r.arms[r.p.Anchor.Key()])})
	if err := r.sample(ctx, arms, slices.Repeat(each(arms), r.s.SigmaRepeats)); err != nil {
		return err
	}
	r.sigmaNote.Source = evidence.Calibrated
	ss, nu, used := 0.0, 0, 0
	for _, a := range arms {
		if n := len(a.Recent()); n > 1 {
			d := evidence.Spread(a.Recent())
			ss += d * d * float64(n-1)
			nu += n - 1
			used++
		}
	}
	if nu == 0 {
		return r.uncalibrated("sigma cannot be calibrated: no architecture has two samples", arms, "declare it with --sigma")
	}
	s := math.Sqrt(ss / float64(nu))
	beta := r.s.SigmaBeta
	if r.sigmaNote.Diff != nil {
		beta /= 2 // the other half went to the differences
	}
	r.base.Sigma = anytime.SigmaUpper(s, nu, beta)
	r.sigmaNote = SigmaReport{Source: evidence.Calibrated, Value: r.base.Sigma, S: s, Nu: nu, Beta: beta, Archs: used, Repeats: r.s.SigmaRepeats, Diff: r.sigmaNote.Diff}
	if s == 0 {
		return hint.Wrap(fmt.Errorf("%w: all repeated samples are identical", ErrDeterministic), useSeed)
	}
	for _, a := range r.order {
		r.evidence.Weigh(a)
	}
	r.emit(Event{Kind: EventSigma, D: s, Upper: r.base.Sigma, Samples: r.base.Samples})
	return nil
}

// uncalibrated is the error of noise that cannot be calibrated: a declaration helps where
// samples are few, not where they failed.
func (r *searcher) uncalibrated(what string, arms []*evidence.Arm, cure string) error {
	if i := slices.IndexFunc(arms, func(a *evidence.Arm) bool { return a.Failures > 0 }); i >= 0 {
		return hint.Wrap(fmt.Errorf("%s: %d of %d evaluations failed, as of %s: %s", what, r.failures, r.base.Samples+r.failures, arms[i].Key, arms[i].Reason),
			"isosearch check tries an evaluator")
	}
	return hint.Wrap(errors.New(what), "%s", cure)
}

// calibrationArms are n architectures, the anchor and neighbours spread over its
// neighbourhood; fewer if there are no more.
func (r *searcher) calibrationArms(n int) []*evidence.Arm {
	arms := []*evidence.Arm{r.x}
	others := len(r.hood.arms)
	for i, k := 0, min(n-1, others); i < k; i++ {
		arms = append(arms, r.hood.arms[i*others/k])
	}
	return arms
}

// A declared spread is looked at on the first samples, which are evidence as well:
// so many architectures at so many seeds.
const checkArchs, checkSeeds = 4, 3

// pair settles the spread of paired differences: declared, or estimated on the
// anchor and neighbours at common seeds. It returns false where pairing does not
// pay.
func (r *searcher) pair(ctx context.Context, e *evidence.CommonSeeds) (bool, error) {
	if len(r.hood.arms) == 0 && r.s.SigmaDiff == nil { // nothing to pair with
		return false, nil
	}
	used, err := r.spread(ctx, e)
	switch {
	case !used && err == nil:
		return false, nil
	case r.s.Sigma != nil: // for reports alone
		r.base.Sigma, r.sigmaNote.Source, r.sigmaNote.Value = *r.s.Sigma, evidence.Declared, *r.s.Sigma
	case err != nil:
		r.sigmaNote.Source = evidence.Unknown
	default:
		r.sigmaNote.Source = evidence.NotNeeded
	}
	return true, err
}

// spread settles the spread of differences and says whether to pair.
func (r *searcher) spread(ctx context.Context, e *evidence.CommonSeeds) (bool, error) {
	d := &evidence.DiffReport{Source: evidence.Calibrated}
	archs, repeats := r.s.SigmaArchs, r.s.SigmaRepeats
	if v := r.s.SigmaDiff; v != nil {
		if r.s.Sigma != nil && *r.s.Sigma > 0 {
			d.Ratio = *v * *v / (2 * *r.s.Sigma * *r.s.Sigma)
		}
		archs, repeats = checkArchs, checkSeeds
	}
	if d.Ratio < evidence.PairingRatio {
		arms := r.calibrationArms(archs)
		if err := r.sample(ctx, arms, slices.Repeat(each(arms), repeats)); err != nil {
			return false, err
		}
		err := r.residual(d, arms, repeats)
		switch {
		case r.s.SigmaDiff == nil && err != nil:
			return false, err
		case r.s.SigmaDiff != nil:
			e.Doubts = append(e.Doubts, r.declared(d, err)...)
		}
	}
	r.sigmaNote.Diff = d
	d.Used = d.Ratio < evidence.PairingRatio || r.s.SigmaDiff != nil && r.s.Sigma == nil // nothing else is known
	if d.Used {
		e.Diff = d
		r.emit(Event{Kind: EventSigma, D: d.S, Upper: d.Value, Samples: r.base.Samples, Note: "difference"})
	}
	return d.Used, nil
}

// declared takes the declared spread and returns what in the first samples, of which
// d holds the estimate, contradicts it.
func (r *searcher) declared(d *evidence.DiffReport, err error) []string {
	v := *r.s.SigmaDiff
	s, nu := d.S, d.Nu
	*d = evidence.DiffReport{Source: evidence.Declared, Value: v, Ratio: d.Ratio}
	if v == 0 {
		d.Source = evidence.Deterministic
	}
	switch {
	case err != nil: // nothing varies, or too little answered: nothing contradicts
	case v == 0:
		return []string{fmt.Sprintf("differences at common seeds were declared exact and vary: standard deviation %.4g", s)}
	case anytime.VarianceSuspect(s, nu+1, v, evidence.AlarmLevel):
		return []string{fmt.Sprintf("differences at common seeds have standard deviation %.4g (%d degrees of freedom), declared is %.4g", s, nu, v)}
	}
	return nil
}

// residual estimates the spread of a difference at a common seed by a two-way
// layout, architecture + seed + rest.
func (r *searcher) residual(d *evidence.DiffReport, arms []*evidence.Arm, repeats int) error {
	t := evidence.TwoWay(arms, repeats)
	if t.Rows < 2 {
		return r.uncalibrated("the spread of paired differences cannot be calibrated: fewer than two architectures answered at all seeds", arms, "declare it with --sigma-diff")
	}
	d.Nu = t.Nu
	d.S = math.Sqrt(2 * t.Rest / float64(d.Nu))
	if r.s.SigmaDiff == nil {
		d.Beta = r.s.SigmaBeta / 2 // the other half is for σ, should the search not pair
		d.Value = anytime.SigmaUpper(d.S, d.Nu, d.Beta)
	}
	if !(t.Within > 0) {
		return hint.Wrap(fmt.Errorf("%w: all repeated samples are identical", ErrDeterministic), useSeed)
	}
	if t.Rest <= 1e-24*t.Within {
		return hint.Wrap(fmt.Errorf("%w: at a common seed all architectures have the same noise", ErrDeterministic),
			"declare that with --sigma-diff 0: one common seed then tells the difference")
	}
	if d.Ratio == 0 {
		d.Ratio = t.Rest / float64(d.Nu) / (t.Within / float64(t.Rows*(repeats-1)))
	}
	return nil
}

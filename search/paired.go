package search

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search/anytime"
)

// pairingRatio is the largest Var(difference at a common seed) / 2σ² at which
// common random numbers are used: beyond, sampling the incumbent more often
// than each candidate saves more than the pairing does.
const pairingRatio = 0.8

// paired compares the incumbent with each candidate at common seeds: the noise
// both share cancels, and the differences' own spread takes the place of the
// arms'. A seed counts once both have been evaluated at it, so that the incumbent
// is sampled as often as its most sampled candidate and no more.
type paired struct{}

func (paired) Select(v *View) Decision {
	d, live := verdicts(v)
	if d.Move >= 0 || len(live) == 0 {
		return d
	}
	most := 0
	add := func(i int) {
		d.Sample = append(d.Sample, i)
		most = max(most, v.Candidates[i].N+1)
	}
	for _, i := range live {
		if v.Candidates[i].N == 0 && len(d.Sample) < max(v.Batch, firstSamples) {
			add(i)
		}
	}
	if len(d.Sample) == 0 {
		slices.SortStableFunc(live, func(a, b int) int {
			return cmp.Compare(v.Candidates[b].Upper, v.Candidates[a].Upper)
		})
		for _, i := range live[:min(v.Batch, len(live))] {
			if v.Candidates[i].Left != 0 {
				add(i)
			}
		}
	}
	for n := v.Incumbent.N; n < most; n++ {
		d.Sample = append(d.Sample, -1)
	}
	return d
}

// DiffReport says where the noise level of paired differences came from.
type DiffReport struct {
	Source string  `json:"source"`          // declared, calibrated or deterministic
	Value  float64 `json:"value"`           // the σ of a difference that every bound uses
	S      float64 `json:"s,omitempty"`     // as estimated
	Nu     int     `json:"nu,omitempty"`    // degrees of freedom behind S
	Beta   float64 `json:"beta,omitempty"`  // probability that it exceeds Value
	Ratio  float64 `json:"ratio,omitempty"` // of the variance to that of independent seeds
	// Used says that the search paired. It does not where the ratio is at least 0.8,
	// and goes on with independent seeds and new evidence.
	Used bool `json:"used"`
}

// pairs are the differences f̂(z) − f̂(x) at common seeds.
type pairs struct {
	upto   int // first seed not looked at
	all    int // differences so far
	allSum float64
	epoch  int // the incumbent whose time the rest belongs to
	n      int
	sum    float64
	square float64
}

// match takes the seeds into a comparison that both arms have been evaluated at
// since the last look.
func (r *searcher) match(k *comparison, x, z *arm) {
	p := &k.pairs
	if p.epoch != r.incumbents {
		p.epoch, p.n, p.sum, p.square = r.incumbents, 0, 0, 0
	}
	for ; p.upto < min(len(x.slots), len(z.slots)); p.upto++ {
		d := z.slots[p.upto] - x.slots[p.upto]
		if math.IsNaN(d) { // skipped or failed on either side
			continue
		}
		p.all++
		p.allSum += d
		if p.upto >= r.first {
			p.n++
			p.sum += d
			p.square += d * d
		}
	}
}

// atCommonSeeds is a comparison under pairing. Its evidence is a random walk in
// the number of common seeds, whatever made the search go on or stop.
func (r *searcher) atCommonSeeds(x, z *arm, count bool) comparison {
	id := [2]string{x.key, z.key}
	k, ok := r.comparisons[id]
	if !ok {
		k = &comparison{}
		*k = unknown
		r.match(k, x, z)
		if k.pairs.n == 0 || !count {
			return unknown
		}
		k.index = len(r.comparisons) + 1
		r.comparisons[id] = k
	}
	r.match(k, x, z)
	p := &k.pairs
	if p.n > 0 {
		k.delta = r.hood.delta
		k.d = p.sum / float64(p.n)
		k.w = anytime.PairedExcess(r.diff.Value, p.n, r.s.Rho, k.delta)
		k.upper = min(k.upper, k.d+k.w)
	}
	// Leads over different seeds need not add up to one order: without a new seed at
	// every incumbent they could lead round in a circle.
	k.lower = math.Inf(-1)
	if p.n > 0 {
		k.lower = p.allSum/float64(p.all) - r.s.MoveScore*r.diff.Value/math.Sqrt(float64(p.all))
	}
	return *k
}

// spread is the standard deviation of a comparison's differences.
func (p *pairs) spread() float64 {
	n := float64(p.n)
	if p.n < 2 {
		return 0
	}
	return math.Sqrt(max(0, p.square-p.sum*p.sum/n) / (n - 1))
}

// A declared spread is looked at on the first samples, which are evidence as well:
// so many architectures at so many seeds.
const checkArchs, checkSeeds = 4, 3

// declared takes the declared spread and raises an alarm where the first samples,
// of which d holds the estimate, contradict it.
func (r *searcher) declared(d *DiffReport, err error) {
	v := *r.s.SigmaDiff
	s, nu := d.S, d.Nu
	*d = DiffReport{Source: "declared", Value: v, Ratio: d.Ratio}
	if v == 0 {
		d.Source = "deterministic"
	}
	switch {
	case err != nil: // nothing varies, or too little answered: nothing contradicts
	case v == 0:
		r.doubts = append(r.doubts, fmt.Sprintf("differences at common seeds were declared exact and vary: standard deviation %.4g", s))
	case anytime.VarianceSuspect(s, nu+1, v, alarmLevel):
		r.doubts = append(r.doubts, fmt.Sprintf("differences at common seeds have standard deviation %.4g (%d degrees of freedom), declared is %.4g", s, nu, v))
	}
}

// pair settles the spread of paired differences: declared, or estimated on the
// anchor and neighbours at common seeds. It returns false where pairing does not
// pay.
func (r *searcher) pair(ctx context.Context) (bool, error) {
	d := &DiffReport{Source: "calibrated"}
	archs, repeats := r.s.SigmaArchs, r.s.SigmaRepeats
	if r.s.SigmaDiff != nil {
		if r.s.Sigma != nil && *r.s.Sigma > 0 {
			d.Ratio = *r.s.SigmaDiff * *r.s.SigmaDiff / (2 * *r.s.Sigma * *r.s.Sigma)
		}
		archs, repeats = checkArchs, checkSeeds
	}
	if d.Ratio < pairingRatio {
		arms := r.calibrationArms(archs)
		var want []*arm
		for range repeats {
			want = append(want, arms...)
		}
		if err := r.sample(ctx, want); err != nil {
			return false, err
		}
		err := r.residual(d, arms, repeats)
		switch {
		case r.s.SigmaDiff == nil && err != nil:
			return false, err
		case r.s.SigmaDiff != nil:
			r.declared(d, err)
		}
	}
	r.sigmaNote.Diff = d
	d.Used = d.Ratio < pairingRatio || r.s.SigmaDiff != nil && r.s.Sigma == nil // nothing else is known
	if d.Used {
		r.diff = d
		r.emit(Event{Kind: "sigma", D: d.S, Upper: d.Value, Samples: r.samples, Note: "difference"})
	}
	return d.Used, nil
}

// residual estimates the spread of a difference at a common seed by a two-way
// layout, architecture + seed + rest: twice the mean square of the rest, with
// (A−1)(R−1) degrees of freedom. Architectures with a failed sample are left out.
func (r *searcher) residual(d *DiffReport, arms []*arm, repeats int) error {
	var rows [][]float64
	for _, a := range arms {
		if len(a.slots) >= repeats && !slices.ContainsFunc(a.slots[:repeats], math.IsNaN) {
			rows = append(rows, a.slots[:repeats])
		}
	}
	if len(rows) < 2 {
		return hint.Wrap(errors.New("the spread of paired differences cannot be calibrated: fewer than two architectures answered at all seeds"), "declare it with --sigma-diff")
	}
	columns, grand := make([]float64, repeats), 0.0
	for _, row := range rows {
		for i, v := range row {
			columns[i] += v / float64(len(rows))
			grand += v / float64(len(rows)*repeats)
		}
	}
	rest, within := 0.0, 0.0
	for _, row := range rows {
		m := 0.0
		for _, v := range row {
			m += v / float64(repeats)
		}
		for i, v := range row {
			e := v - m - columns[i] + grand
			rest += e * e
			within += (v - m) * (v - m)
		}
	}
	d.Nu = (len(rows) - 1) * (repeats - 1)
	d.S = math.Sqrt(2 * rest / float64(d.Nu))
	if r.s.SigmaDiff == nil {
		d.Beta = r.s.SigmaBeta / 2 // the other half is for σ, should the search not pair
		d.Value = anytime.SigmaUpper(d.S, d.Nu, d.Beta)
	}
	if !(within > 0) {
		return hint.Wrap(fmt.Errorf("%w: all repeated samples are identical", ErrDeterministic),
			"make the evaluator use its seed, or declare it deterministic with --sigma 0")
	}
	if rest <= 1e-24*within {
		return hint.Wrap(fmt.Errorf("%w: at a common seed all architectures have the same noise", ErrDeterministic),
			"declare that with --sigma-diff 0: one common seed then tells the difference")
	}
	if d.Ratio == 0 {
		d.Ratio = rest / float64(d.Nu) / (within / float64(len(rows)*(repeats-1)))
	}
	return nil
}

// unpair goes on with independent seeds: what was sampled at common ones is
// dependent and stays out of the evidence.
func (r *searcher) unpair() {
	r.pairing, r.sel = false, lucb{}
	r.leaveBehind()
}

// leaveBehind makes what has been sampled so far no evidence.
func (r *searcher) leaveBehind() {
	for _, z := range r.order {
		z.base, z.baseSum = len(z.values), z.sum
		r.first = max(r.first, z.next)
		r.weigh(z)
		for i, d := range z.low {
			d.base, d.baseSum = len(d.values), d.sum
			r.weighLevel(z, i)
		}
	}
}

// differing lists the neighbours whose differences vary more than they may, or do
// where they were declared not to.
func (r *searcher) differing() []string {
	var ks []*comparison
	var who []*arm
	for _, z := range r.hood.arms {
		if k, ok := r.comparisons[[2]string{r.x.key, z.key}]; ok && k.pairs.n >= 2 {
			ks, who = append(ks, k), append(who, z)
		}
	}
	out := slices.Clone(r.doubts)
	for i, k := range ks {
		s := k.pairs.spread()
		if r.diff.Value == 0 {
			if s > 1e-9*math.Abs(k.d) {
				out = append(out, fmt.Sprintf("differences: those of %s at common seeds vary (%.4g) and were declared not to", who[i].key, s))
			}
		} else if anytime.VarianceSuspect(s, k.pairs.n, r.diff.Value, alarmLevel/float64(len(ks))) {
			out = append(out, fmt.Sprintf("heteroscedastic: differences of %s at common seeds have standard deviation %.4g over %d seeds, σ of a difference is %.4g", who[i].key, s, k.pairs.n, r.diff.Value))
		}
	}
	return out
}

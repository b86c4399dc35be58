package evidence

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/selector"
)

// Fidelity is a cheap form of the evaluator.
type Fidelity struct {
	Value float64 `json:"value"` // as the evaluator gets it, in (0, 1)
	// Bias is the declared bound on how far the difference of two neighbours at this
	// fidelity is from the one at full fidelity. nil: the fidelity only orders.
	Bias *float64 `json:"bias,omitempty"`
	// Sigma is the noise of one sample at this fidelity; nil to take that of a full
	// one.
	Sigma *float64 `json:"sigma,omitempty"`
}

// ParseFidelities reads VALUE[:BIAS[:SIGMA]],…, as in 0.1:0.5,0.3:0.2. Costs of
// samples are taken to be in proportion to the value.
func ParseFidelities(text string) ([]Fidelity, error) {
	var out []Fidelity
	for _, one := range strings.Split(text, ",") {
		f := Fidelity{}
		parts := strings.Split(one, ":")
		if len(parts) > 3 {
			return nil, fmt.Errorf("fidelity %q is not VALUE[:BIAS[:SIGMA]]", one)
		}
		for i, p := range parts {
			v, err := strconv.ParseFloat(p, 64)
			if err != nil {
				return nil, fmt.Errorf("fidelity %q: %q is not a number", one, p)
			}
			switch i {
			case 0:
				f.Value = v
			case 1:
				f.Bias = &v
			case 2:
				f.Sigma = &v
			}
		}
		out = append(out, f)
	}
	return out, nil
}

// Trusted counts the fidelities whose bias is bounded.
func Trusted(fidelities []Fidelity) int {
	n := 0
	for _, f := range fidelities {
		if f.Bias != nil {
			n++
		}
	}
	return n
}

// Fidelities is Independent with rising low fidelities. Each candidate is sampled at
// the fidelity at which retiring it is expected to cost least: at a low one where
// its bias bound leaves room, at the full one otherwise. An upper bound at a low
// fidelity, with the bias bound added, is one at full fidelity as far as that bound
// is true; each trusted fidelity has an equal part of the incumbent's δ, as the full
// one has. Fidelities without a bias bound only order: the candidates that look best
// there are sampled first at full fidelity, where alone improvements are taken.
type Fidelities struct {
	Independent
	Low []Fidelity
}

// NewFidelities returns the evidence of a search with these low fidelities.
func NewFidelities(b *Base, low []Fidelity) *Fidelities {
	return &Fidelities{Independent{b, Trusted(low)}, low}
}

// NewIndependent returns the evidence of a search at full fidelity alone.
func NewIndependent(b *Base) *Independent { return &Independent{Base: b} }

// draw is an arm's samples at one low fidelity.
type draw struct {
	values   []float64
	sum      float64
	next     int
	failures int
	base     int
	baseSum  float64
	recent   anytime.Evidence
}

// dead says that the arm cannot be evaluated at this fidelity.
func (d *draw) dead() bool { return d.failures >= maxFailures && d.failures >= len(d.values) }

// level is an arm's samples at low fidelity i.
func (a *Arm) level(i int) *draw {
	for len(a.low) <= i {
		a.low = append(a.low, &draw{recent: anytime.Evidence{Var: math.Inf(1)}})
	}
	return a.low[i]
}

// Level is a comparison at one low fidelity.
type Level struct {
	N     int
	D, W  float64 // difference to the incumbent and its half-width, bias not counted
	Bias  float64 // +Inf where the fidelity only orders
	Sigma float64
	Cost  float64 // of a sample, a full one being 1
	Dead  bool    // it or the incumbent cannot be evaluated there
}

// sigma is the noise of a sample at low fidelity i.
func (e *Fidelities) sigma(i int) float64 {
	if v := e.Low[i].Sigma; v != nil {
		return *v
	}
	return e.Sigma
}

// weighLow recomputes what an arm's samples say at a low fidelity.
func (e *Fidelities) weighLow(a *Arm, i int) {
	d := a.level(i)
	d.recent = anytime.Infinite(e.sigma(i), len(d.values)-d.base, d.sum-d.baseSum, e.Rho)
}

// LeaveBehind makes what has been sampled so far no evidence.
func (e *Fidelities) LeaveBehind(arms []*Arm) {
	e.Base.LeaveBehind(arms)
	for _, a := range arms {
		for i := range a.low {
			e.weighLow(a, i)
		}
	}
}

// Next uses up an arm's next sample at a level.
func (e *Fidelities) Next(a *Arm, level int) (Sample, bool) {
	if level == 0 {
		return e.Base.Next(a, 0)
	}
	d, v := a.level(level-1), e.Low[level-1].Value
	s := Sample{Level: level, Stream: StreamLow + ":" + strconv.FormatFloat(v, 'g', -1, 64), Index: d.next, Seeds: a.Key, Fidelity: v}
	d.next++
	return s, true
}

// Take records what a sample of Next came to.
func (e *Fidelities) Take(a *Arm, s Sample, utility, seconds float64) {
	if s.Level == 0 {
		e.Base.Take(a, s, utility, seconds)
		return
	}
	d := a.level(s.Level - 1)
	d.values = append(d.values, utility)
	d.sum += utility
	e.Samples++
	e.weighLow(a, s.Level-1)
}

// Fail records that a sample of Next could not be had.
func (e *Fidelities) Fail(a *Arm, s Sample, reason string) {
	if s.Level == 0 {
		e.Base.Fail(a, s, reason)
		return
	}
	a.level(s.Level-1).failures++
}

// met says whether two arms have been sampled in the incumbent's time at one
// fidelity at least.
func met(x, z *Arm) bool {
	if x.recent.N > 0 && z.recent.N > 0 {
		return true
	}
	for i := range min(len(x.low), len(z.low)) {
		if x.low[i].recent.N > 0 && z.low[i].recent.N > 0 {
			return true
		}
	}
	return false
}

// Compare returns what is known of z against the incumbent x.
func (e *Fidelities) Compare(x, z *Arm, count bool) Comparison {
	id := [2]string{x.Key, z.Key}
	if _, ok := e.comparisons[id]; !ok && !(count && met(x, z)) {
		return unknown
	}
	k := e.open(id)
	e.full(k, x, z)
	e.low(k, x, z)
	k.Lower = e.lead(x, z)
	return *k
}

// low looks at a comparison at every low fidelity.
func (e *Fidelities) low(k *Comparison, x, z *Arm) {
	for i, f := range e.Low {
		for len(k.Low) <= i {
			k.Low = append(k.Low, Level{Bias: math.Inf(1), Cost: f.Value})
		}
		a, b, v := x.level(i).recent, z.level(i).recent, &k.Low[i]
		v.N, v.Sigma, v.W = b.N, e.sigma(i), math.Inf(1)
		v.Dead = x.level(i).dead() || z.level(i).dead()
		if f.Bias != nil {
			v.Bias = *f.Bias
		}
		if a.N == 0 || b.N == 0 {
			continue
		}
		v.D = b.Center - a.Center
		if f.Bias == nil {
			continue
		}
		v.W = anytime.Excess(a, b, v.Sigma, e.prior(x), e.share())
		if u := v.D + v.W + v.Bias; u < k.Upper {
			k.Upper, k.By = u, i+1
		}
	}
}

// levels returns what low fidelities say of a candidate, compared or not.
func (e *Fidelities) levels(k Comparison, x, z *Arm) []Level {
	if k.Low == nil && !z.Dead() {
		e.low(&k, x, z)
	}
	return k.Low
}

// Promise returns what the highest fidelity that has looked at a candidate says: the most
// promising is sampled first.
func (e *Fidelities) Promise(k Comparison, x, z *Arm) float64 {
	low := e.levels(k, x, z)
	for i := len(low) - 1; i >= 0; i-- {
		if low[i].N > 0 {
			return low[i].D
		}
	}
	return math.Inf(1)
}

// decideFactor says how many σ²/gap² of samples a candidate takes to be retired, for
// the comparison of costs alone: 2·ln(1/δ) and the mixture's logarithm come to
// about this at the usual δ.
const decideFactor = 12

// maxLow says how many of the incumbent's samples one look asks for at one fidelity.
const maxLow = 8

// Plan hands out the samples of one look.
func (e *Fidelities) Plan(l *Look, c selector.Choice) []Want {
	low := make([][]Level, len(l.Z))
	pull := make([]float64, len(e.Low)+1)
	pull[0] = e.pull(l)
	for i, z := range l.Z {
		low[i] = e.levels(l.Known[i], l.X, z)
		for j := range low[i] {
			n := float64(low[i][j].N)
			pull[j+1] += n * n
		}
	}
	// The first look at everything is at the lowest fidelity.
	var out []Want
	for _, i := range slices.Sorted(slices.Values(c.Sample)) {
		if x := low[i][0]; x.N == 0 && l.Candidate[i].N == 0 && !x.Dead {
			out = append(out, Want{i, 1})
		}
	}
	if len(out) > 0 {
		if l.X.level(0).recent.N == 0 {
			out = append(out, Want{-1, 1})
		}
		return out
	}
	// The doubtful first, and of those not sampled yet what looks best at low fidelity.
	most, batch := max(l.Batch, firstSamples), l.Batch
	if c.Every {
		most, batch = len(c.Sample), len(c.Sample)
	}
	fresh := 0
	for _, i := range c.Sample {
		if len(out) >= most || l.Candidate[i].Left == 0 {
			continue
		}
		level := e.cheapest(l, i, low[i])
		first := level == 0 && l.Candidate[i].N == 0 || level > 0 && low[i][level-1].N == 0
		if !first && len(out)-fresh >= batch {
			continue
		}
		if first {
			fresh++
		}
		out = append(out, Want{i, level})
	}
	asked := len(out)
	for level := range pull {
		n, weight := l.X.recent.N, e.Weight(l.X)
		if level > 0 {
			n, weight = l.X.level(level-1).recent.N, 1
		}
		want := Balance(pull[level], weight, n)
		if n == 0 && want < 1 && slices.ContainsFunc(out[:asked], func(w Want) bool { return w.Level == level }) {
			want = 1 // what is asked for now has to have a partner
		}
		for range min(want, maxLow) {
			out = append(out, Want{-1, level})
		}
	}
	return out
}

// cheapest is the level at which retiring a candidate is expected to cost least,
// by what is known of it; 0 is the full fidelity.
func (e *Fidelities) cheapest(l *Look, i int, low []Level) int {
	n := l.Candidate[i].N
	lead, known := l.Known[i].D, n > 0
	for j := len(low) - 1; j >= 0 && !known; j-- {
		lead, known = low[j].D, low[j].N > 0
	}
	// A full sample is worth one where the candidate looks better.
	gap := max(e.Epsilon-lead, e.Epsilon/4)
	best, least := 0, max(1, decideFactor*e.Sigma*e.Sigma/(gap*gap)-float64(n))
	for j := range low {
		x := &low[j]
		gap := e.Epsilon - x.D - x.Bias
		if x.Dead {
			continue
		}
		if x.N == 0 {
			gap = e.Epsilon - lead - x.Bias
		}
		if !(gap > 0) { // no number of samples does it here
			continue
		}
		if cost := x.Cost * max(1, decideFactor*x.Sigma*x.Sigma/(gap*gap)-float64(x.N)); cost < least {
			best, least = j+1, cost
		}
	}
	return best
}

// Alarms lists what contradicts the bias bounds and the noise.
func (e *Fidelities) Alarms(x *Arm, zs, all []*Arm) []string {
	return append(append(e.biased(x, zs), e.loud(all)...), e.Base.Alarms(x, zs, all)...)
}

// biased lists neighbours whose differences at two fidelities are further apart
// than bias bound and noise allow.
func (e *Fidelities) biased(x *Arm, zs []*Arm) []string {
	var out []string
	if e.trusted == 0 {
		return nil
	}
	alpha := AlarmLevel / float64(2*max(1, len(zs)*e.trusted))
	for _, z := range zs {
		if x.recent.N == 0 || z.recent.N == 0 {
			continue
		}
		full := z.recent.Center - x.recent.Center
		wide := anytime.Width(x.recent, z.recent, alpha)
		for i, f := range e.Low {
			a, b := x.level(i).recent, z.level(i).recent
			if f.Bias == nil || a.N == 0 || b.N == 0 {
				continue
			}
			if off := math.Abs(b.Center - a.Center - full); off > *f.Bias+wide+anytime.Width(a, b, alpha) {
				out = append(out, fmt.Sprintf("bias: the difference to %s at fidelity %g is %.4g off the one at full fidelity, the bound is %.4g", z.Key, f.Value, off, *f.Bias))
			}
		}
	}
	return out
}

// loud lists architectures whose spread at a trusted fidelity is larger than its σ
// allows.
func (e *Fidelities) loud(all []*Arm) []string {
	if e.trusted == 0 {
		return nil
	}
	tested := 0
	for _, a := range all {
		for _, d := range a.low {
			if len(d.values) >= 3 {
				tested++
			}
		}
	}
	var out []string
	for _, a := range all {
		for i, d := range a.low {
			n, sigma := len(d.values), e.sigma(i)
			if s := Spread(d.values); n >= 3 && sigma > 0 && e.Low[i].Bias != nil && anytime.VarianceSuspect(s, n, sigma, AlarmLevel/float64(tested)) {
				out = append(out, fmt.Sprintf("heteroscedastic: %s has standard deviation %.4g over %d samples at fidelity %g, σ is %.4g", a.Key, s, n, e.Low[i].Value, sigma))
			}
		}
	}
	return out
}

// OnTrust counts the neighbours retired at a low fidelity.
func (e *Fidelities) OnTrust(x *Arm, zs []*Arm) int {
	n := 0
	for _, z := range zs {
		if k, ok := e.comparisons[[2]string{x.Key, z.Key}]; ok && k.By > 0 && k.Upper <= e.Epsilon {
			n++
		}
	}
	return n
}

// Cost returns what all samples cost, a full one being 1 and a low one its fidelity.
func (e *Fidelities) Cost(arms []*Arm) float64 {
	sum := 0.0
	for _, a := range arms {
		sum += float64(len(a.Values) + a.Failures)
		for i, d := range a.low {
			sum += float64(len(d.values)+d.failures) * e.Low[i].Value
		}
	}
	return sum
}

// LowerBound is that of independent samples where no bias bound is believed.
func (e *Fidelities) LowerBound() bool { return e.trusted == 0 }

// names are the trusted fidelities in words, with their bias bounds.
func (e *Fidelities) names() string {
	var out []string
	for _, f := range e.Low {
		if f.Bias != nil {
			out = append(out, fmt.Sprintf("±%g at fidelity %g", *f.Bias, f.Value))
		}
	}
	return strings.Join(out, ", ")
}

// Rests says what the bounds rest on.
func (e *Fidelities) Rests(onTrust, all int) []string {
	if e.trusted == 0 {
		return []string{"samples of full fidelity alone; the low ones only ordered what was sampled"}
	}
	return []string{fmt.Sprintf("the declared bias bounds of differences between neighbours, %s: %d of %d neighbours are retired on them, the others at full fidelity; noise at low fidelity at most the σ given for it, or the full one's",
		e.names(), onTrust, all)}
}

// Condition is that the bias bounds hold.
func (e *Fidelities) Condition() string {
	if e.trusted == 0 {
		return ""
	}
	return " and where the declared bias of low fidelities (" + e.names() + ") holds"
}

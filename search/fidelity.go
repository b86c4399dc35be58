package search

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/search/anytime"
)

// Fidelity is a cheap form of the evaluator, for the multi-fidelity selector.
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

// CheckFidelities says what is wrong with fidelities, were they and their selector
// these settings'.
func (s Settings) CheckFidelities(selector string, f []Fidelity) error {
	s.Selector, s.Fidelities = selector, f
	return s.checkFidelities()
}

// checkFidelities says what is wrong with them.
func (s *Settings) checkFidelities() error {
	if s.Selector != "multi-fidelity" {
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

// trusted counts the fidelities whose bias is bounded.
func (s *Settings) trusted() int {
	n := 0
	for _, f := range s.Fidelities {
		if f.Bias != nil {
			n++
		}
	}
	return n
}

// draws are an arm's samples at one low fidelity.
type draws struct {
	values   []float64
	sum      float64
	next     int
	failures int
	base     int
	baseSum  float64
	evidence anytime.Evidence
}

// dead says that the arm cannot be evaluated at this fidelity.
func (d *draws) dead() bool { return d.failures >= maxFailures && d.failures >= len(d.values) }

// LevelView is a candidate at one low fidelity, as a selector sees it.
type LevelView struct {
	N     int
	D, W  float64 // difference to the incumbent and its half-width, bias not counted
	Bias  float64 // +Inf where the fidelity only orders
	Sigma float64
	Cost  float64 // of a sample, a full one being 1
	Dead  bool    // it or the incumbent cannot be evaluated there
}

// level is an arm's samples at low fidelity i.
func (a *arm) level(i int) *draws {
	for len(a.low) <= i {
		a.low = append(a.low, &draws{evidence: anytime.Evidence{Var: math.Inf(1)}})
	}
	return a.low[i]
}

// sigmaAt is the noise of a sample at low fidelity i.
func (r *searcher) sigmaAt(i int) float64 {
	if v := r.s.Fidelities[i].Sigma; v != nil {
		return *v
	}
	return r.sigma
}

// weighLevel recomputes the evidence of an arm at a low fidelity.
func (r *searcher) weighLevel(a *arm, i int) {
	d := a.level(i)
	d.evidence = anytime.Infinite(r.sigmaAt(i), len(d.values)-d.base, d.sum-d.baseSum, r.s.Rho)
}

// low looks at a comparison at every low fidelity. An upper bound there, with the
// bias bound added, is one at full fidelity as far as that bound is true; each
// trusted fidelity has an equal part of the incumbent's δ, as the full one has.
func (r *searcher) low(k *comparison, x, z *arm) {
	for i, f := range r.s.Fidelities {
		for len(k.low) <= i {
			k.low = append(k.low, LevelView{Bias: math.Inf(1), Cost: f.Value})
		}
		a, b, v := x.level(i).evidence, z.level(i).evidence, &k.low[i]
		v.N, v.Sigma, v.W = b.N, r.sigmaAt(i), math.Inf(1)
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
		v.W = anytime.Excess(a, b, v.Sigma, r.prior(), r.levelDelta())
		if u := v.D + v.W + v.Bias; u < k.upper {
			k.upper, k.by = u, i+1
		}
	}
}

// levelDelta is the part of the incumbent's δ that each fidelity the certificate
// may rest on has.
func (r *searcher) levelDelta() float64 { return r.hood.delta / float64(1+r.s.trusted()) }

// biased lists neighbours whose differences at two fidelities are further apart
// than bias bound and noise allow.
func (r *searcher) biased() []string {
	var out []string
	if r.s.trusted() == 0 {
		return nil
	}
	alpha := alarmLevel / float64(2*max(1, len(r.hood.arms)*r.s.trusted()))
	for _, z := range r.hood.arms {
		if r.x.evidence.N == 0 || z.evidence.N == 0 {
			continue
		}
		full := z.evidence.Center - r.x.evidence.Center
		wide := anytime.Width(r.x.evidence, z.evidence, alpha)
		for i, f := range r.s.Fidelities {
			a, b := r.x.level(i).evidence, z.level(i).evidence
			if f.Bias == nil || a.N == 0 || b.N == 0 {
				continue
			}
			if off := math.Abs(b.Center - a.Center - full); off > *f.Bias+wide+anytime.Width(a, b, alpha) {
				out = append(out, fmt.Sprintf("bias: the difference to %s at fidelity %g is %.4g off the one at full fidelity, the bound is %.4g", z.key, f.Value, off, *f.Bias))
			}
		}
	}
	return out
}

// loud lists architectures whose spread at a trusted fidelity is larger than its σ
// allows.
func (r *searcher) loud() []string {
	if r.s.trusted() == 0 {
		return nil
	}
	tested := 0
	for _, a := range r.order {
		for _, d := range a.low {
			if len(d.values) >= 3 {
				tested++
			}
		}
	}
	var out []string
	for _, a := range r.order {
		for i, d := range a.low {
			n, sigma := len(d.values), r.sigmaAt(i)
			if n >= 3 && sigma > 0 && r.s.Fidelities[i].Bias != nil && anytime.VarianceSuspect(spreadOf(d.values), n, sigma, alarmLevel/float64(tested)) {
				out = append(out, fmt.Sprintf("heteroscedastic: %s has standard deviation %.4g over %d samples at fidelity %g, σ is %.4g", a.key, spreadOf(d.values), n, r.s.Fidelities[i].Value, sigma))
			}
		}
	}
	return out
}

// onTrust counts the neighbours retired at a low fidelity.
func (r *searcher) onTrust() int {
	n := 0
	for _, z := range r.hood.arms {
		if k, ok := r.comparisons[[2]string{r.x.key, z.key}]; ok && k.by > 0 && k.upper <= r.s.Epsilon {
			n++
		}
	}
	return n
}

// spent is what all samples cost, a full one being 1.
func (r *searcher) spent() float64 {
	sum := 0.0
	for _, a := range r.order {
		sum += float64(len(a.values) + a.failures)
		for i, d := range a.low {
			sum += float64(len(d.values)+d.failures) * r.s.Fidelities[i].Value
		}
	}
	return sum
}

// lowNames are the fidelities in words, with their bias bounds where they have one.
func (s *Settings) lowNames() string {
	var out []string
	for _, f := range s.Fidelities {
		if f.Bias != nil {
			out = append(out, fmt.Sprintf("±%g at fidelity %g", *f.Bias, f.Value))
		}
	}
	return strings.Join(out, ", ")
}

// streamOf is the stream of a level, 0 the full one.
func (r *searcher) streamOf(level int) (stream string, fidelity float64) {
	if level == 0 {
		return StreamSearch, 1
	}
	v := r.s.Fidelities[level-1].Value
	return StreamLow + ":" + strconv.FormatFloat(v, 'g', -1, 64), v
}

// lowFirst orders candidates by what the low fidelities say: the most promising
// first.
func lowFirst(v *View, live []int) {
	best := func(i int) float64 {
		low := v.Candidates[i].Low
		for j := len(low) - 1; j >= 0; j-- {
			if low[j].N > 0 {
				return low[j].D
			}
		}
		return math.Inf(1)
	}
	slices.SortStableFunc(live, func(a, b int) int {
		switch x, y := best(a), best(b); {
		case x > y:
			return -1
		case x < y:
			return 1
		}
		return 0
	})
}

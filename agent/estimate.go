package agent

import (
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/record"
)

// The endpoint interval of estimator min extrapolates from the five smallest
// round minima with tail index 2: timing noise that is only ever added has a
// density that rises from the endpoint, or is positive there (index 1, for which
// 2 is conservative). See docs/decisions/0202.
const (
	endpointOrder = 5
	endpointIndex = 2
)

// roundSamples are one model's samples of one round, in microseconds; drift
// corrected when the protocol says so.
type roundSamples struct {
	round  int
	usable []float64
	all    []float64
}

// modelData is what the journal holds of one model within one group.
type modelData struct {
	rounds    []roundSamples // ascending
	samples   int
	preempted int
	seconds   float64 // of samples
	// hopeless: nearly every sample was preempted, so that leaving them out would
	// leave nothing; all are used and the case is flagged.
	hopeless bool
}

func (m *modelData) usable() int {
	if m.hopeless {
		return m.samples
	}
	return m.samples - m.preempted
}

// value is the model's latency in a round: the median of its samples for
// estimator median, their minimum otherwise. ok is false without samples.
func (m *modelData) value(r roundSamples, estimator string) (us float64, ok bool) {
	x := r.usable
	if m.hopeless {
		x = r.all
	}
	if len(x) == 0 {
		return 0, false
	}
	if estimator == EstimatorMedian {
		return stats.Median(x), true
	}
	return slices.Min(x), true
}

// analysis turns a group's journal into estimates.
type analysis struct {
	p      Protocol
	models map[string]*modelData
	speed  speedCurve
	known  map[string]estimate // of models asked for before: a frame is a term of many cases
}

// minUsable: below so many undisturbed samples, and below half of all, a model is
// hopeless. Ten still give a median interval (six would, barely).
const minUsable = 10

// analyse looks at the group's rounds before upto, so that what is decided at the
// beginning of a round is decided alike when it is resumed in its middle.
func analyse(p Protocol, j *journal, group, upto int, anchor string) *analysis {
	a := &analysis{p: p, models: map[string]*modelData{}, known: map[string]estimate{}}
	void := func(round int) bool {
		r := j.rounds[[2]int{group, round}]
		return round >= upto || r != nil && r.Void != ""
	}
	if p.Estimator != EstimatorMin {
		a.speed = anchorCurve(p, j, group, anchor, void)
	}
	for _, v := range j.visits[group] {
		if void(v.Round) {
			continue
		}
		m := a.models[v.Model]
		if m == nil {
			m = &modelData{}
			a.models[v.Model] = m
		}
		if n := len(m.rounds); n == 0 || m.rounds[n-1].round != v.Round {
			m.rounds = append(m.rounds, roundSamples{round: v.Round})
		}
		r := &m.rounds[len(m.rounds)-1]
		f := a.speed.at(v.AtS)
		for i, us := range v.US {
			r.all = append(r.all, us/f)
			m.seconds += us / 1e6 * float64(j.repeat(v.Model))
			if slices.Contains(v.Preempted, i) {
				m.preempted++
			} else {
				r.usable = append(r.usable, us/f)
			}
		}
		m.samples += len(v.US)
	}
	for _, m := range a.models {
		if n := m.samples - m.preempted; n < minUsable && 2*n < m.samples {
			m.hopeless = true
		}
	}
	return a
}

// outliers counts the samples beyond Tukey's fences, which are labelled and kept.
func (m *modelData) outliers() (n int) {
	all := m.pool()
	if len(all) < 4 {
		return 0
	}
	lo, hi := stats.TukeyFences(all)
	for _, v := range all {
		if v < lo || v > hi {
			n++
		}
	}
	return n
}

// estimate is a cost with its interval, in microseconds. ok is false when the
// samples do not give an interval of the protocol's level.
type estimate struct {
	us, lo, hi float64
	n, rounds  int
	ok         bool
}

// model estimates one model's latency.
func (a *analysis) model(id string) estimate {
	e, ok := a.known[id]
	if !ok {
		e = a.estimated(id)
		a.known[id] = e
	}
	return e
}

func (a *analysis) estimated(id string) estimate {
	m := a.models[id]
	if m == nil {
		return estimate{}
	}
	x := make([]float64, 0, len(m.rounds))
	for _, r := range m.rounds {
		if v, ok := m.value(r, a.p.Estimator); ok {
			x = append(x, v)
		}
	}
	e := estimate{n: m.usable(), rounds: len(x)}
	if len(x) == 0 {
		return e
	}
	level := a.p.Stop.Level
	switch a.p.Estimator {
	case EstimatorMedian:
		e.us = stats.Median(x)
		if e.lo, e.hi, e.ok = stats.MedianInterval(x, level); e.ok {
			break
		}
		// Too few rounds: all samples as if they were independent. That ignores what
		// differs between rounds, and is better than nothing when time ran out.
		pool := m.pool()
		e.us = stats.Median(pool)
		e.lo, e.hi, e.ok = stats.MedianInterval(pool, level)
	case EstimatorQuantile:
		e.us = stats.Quantile(x, a.p.Quantile)
		l, h, _ := stats.QuantileRanks(len(x), a.p.Quantile, level)
		s := stats.Sorted(x)
		e.lo, e.hi, e.ok = s[max(l, 1)-1], s[min(h, len(s))-1], h <= len(s)
		if l < 1 { // too few rounds for a lower order statistic
			var ok bool
			e.lo, _, ok = stats.EndpointInterval(x, min(endpointOrder, len(x)), endpointIndex, level)
			e.ok = e.ok && ok
		}
		e.us = min(max(e.us, e.lo), e.hi)
	case EstimatorMin:
		e.us = slices.Min(x)
		e.lo, e.hi, e.ok = stats.EndpointInterval(x, min(endpointOrder, len(x)), endpointIndex, level)
	}
	return e
}

func (m *modelData) pool() []float64 {
	var out []float64
	for _, r := range m.rounds {
		if m.hopeless {
			out = append(out, r.all...)
		} else {
			out = append(out, r.usable...)
		}
	}
	return out
}

// paired returns Σ coef·T of each round in which every term was measured.
func (a *analysis) paired(terms []benchmarks.Term) []float64 {
	sum := map[int]float64{}
	count := map[int]int{}
	for _, t := range terms {
		m := a.models[t.Model]
		if m == nil {
			return nil
		}
		for _, r := range m.rounds {
			if v, ok := m.value(r, a.p.Estimator); ok {
				sum[r.round] += t.Coef * v
				count[r.round]++
			}
		}
	}
	var rounds []int
	for r, n := range count {
		if n == len(terms) {
			rounds = append(rounds, r)
		}
	}
	slices.Sort(rounds)
	out := make([]float64, len(rounds))
	for i, r := range rounds {
		out[i] = sum[r]
	}
	return out
}

// sum estimates Σ coef·T(model), with everything that its interval must hold.
func (a *analysis) sum(terms []benchmarks.Term) estimate {
	e := a.sampled(terms)
	if h := a.lineError(terms); e.ok && h > 0 {
		e.lo, e.hi = min(e.lo, e.us-h), max(e.hi, e.us+h)
	}
	return e
}

// lineError is the half width of the interval of a slope over copies by how far its
// models' latencies lie from their line: a runtime lays out the memory of each length
// differently, and no number of samples averages that out. 0 for other sums, and for
// fewer than three lengths, which a line always meets. The distances hold the
// samples' own noise too, so the larger of the two intervals is the one.
func (a *analysis) lineError(terms []benchmarks.Term) float64 {
	n := float64(len(terms))
	if n < 3 {
		return 0
	}
	var slope, meanX, meanY float64
	for _, t := range terms {
		if t.Copies == 0 {
			return 0
		}
		y := a.model(t.Model).us
		slope += t.Coef * y
		meanX += float64(t.Copies) / n
		meanY += y / n
	}
	var rest, squares float64
	for _, t := range terms {
		x := float64(t.Copies) - meanX
		d := a.model(t.Model).us - meanY - slope*x
		rest += d * d
		squares += x * x
	}
	return stats.StudentQuantile(a.p.Stop.Level, len(terms)-2) * math.Sqrt(rest/(n-2)/squares)
}

// sampled estimates Σ coef·T(model) by its samples alone: what more rounds can
// narrow.
//
// For estimator median it is the median over rounds of the sum within a round:
// what slows a whole round cancels in a difference. For min and quantile the
// quietest round of each model counts, wherever it was, and the terms' intervals
// are combined by stats.SumInterval.
func (a *analysis) sampled(terms []benchmarks.Term) estimate {
	var coef, est, lo, hi []float64
	out := estimate{ok: true}
	for _, t := range terms {
		e := a.model(t.Model)
		coef, est, lo, hi = append(coef, t.Coef), append(est, e.us), append(lo, e.lo), append(hi, e.hi)
		out.us += t.Coef * e.us
		out.n += e.n
		out.ok = out.ok && e.ok
	}
	d := a.paired(terms)
	out.rounds = len(d)
	if a.p.Estimator == EstimatorMedian {
		if l, h, ok := stats.MedianInterval(d, a.p.Stop.Level); ok {
			out.us, out.lo, out.hi, out.ok = stats.Median(d), l, h, true
			return out
		}
	}
	if out.ok {
		out.lo, out.hi = stats.SumInterval(coef, est, lo, hi)
	}
	return out
}

// relative is the half width of the interval relative to the larger of the cost
// and floor times the dearest term.
func (a *analysis) relative(e estimate, terms []benchmarks.Term) float64 {
	if !e.ok {
		return math.Inf(1)
	}
	scale := math.Abs(e.us)
	for _, t := range terms {
		scale = max(scale, a.p.Stop.Floor*math.Abs(t.Coef)*a.model(t.Model).us)
	}
	if scale == 0 {
		return math.Inf(1)
	}
	return (e.hi - e.lo) / 2 / scale
}

// Reasons for stopping.
const (
	StopTarget     = "target"      // the interval is narrow enough
	StopMaxSamples = "max-samples" // max_rounds or max_seconds of the case
	StopMaxTime    = "max-time"    // the campaign's time was over
	StopFailed     = "failed"
)

// finished says whether a case needs no more rounds, and why.
func (a *analysis) finished(c benchmarks.Case, roundsTaken int) (stop string, done bool) {
	s := a.p.Stop
	e := a.sampled(c.Terms)
	if e.rounds >= s.MinRounds && a.relative(e, c.Terms) <= s.Interval {
		enough := true
		for _, t := range c.Terms {
			enough = enough && a.models[t.Model].usable() >= s.MinSamples
		}
		if enough {
			return StopTarget, true
		}
	}
	if roundsTaken >= s.MaxRounds {
		return StopMaxSamples, true
	}
	if roundsTaken < s.MinRounds {
		return "", false
	}
	for _, t := range c.Terms {
		if m := a.models[t.Model]; m != nil && m.seconds >= s.MaxSeconds {
			return StopMaxSamples, true
		}
	}
	return "", false
}

// spread is the case's spread within and between rounds: the terms' spreads
// combine in quadrature, weighted by their coefficients.
func (a *analysis) spread(terms []benchmarks.Term) (within, between float64) {
	var w2, meanVar float64
	for _, t := range terms {
		m := a.models[t.Model]
		if m == nil {
			continue
		}
		var groups [][]float64
		var invN float64
		for _, r := range m.rounds {
			x := r.usable
			if m.hopeless {
				x = r.all
			}
			if len(x) > 0 {
				groups = append(groups, x)
				invN += 1 / float64(len(x))
			}
		}
		w, _ := stats.WithinBetween(groups)
		w2 += t.Coef * t.Coef * w * w
		if len(groups) > 0 {
			meanVar += t.Coef * t.Coef * w * w * invN / float64(len(groups))
		}
	}
	sd := stats.StdDev(a.paired(terms))
	return math.Sqrt(w2), math.Sqrt(max(0, sd*sd-meanVar))
}

// validity lists what is to be said of a case whose samples are in.
func (a *analysis) validity(c benchmarks.Case, e estimate) []string {
	var codes []string
	for _, t := range c.Terms {
		if m := a.models[t.Model]; m != nil && m.hopeless {
			codes = append(codes, record.Preempted)
			break
		}
	}
	if record.RoundUS(e.us) <= 0 || a.relative(e, c.Terms) > a.p.Stop.NoisyAbove {
		codes = append(codes, record.Noisy)
	}
	return codes
}

package analysis

import (
	"math"
	"slices"
	"sort"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/record"
)

// What Group.Extend and Pace work out round by round, from scratch and by the
// plain definitions: every sample looked at, every list sorted. The tests hold the two to
// the same bits.

// plainRound are one model's samples of one round, in microseconds; drift
// corrected when the protocol says so.
type plainRound struct {
	round  int
	usable []float64
	all    []float64
}

// plainModel holds what the journal holds of one model within one group.
type plainModel struct {
	rounds    []plainRound // ascending
	samples   int
	preempted int
	seconds   float64 // of samples
	// hopeless: nearly every sample was preempted, so that leaving them out would
	// leave nothing; all are used and the case is flagged.
	hopeless bool
}

func (m *plainModel) usable() int {
	if m.hopeless {
		return m.samples
	}
	return m.samples - m.preempted
}

// value is the model's latency in a round: the median of its samples for
// estimator median, their minimum otherwise. ok is false without samples.
func (m *plainModel) value(r plainRound, estimator agent.Estimator) (us float64, ok bool) {
	x := r.usable
	if m.hopeless {
		x = r.all
	}
	if len(x) == 0 {
		return 0, false
	}
	if estimator == agent.EstimatorMedian {
		return stats.Median(x), true
	}
	return slices.Min(x), true
}

// plain turns a group's journal into estimates.
type plain struct {
	p      agent.Protocol
	models map[string]*plainModel
	speed  plainCurve
	known  map[string]Estimate // of models asked for before: a frame is a term of many cases
}

// plainAnalyse looks at the group's rounds before upto, so that what is decided at the
// beginning of a round is decided the same when it is resumed in its middle.
func plainAnalyse(p agent.Protocol, u *madeUp, upto int, reference string) *plain {
	a := &plain{p: p, models: map[string]*plainModel{}, known: map[string]Estimate{}}
	void := func(round int) bool {
		return round >= upto || u.Void(round)
	}
	if p.Estimator != agent.EstimatorMin {
		a.speed = plainFit(p, u, reference, void)
	}
	for _, v := range u.visits {
		if void(v.Round) {
			continue
		}
		m := a.models[v.Model]
		if m == nil {
			m = &plainModel{}
			a.models[v.Model] = m
		}
		if n := len(m.rounds); n == 0 || m.rounds[n-1].round != v.Round {
			m.rounds = append(m.rounds, plainRound{round: v.Round})
		}
		r := &m.rounds[len(m.rounds)-1]
		f := a.speed.at(v.AtS)
		for i, us := range v.US {
			r.all = append(r.all, us/f)
			m.seconds += us / 1e6 * float64(u.Repeat(v.Model))
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

// model estimates one model's latency.
func (a *plain) model(id string) Estimate {
	e, ok := a.known[id]
	if !ok {
		e = a.estimated(id)
		a.known[id] = e
	}
	return e
}

func (a *plain) estimated(id string) Estimate {
	m := a.models[id]
	if m == nil {
		return Estimate{}
	}
	x := make([]float64, 0, len(m.rounds))
	for _, r := range m.rounds {
		if v, ok := m.value(r, a.p.Estimator); ok {
			x = append(x, v)
		}
	}
	e := Estimate{N: m.usable(), Rounds: len(x)}
	if len(x) == 0 {
		return e
	}
	level := a.p.Stop.Level
	switch a.p.Estimator {
	case agent.EstimatorMedian:
		e.US = stats.Median(x)
		if e.Lo, e.Hi, e.OK = stats.MedianInterval(x, level); e.OK {
			break
		}
		// Too few rounds: all samples as if they were independent. That ignores what
		// differs between rounds, and is better than nothing when time ran out.
		pool := m.pool()
		e.US = stats.Median(pool)
		e.Lo, e.Hi, e.OK = stats.MedianInterval(pool, level)
	case agent.EstimatorQuantile:
		e.US = stats.Quantile(x, a.p.Quantile)
		l, h, _ := stats.QuantileRanks(len(x), a.p.Quantile, level)
		s := stats.Sorted(x)
		e.Lo, e.Hi, e.OK = s[max(l, 1)-1], s[min(h, len(s))-1], h <= len(s)
		if l < 1 { // too few rounds for a lower order statistic
			var ok bool
			e.Lo, _, ok = stats.EndpointInterval(x, min(endpointOrder, len(x)), endpointIndex, level)
			e.OK = e.OK && ok
		}
		e.US = min(max(e.US, e.Lo), e.Hi)
	case agent.EstimatorMin:
		e.US = slices.Min(x)
		e.Lo, e.Hi, e.OK = stats.EndpointInterval(x, min(endpointOrder, len(x)), endpointIndex, level)
	}
	return e
}

func (m *plainModel) pool() []float64 {
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
func (a *plain) paired(terms []benchmarks.Term) []float64 {
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

// sampled estimates Σ coef·T(model) by its samples alone: what more rounds can
// narrow.
//
// For estimator median it is the median over rounds of the sum within a round:
// what slows a whole round cancels in a difference. For min and quantile the
// quietest round of each model counts, wherever it was, and the terms' intervals
// are combined by stats.SumInterval.
func (a *plain) sampled(terms []benchmarks.Term) Estimate {
	var coef, est, lo, hi []float64
	out := Estimate{OK: true}
	for _, t := range terms {
		e := a.model(t.Model)
		coef, est, lo, hi = append(coef, t.Coef), append(est, e.US), append(lo, e.Lo), append(hi, e.Hi)
		out.US += t.Coef * e.US
		out.N += e.N
		out.OK = out.OK && e.OK
	}
	d := a.paired(terms)
	out.Rounds = len(d)
	if a.p.Estimator == agent.EstimatorMedian {
		if l, h, ok := stats.MedianInterval(d, a.p.Stop.Level); ok {
			out.US, out.Lo, out.Hi, out.OK = stats.Median(d), l, h, true
			return out
		}
	}
	if out.OK {
		out.Lo, out.Hi = stats.SumInterval(coef, est, lo, hi)
	}
	return out
}

// relative is the half width of the interval relative to the larger of the cost
// and floor times the most expensive term.
func (a *plain) relative(e Estimate, terms []benchmarks.Term) float64 {
	if !e.OK {
		return math.Inf(1)
	}
	scale := math.Abs(e.US)
	for _, t := range terms {
		scale = max(scale, a.p.Stop.Floor*math.Abs(t.Coef)*a.model(t.Model).US)
	}
	if scale == 0 {
		return math.Inf(1)
	}
	return (e.Hi - e.Lo) / 2 / scale
}

// finished says whether a case needs no more rounds, and why.
func (a *plain) finished(c benchmarks.Case, roundsTaken int) (stop record.Stop, done bool) {
	s := a.p.Stop
	e := a.sampled(c.Terms)
	if e.Rounds >= s.MinRounds && a.relative(e, c.Terms) <= s.Interval {
		enough := true
		for _, t := range c.Terms {
			enough = enough && a.models[t.Model].usable() >= s.MinSamples
		}
		if enough {
			return record.StopTarget, true
		}
	}
	if roundsTaken >= s.MaxRounds {
		return record.StopMaxSamples, true
	}
	if roundsTaken < s.MinRounds {
		return "", false
	}
	for _, t := range c.Terms {
		if m := a.models[t.Model]; m != nil && m.seconds >= s.MaxSeconds {
			return record.StopMaxSamples, true
		}
	}
	return "", false
}

// plainCurve says how slow the device is over time, by the reference: 1 at the start
// of the group. The zero value is 1 everywhere.
type plainCurve struct {
	t, f []float64 // ascending times, factor at each
}

// at interpolates linearly, flat beyond the ends.
func (c plainCurve) at(t float64) float64 {
	n := len(c.t)
	if n == 0 {
		return 1
	}
	i := sort.SearchFloat64s(c.t, t)
	switch {
	case i == 0:
		return c.f[0]
	case i == n:
		return c.f[n-1]
	case c.t[i] == c.t[i-1]:
		return c.f[i]
	}
	w := (t - c.t[i-1]) / (c.t[i] - c.t[i-1])
	return c.f[i-1] + w*(c.f[i]-c.f[i-1])
}

// plainFit fits the reference's visits by local lines (Theil–Sen: the median of
// the slopes, so that a burst at one visit does not bend it; Sen 1968). When the
// reference moved less than drift.allow over the group, or the protocol does not
// correct, the curve is 1.
func plainFit(p agent.Protocol, u *madeUp, reference string, void func(int) bool) plainCurve {
	if !p.Drift.Correct {
		return plainCurve{}
	}
	t, y := plainSeries(u, reference, void)
	if len(t) < 6 { // two rounds: nothing to fit
		return plainCurve{}
	}
	c := plainCurve{t: t, f: make([]float64, len(t))}
	for i := range t {
		lo := min(max(0, i-curveWindow/2), max(0, len(t)-curveWindow))
		hi := min(len(t), lo+curveWindow)
		a, b := theilSen(t[lo:hi], y[lo:hi])
		c.f[i] = a + b*t[i]
	}
	first := c.f[0]
	lowest, highest := math.Inf(1), math.Inf(-1)
	for i := range c.f {
		c.f[i] /= first
		lowest, highest = min(lowest, c.f[i]), max(highest, c.f[i])
	}
	if !(first > 0) || !(lowest > 0) || highest/lowest-1 <= p.Drift.Allow {
		return plainCurve{}
	}
	return c
}

// plainSeries is the reference's visits: device time and median of the samples
// that were not preempted.
func plainSeries(u *madeUp, reference string, void func(int) bool) (t, y []float64) {
	for _, v := range u.visits {
		if v.Model != reference || void(v.Round) {
			continue
		}
		var us []float64
		for i, x := range v.US {
			if !slices.Contains(v.Preempted, i) {
				us = append(us, x)
			}
		}
		if len(us) == 0 {
			us = v.US
		}
		t, y = append(t, v.AtS), append(y, stats.Median(us))
	}
	return t, y
}

// plainRatio is the reference in one round over the reference in the group's first
// good rounds; the evidence of throttling.
func plainRatio(p agent.Protocol, u *madeUp, round int, reference string) (ratio float64, ok bool) {
	perRound := map[int][]float64{}
	for _, v := range u.visits {
		if v.Model == reference {
			perRound[v.Round] = append(perRound[v.Round], v.US...)
		}
	}
	centre := stats.Median
	if p.Estimator != agent.EstimatorMedian {
		centre = slices.Min[[]float64]
	}
	if len(perRound[round]) == 0 {
		return 1, false
	}
	// The best of the rounds so far is how fast the device can be; the median would
	// follow a throttled phase down.
	best := math.Inf(1)
	for _, us := range perRound {
		best = min(best, centre(us))
	}
	return centre(perRound[round]) / best, true
}

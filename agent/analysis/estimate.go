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

// The endpoint interval of estimator min extrapolates from the five smallest
// round minima with tail index 2: timing noise that is only ever added has a
// density that rises from the endpoint, or is positive there (index 1, for which
// 2 is conservative). See docs/decisions/0202.
const (
	endpointOrder = 5
	endpointIndex = 2
)

// modelData holds the visits to one model within one group, and what follows from them.
type modelData struct {
	visits    []*record.Visit // in order
	spans     []span          // the visits by round, ascending
	samples   int
	preempted int
	seconds   float64 // of samples
	// hopeless: nearly every sample was preempted, so that leaving them out would
	// leave nothing; all are used and the case is flagged.
	hopeless bool

	latency series // value of each round
	known   Estimate
	knownAt int // step in which it was made
}

// span is a model's part of one round: the visits from to to.
type span struct{ round, from, to int32 } // round: its index among the rounds that count

func (m *modelData) usable() int {
	if m.hopeless {
		return m.samples
	}
	return m.samples - m.preempted
}

// spanIn finds the model's part of a round.
func (m *modelData) spanIn(round int) (span, bool) {
	i := round // of a model that is in every round
	if i >= len(m.spans) || int(m.spans[i].round) != round {
		i = sort.Search(len(m.spans), func(i int) bool { return int(m.spans[i].round) >= round })
	}
	if i == len(m.spans) || int(m.spans[i].round) != round {
		return span{}, false
	}
	return m.spans[i], true
}

// Log gives what a campaign's journal holds of one group. It only ever grows.
type Log interface {
	// Visits are all visits of the group, in the order in which they were taken.
	Visits() []*record.Visit
	// Void reports whether a round's visits are left out.
	Void(round int) bool
	// Repeat says how many runs a sample of the model is.
	Repeat(model string) int
}

// Group turns a group's journal into estimates. It looks at rounds as they are closed,
// and does again only what a further round changes.
type Group struct {
	p         agent.Protocol
	log       Log
	reference string // the model that tells the device's drift, "" for none

	next   int       // visits looked at
	rounds []int     // that count: not void; everything below names a round by its index here
	until  []float64 // device time of each round's last visit
	models map[string]*modelData
	curve  driftCurve
	scale  float64 // by which every sample is divided besides: see Tie; 0 is 1
	apart  float64 // relative half width of scale's own interval
	pairs  map[*benchmarks.Term]*pairing

	// step counts extensions. The samples of the rounds before same are corrected as
	// they were one step ago; those before settled will hardly be corrected otherwise.
	step, same, settled int

	samplesOf []float64 // scratch
	ranks     knownRanks
	halves    [2]*Group
}

// pairing is Σ coef·T in each round in which every term was measured.
type pairing struct {
	terms  []benchmarks.Term
	models []*modelData
	sum    series
}

// knownRanks are the ranks of the last interval that was asked for: all models have about
// the same number of rounds.
type knownRanks struct {
	n, lo, hi int
	ok        bool
}

// minUsable: below so many undisturbed samples, and below half of all, a model is
// hopeless. Ten still give a median interval (six would, barely).
const minUsable = 10

// New has looked at nothing yet. reference is the model that is measured again through
// the whole group and tells how the device drifts.
func New(p agent.Protocol, log Log, reference string) *Group {
	return &Group{p: p, log: log, reference: reference, models: map[string]*modelData{}, pairs: map[*benchmarks.Term]*pairing{}}
}

// Extend looks at the group's rounds before upto, so that what is decided at the
// beginning of a round is decided the same when it is resumed in its middle. Rounds that it
// has looked at must be closed.
func (a *Group) Extend(upto int) *Group {
	visits := a.log.Visits()
	before := len(a.rounds)
	a.step++
	a.halves = [2]*Group{}
	for ; a.next < len(visits) && visits[a.next].Round < upto; a.next++ {
		v := visits[a.next]
		if a.log.Void(v.Round) {
			continue
		}
		if n := len(a.rounds); n == 0 || a.rounds[n-1] != v.Round {
			a.rounds, a.until = append(a.rounds, v.Round), append(a.until, 0)
		}
		round := len(a.rounds) - 1
		a.until[round] = max(a.until[round], v.AtS)
		m := a.models[v.Model]
		if m == nil {
			m = &modelData{}
			a.models[v.Model] = m
		}
		m.add(v, round, a.log.Repeat(v.Model))
		if v.Model == a.reference {
			a.curve.add(v)
		}
	}
	a.same, a.settled = before, len(a.rounds)
	if a.p.Drift.Correct && a.p.Estimator != agent.EstimatorMin {
		same, settled := a.curve.fit(a.p.Drift.Allow)
		for a.same > 0 && a.until[a.same-1] > same {
			a.same--
		}
		for a.settled > 0 && a.until[a.settled-1] > settled {
			a.settled--
		}
	}
	for _, m := range a.models {
		usable := m.samples - m.preempted
		if hopeless := usable < minUsable && 2*usable < m.samples; hopeless != m.hopeless {
			m.hopeless, a.same = hopeless, 0
		}
	}
	return a
}

// add takes a visit in.
func (m *modelData) add(v *record.Visit, round, repeat int) {
	if n := len(m.spans); n == 0 || int(m.spans[n-1].round) != round {
		m.spans = append(m.spans, span{int32(round), int32(len(m.visits)), int32(len(m.visits))})
	}
	m.visits = append(m.visits, v)
	m.spans[len(m.spans)-1].to++
	for _, us := range v.US {
		m.seconds += us / 1e6 * float64(repeat)
	}
	m.samples += len(v.US)
	m.preempted += len(v.Preempted)
}

// samples appends the samples of a model's part of a round that count, in microseconds,
// corrected for drift.
func (a *Group) samples(to []float64, m *modelData, s span) []float64 {
	for _, v := range m.visits[s.from:s.to] {
		f := a.curve.at(v.AtS)
		if a.scale > 0 {
			f *= a.scale
		}
		for i, us := range v.US {
			if m.hopeless || len(v.Preempted) == 0 || !slices.Contains(v.Preempted, i) {
				to = append(to, us/f)
			}
		}
	}
	return to
}

// latency is a model's latency in each round: the median of its samples for estimator
// median, their minimum otherwise.
func (a *Group) latency(m *modelData) *series {
	m.latency.update(a, func(round int) float64 {
		s, ok := m.spanIn(round)
		if !ok {
			return math.NaN()
		}
		a.samplesOf = a.samples(a.samplesOf[:0], m, s)
		switch x := a.samplesOf; {
		case len(x) == 0:
			return math.NaN()
		case a.p.Estimator == agent.EstimatorMedian:
			slices.Sort(x)
			return stats.MedianOfSorted(x)
		default:
			return slices.Min(x)
		}
	})
	return &m.latency
}

// Labelled counts a model's samples that were preempted, and those beyond Tukey's
// fences, which are kept.
func (a *Group) Labelled(model string) (preempted, outliers int) {
	m := a.models[model]
	if m == nil {
		return 0, 0
	}
	return m.preempted, a.outliers(m)
}

func (a *Group) outliers(m *modelData) (n int) {
	all := a.pool(m)
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

// Estimate is a cost with its interval, in microseconds. OK is false when the
// samples do not give an interval of the protocol's level.
type Estimate struct {
	US, Lo, Hi float64
	N, Rounds  int // samples, and rounds, behind it
	OK         bool
}

// Model estimates one model's latency.
func (a *Group) Model(id string) Estimate {
	m := a.models[id]
	if m == nil {
		return Estimate{}
	}
	return a.estimate(m)
}

func (a *Group) estimate(m *modelData) Estimate {
	if m.knownAt != a.step {
		m.known, m.knownAt = a.estimated(m), a.step
	}
	return m.known
}

func (a *Group) estimated(m *modelData) Estimate {
	x := &a.latency(m).order
	n := x.len()
	e := Estimate{N: m.usable(), Rounds: n}
	if n == 0 {
		return e
	}
	level := a.p.Stop.Level
	switch a.p.Estimator {
	case agent.EstimatorMedian:
		e.US = x.median()
		if e.Lo, e.Hi, e.OK = a.medianInterval(x); e.OK {
			break
		}
		// Too few rounds: all samples as if they were independent. That ignores what
		// differs between rounds, and is better than nothing when time ran out.
		pool := a.pool(m)
		e.US = stats.Median(pool)
		e.Lo, e.Hi, e.OK = stats.MedianInterval(pool, level)
	case agent.EstimatorQuantile:
		e.US = x.quantile(a.p.Quantile)
		l, h, _ := stats.QuantileRanks(n, a.p.Quantile, level)
		e.Lo, e.Hi, e.OK = x.at(max(l, 1)-1), x.at(min(h, n)-1), h <= n
		if l < 1 { // too few rounds for a lower order statistic
			var ok bool
			e.Lo, _, ok = a.endpoint(x)
			e.OK = e.OK && ok
		}
		e.US = min(max(e.US, e.Lo), e.Hi)
	case agent.EstimatorMin:
		e.US = x.at(0)
		e.Lo, e.Hi, e.OK = a.endpoint(x)
	}
	return e
}

// RoundsNeeded says how many rounds the interval of an estimator takes at least.
func RoundsNeeded(estimator agent.Estimator, level float64) int {
	need := endpointOrder
	if estimator != agent.EstimatorMedian {
		return need
	}
	for {
		if _, _, ok := stats.QuantileRanks(need, 0.5, level); ok {
			return need
		}
		need++
	}
}

// endpoint is the interval of the smallest value that x could have.
func (a *Group) endpoint(x *ordered) (lo, hi float64, ok bool) {
	low := x.smallest(min(endpointOrder, x.len()))
	return stats.EndpointInterval(low, len(low), endpointIndex, a.p.Stop.Level)
}

// medianInterval is stats.MedianInterval.
func (a *Group) medianInterval(x *ordered) (lo, hi float64, ok bool) {
	if r := &a.ranks; r.n != x.len() {
		r.n = x.len()
		r.lo, r.hi, r.ok = stats.QuantileRanks(r.n, 0.5, a.p.Stop.Level)
	}
	if !a.ranks.ok {
		return math.Inf(-1), math.Inf(1), false
	}
	return x.at(a.ranks.lo - 1), x.at(a.ranks.hi - 1), true
}

// Samples are all samples of a model that count, in microseconds, corrected for drift;
// nil for a model that was never measured.
func (a *Group) Samples(model string) []float64 {
	if m := a.models[model]; m != nil {
		return a.pool(m)
	}
	return nil
}

// ReferenceRatio is the drift reference at the end of the group over itself at the
// start; ok is false when it was not measured often enough.
func (a *Group) ReferenceRatio() (ratio float64, ok bool) { return a.curve.ratio(a.p.Estimator) }

func (a *Group) pool(m *modelData) []float64 {
	out := make([]float64, 0, m.usable())
	for _, s := range m.spans {
		out = a.samples(out, m, s)
	}
	return out
}

// PerRound is Σ coef·T of each round in which every term was measured.
func (a *Group) PerRound(terms []benchmarks.Term) []float64 {
	return present(nil, a.paired(terms).values)
}

// paired is Σ coef·T of each round in which every term was measured.
func (a *Group) paired(terms []benchmarks.Term) *series {
	p := a.pairs[&terms[0]] // a plan's terms stay where they are
	if p == nil {
		p = &pairing{terms: terms}
		a.pairs[&terms[0]] = p
	}
	if p.models == nil {
		for _, t := range terms {
			m := a.models[t.Model]
			if m == nil { // never, or not yet
				p.models = nil
				return &p.sum
			}
			p.models = append(p.models, m)
		}
	}
	if p.sum.step == a.step {
		return &p.sum
	}
	for _, m := range p.models {
		a.latency(m)
	}
	p.sum.update(a, func(round int) float64 {
		var sum float64
		for i, t := range p.terms {
			sum += t.Coef * p.models[i].latency.values[round] // NaN stays
		}
		return sum
	})
	return &p.sum
}

// Sum estimates Σ coef·T(model), with everything that its interval must hold.
func (a *Group) Sum(terms []benchmarks.Term) Estimate {
	e := a.Sampled(terms)
	if h := a.lineError(terms); e.OK && h > 0 {
		e.Lo, e.Hi = min(e.Lo, e.US-h), max(e.Hi, e.US+h)
	}
	if h := a.apart * math.Abs(e.US); e.OK && h > 0 {
		e.Lo, e.Hi = e.US-math.Hypot(e.US-e.Lo, h), e.US+math.Hypot(e.Hi-e.US, h)
	}
	return e
}

// lineError is the half width of the interval of a slope over copies by how far its
// models' latencies lie from their line: a runtime lays out the memory of each length
// differently, and no number of samples averages that out. 0 for other sums, and for
// fewer than three lengths, which a line always meets. The distances hold the
// samples' own noise too, so the larger of the two intervals is the one.
func (a *Group) lineError(terms []benchmarks.Term) float64 {
	n := float64(len(terms))
	if n < 3 {
		return 0
	}
	var slope, meanX, meanY float64
	for _, t := range terms {
		if t.Copies == 0 {
			return 0
		}
		y := a.Model(t.Model).US
		slope += t.Coef * y
		meanX += float64(t.Copies) / n
		meanY += y / n
	}
	var rest, squares float64
	for _, t := range terms {
		x := float64(t.Copies) - meanX
		d := a.Model(t.Model).US - meanY - slope*x
		rest += d * d
		squares += x * x
	}
	return stats.StudentQuantile(a.p.Stop.Level, len(terms)-2) * math.Sqrt(rest/(n-2)/squares)
}

// Sampled estimates Σ coef·T(model) by its samples alone: what more rounds can
// narrow.
//
// For estimator median it is the median over rounds of the sum within a round:
// what slows a whole round cancels in a difference. For min and quantile the
// quietest round of each model counts, wherever it was, and the terms' intervals
// are combined by stats.SumInterval.
func (a *Group) Sampled(terms []benchmarks.Term) Estimate {
	out := Estimate{OK: true}
	for _, t := range terms {
		e := a.Model(t.Model)
		out.US += t.Coef * e.US
		out.N += e.N
		out.OK = out.OK && e.OK
	}
	d := &a.paired(terms).order
	out.Rounds = d.len()
	if a.p.Estimator == agent.EstimatorMedian {
		if l, h, ok := a.medianInterval(d); ok {
			out.US, out.Lo, out.Hi, out.OK = d.median(), l, h, true
			return out
		}
	}
	if out.OK {
		var coef, est, lo, hi []float64
		for _, t := range terms {
			e := a.Model(t.Model)
			coef, est, lo, hi = append(coef, t.Coef), append(est, e.US), append(lo, e.Lo), append(hi, e.Hi)
		}
		out.Lo, out.Hi = stats.SumInterval(coef, est, lo, hi)
	}
	return out
}

// relative is the half width of the interval relative to the larger of the cost
// and floor times the most expensive term.
func (a *Group) relative(e Estimate, terms []benchmarks.Term) float64 {
	if !e.OK {
		return math.Inf(1)
	}
	scale := math.Abs(e.US)
	for _, t := range terms {
		scale = max(scale, a.p.Stop.Floor*math.Abs(t.Coef)*a.Model(t.Model).US)
	}
	if scale == 0 {
		return math.Inf(1)
	}
	return (e.Hi - e.Lo) / 2 / scale
}

// Finished reports whether a case needs no more rounds, and why.
func (a *Group) Finished(c benchmarks.Case, roundsTaken int) (stop record.Stop, done bool) {
	s := a.p.Stop
	e := a.Sampled(c.Terms)
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

// Spread is a case's standard deviation within and between rounds: those of the terms
// combine in quadrature, weighted by their coefficients.
func (a *Group) Spread(terms []benchmarks.Term) (within, between float64) {
	var w2, meanVar float64
	for _, t := range terms {
		m := a.models[t.Model]
		if m == nil {
			continue
		}
		var groups [][]float64
		var invN float64
		for _, s := range m.spans {
			if x := a.samples(nil, m, s); len(x) > 0 {
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
	sd := stats.StdDev(a.PerRound(terms))
	return math.Sqrt(w2), math.Sqrt(max(0, sd*sd-meanVar))
}

// Validity lists what must be said of a case whose samples are in.
func (a *Group) Validity(c benchmarks.Case, e Estimate) []record.Validity {
	var codes []record.Validity
	for _, t := range c.Terms {
		if m := a.models[t.Model]; m != nil && m.hopeless {
			codes = append(codes, record.Preempted)
			break
		}
	}
	if record.RoundUS(e.US) <= 0 || a.relative(e, c.Terms) > a.p.Stop.NoisyAbove {
		codes = append(codes, record.Noisy)
	}
	return codes
}

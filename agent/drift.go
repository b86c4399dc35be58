package agent

import (
	"math"
	"slices"
	"sort"

	"github.com/isocost/isocost/internal/stats"
)

// speedCurve is how slow the device is over time, by the anchor: 1 at the start
// of the group. The zero value is 1 everywhere.
type speedCurve struct {
	t, f []float64 // ascending times, factor at each
}

// at interpolates linearly, flat beyond the ends.
func (c speedCurve) at(t float64) float64 {
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

// curveWindow visits of the anchor share one local line: with three visits a
// round that is five rounds, wide enough that the line's noise is a third of a
// visit's.
const curveWindow = 15

// anchorCurve fits the anchor's visits by local lines (Theil–Sen: the median of
// the slopes, so that a burst at one visit does not bend it; Sen 1968). When the
// anchor moved less than drift.allow over the group, or the protocol does not
// correct, the curve is 1.
func anchorCurve(p Protocol, j *journal, group int, anchor string, void func(int) bool) speedCurve {
	if !p.Drift.Correct {
		return speedCurve{}
	}
	t, y := anchorSeries(j, group, anchor, void)
	if len(t) < 6 { // two rounds: nothing to fit
		return speedCurve{}
	}
	c := speedCurve{t: t, f: make([]float64, len(t))}
	for i := range t {
		lo := min(max(0, i-curveWindow/2), max(0, len(t)-curveWindow))
		hi := min(len(t), lo+curveWindow)
		// Visits are only ever added: most windows are those of the last round's curve.
		key := [3]float64{t[lo], t[hi-1], float64(hi - lo)}
		line, ok := j.lines[key]
		if !ok {
			line[0], line[1] = theilSen(t[lo:hi], y[lo:hi])
			j.lines[key] = line
		}
		a, b := line[0], line[1]
		c.f[i] = a + b*t[i]
	}
	first := c.f[0]
	lowest, highest := math.Inf(1), math.Inf(-1)
	for i := range c.f {
		c.f[i] /= first
		lowest, highest = min(lowest, c.f[i]), max(highest, c.f[i])
	}
	if !(first > 0) || !(lowest > 0) || highest/lowest-1 <= p.Drift.Allow {
		return speedCurve{}
	}
	return c
}

// anchorSeries is the anchor's visits: device time and median of the samples
// that were not preempted.
func anchorSeries(j *journal, group int, anchor string, void func(int) bool) (t, y []float64) {
	for _, v := range j.visits[group] {
		if v.Model != anchor || void(v.Round) {
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

// theilSen fits y = a + b·t: b is the median of the pairwise slopes, a the
// median of y − b·t.
func theilSen(t, y []float64) (a, b float64) {
	var slopes []float64
	for i := range t {
		for k := i + 1; k < len(t); k++ {
			if t[k] != t[i] {
				slopes = append(slopes, (y[k]-y[i])/(t[k]-t[i]))
			}
		}
	}
	if len(slopes) > 0 {
		b = stats.Median(slopes)
	}
	rest := make([]float64, len(t))
	for i := range t {
		rest[i] = y[i] - b*t[i]
	}
	return stats.Median(rest), b
}

// anchorRatio is the anchor at the end of a group over the anchor at its start:
// the last quarter of its visits against the first, by the protocol's estimator
// (their minima for min, where interference only adds).
func anchorRatio(p Protocol, j *journal, group int, anchor string) (ratio float64, ok bool) {
	t, y := anchorSeries(j, group, anchor, func(round int) bool {
		r := j.rounds[[2]int{group, round}]
		return r != nil && r.Void != ""
	})
	n := len(t) / 4
	if p.Estimator == EstimatorMin {
		n = len(t) / 2 // minima need many draws to be comparable
	}
	if n < 1 {
		return 1, false
	}
	centre := stats.Median
	if p.Estimator == EstimatorMin {
		centre = slices.Min[[]float64]
	}
	return centre(y[len(y)-n:]) / centre(y[:n]), true
}

// roundRatio is the anchor in one round over the anchor in the group's first
// good rounds; the evidence of throttling.
func roundRatio(p Protocol, j *journal, group, round int, anchor string) (ratio float64, ok bool) {
	perRound := map[int][]float64{}
	for _, v := range j.visits[group] {
		if v.Model == anchor {
			perRound[v.Round] = append(perRound[v.Round], v.US...)
		}
	}
	centre := stats.Median
	if p.Estimator != EstimatorMedian {
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

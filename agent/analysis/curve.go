package analysis

import (
	"math"
	"slices"
	"sort"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/record"
)

// driftCurve says how slow the device is over time, by the drift reference: 1 at the
// start of the group. The zero value is 1 everywhere.
type driftCurve struct {
	t, us  []float64 // the reference's visits: device time, ascending, and median
	line   []float64 // the local line at each
	factor []float64 // line over its start
	moved  bool      // the reference moved: factor counts
}

// curveWindow visits of the drift reference share one local line: with three visits a
// round that is five rounds, wide enough that the line's noise is a third of a
// visit's.
const curveWindow = 15

// at interpolates linearly, flat beyond the ends.
func (c *driftCurve) at(t float64) float64 {
	if !c.moved {
		return 1
	}
	n := len(c.t)
	i := sort.SearchFloat64s(c.t, t)
	switch {
	case i == 0:
		return c.factor[0]
	case i == n:
		return c.factor[n-1]
	case c.t[i] == c.t[i-1]:
		return c.factor[i]
	}
	w := (t - c.t[i-1]) / (c.t[i] - c.t[i-1])
	return c.factor[i-1] + w*(c.factor[i]-c.factor[i-1])
}

// add takes a visit of the drift reference: its device time and the median of the samples that
// were not preempted.
func (c *driftCurve) add(v *record.Visit) {
	us := make([]float64, 0, len(v.US))
	for i, x := range v.US {
		if !slices.Contains(v.Preempted, i) {
			us = append(us, x)
		}
	}
	if len(us) == 0 {
		us = v.US
	}
	c.t, c.us = append(c.t, v.AtS), append(c.us, stats.Median(us))
}

// fit fits the drift reference's visits by local lines (Theil–Sen: the median of the slopes, so
// that a burst at one visit does not bend it; Sen 1968). When the reference moved
// no more than allow, the curve is 1.
//
// Visits are only ever added, so that most windows are those of the last fit: up to the
// device time same the curve is what it was before, and up to settled all its windows
// are whole.
func (c *driftCurve) fit(allow float64) (same, settled float64) {
	n, had, moved := len(c.t), len(c.line), c.moved
	c.moved = false
	if n < 6 { // two rounds: nothing to fit
		return math.Inf(1), math.Inf(1)
	}
	from, a, b, at := 0, 0.0, 0.0, -1
	if had >= curveWindow {
		from = whole(had)
	}
	c.line = append(c.line, make([]float64, n-had)...)
	c.factor = append(c.factor, make([]float64, n-had)...)
	for i := from; i < n; i++ {
		lo := min(max(0, i-curveWindow/2), max(0, n-curveWindow))
		if hi := min(n, lo+curveWindow); lo != at {
			a, b = theilSen(c.t[lo:hi], c.us[lo:hi])
			at = lo
		}
		c.line[i] = a + b*c.t[i]
	}
	first, changed := c.line[0], had
	lowest, highest := math.Inf(1), math.Inf(-1)
	for i, v := range c.line {
		f := v / first
		if f != c.factor[i] && i < changed {
			changed = i
		}
		c.factor[i] = f
		lowest, highest = min(lowest, f), max(highest, f)
	}
	c.moved = first > 0 && lowest > 0 && highest/lowest-1 > allow
	switch {
	case !c.moved && !moved:
		return math.Inf(1), math.Inf(1)
	case !c.moved:
		return math.Inf(-1), math.Inf(1)
	}
	same, settled = math.Inf(-1), math.Inf(-1)
	if moved && changed > 0 {
		same = c.t[changed-1]
	}
	if n >= curveWindow {
		settled = c.t[whole(n)-1]
	}
	return same, settled
}

// whole says how many of n visits have their whole window within them, n at least curveWindow:
// what is added does not change their lines.
func whole(n int) int { return n - curveWindow/2 }

// ratio is the drift reference at the end of a group over itself at the start: the last
// quarter of its visits against the first, by the protocol's estimator (their minima for
// min, where interference only adds).
func (c *driftCurve) ratio(estimator agent.Estimator) (ratio float64, ok bool) {
	n := len(c.us) / 4
	centre := stats.Median
	if estimator == agent.EstimatorMin {
		n = len(c.us) / 2 // minima need many draws to be comparable
		centre = slices.Min[[]float64]
	}
	if n < 1 {
		return 1, false
	}
	return centre(c.us[len(c.us)-n:]) / centre(c.us[:n]), true
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

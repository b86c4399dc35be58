package evidence

import (
	"math"

	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/space"
)

// maxFailures is after how many failed samples an architecture counts as not
// evaluable, if they are at least half of its samples.
const maxFailures = 3

// Arm is one architecture with its samples of the search stream. Samples are
// kept for the whole run: they serve every comparison the architecture is in.
type Arm struct {
	Arch     space.Arch
	Key      string
	Pool     int // size of a finite pool of samples, 0 without limit
	Values   []float64
	Failures int
	Reason   string // of the last failure

	slots   []float64 // the value at each index, NaN where there is none
	sum     float64
	next    int     // index of the next sample; failed ones are used up too
	paired  bool    // samples are asked for in pairs,
	pairs   int     // from this index on
	low     []*draw // at the low fidelities
	seconds float64

	middle   float64 // median of the values
	middleOf int     // values it was computed from

	// base is the number of values taken before the present incumbent's time: they
	// guide the search, and the certificate does not rest on them.
	base    int
	baseSum float64 // of those values
	// all holds what all values say, recent what those from base on say.
	all, recent anytime.Evidence
}

// Dead says that the architecture cannot be evaluated: too many samples failed,
// or some of a pool that has no others.
func (a *Arm) Dead() bool {
	return a.Failures >= maxFailures && a.Failures >= len(a.Values) || a.Pool > 0 && a.Failures > 0 && a.next >= a.Pool
}

// Left says how many samples can still be had, -1 without limit.
func (a *Arm) Left() int {
	if a.Dead() {
		return 0
	}
	if a.Pool == 0 {
		return -1
	}
	return max(a.Pool-a.next, 0)
}

// Mean of the samples; NaN without any.
func (a *Arm) Mean() float64 {
	if len(a.Values) == 0 {
		return math.NaN()
	}
	return a.sum / float64(len(a.Values))
}

// Median of the samples; NaN without any.
func (a *Arm) Median() float64 {
	if a.middleOf != len(a.Values) || a.middleOf == 0 {
		a.middle, a.middleOf = stats.Median(a.Values), len(a.Values)
	}
	return a.middle
}

// Evidence is the number of samples that the present incumbent's bounds may rest on.
func (a *Arm) Evidence() int { return a.recent.N }

// Recent are the samples of the present incumbent's time.
func (a *Arm) Recent() []float64 { return a.Values[a.base:] }

// Spread is the sample standard deviation, 0 for fewer than 2 samples.
func (a *Arm) Spread() float64 { return Spread(a.Values) }

// Spread is the sample standard deviation of values, 0 for fewer than 2.
func Spread(values []float64) float64 {
	n := len(values)
	if n < 2 {
		return 0
	}
	m, ss := 0.0, 0.0
	for _, v := range values {
		m += v / float64(n)
	}
	for _, v := range values {
		ss += (v - m) * (v - m)
	}
	return math.Sqrt(ss / float64(n-1))
}

// Outliers is the number of samples that lie far from the architecture's others: more
// than FarOff robust standard deviations (1.4826 times the median absolute
// deviation, Hampel 1974) from their median. 0 for fewer than outlierLeast samples and
// where more than half of them are equal.
func (a *Arm) Outliers() int {
	if len(a.Values) < outlierLeast {
		return 0
	}
	m, spread := stats.Median(a.Values), 1.4826*stats.MAD(a.Values)
	count := 0
	for _, v := range a.Values {
		if spread > 0 && math.Abs(v-m) > FarOff*spread {
			count++
		}
	}
	return count
}

// FarOff is the distance of an outlier from the median in robust standard deviations: one in
// 10⁹ normal samples, were the spread known.
const FarOff = 6

const outlierLeast = 8 // samples that a robust spread takes

// Add takes a value without an index: of samples that no bound rests on.
func (a *Arm) Add(value float64) {
	a.Values = append(a.Values, value)
	a.sum += value
}

// at notes the value at an index.
func (a *Arm) at(index int, value float64) {
	for len(a.slots) <= index {
		a.slots = append(a.slots, math.NaN())
	}
	a.slots[index] = value
}

// meanVariance is the variance of the mean in units of σ², for at least one sample.
// Draws without replacement vary less, and a pool drawn to its end does not vary:
// its mean is known (Cochran, Sampling Techniques, 1977, theorem 2.2).
func (a *Arm) meanVariance() float64 {
	n := float64(len(a.Values))
	if a.Pool == 0 {
		return 1 / n
	}
	return (1 - n/float64(a.Pool)) / n
}

// PoolMartingales says how many martingales may speak about a pair of finite pools: of
// both arms, and of either one when the other's pool is drawn and known. It is not
// known beforehand which will, so that δ is shared between them.
const PoolMartingales = 3

// weigh recomputes what the samples say at noise σ.
func (a *Arm) weigh(sigma, rho float64) {
	if a.Pool > 0 {
		a.all = anytime.Pool(sigma, a.Pool, a.Values, 0, rho)
		a.recent = anytime.Pool(sigma, a.Pool, a.Values, a.base, rho)
		return
	}
	a.all = anytime.Infinite(sigma, len(a.Values), a.sum, rho)
	a.recent = anytime.Infinite(sigma, len(a.Values)-a.base, a.sum-a.baseSum, rho)
}

// leaveBehind makes what has been sampled so far no evidence.
func (a *Arm) leaveBehind() {
	a.base, a.baseSum = len(a.Values), a.sum
	for _, d := range a.low {
		d.base, d.baseSum = len(d.values), d.sum
	}
}

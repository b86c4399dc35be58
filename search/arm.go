package search

import (
	"math"

	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/space"
)

// maxFailures is after how many failed samples an architecture counts as not
// evaluable, if they are at least half of its samples.
const maxFailures = 3

// arm is one architecture with its samples of the search stream. Samples are
// kept for the whole run: they serve every comparison the architecture is in.
type arm struct {
	arch     space.Arch
	key      string
	values   []float64
	slots    []float64 // the value at each index, NaN where there is none
	sum      float64
	next     int // index of the next sample; failed ones are used up too
	failures int
	reason   string   // of the last failure
	low      []*draws // at the low fidelities
	pool     int      // size of a finite pool of samples, 0 without limit
	seconds  float64

	// base is the number of values taken before the present incumbent's time: they
	// guide the search, and the certificate does not rest on them.
	base    int
	baseSum float64 // of those values
	// all is what all values say, evidence what those from base on say.
	all, evidence anytime.Evidence
}

// dead says that the architecture cannot be evaluated: too many samples failed,
// or some of a pool that has no others.
func (a *arm) dead() bool {
	return a.failures >= maxFailures && a.failures >= len(a.values) || a.pool > 0 && a.failures > 0 && a.next >= a.pool
}

// left is how many samples can still be had, -1 without limit.
func (a *arm) left() int {
	if a.dead() {
		return 0
	}
	if a.pool == 0 {
		return -1
	}
	return max(a.pool-a.next, 0)
}

// at notes the value at an index.
func (a *arm) at(index int, value float64) {
	for len(a.slots) <= index {
		a.slots = append(a.slots, math.NaN())
	}
	a.slots[index] = value
}

func (a *arm) add(value float64) {
	a.values = append(a.values, value)
	a.sum += value
}

// mean of the samples; NaN without any.
func (a *arm) mean() float64 {
	if len(a.values) == 0 {
		return math.NaN()
	}
	return a.sum / float64(len(a.values))
}

// meanVariance is the variance of the mean in units of σ², for at least one sample.
// Draws without replacement vary less, and a pool drawn to its end does not vary:
// its mean is known (Cochran, Sampling Techniques, 1977, theorem 2.2).
func (a *arm) meanVariance() float64 {
	n := float64(len(a.values))
	if a.pool == 0 {
		return 1 / n
	}
	return (1 - n/float64(a.pool)) / n
}

// spread is the sample standard deviation, 0 for fewer than 2 samples.
func (a *arm) spread() float64 { return spreadOf(a.values) }

func spreadOf(values []float64) float64 {
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

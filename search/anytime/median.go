package anytime

import (
	"math"
	"slices"
)

// Median bounds the median of independent values of any one distribution, at all times
// at once, and needs no noise level: of n values no more than half are expected below
// the median. With k of them below m the likelihood ratio of a coin that falls there
// with probability p against a fair one, mixed over p by a Beta(a, a) distribution, is
//
//	M = 2ⁿ·B(k+a, n−k+a)/B(a, a),
//
// a non-negative martingale from 1 at the median (Robbins 1970; Howard and Ramdas,
// Sequential estimation of quantiles, 2022). One side of it, p > ½, is a
// supermartingale where the probability is below ½, as with ties; it is 2M − M⁻, and
// M⁻ ≤ 1 for k ≥ n/2, so that P(M ≥ (1/α+1)/2 and k ≥ n/2, ever) ≤ α. The median is
// therefore at most the k-th smallest value, k the least such number.
type Median struct {
	level  float64 // ln((1/α+1)/2)
	sorted []float64
	beyond int // the least k, 0 for none
	known  int // values beyond was computed for
}

// medianShape is a. From 1 to 4 the values that a bound takes differ by one or two.
const medianShape = 2

// NewMedian returns the bounds of no values yet, each of which is wrong with
// probability at most alpha.
func NewMedian(alpha float64) *Median { return &Median{level: oneSide(alpha)} }

// Add takes a value.
func (m *Median) Add(x float64) {
	i, _ := slices.BinarySearch(m.sorted, x)
	m.sorted = slices.Insert(m.sorted, i, x)
}

// Bounds are the lower and the upper one: infinite until there are enough values.
func (m *Median) Bounds() (lower, upper float64) {
	n := len(m.sorted)
	if m.known != n {
		m.beyond, m.known = m.least(n), n
	}
	if m.beyond == 0 {
		return math.Inf(-1), math.Inf(1)
	}
	return m.sorted[n-m.beyond], m.sorted[m.beyond-1]
}

// least is the least k ≥ n/2 at which the mixture of n values reaches the level, 0
// when none does. The mixture rises with k from n/2 on.
func (m *Median) least(n int) int {
	beta := func(a, b float64) float64 {
		x, _ := math.Lgamma(a)
		y, _ := math.Lgamma(b)
		z, _ := math.Lgamma(a + b)
		return x + y - z
	}
	start := float64(n)*math.Ln2 - beta(medianShape, medianShape)
	reached := func(k int) bool {
		return start+beta(float64(k)+medianShape, float64(n-k)+medianShape) >= m.level
	}
	lo, hi := (n+1)/2, n // not reached at lo−1; hi is the first candidate known to be
	if n == 0 || !reached(n) {
		return 0
	}
	for lo < hi {
		if mid := (lo + hi) / 2; reached(mid) {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return hi
}

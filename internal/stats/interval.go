package stats

import (
	"math"
	"sort"
	"sync"
)

// BinomialCDF returns P(B ≤ k) for B ~ Binomial(n, p), summed from the smaller
// tail in log space: absolute error below 1e-12 for n up to 10⁶.
func BinomialCDF(n, k int, p float64) float64 {
	switch {
	case k < 0:
		return 0
	case k >= n:
		return 1
	case p <= 0:
		return 1
	case p >= 1:
		return 0
	}
	if float64(k) > float64(n)*p {
		return 1 - BinomialCDF(n, n-k-1, 1-p)
	}
	lgN, _ := math.Lgamma(float64(n) + 1)
	lp, lq := math.Log(p), math.Log1p(-p)
	sum := 0.0
	for i := k; i >= 0; i-- {
		a, _ := math.Lgamma(float64(i) + 1)
		b, _ := math.Lgamma(float64(n-i) + 1)
		term := math.Exp(lgN - a - b + float64(i)*lp + float64(n-i)*lq)
		sum += term
		if term < sum*1e-18 {
			break
		}
	}
	return sum
}

// QuantileRanks returns the 1-based ranks lo < hi of the order statistics that
// enclose the q-quantile of any continuous distribution with at least the given
// level, each tail holding at most (1−level)/2 (David and Nagaraja, Order
// Statistics, 2003, §7.1). ok is false when n is too small: for the median at
// 0.95, six are needed.
func QuantileRanks(n int, q, level float64) (lo, hi int, ok bool) {
	type key struct {
		n        int
		q, level float64
	}
	type ranks struct {
		lo, hi int
		ok     bool
	}
	k := key{n, q, level}
	if r, found := knownRanks.Load(k); found {
		return r.(ranks).lo, r.(ranks).hi, r.(ranks).ok
	}
	lo, hi, ok = quantileRanks(n, q, level)
	knownRanks.Store(k, ranks{lo, hi, ok})
	return lo, hi, ok
}

// knownRanks remembers QuantileRanks: a campaign asks for the same few again and
// again.
var knownRanks sync.Map

func quantileRanks(n int, q, level float64) (lo, hi int, ok bool) {
	tail := (1 - level) / 2
	// The quantile lies below X(lo) with P(B < lo) and above X(hi) with P(B ≥ hi),
	// B ~ Binomial(n, q) counting the values below the quantile.
	// Both grow with the rank: lo is the last with P(B < lo) ≤ tail, hi the first with
	// P(B ≥ hi) ≤ tail.
	lo = sort.Search(n, func(k int) bool { return BinomialCDF(n, k, q) > tail })
	hi = 1 + sort.Search(n, func(k int) bool { return 1-BinomialCDF(n, k, q) <= tail })
	return lo, hi, lo >= 1 && hi <= n && lo < hi
}

// QuantileInterval returns the distribution-free interval of x's q-quantile; see
// QuantileRanks. With too few values it returns ±Inf and false.
func QuantileInterval(x []float64, q, level float64) (lo, hi float64, ok bool) {
	l, h, ok := QuantileRanks(len(x), q, level)
	if !ok {
		return math.Inf(-1), math.Inf(1), false
	}
	s := Sorted(x)
	return s[l-1], s[h-1], true
}

// MedianInterval is QuantileInterval at q = 1/2.
func MedianInterval(x []float64, level float64) (lo, hi float64, ok bool) {
	return QuantileInterval(x, 0.5, level)
}

// EndpointInterval returns an interval for the lower endpoint of the
// distribution that x was drawn from – the time of a run nothing interfered
// with – given that interference only adds. The upper bound is the minimum
// itself. The lower bound extrapolates from the k smallest values: near the
// endpoint M the distribution grows like (x−M)^index, hence
// ((X(1)−M)/(X(k)−M))^index ~ Beta(1, k−1) (Weissman, "Confidence intervals for
// the threshold parameter", Comm. Statist. A10, 1981; Robson and Whitlock,
// Biometrika 51, 1964, is k = 2, index = 1). Index 1 suits noise whose density is
// positive at the endpoint (exponential), a larger one a density that rises from
// zero; too large an index is conservative. ok is false for fewer than k values
// or k < 2.
func EndpointInterval(x []float64, k int, index, level float64) (lo, hi float64, ok bool) {
	if k < 2 || len(x) < k {
		return math.Inf(-1), math.Inf(1), false
	}
	s := Sorted(x)
	// P(Beta(1,k−1) ≥ b) = (1−b)^(k−1) = 1 − level
	b := 1 - math.Pow(1-level, 1/float64(k-1))
	c := math.Pow(b, 1/index)
	return s[0] - (s[k-1]-s[0])*c/(1-c), s[0], true
}

// SumInterval combines independent estimates Σ coef[i]·est[i] with intervals
// [lo[i], hi[i]] of one level into an interval of that level for the sum: the
// distances from each estimate to its bound add in quadrature, by side (MOVER;
// Zou and Donner, Statistics in Medicine 27, 2008). It does not assume symmetric
// intervals.
func SumInterval(coef, est, lo, hi []float64) (sumLo, sumHi float64) {
	var sum, down, up float64
	for i, c := range coef {
		sum += c * est[i]
		d, u := c*(est[i]-lo[i]), c*(hi[i]-est[i])
		if c < 0 {
			d, u = -u, -d
		}
		down += d * d
		up += u * u
	}
	return sum - math.Sqrt(down), sum + math.Sqrt(up)
}

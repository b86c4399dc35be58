package stats

import "math"

// QuantileUpperRank returns the rank k (1-based) of the order statistic of n
// values that is an upper bound of their distribution's q-quantile with
// confidence level: the smallest k with P(Binomial(n, q) ≤ k−1) ≥ level (David and
// Nagaraja, Order Statistics, 2003, §7.1). ok is false when n is too small; see
// QuantileUpperNeeds.
func QuantileUpperRank(n int, q, level float64) (k int, ok bool) {
	if n < QuantileUpperNeeds(q, level) {
		return 0, false
	}
	lo, hi := 1, n // at n the bound holds
	for lo < hi {
		mid := (lo + hi) / 2
		if BinomialCDF(n, mid-1, q) >= level {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo, true
}

// QuantileUpperNeeds is the smallest n for which the largest of n values bounds
// the q-quantile with confidence level: 1 − qⁿ ≥ level. It is 29, 59 and 299 for
// q = 0.9, 0.95 and 0.99 at 0.95.
func QuantileUpperNeeds(q, level float64) int {
	n := max(1, int(math.Floor(math.Log(1-level)/math.Log(q)))-1)
	for 1-math.Pow(q, float64(n)) < level {
		n++
	}
	return n
}

// ConformalRank is the rank of the score that covers a new exchangeable one with
// probability at least level: ⌈(n+1)·level⌉ (Vovk et al., Algorithmic Learning in
// a Random World, 2005; Lei et al., JASA 113, 2018). ok is false when it exceeds n.
func ConformalRank(n int, level float64) (k int, ok bool) {
	// The product is computed a hair low, so that a whole number stays itself.
	k = int(math.Ceil(float64(n+1)*level - 1e-9))
	return k, k >= 1 && k <= n
}

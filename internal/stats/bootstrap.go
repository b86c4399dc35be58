package stats

import (
	"math/rand/v2"
	"slices"
)

// Bootstrap returns b ascending values of stat, each on a resample with
// replacement of the indices 0…n−1 (Efron 1979). stat must not keep idx. The
// same rng state gives the same values. It is inconsistent for minima: use
// EndpointInterval there.
func Bootstrap(rng *rand.Rand, n, b int, stat func(idx []int) float64) []float64 {
	idx := make([]int, n)
	out := make([]float64, b)
	for i := range out {
		for j := range idx {
			idx[j] = rng.IntN(n)
		}
		out[i] = stat(idx)
	}
	slices.Sort(out)
	return out
}

// BootstrapInterval is the percentile interval of Bootstrap's values.
func BootstrapInterval(rng *rand.Rand, n, b int, level float64, stat func(idx []int) float64) (lo, hi float64) {
	v := Bootstrap(rng, n, b, stat)
	return QuantileOfSorted(v, (1-level)/2), QuantileOfSorted(v, (1+level)/2)
}

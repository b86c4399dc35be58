// Package isotonic finds the non-decreasing values closest to given ones, in
// weighted least squares: on a line (pool adjacent violators) and on any partial
// order (recursive partitioning by maximum flow). Both are exact up to rounding.
//
// It knows nothing of costs or devices.
package isotonic

// Chain is weighted isotonic regression on a line: the x that minimises
// Σ w·(x−y)² subject to x[0] ≤ x[1] ≤ …, by pooling adjacent violators in O(n).
// Weights must be positive; w nil means all 1.
//
// Barlow, Bartholomew, Bremner, Brunk, Statistical Inference under Order
// Restrictions (1972), §1.2.
func Chain(y, w []float64) []float64 {
	type block struct {
		sum, weight, mean float64
		n                 int
	}
	var blocks []block // few where there is much to pool: they are not made for every point
	for i, v := range y {
		wi := 1.0
		if w != nil {
			wi = w[i]
		}
		b := block{v * wi, wi, v * wi / wi, 1}
		// Compared by means; equal ones stay apart, which changes nothing but keeps untouched
		// values bit for bit.
		for len(blocks) > 0 && !(blocks[len(blocks)-1].mean <= b.mean) {
			a := &blocks[len(blocks)-1]
			b.sum, b.weight, b.n = a.sum+b.sum, a.weight+b.weight, a.n+b.n
			b.mean = b.sum / b.weight
			blocks = blocks[:len(blocks)-1]
		}
		blocks = append(blocks, b)
	}
	x := make([]float64, 0, len(y))
	for _, b := range blocks {
		if b.n == 1 {
			x = append(x, y[len(x)])
			continue
		}
		for range b.n {
			x = append(x, b.mean)
		}
	}
	return x
}

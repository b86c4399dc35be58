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
		sum, weight float64
		n           int
	}
	blocks := make([]block, 0, len(y))
	for i, v := range y {
		wi := 1.0
		if w != nil {
			wi = w[i]
		}
		blocks = append(blocks, block{v * wi, wi, 1})
		for len(blocks) > 1 {
			a, b := &blocks[len(blocks)-2], blocks[len(blocks)-1]
			// Compared as mean(a) > mean(b); equal means stay apart, which changes
			// nothing but keeps untouched values bit for bit.
			if a.sum/a.weight <= b.sum/b.weight {
				break
			}
			a.sum += b.sum
			a.weight += b.weight
			a.n += b.n
			blocks = blocks[:len(blocks)-1]
		}
	}
	x := make([]float64, 0, len(y))
	for _, b := range blocks {
		if b.n == 1 {
			x = append(x, y[len(x)])
			continue
		}
		m := b.sum / b.weight
		for range b.n {
			x = append(x, m)
		}
	}
	return x
}

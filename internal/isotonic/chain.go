// Package isotonic finds the non-decreasing values closest to given ones, in
// weighted least squares: on a line (pool adjacent violators) and on any partial
// order (recursive partitioning by maximum flow). Both are exact up to rounding.
//
// It knows nothing of costs or devices.
package isotonic

import "math"

// Chain is weighted isotonic regression on a line: the x that minimises
// Σ w·(x−y)² subject to x[0] ≤ x[1] ≤ …, by pooling adjacent violators in O(n).
// Weights must be positive; w nil means all 1.
//
// Barlow, Bartholomew, Bremner, Brunk, Statistical Inference under Order
// Restrictions (1972), §1.2.
func Chain(y, w []float64) []float64 {
	var done pooled
	var runs falls
	for at := 0; at < len(y); at += chunk {
		end := min(at+chunk, len(y))
		weights := ones[:end-at]
		if w != nil {
			weights = w[at:end]
		}
		runs.start(y[at:end], weights)
		for range rounds - 1 {
			runs.pool()
		}
		for i := range runs.n {
			done.add(block{runs.sum[i], runs.weight[i], runs.mean[i], int(runs.points[i])})
		}
	}
	x := make([]float64, len(y))
	rest := x
	for _, b := range done {
		here := rest[:b.points]
		for i := range here {
			here[i] = b.mean
		}
		if len(here) == 1 { // untouched, to the bit
			here[0] = y[len(y)-len(rest)]
		}
		rest = rest[b.points:]
	}
	return x
}

// block is neighbouring points that share a value.
type block struct {
	sum, weight, mean float64
	points            int
}

// pooled are blocks in order: few where there is much to pool.
type pooled []block

// add appends a block and pools it with those that it violates. Blocks are compared by means;
// equal ones stay apart, which changes nothing but keeps untouched values bit for bit.
func (p *pooled) add(b block) {
	all := *p
	for len(all) > 0 && !(all[len(all)-1].mean <= b.mean) {
		a := &all[len(all)-1]
		b.sum, b.weight, b.points = a.sum+b.sum, a.weight+b.weight, a.points+b.points
		b.mean = b.sum / b.weight
		all = all[:len(all)-1]
	}
	*p = append(all, b)
}

// falls are the blocks of a part of the line, of which runs that fall are pooled: each of these
// ends as one block in whatever order it is pooled. Noise falls and rises as nobody foresees, and so
// that is done without a branch: four rounds leave a sixteenth of its points to add.
type falls struct {
	sum, weight, mean [chunk]float64
	points            [chunk]int32
	n                 int
}

const (
	chunk  = 1024 // whose blocks stay in a core's first cache
	rounds = 4
)

// start makes a block of every run of values that fall. What is kept of a run where its next value
// falls is all of it, and nothing where that rises and begins another.
func (f *falls) start(y, w []float64) {
	w = w[:len(y)]
	var sum, weight float64
	var points int32
	last, out := math.Inf(-1), -1
	for i, v := range y {
		rises := 1
		if v < last {
			rises = 0
		}
		last = v
		keep := kept[rises&1]
		sum, weight, points = sum*keep+v*w[i], weight*keep+w[i], points&int32(rises-1)+1
		out += rises
		f.sum[out], f.weight[out], f.points[out] = sum, weight, points
	}
	f.n = out + 1
	f.means()
}

// pool is start of the blocks that are there.
func (f *falls) pool() {
	var sum, weight float64
	var points int32
	last, out := math.Inf(-1), -1
	for i, v := range f.mean[:f.n] {
		rises := 1
		if v < last {
			rises = 0
		}
		last = v
		keep := kept[rises&1]
		sum, weight, points = sum*keep+f.sum[i], weight*keep+f.weight[i], points&int32(rises-1)+f.points[i]
		out += rises
		f.sum[out], f.weight[out], f.points[out] = sum, weight, points
	}
	f.n = out + 1
	f.means()
}

func (f *falls) means() {
	for i := range f.n {
		f.mean[i] = f.sum[i] / f.weight[i]
	}
}

var kept = [2]float64{1, 0}

// ones are weights where none are given.
var ones = func() (w [chunk]float64) {
	for i := range w {
		w[i] = 1
	}
	return w
}()

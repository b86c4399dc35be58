package devicemodel

import (
	"math"

	"github.com/isocost/isocost/benchmarks"
)

// misfit says how far the physics may be from a measurement, relative: what weighs an exact
// measurement against others.
const misfit = 0.2

// pricePasses are enough for the weights to come to rest.
const pricePasses = 6

// freedom is the degrees of freedom of Student's t, as which noise is distributed: some
// measurements of a shared host are far outside their stated error.
const freedom = 4

// outlying is the factor, at least 1, by which a measurement that lies off its expectation of
// this variance is less certain than it says (Lange, Little and Taylor 1989).
func outlying(squared, variance float64) float64 {
	return max(1, (freedom+squared/variance)/(freedom+1))
}

// pricesOf fits the physics of all groups to the observations at once, none negative. Each
// kind and precision, or each variant of them, has prices of its own as far as its observations tell; what they do not
// tell is as for all kernels together.
func pricesOf(sites []*site, far float64, obs []sum, variants bool) map[string]map[tariff][physicsTerms]float64 {
	type block struct {
		group string
		tariff
	}
	index := map[block]int{}
	var blocks []block
	of := make([]int, len(sites))
	for i, s := range sites {
		b := block{s.group, s.tariff}
		b.kind = benchmarks.Streams(b.kind)[0] // rare ones are not guessed from kinds that are nothing like them
		if !variants {
			b.variant = ""
		}
		if _, ok := index[b]; !ok {
			index[b] = len(blocks)
			blocks = append(blocks, b)
		}
		of[i] = index[b]
	}
	// The common prices first, then each block's around them.
	common := solvePrices(sites, far, obs, make([]int, len(sites)), 1, nil, variants)
	theta := solvePrices(sites, far, obs, of, len(blocks), common, variants)
	out := map[string]map[tariff][physicsTerms]float64{}
	for i, b := range blocks {
		if out[b.group] == nil {
			out[b.group] = map[tariff][physicsTerms]float64{}
		}
		for _, kind := range benchmarks.Streams(b.kind) {
			out[b.group][tariff{kind, b.variant, b.precision}] = [physicsTerms]float64(theta[i*physicsTerms:])
		}
		out[b.group][tariff{"", "", b.precision}] = [physicsTerms]float64(common)
	}
	return out
}

// solvePrices fits prices by blocks, relative to what each observation measured, then
// relative to what the first fit expects of it; around are the common ones, nil for no idea.
func solvePrices(sites []*site, far float64, obs []sum, of []int, blocks int, around []float64, variants bool) []float64 {
	n := blocks * physicsTerms
	var theta []float64
	row := make([]float64, n)
	for range pricePasses {
		a, b := newMatrix(n, n), make([]float64, n)
		for i := range obs {
			o := &obs[i]
			clear(row)
			for _, t := range o.terms {
				for j, x := range sites[t.site].quantities(far, around != nil && variants) {
					row[of[t.site]*physicsTerms+j] += t.count * x
				}
			}
			level, off := math.Abs(o.value), 0.0
			if theta != nil {
				expected := dot(row, theta)
				level, off = max(expected, 0.2*level), o.value-expected
			}
			variance := o.stdErr*o.stdErr + misfit*misfit*level*level
			if around != nil { // kinds differ: around the common prices nothing is an outlier
				variance *= outlying(off*off, variance)
			}
			w := 1 / variance
			for j, x := range row {
				if x != 0 {
					axpy(w*x, row, a.row(j))
					b[j] += w * x * o.value
				}
			}
		}
		// A price of the block is known to a factor of about three beforehand.
		for j := range n {
			switch {
			case around != nil && around[j%physicsTerms] > 0:
				t := around[j%physicsTerms]
				a.a[j*n+j] += 1 / (2 * t * 2 * t)
				b[j] += t / (2 * t * 2 * t)
			default:
				a.a[j*n+j] += 1e-9*a.a[j*n+j] + 1e-30
			}
		}
		// Scaled to a unit diagonal: multiply-adds and dispatches are nine orders apart.
		scale := make([]float64, n)
		for j := range n {
			scale[j] = 1 / math.Sqrt(a.a[j*n+j])
		}
		for j := range n {
			r := a.row(j)
			for k := range r {
				r[k] *= scale[j] * scale[k]
			}
			b[j] *= scale[j]
		}
		theta = nonNegative(a, b)
		for j := range theta {
			theta[j] *= scale[j]
		}
	}
	return theta
}

package staircase

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/isocost/isocost/lut"
)

// slowBetweenBlocks are two families of inverted bottlenecks, three lines each, that run
// about twice as long where the width is not a multiple of 16.
func slowBetweenBlocks() []lut.Family {
	rng := rand.New(rand.NewPCG(1, 3))
	var out []lut.Family
	for _, k := range []string{"3", "5"} {
		fam := lut.FamilyOf(lut.NewOp("mbconv", lut.INT8, map[string]string{"k": k}, map[string]int{"cin": 1, "mid": 1}))
		for _, cin := range []int{24, 40, 80} {
			slow := 1.9 * math.Exp(0.1*rng.NormFloat64())
			for _, mid := range []int{16, 24, 48, 72, 96} {
				v := float64(2+cin*mid) * math.Exp(0.005*rng.NormFloat64())
				if mid%16 != 0 {
					v *= slow
				}
				fam.Knots = append(fam.Knots, lut.Knot{At: []int{cin, mid}, Raw: v, Corrected: v, Lo: 0.99 * v, Hi: 1.01 * v, N: 60, Reason: lut.Measured})
			}
		}
		out = append(out, fam)
	}
	return out
}

// The covariance is that of the Gaussian process: against the textbook's formula with
// the kernel written out.
func TestFitIsAGaussianProcess(t *testing.T) {
	pool := Pools(slowBetweenBlocks())["mbconv/int8@mid"]
	f := pool.Fit(Form{Period: 16}, nil)
	var seen []observation
	for _, r := range pool.runs {
		for j := 1; j < len(r.knots)-1; j++ {
			seen = append(seen, f.witness(r, j))
		}
	}
	prior := func(a, b []Term) float64 {
		sum := 0.0
		for q, i := range f.index {
			var x, y float64
			for _, t := range a {
				if t.Param == i {
					x += t.Coef
				}
			}
			for _, t := range b {
				if t.Param == i {
					y += t.Coef
				}
			}
			sum += x * y * f.prior(q)
		}
		return sum
	}
	k := newSymmetric(len(seen))
	for i := range seen {
		for j := 0; j <= i; j++ {
			k.add(i, j, prior(seen[i].terms, seen[j].terms))
		}
		k.add(i, i, seen[i].variance)
	}
	inv := k.inverse()
	for _, place := range []Place{{pool.runs[0].family, pool.runs[0].line, 24}, {pool.runs[0].family, "elsewhere", 24}, {"other", "", 24}} {
		q := f.Terms(place)
		mean, variance := 0.0, prior(q, q)
		for i := range seen {
			for j := range seen {
				w := prior(q, seen[i].terms) * inv.at(i, j)
				mean += w * seen[j].z
				variance -= w * prior(q, seen[j].terms)
			}
		}
		if math.Abs(mean-f.value(q)) > 1e-3 || math.Abs(variance-f.Variance(q)) > 1e-4 {
			t.Errorf("%+v: θ = %.5f ± %.5f, by the kernel %.5f ± %.5f", place, f.value(q), math.Sqrt(f.Variance(q)), mean, math.Sqrt(variance))
		}
	}
}

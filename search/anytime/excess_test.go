package anytime

import (
	"math"
	"math/rand/v2"
	"testing"
)

// pairRun samples two arms of equal mean by a habit and says whether D + bound ever
// falls below the truth, 0.
func pairRun(rng *rand.Rand, horizon int, pick func(n [2]int, mean [2]float64) int, bound func(x, z Evidence) float64) bool {
	var sum, mean [2]float64
	var n [2]int
	for range horizon {
		k := pick(n, mean)
		sum[k] += rng.NormFloat64()
		n[k]++
		mean[k] = sum[k] / float64(n[k])
		if n[0] == 0 || n[1] == 0 {
			continue
		}
		x, z := Infinite(1, n[0], sum[0], DefaultRho), Infinite(1, n[1], sum[1], DefaultRho)
		if z.Center-x.Center+bound(x, z) < 0 {
			return true
		}
	}
	return false
}

// The habits of sampling Excess has to survive, adversaries among them: they look
// at the data to make the candidate look bad.
func habits(rng *rand.Rand) map[string]func(n [2]int, mean [2]float64) int {
	return map[string]func(n [2]int, mean [2]float64) int{
		"in proportion": func(n [2]int, _ [2]float64) int { // 3 to 1
			if n[0] < 3*n[1] {
				return 0
			}
			return 1
		},
		"candidate alone": func(n [2]int, _ [2]float64) int {
			if n[0] < 3 {
				return 0
			}
			return 1
		},
		"incumbent alone": func(n [2]int, _ [2]float64) int {
			if n[1] < 3 {
				return 1
			}
			return 0
		},
		"whichever is unlucky": func(n [2]int, mean [2]float64) int {
			switch {
			case n[0] == 0 || n[1] > 0 && mean[0] < 0 && n[0] < 8*n[1]:
				return 0
			case n[1] == 0 || mean[1] > 0:
				return 1
			}
			return rng.IntN(2)
		},
	}
}

func TestExcessCoverage(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates thousands of boundaries: make test")
	}
	const delta, runs, horizon = 0.1, 1000, 2000
	limit := delta + 3*math.Sqrt(delta*(1-delta)/runs)
	prior := NewPrior(DefaultRho, 9, 1)
	for name := range habits(nil) {
		crossed := func(bound func(x, z Evidence) float64) float64 {
			bad := 0
			for s := range runs {
				rng := rand.New(rand.NewPCG(6, uint64(s)))
				if pairRun(rng, horizon, habits(rng)[name], bound) {
					bad++
				}
			}
			return float64(bad) / runs
		}
		p := crossed(func(x, z Evidence) float64 { return Excess(x, z, 1, prior, delta) })
		two := crossed(func(x, z Evidence) float64 { return Width(x, z, delta) })
		// Negative control: the one-sided normal quantile at a fixed n.
		fixed := crossed(func(x, z Evidence) float64 {
			return 1.2816 * math.Sqrt(1/float64(x.N)+1/float64(z.N))
		})
		t.Logf("%-20s crossed in %.3f of the runs (the two-sided width in %.3f, a fixed-n quantile in %.3f)", name, p, two, fixed)
		if p > limit {
			t.Errorf("%s: crossed in %.3f of the runs, more than %.2f", name, p, delta)
		}
		if fixed <= limit {
			t.Errorf("%s: the fixed-n quantile survives (%.3f): the test cannot fail", name, fixed)
		}
	}
}

// exactExcess maximises the deviation inside ln M ≤ ln 1/δ by brute force, with Φ
// as it is: the oracle for the closed form.
func exactExcess(nx, nz float64, p Prior, delta float64) float64 {
	a := nx + p.Loose
	h := p.Loose / a
	q := p.Ratio*p.Ratio*h*nx + nz + p.Rho
	lnM := func(sx, sz float64) float64 {
		l := p.Ratio*h*sx - sz
		score := l / math.Sqrt(q)
		// ½ζ² + ln 2((1−q)Φ(ζ) + q(1−Φ(ζ))), without overflow.
		one := score*score/2 + math.Log((1-wrongSide)*math.Erfc(-score/math.Sqrt2)+wrongSide*math.Erfc(score/math.Sqrt2))
		return sx*sx/(2*a) + one - 0.5*math.Log(a/p.Loose) - 0.5*math.Log(q/p.Rho)
	}
	least := func(w float64) float64 { // of ln M over S_x at deviation w: convex
		f := func(s float64) float64 { return lnM(s, nz*(s/nx-w)) }
		lo, hi := -200*math.Sqrt(a), 200*math.Sqrt(a)
		for range 200 {
			if x, y := lo+(hi-lo)/3, hi-(hi-lo)/3; f(x) < f(y) {
				hi = y
			} else {
				lo = x
			}
		}
		return f((lo + hi) / 2)
	}
	lo, hi := 0.0, 100.0
	for range 100 {
		if mid := (lo + hi) / 2; least(mid) < math.Log(1/delta) {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

func TestExcessIsTheMixturesBoundary(t *testing.T) {
	prior := NewPrior(DefaultRho, 8, 1)
	for _, delta := range []float64{0.2, 0.05, 0.01, 1e-4} {
		for _, nx := range []int{1, 3, 10, 40, 400} {
			for _, nz := range []int{1, 3, 10, 40, 400} {
				want := exactExcess(float64(nx), float64(nz), prior, delta)
				got := Excess(Infinite(1, nx, 0, DefaultRho), Infinite(1, nz, 0, DefaultRho), 1, prior, delta)
				if got < want*(1-1e-6) {
					t.Errorf("δ %g, n %d and %d: %g is below the boundary %g", delta, nx, nz, got, want)
				}
				if got > 1.7*want {
					t.Errorf("δ %g, n %d and %d: %g is %.2f times the boundary", delta, nx, nz, got, got/want)
				}
			}
		}
	}
}

// The best of many equal arms is chosen by its first samples and then compared
// with a fresh arm that is truly better by gap. Bounds that go on from the lucky
// samples are wrong too often; those that begin at the choice are not. This is
// why a new incumbent's certificate rests on samples taken from then on.
func TestChosenForItsLuck(t *testing.T) {
	const delta, runs, horizon, arms, first = 0.1, 2000, 60, 100000, 2
	prior := NewPrior(DefaultRho, 1, 1)
	bad := map[bool]int{}
	for s := range runs {
		rng := rand.New(rand.NewPCG(7, uint64(s)))
		// The largest of so many sums of the first samples, by its distribution.
		best := math.Sqrt(2*first) * math.Erfinv(2*math.Pow(rng.Float64(), 1./arms)-1)
		var x, z []float64
		for range horizon {
			x, z = append(x, rng.NormFloat64()), append(z, rng.NormFloat64())
		}
		for _, fresh := range []bool{true, false} {
			n, sx, sz := 0, 0.0, 0.0
			if !fresh {
				n, sx = first, best
			}
			for i := range horizon {
				sx += x[i]
				sz += z[i]
				a, b := Infinite(1, n+i+1, sx, DefaultRho), Infinite(1, i+1, sz, DefaultRho)
				if b.Center-a.Center+Excess(a, b, 1, prior, delta) < 0 {
					bad[fresh]++
					break
				}
			}
		}
	}
	limit := delta + 3*math.Sqrt(delta*(1-delta)/runs)
	fresh, kept := float64(bad[true])/runs, float64(bad[false])/runs
	t.Logf("wrong with fresh samples %.3f, with the lucky ones kept %.3f", fresh, kept)
	if fresh > limit {
		t.Errorf("fresh: wrong in %.3f of the runs", fresh)
	}
	if kept <= limit {
		t.Errorf("keeping the lucky samples is wrong in %.3f only: the test cannot fail", kept)
	}
}

// A pool drawn on from the middle: the mean of the whole pool stays covered, given
// what was drawn before.
func TestPoolFromTheMiddle(t *testing.T) {
	const delta, runs, size, from = 0.1, 2000, 40, 12
	exact := Evidence{N: 1}
	bad := 0
	for s := range runs {
		rng := rand.New(rand.NewPCG(8, uint64(s)))
		pool, mean := make([]float64, size), 0.0
		for i := range pool {
			pool[i] = float64(rng.IntN(2))
			mean += pool[i] / size
		}
		for n := from + 1; n <= size; n++ {
			e := Pool(0.5, size, pool[:n], from, DefaultRho)
			if e.Center+Excess(exact, e, 0.5, NewPrior(DefaultRho, 1, 1), delta) < mean-1e-12 {
				bad++
				break
			}
		}
		if e := Pool(0.5, size, pool[:from], from, DefaultRho); e.N != 0 || !math.IsInf(Excess(exact, e, 0.5, NewPrior(DefaultRho, 1, 1), delta), 1) {
			t.Fatalf("no draw since, and yet %+v", e)
		}
	}
	if p := float64(bad) / runs; p > delta+3*math.Sqrt(delta*(1-delta)/runs) {
		t.Errorf("crossed in %.3f of the runs", p)
	}
}

func TestPairedExcessCoverage(t *testing.T) {
	const delta, runs, horizon = 0.1, 2000, 1000
	bad := 0
	for s := range runs {
		rng := rand.New(rand.NewPCG(9, uint64(s)))
		sum := 0.0
		for n := 1; n <= horizon; n++ {
			sum += 2 * rng.NormFloat64()
			if sum/float64(n)+PairedExcess(2, n, DefaultRho, delta) < 0 {
				bad++
				break
			}
		}
	}
	p := float64(bad) / runs
	if p > delta+3*math.Sqrt(delta*(1-delta)/runs) {
		t.Errorf("crossed in %.3f of the runs", p)
	}
	if p < delta/10 {
		t.Errorf("crossed in %.3f of the runs only: the bound is far too long", p)
	}
}

func TestSharesSum(t *testing.T) {
	sum := 0.0
	for k := 1; k < 100000; k++ {
		sum += Share(k)
	}
	if sum > 1 || sum < 0.9999 {
		t.Errorf("Σ Share = %g, want just below 1", sum)
	}
}

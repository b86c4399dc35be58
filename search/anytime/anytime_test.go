package anytime

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Quantiles from the tables of R's qchisq.
func TestChiSquare(t *testing.T) {
	for _, c := range []struct {
		p    float64
		nu   int
		want float64
	}{
		{0.05, 1, 0.003932140}, {0.05, 10, 3.940299}, {0.95, 10, 18.30704}, {0.01, 30, 14.95346}, {0.5, 2, 1.386294}, {0.999, 5, 20.51501},
	} {
		if got := ChiSquareQuantile(c.p, c.nu); math.Abs(got/c.want-1) > 1e-6 {
			t.Errorf("quantile(%g, %d) = %.8g, want %.8g", c.p, c.nu, got, c.want)
		}
	}
}

// crossings counts the runs in which |mean| leaves the radius at any n ≤ horizon.
func crossings(runs, horizon int, radius func(n int) float64) float64 {
	r := make([]float64, horizon+1)
	for n := 1; n <= horizon; n++ {
		r[n] = radius(n)
	}
	bad := 0
	for s := range runs {
		rng := rand.New(rand.NewPCG(1, uint64(s)))
		sum := 0.0
		for n := 1; n <= horizon; n++ {
			sum += rng.NormFloat64()
			if math.Abs(sum)/float64(n) > r[n] {
				bad++
				break
			}
		}
	}
	return float64(bad) / float64(runs)
}

// An arm against a mean that is known: Width is then the normal mixture's radius.
func TestRadiusCoverage(t *testing.T) {
	const alpha, runs, horizon = 0.1, 1000, 2000
	slack := 3 * math.Sqrt(alpha*(1-alpha)/runs)
	if p := crossings(runs, horizon, func(n int) float64 { return Width(Infinite(1, n, 0, DefaultRho), Evidence{}, alpha) }); p > alpha+slack {
		t.Errorf("the anytime radius is crossed in %.3f of the runs, more than %.2f", p, alpha)
	}
	// Negative control: the test is able to fail.
	if p := crossings(runs, horizon, func(n int) float64 { return fixedRadius(1, n, alpha) }); p <= alpha+slack {
		t.Errorf("the fixed-n radius survives adaptive stopping (%.3f): the coverage test cannot fail", p)
	}
}

// The difference of two arms, sampled by a rule that looks at the data.
func TestWidthCoverageAdaptive(t *testing.T) {
	const delta, runs, horizon = 0.1, 1000, 2000
	bad, badFixed := 0, 0
	for s := range runs {
		rng := rand.New(rand.NewPCG(2, uint64(s)))
		var sum [2]float64
		var n [2]int
		hit, hitFixed := false, false
		for range horizon {
			// Whichever arm looks better is sampled more: the worst of habits.
			k := 0
			if n[0] > 0 && (n[1] == 0 || (sum[1]/float64(n[1]) > sum[0]/float64(n[0])) == (rng.IntN(4) > 0)) {
				k = 1
			}
			sum[k] += rng.NormFloat64()
			n[k]++
			if n[0] == 0 || n[1] == 0 {
				continue
			}
			a, b := Infinite(1, n[0], sum[0], DefaultRho), Infinite(1, n[1], sum[1], DefaultRho)
			d := math.Abs(a.Center - b.Center)
			hit = hit || d > Width(a, b, delta)
			hitFixed = hitFixed || d > math.Sqrt(2*(1/float64(n[0])+1/float64(n[1]))*math.Log(2/delta))
		}
		if hit {
			bad++
		}
		if hitFixed {
			badFixed++
		}
	}
	limit := delta + 3*math.Sqrt(delta*(1-delta)/runs)
	if p := float64(bad) / runs; p > limit {
		t.Errorf("the difference's width is crossed in %.3f of the runs", p)
	}
	if p := float64(badFixed) / runs; p <= limit {
		t.Errorf("the fixed-n width survives (%.3f): the coverage test cannot fail", p)
	}
}

// Draws without replacement: the pool's mean stays inside, and at the end it is
// known exactly.
func TestPoolCoverage(t *testing.T) {
	const delta, runs, size = 0.1, 1000, 40
	bad := 0
	for s := range runs {
		rng := rand.New(rand.NewPCG(3, uint64(s)))
		pool := make([]float64, size)
		mean := 0.0
		for i := range pool {
			pool[i] = float64(rng.IntN(2)) // range 1: sub-Gaussian with 1/2
			mean += pool[i] / size
		}
		known := Evidence{N: 1}
		for n := 1; n <= size; n++ {
			e := Pool(0.5, size, pool[:n], 0, DefaultRho)
			if math.Abs(e.Center-mean) > Width(e, known, delta)+1e-12 {
				bad++
				break
			}
		}
		e := Pool(0.5, size, pool, 0, DefaultRho)
		if e.Var != 0 || math.Abs(e.Center-mean) > 1e-12 {
			t.Fatalf("an exhausted pool is not exact: %+v, mean %g", e, mean)
		}
	}
	if p := float64(bad) / runs; p > delta+3*math.Sqrt(delta*(1-delta)/runs) {
		t.Errorf("the pool's width is crossed in %.3f of the runs", p)
	}
}

func TestSigmaUpperCovers(t *testing.T) {
	const beta, runs, nu = 0.05, 4000, 8
	bad := 0
	for s := range runs {
		rng := rand.New(rand.NewPCG(4, uint64(s)))
		ss := 0.0
		for range nu {
			x := rng.NormFloat64()
			ss += x * x
		}
		if SigmaUpper(math.Sqrt(ss/nu), nu, beta) < 1 {
			bad++
		}
	}
	if p := float64(bad) / runs; math.Abs(p-beta) > 3*math.Sqrt(beta*(1-beta)/runs) {
		t.Errorf("σ's upper bound fails in %.4f of the runs, want %.2f", p, beta)
	}
}

func TestDeltaSums(t *testing.T) {
	sum := 0.0
	for i := 1; i < 100000; i++ {
		sum += Delta(0.05, i)
	}
	if sum > 0.05 || sum < 0.0499 {
		t.Errorf("Σδ_i = %g, want just below 0.05", sum)
	}
}

func TestFurtherReachesTarget(t *testing.T) {
	p := NewPrior(DefaultRho, 4, 1)
	width := func(m float64) float64 {
		return Excess(Infinite(1, int(6*m), 0, DefaultRho), Infinite(1, int(3*m), 0, DefaultRho), 1, p, 0.01)
	}
	n := Further(width, 9, 0.25)
	if got := width(float64(9+n) / 9); n <= 0 || got > 0.25 || got < 0.24 {
		t.Errorf("Further = %d reaches width %g, want just under 0.25", n, got)
	}
	if Further(width, 9, 0) != -1 || Further(width, 9, width(1)) != 0 {
		t.Error("a target of 0 was promised, or one already met was not seen")
	}
}

// With one candidate the bound is that of two equally sampled arms,
// 4·2σ²/gap²·kl; with K equal ones the incumbent's share is √K to 1.
func TestCertificateBound(t *testing.T) {
	got := Certificate(1, []float64{0.5}, 0.05)
	want := 8 / 0.25 * KLBernoulli(0.05)
	if math.Abs(got/want-1) > 1e-9 {
		t.Errorf("one candidate: %g, want %g", got, want)
	}
	const k = 9
	gaps := make([]float64, k)
	for i := range gaps {
		gaps[i] = 0.5
	}
	// Allocation (√K : 1 each) gives D·(√K/(1+√K)) per … (1+√K)²/D in all.
	want = math.Pow(1+math.Sqrt(k), 2) / (0.25 / 2) * KLBernoulli(0.05)
	if got := Certificate(1, gaps, 0.05); math.Abs(got/want-1) > 1e-9 {
		t.Errorf("%d candidates: %g, want %g", k, got, want)
	}
	if !math.IsInf(Certificate(1, []float64{0.5, -0.1}, 0.05), 1) {
		t.Error("a false claim has a finite bound")
	}
}

// fixedRadius is Hoeffding's half-width for one n chosen in advance, σ·√(2 ln(2/α)/n).
func fixedRadius(sigma float64, n int, alpha float64) float64 {
	if n == 0 {
		return math.Inf(1)
	}
	return sigma * math.Sqrt(2*math.Log(2/alpha)/float64(n))
}

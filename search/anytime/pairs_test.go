package anytime

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Bounds by pairs cover under every habit, also with few samples. What is not paid for is
// found out: the first pair taken for σ, and differences of samples that were not asked for
// together – the second one only where the first looked good – taken for pairs.
func TestPairsCover(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates thousands of boundaries: make test")
	}
	const delta, runs, horizon = 0.1, 300, 40
	limit := delta + 3*math.Sqrt(delta*(1-delta)/runs)
	prior := NewPrior(DefaultRho, 9, 1)
	worst := 0.0 // of the first pair taken for σ
	for name := range habits(nil) {
		crossed, plugged := 0, 0
		for s := range runs {
			rng := rand.New(rand.NewPCG(8, uint64(s)))
			pick := habits(rng)[name]
			var pairs, first Pairs
			var sum, mean [2]float64
			var n [2]int
			over, overPlugged := false, false
			for range horizon {
				k := pick(n, mean)
				a, b := rng.NormFloat64(), rng.NormFloat64()
				if pairs.Add(a, b); first.N() < 1 {
					first.Add(a, b)
				}
				sum[k], n[k] = sum[k]+a+b, n[k]+2
				mean[k] = sum[k] / float64(n[k])
				if n[0] == 0 || n[1] == 0 {
					continue
				}
				x, z := Infinite(1, n[0], sum[0], DefaultRho), Infinite(1, n[1], sum[1], DefaultRho)
				d := z.Center - x.Center
				over = over || d+pairs.Excess(x, z, prior, delta) < 0
				overPlugged = overPlugged || d+Excess(x, z, first.Sigma(), prior, delta) < 0
			}
			if over {
				crossed++
			}
			if overPlugged {
				plugged++
			}
		}
		t.Logf("%-20s crossed in %.3f of the runs (the first pair taken for σ: in %.3f)", name, float64(crossed)/runs, float64(plugged)/runs)
		if p := float64(crossed) / runs; p > limit {
			t.Errorf("%s: crossed in %.3f of the runs, more than %.2f", name, p, delta)
		}
		worst = max(worst, float64(plugged)/runs)
	}
	if worst <= limit {
		t.Errorf("the first pair taken for σ survives (%.3f): the test cannot fail", worst)
	}
}

// E is a martingale whatever the σ: its mean over draws stays one, where samples in pairs
// are stopped by what their sums say; not where the second of a pair is asked for because
// of the first.
func TestPairsAreAMartingale(t *testing.T) {
	mean := func(together bool) float64 {
		total := 0.0
		const runs = 40000
		for s := range runs {
			rng := rand.New(rand.NewPCG(9, uint64(s)))
			var p Pairs
			for range 6 {
				a, b := 3*rng.NormFloat64(), 3*rng.NormFloat64()
				if !together && math.Abs(a) > 1.5 { // given up: it does not look like the mean
					continue
				}
				if p.Add(a, b); a+b > 6 {
					break
				}
			}
			total += math.Exp(p.against(9))
		}
		return total / runs
	}
	if got := mean(true); math.Abs(got-1) > 0.05 {
		t.Errorf("E at the true σ is %.3f on average, not 1", got)
	}
	if got := mean(false); got < 1.2 {
		t.Errorf("pairs asked for one by one pass with %.3f: the test cannot fail", got)
	}
}

// The bound is the largest over all σ of those at the σ, by brute force.
func TestPairsExcessIsTheLargest(t *testing.T) {
	prior := NewPrior(DefaultRho, 8, 1)
	for _, n := range []int{16, 60} {
		var p Pairs
		for i := range n {
			p.Add(0, 1.4*math.Sqrt2*math.Sqrt(float64(1+i%3)/2))
		}
		for _, delta := range []float64{0.05, 0.005} {
			for _, at := range [][2]int{{6, 2}, {2, 10}} {
				x, z := Infinite(1, at[0], 0, DefaultRho), Infinite(1, at[1], 0, DefaultRho)
				want := 0.0
				for v := 0.3; v < 60; v *= 1.1 {
					// A smaller δ is what E leaves of it, and exactExcess knows σ = 1.
					if left := math.Log(1/delta) - p.against(v); left > -2 {
						want = max(want, math.Sqrt(v)*exactExcess(float64(at[0]), float64(at[1]), prior, math.Exp(-left)))
					}
				}
				got := p.Excess(x, z, prior, delta)
				if got < want*(1-1e-6) || got > 1.35*want {
					t.Errorf("%d pairs, δ %g, %v samples: half-width %.4g, by brute force %.4g", n, delta, at, got, want)
				}
			}
		}
	}
	var p Pairs
	one := Infinite(1, 4, 0, DefaultRho)
	for range 3 {
		if p.Add(1, 2); !math.IsInf(p.Excess(one, one, prior, 0.01), 1) {
			t.Errorf("%d pairs bound σ at δ = 0.01", p.N())
		}
	}
	p = Pairs{}
	for range 30 {
		p.Add(1, 1)
	}
	if !math.IsInf(p.Excess(one, one, prior, 0.01), 1) {
		t.Error("equal samples bound a difference")
	}
}

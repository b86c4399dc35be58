package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestQuantileUpperNeedsThePublishedNumbers(t *testing.T) {
	for _, c := range []struct {
		q, level float64
		want     int
	}{{.9, .95, 29}, {.95, .95, 59}, {.99, .95, 299}, {.5, .95, 5}, {.95, .99, 90}} {
		if got := QuantileUpperNeeds(c.q, c.level); got != c.want {
			t.Errorf("%v at %v needs %d, want %d", c.q, c.level, got, c.want)
		}
		if k, ok := QuantileUpperRank(c.want, c.q, c.level); !ok || k != c.want {
			t.Errorf("%v at %v with n=%d: rank %d, %v", c.q, c.level, c.want, k, ok)
		}
		if _, ok := QuantileUpperRank(c.want-1, c.q, c.level); ok {
			t.Errorf("%v at %v: n=%d was accepted", c.q, c.level, c.want-1)
		}
	}
	if k, _ := QuantileUpperRank(93, .95, .95); k != 92 { // second largest from n = 93 on
		t.Errorf("n=93: rank %d, want 92", k)
	}
}

func TestRankCorrelations(t *testing.T) {
	x := []float64{1, 2, 3, 4, 5}
	y := []float64{2, 1, 4, 3, 5}
	near(t, "Spearman", Spearman(x, y), 0.8, 1e-12)
	near(t, "Kendall", Kendall(x, y), 0.6, 1e-12)
	// scipy 1.x: kendalltau([1,2,2,3],[1,2,3,3]) and spearmanr of the same
	near(t, "Kendall with ties", Kendall([]float64{1, 2, 2, 3}, []float64{1, 2, 3, 3}), 0.8, 1e-12)
	near(t, "Spearman with ties", Spearman([]float64{1, 2, 2, 3}, []float64{1, 2, 3, 3}), 5.0/6, 1e-12)
	if !math.IsNaN(Spearman(x, []float64{1, 1, 1, 1, 1})) {
		t.Error("a constant has a rank correlation")
	}
}

// The promise behind η: over 2,000 draws, the bound lies below the true quantile
// in at most β of them (plus three standard errors of the simulation).
func TestUpperRankKeepsItsPromise(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	const draws, beta = 2000, 0.05
	for _, c := range []struct {
		q float64
		n int
	}{{.9, 29}, {.9, 60}, {.95, 59}, {.95, 150}, {.99, 299}} {
		k, ok := QuantileUpperRank(c.n, c.q, 1-beta)
		if !ok {
			t.Fatal("too few")
		}
		below := 0
		for range draws {
			x := make([]float64, c.n)
			for i := range x {
				x[i] = rng.ExpFloat64() // heavy enough a tail for relative errors
			}
			if Smallest(x, k) < -math.Log(1-c.q) {
				below++
			}
		}
		if rate := float64(below) / draws; rate > beta+3*math.Sqrt(beta*(1-beta)/draws) {
			t.Errorf("q=%v n=%d: the true quantile exceeds the bound in %.3f of the draws, promised %v", c.q, c.n, rate, beta)
		}
	}
}

func TestConformalRankCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for _, n := range []int{19, 20, 40, 100} {
		k, ok := ConformalRank(n, 0.95)
		if !ok {
			t.Fatalf("n=%d: too few", n)
		}
		in := 0
		const draws = 4000
		for range draws {
			x := make([]float64, n)
			for i := range x {
				x[i] = rng.ExpFloat64()
			}
			if rng.ExpFloat64() <= Smallest(x, k) {
				in++
			}
		}
		if rate := float64(in) / draws; rate < 0.95-3*math.Sqrt(.95*.05/draws) {
			t.Errorf("n=%d: covered %.3f, promised 0.95", n, rate)
		}
	}
	if _, ok := ConformalRank(18, 0.95); ok {
		t.Error("18 scores cannot promise 0.95")
	}
}

package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func near(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s = %v, want %v ± %v", what, got, want, tol)
	}
}

func TestMedianAndQuantiles(t *testing.T) {
	x := []float64{9, 1, 4, 2}
	near(t, "median even", Median(x), 3, 0)
	near(t, "median odd", Median(x[:3]), 4, 0)
	near(t, "MAD", MAD([]float64{1, 1, 2, 2, 4, 6, 9}), 1, 0) // Wikipedia's worked example
	near(t, "q25", Quantile(x, 0.25), 1.75, 1e-15)            // numpy.quantile([1,2,4,9], .25)
	near(t, "q1", Quantile(x, 1), 9, 0)
	if x[0] != 9 {
		t.Error("the input was sorted in place")
	}
	if !math.IsNaN(Median(nil)) || !math.IsNaN(Quantile(nil, 0.5)) {
		t.Error("an empty sample must have no centre")
	}
	lo, hi := TukeyFences([]float64{1, 2, 3, 4, 5})
	near(t, "lower fence", lo, -1, 0)
	near(t, "upper fence", hi, 7, 0)
}

func TestBinomialCDFAgainstExactSums(t *testing.T) {
	// Oracle: P(B ≤ 2), n = 6, p = 1/2 is (1+6+15)/64.
	near(t, "n=6", BinomialCDF(6, 2, 0.5), 22.0/64, 1e-14)
	// scipy.stats.binom.cdf(55, 59, .95)
	near(t, "n=59 k=58", BinomialCDF(59, 58, 0.95), 1-math.Pow(0.95, 59), 1e-13)
	near(t, "symmetry", BinomialCDF(1000, 499, 0.5)+BinomialCDF(1000, 500, 0.5), 1, 1e-12)
	for k := range 20 {
		if BinomialCDF(20, k, 0.3) > BinomialCDF(20, k+1, 0.3) {
			t.Fatalf("not monotone at %d", k)
		}
	}
}

func TestMedianRanksMatchThePublishedTable(t *testing.T) {
	// Conover, Practical Nonparametric Statistics, and every sign-test table: at 95 %
	// the ranks are 1,6 of 6; 2,9 of 10; 10,21 of 30; 40,61 of 100.
	for _, c := range [][3]int{{6, 1, 6}, {10, 2, 9}, {30, 10, 21}, {100, 40, 61}} {
		lo, hi, ok := QuantileRanks(c[0], 0.5, 0.95)
		if !ok || lo != c[1] || hi != c[2] {
			t.Errorf("n=%d: ranks %d,%d ok=%v, want %d,%d", c[0], lo, hi, ok, c[1], c[2])
		}
	}
	if _, _, ok := QuantileRanks(5, 0.5, 0.95); ok {
		t.Error("five values cannot bound a median at 95 %")
	}
}

func TestQuantileIntervalCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const runs = 4000
	for _, c := range []struct {
		n     int
		q     float64
		truth float64
	}{{10, 0.5, math.Ln2}, {40, 0.25, -math.Log(0.75)}} {
		hit := 0
		for range runs {
			x := make([]float64, c.n)
			for i := range x {
				x[i] = rng.ExpFloat64()
			}
			lo, hi, ok := QuantileInterval(x, c.q, 0.95)
			if !ok {
				t.Fatal("no interval")
			}
			if lo <= c.truth && c.truth <= hi {
				hit++
			}
		}
		if got := float64(hit) / runs; got < 0.945 {
			t.Errorf("n=%d q=%v: covers %.3f, want at least 0.95", c.n, c.q, got)
		}
	}
}

func TestEndpointIntervalCovers(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const runs = 4000
	for _, index := range []float64{1, 2} {
		hit := 0
		for range runs {
			x := make([]float64, 20)
			for i := range x {
				// F(x) ~ x^index near the endpoint 100.
				x[i] = 100 + math.Pow(rng.ExpFloat64(), 1/index)
			}
			lo, hi, _ := EndpointInterval(x, 5, index, 0.95)
			if lo <= 100 && 100 <= hi {
				hit++
			}
		}
		if got := float64(hit) / runs; got < 0.93 || got > 0.99 {
			t.Errorf("index %v: covers %.3f, want about 0.95", index, got)
		}
	}
	if _, _, ok := EndpointInterval([]float64{1, 2, 3}, 5, 1, 0.95); ok {
		t.Error("three values cannot give five order statistics")
	}
}

func TestSumIntervalCoversADifferenceOfMinima(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const runs = 3000
	hit := 0
	draw := func(at float64) (est, lo, hi float64) {
		x := make([]float64, 20)
		for i := range x {
			x[i] = at + rng.ExpFloat64()
		}
		lo, hi, _ = EndpointInterval(x, 5, 1, 0.95)
		return hi, lo, hi
	}
	for range runs {
		a, alo, ahi := draw(100)
		b, blo, bhi := draw(70)
		lo, hi := SumInterval([]float64{1, -1}, []float64{a, b}, []float64{alo, blo}, []float64{ahi, bhi})
		if lo <= 30 && 30 <= hi {
			hit++
		}
	}
	if got := float64(hit) / runs; got < 0.93 {
		t.Errorf("covers %.3f, want about 0.95", got)
	}
}

func TestWithinBetween(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	groups := make([][]float64, 400)
	for i := range groups {
		shift := 3 * rng.NormFloat64()
		for range 5 {
			groups[i] = append(groups[i], 50+shift+2*rng.NormFloat64())
		}
	}
	w, b := WithinBetween(groups)
	near(t, "within", w, 2, 0.15)
	near(t, "between", b, 3, 0.35)
	if _, b := WithinBetween([][]float64{{1, 2}}); b != 0 {
		t.Errorf("one group has no between: %v", b)
	}
}

func TestStudentQuantile(t *testing.T) {
	// Two-sided 95 %: Abramowitz and Stegun, table 26.10.
	for df, want := range map[int]float64{1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 10: 2.228, 30: 2.042} {
		near(t, "t", StudentQuantile(0.95, df), want, 5e-4)
	}
	near(t, "t of 99 %", StudentQuantile(0.99, 3), 5.841, 5e-4)
}

func TestStudentTail(t *testing.T) {
	for _, df := range []int{1, 2, 7, 29} {
		near(t, "the tail of a quantile", StudentTail(-StudentQuantile(0.95, df), df), 0.05, 1e-8)
	}
	if far := StudentTail(math.Inf(1), 3); far != 0 || StudentTail(0, 3) != 1 {
		t.Errorf("beyond everything %g", far)
	}
}

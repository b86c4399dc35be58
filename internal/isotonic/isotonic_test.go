package isotonic

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// brute minimises over all partitions into level sets by the max–min formula:
// x_i = max over upper sets U∋i, min over lower sets L∋i, of the mean of U∩L.
// Barlow et al. (1972), theorem 2.1. Exponential: n ≤ 9.
func brute(y, w []float64, less func(i, j int) bool) []float64 {
	n := len(y)
	var uppers []int
	for s := 1; s < 1<<n; s++ {
		ok := true
		for i := range n {
			for j := range n {
				if s>>i&1 == 1 && s>>j&1 == 0 && less(i, j) {
					ok = false
				}
			}
		}
		if ok {
			uppers = append(uppers, s)
		}
	}
	full := 1<<n - 1
	x := make([]float64, n)
	for i := range n {
		best := math.Inf(-1)
		for _, u := range uppers {
			if u>>i&1 == 0 {
				continue
			}
			worst := math.Inf(1)
			for _, c := range append([]int{0}, uppers...) { // lower sets are complements
				l := full &^ c
				if l>>i&1 == 0 {
					continue
				}
				var sum, weight float64
				for k := range n {
					if (u&l)>>k&1 == 1 {
						sum += w[k] * y[k]
						weight += w[k]
					}
				}
				worst = min(worst, sum/weight)
			}
			best = max(best, worst)
		}
		x[i] = best
	}
	return x
}

func TestOrderAgainstBruteForce(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	// Decades that the weights spread over: those of one family are the inverse
	// squares of standard errors, and its costs may lie six decades apart.
	for _, decades := range []float64{0, 1, 6, 12, 18} {
		for range 300 {
			n, dims := 2+rng.IntN(7), 1+rng.IntN(3)
			at := make([][]int, n)
			y, w := make([]float64, n), make([]float64, n)
			for i := range n {
				for range dims {
					at[i] = append(at[i], rng.IntN(4))
				}
				y[i], w[i] = math.Round(rng.Float64()*20), math.Pow(10, decades*(rng.Float64()-0.5))
			}
			less := product(at)
			got, want := Order(y, w, less), brute(y, w, less)
			for i := range n {
				if math.Abs(got[i]-want[i]) > 1e-9 {
					t.Fatalf("weights over %v decades, points %v values %v weights %v:\n got %v\nwant %v", decades, at, y, w, got, want)
				}
			}
		}
	}
}

// product is the strict product order; equal points are ordered by index, so that
// it stays a partial order.
func product(at [][]int) func(i, j int) bool {
	return func(i, j int) bool {
		for d := range at[i] {
			if at[i][d] > at[j][d] {
				return false
			}
		}
		return !slices.Equal(at[i], at[j])
	}
}

func TestOrderOnALineIsChain(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 9))
	for range 50 {
		n := 1 + rng.IntN(60)
		y, w := make([]float64, n), make([]float64, n)
		for i := range n {
			y[i], w[i] = float64(i)/10+rng.NormFloat64(), 0.1+rng.Float64()
		}
		got, want := Order(y, w, func(i, j int) bool { return i < j }), Chain(y, w)
		for i := range n {
			if math.Abs(got[i]-want[i]) > 1e-9 {
				t.Fatalf("Order gives %v, Chain %v", got, want)
			}
		}
	}
}

// On a noisy 12×12 grid the solution must be in order, and optimal: the residual
// y−x is orthogonal to x and makes no sharp angle with any monotone direction
// (the indicator of each point's upper set). Moreau's conditions for cones.
func TestOrderOnAGridIsTheProjection(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, noise := range []float64{0.3, 3, 30} {
		var at [][]int
		var y, w []float64
		for i := range 12 {
			for j := range 12 {
				at = append(at, []int{i, j})
				y = append(y, 10+float64(i+j)+noise*rng.NormFloat64())
				w = append(w, 0.5+rng.Float64())
			}
		}
		less := product(at)
		x := Order(y, w, less)
		dot := 0.0
		for i := range x {
			dot += w[i] * (y[i] - x[i]) * x[i]
			upper := w[i] * (y[i] - x[i])
			for j := range x {
				if less(i, j) {
					if x[i] > x[j] {
						t.Fatalf("noise %v: %v at %v above %v at %v", noise, x[i], at[i], x[j], at[j])
					}
					upper += w[j] * (y[j] - x[j])
				}
			}
			if upper > 1e-9 {
				t.Errorf("noise %v: raising everything above %v would be better (%v)", noise, at[i], upper)
			}
		}
		if math.Abs(dot) > 1e-8 {
			t.Errorf("noise %v: residual is not orthogonal to the solution: %v", noise, dot)
		}
	}
}

func TestChainKeepsWhatIsInOrder(t *testing.T) {
	y := []float64{0.1, 0.2, 0.30000000000000004, 0.7}
	if got := Chain(y, nil); !slices.Equal(got, y) {
		t.Errorf("Chain(%v) = %v", y, got)
	}
}

// Vectors of scikit-learn's IsotonicRegression; scripts/isotonic-vectors.py makes
// them.
func TestChainAgainstScikitLearn(t *testing.T) {
	data, err := os.ReadFile("testdata/sklearn.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Command string
		Version string
		Cases   []struct{ Y, W, X []float64 }
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 20 {
		t.Fatalf("only %d vectors", len(file.Cases))
	}
	for n, c := range file.Cases {
		got := Chain(c.Y, c.W)
		for i := range c.X {
			if math.Abs(got[i]-c.X[i]) > 1e-9 {
				t.Fatalf("case %d: got %v, scikit-learn %s has %v", n, got, file.Version, c.X)
			}
		}
	}
}

// Product is Order on the product order, to the last bit: of grids, of scattered points,
// with an order of which a part is taken away.
func TestProductIsOrder(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 1))
	for round := range 300 {
		n, dims := 2+rng.IntN(120), 1+rng.IntN(4)
		seen := map[string]bool{}
		var at [][]int
		for range n {
			p := make([]int, dims)
			for d := range p {
				p[d] = rng.IntN(6)
			}
			if key := string(mustJSON(t, p)); !seen[key] {
				seen[key] = true
				at = append(at, p)
			}
		}
		y, w := make([]float64, len(at)), make([]float64, len(at))
		for i, p := range at {
			y[i], w[i] = 10, 0.5+rng.Float64()
			for _, c := range p {
				y[i] += float64(c) * (1 + 0.5*rng.NormFloat64())
			}
		}
		var allowed func(i, j int) bool
		if round%3 == 0 { // two halves that know nothing of each other
			allowed = func(i, j int) bool { return at[i][0]/3 == at[j][0]/3 }
		}
		want := Order(y, w, func(i, j int) bool { return i != j && below(at[i], at[j]) && (allowed == nil || allowed(i, j)) })
		if got, err := Product(t.Context(), y, w, at, allowed); err != nil || !slices.Equal(got, want) {
			t.Fatalf("round %d: %d points of %d dimensions: %v, want %v", round, len(at), dims, got, want)
		}
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

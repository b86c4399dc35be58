package explore

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestGaussianProcess holds the posterior against the textbook's formulas, by Gauss's
// elimination of the joint covariance instead of a Cholesky factor.
func TestGaussianProcess(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var xs []features
	var y, noise []float64
	for range 9 {
		f := features{counts: make([]float64, 3)}
		for range 5 {
			c := rng.IntN(3)
			f.choice, f.width, f.precision = append(f.choice, c), append(f.width, rng.Float64()), append(f.precision, rng.IntN(2))
			f.counts[c]++
		}
		xs, y, noise = append(xs, f), append(y, rng.NormFloat64()), append(noise, 0.1+rng.Float64())
	}
	k := kernel{scale: 3, smooth: 0.4, within: 2}
	p, ok := fit(nil, k, xs[:8], y[:8], noise[:8])
	if !ok {
		t.Fatal("the covariance is not positive definite")
	}
	means, lefts, _ := p.at([]*features{&xs[8]})
	mean, left := means[0], lefts[0]
	solve := func(b []float64) []float64 {
		n := len(b)
		m := make([][]float64, n)
		for i := range n {
			m[i] = make([]float64, n+1)
			for j := range n {
				m[i][j] = k.of(&xs[i], &xs[j])
			}
			m[i][i] += noise[i] + 1e-9
			m[i][n] = b[i]
		}
		for c := range n {
			for r := range n {
				if r != c {
					f := m[r][c] / m[c][c]
					for j := range n + 1 {
						m[r][j] -= f * m[c][j]
					}
				}
			}
		}
		out := make([]float64, n)
		for i := range n {
			out[i] = m[i][n] / m[i][i]
		}
		return out
	}
	one, ky := solve(constant(8, 1)), solve(y[:8])
	mu := sum(ky) / sum(one)
	cross := make([]float64, 8)
	want, v := mu, 1.0
	for i := range cross {
		cross[i] = k.of(&xs[8], &xs[i])
		want += cross[i] * (ky[i] - mu*one[i])
	}
	for i, w := range solve(cross) {
		v -= cross[i] * w
	}
	if math.Abs(mean-want) > 1e-9 || math.Abs(left-v) > 1e-9 {
		t.Errorf("posterior %.9f ± %.9f of the signal, want %.9f and %.9f", mean, left, want, v)
	}
}

func sum(v []float64) float64 {
	s := 0.0
	for _, x := range v {
		s += x
	}
	return s
}

// A batch's later proposals see the earlier ones as evaluated: the row that is
// appended for a pick leaves the variance that a process with the pick in it has.
func TestBelieverVariance(t *testing.T) {
	k := kernel{scale: 2, smooth: 0, within: 1}
	at := func(c ...int) features {
		return features{choice: c, width: make([]float64, len(c)), precision: make([]int, len(c))}
	}
	xs := []features{at(0, 0, 0), at(1, 0, 0), at(1, 1, 2)}
	noise := constant(3, 0.2)
	p, _ := fit(nil, k, xs, []float64{1, 2, 0}, noise)
	pick, other := at(0, 1, 0), at(0, 1, 2)
	mean, left, v := p.at([]*features{&pick, &other})
	cov := k.of(&other, &pick)
	for m := range v[0] {
		cov -= v[1][m] * v[0][m]
	}
	sd := math.Sqrt(left[0] + 0.2)
	got := left[1] - cov/sd*cov/sd
	q, _ := fit(nil, k, append(xs, pick), []float64{1, 2, 0, mean[0]}, append(noise, 0.2))
	if _, want, _ := q.at([]*features{&other}); math.Abs(got-want[0]) > 1e-6 {
		t.Errorf("variance %.9f, a process with the pick in it has %.9f", got, want[0])
	}
}

// Rows are worked on four at once and taken over from an earlier process: the factor is to the
// last bit what one row after another gives, and so is each solution with it. A search that is
// replayed must propose what it proposed.
func TestFactorsAreTheSameHoweverTheyAreMade(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 3))
	k := kernel{scale: 2, smooth: 0.5, within: 2}
	var xs []features
	var y, noise []float64
	var old *process
	for n := range 40 {
		f := features{counts: make([]float64, 4)}
		for range 6 {
			c := rng.IntN(4)
			f.choice, f.width, f.precision = append(f.choice, c), append(f.width, rng.Float64()), append(f.precision, 0)
			f.counts[c]++
		}
		xs, y, noise = append(xs, f), append(y, rng.NormFloat64()), append(noise, 0.1)
		if n%7 == 3 { // one of the first is evaluated again
			noise[n/2] /= 2
		}
		p, ok := fit(old, k, xs, y, slices.Clone(noise))
		if !ok {
			t.Fatal("the covariance is not positive definite")
		}
		for i := range xs { // row by row, as in a textbook
			row := make([]float64, i+1)
			for j := range row {
				sum := k.of(&xs[i], &xs[j])
				if i == j {
					sum += noise[i] + 1e-9
				}
				for m := range j {
					sum -= float64(row[m] * p.l[j][m])
				}
				row[j] = sum / p.l[j][j]
				if i == j {
					row[j] = math.Sqrt(sum)
				}
			}
			if !slices.Equal(row, p.l[i]) {
				t.Fatalf("%d values: row %d is %v, want %v", n+1, i, p.l[i], row)
			}
		}
		five := [][]float64{y, noise, y, constant(n+1, 1), noise}
		for i := range five {
			five[i] = slices.Clone(five[i])
		}
		p.forwards(five)
		for i, b := range [][]float64{y, noise, y, constant(n+1, 1), noise} {
			if want := p.forward(b); !slices.Equal(five[i], want) {
				t.Fatalf("%d values: the %d-th of five is %v, alone %v", n+1, i, five[i], want)
			}
		}
		old = p
	}
}

package explore

import (
	"math"
	"math/rand/v2"
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
	mean, left := p.at(&xs[8], &view{})
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
	var v, v2 view
	mean, left := p.at(&pick, &v)
	_, left2 := p.at(&other, &v2)
	cov := k.of(&other, &pick)
	for m := range v.v {
		cov -= v2.v[m] * v.v[m]
	}
	sd := math.Sqrt(left + 0.2)
	got := left2 - cov/sd*cov/sd
	q, _ := fit(nil, k, append(xs, pick), []float64{1, 2, 0, mean}, append(noise, 0.2))
	if _, want := q.at(&other, &view{}); math.Abs(got-want) > 1e-6 {
		t.Errorf("variance %.9f, a process with the pick in it has %.9f", got, want)
	}
}

// A process that goes on from another, and a view that grows with it, are to the bit
// what they are when made at once.
func TestProcessGrows(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	k := kernel{scale: 2, smooth: 0.5, within: 1.4}
	var xs []features
	var y, noise []float64
	var before *process
	var grown view
	other := features{choice: []int{0, 1, 2, 0}, width: make([]float64, 4), precision: make([]int, 4), counts: []float64{2, 1, 1}}
	for step := range 6 {
		for range 3 {
			f := features{counts: make([]float64, 3), width: make([]float64, 4), precision: make([]int, 4)}
			for range 4 {
				c := rng.IntN(3)
				f.choice = append(f.choice, c)
				f.counts[c]++
			}
			xs, y, noise = append(xs, f), append(y, rng.NormFloat64()), append(noise, 0.3)
		}
		if step == 3 {
			noise[4] = 0.15 // evaluated again
		}
		p, _ := fit(before, k, xs, y, append([]float64(nil), noise...))
		q, _ := fit(nil, k, xs, y, noise)
		if step > 0 && step != 3 && p.kept != len(xs)-3 || step == 3 && p.kept != 4 {
			t.Fatalf("step %d: %d rows of %d kept", step, p.kept, len(xs))
		}
		grown.keep(p.known, p.kept)
		m1, l1 := p.at(&other, &grown)
		m2, l2 := q.at(&other, &view{})
		own, _ := q.at(&xs[2], &view{})
		if m1 != m2 || l1 != l2 || p.logLik != q.logLik || p.own(2) != own {
			t.Errorf("step %d: grown %g, %g, at once %g, %g; own %g, %g", step, m1, l1, m2, l2, p.own(2), own)
		}
		before = p
	}
}

package explore

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// lettered is a space of layers with three choices, widths and two precisions.
type lettered struct {
	space.Space
	layers int
}

func (s lettered) Layers() int                    { return s.layers }
func (s lettered) Choices(int) []string           { return []string{"a", "b", "c"} }
func (s lettered) Precisions(int) []lut.Precision { return []lut.Precision{lut.FP32, lut.INT8} }
func (s lettered) WidthRatio(_, i int) float64    { return 1 + 0.3*float64(i) }

func (s lettered) draw(rng *rand.Rand) (a space.Arch) {
	for l := range s.layers {
		a.Layers = append(a.Layers, space.Layer{Choice: s.Choices(l)[rng.IntN(3)], Width: rng.IntN(9), Precision: s.Precisions(l)[rng.IntN(2)]})
	}
	return a
}

// apart is what distance holds, from its definition.
func (s lettered) apart(a, b space.Arch) distance {
	var d distance
	counts := map[string]float64{}
	for l, x := range a.Layers {
		y := b.Layers[l]
		counts[x.Choice]++
		counts[y.Choice]--
		if x.Choice != y.Choice {
			d.layers++
			continue
		}
		d.layers += widthPart * min(1, math.Abs(math.Log(s.WidthRatio(l, x.Width))-math.Log(s.WidthRatio(l, y.Width))))
		if x.Precision != y.Precision {
			d.layers += precisionPart
		}
	}
	for _, n := range counts {
		d.counts2 += n * n
	}
	return d
}

// sampledProcess draws n architectures with values and noise, as features.
func sampledProcess(rng *rand.Rand, s lettered, n int) (e *encoder, archs []space.Arch, xs []features, y, noise []float64) {
	e = newEncoder(s)
	for range n {
		a := s.draw(rng)
		archs, xs, y, noise = append(archs, a), append(xs, e.encode(a)), append(y, rng.NormFloat64()), append(noise, 0.1+rng.Float64())
	}
	return e, archs, xs, y, noise
}

func TestDistances(t *testing.T) {
	s := lettered{layers: 7}
	e, archs, xs, _, _ := sampledProcess(rand.New(rand.NewPCG(3, 3)), s, 23)
	for i, x := range xs {
		for j, d := range e.distances(nil, &x, xs) {
			if want := s.apart(archs[i], archs[j]); d != want {
				t.Errorf("%s and %s are %v apart, want %v", archs[i].Key(), archs[j].Key(), d, want)
			}
		}
	}
}

// solved is what a process expects of an architecture, and what of the variance is left.
func solved(p *process, x features) (mean, left float64) {
	b := &believer{process: p}
	c := &candidate{x: x}
	b.meet([]*candidate{c})
	b.solve([]*candidate{c})
	return c.mean, c.left
}

// TestGaussianProcess holds the posterior against the textbook's formulas, by Gauss's
// elimination of the joint covariance instead of a Cholesky factor.
func TestGaussianProcess(t *testing.T) {
	const n = 19 // two blocks of rows and some
	e, _, xs, y, noise := sampledProcess(rand.New(rand.NewPCG(1, 1)), lettered{layers: 5}, n+1)
	k := kernel{scale: 3, smooth: 0.4, within: 2}
	p, ok := fit(unfitted(e, k, nil), xs[:n], y[:n], noise[:n])
	if !ok {
		t.Fatal("the covariance is not positive definite")
	}
	mean, left := solved(p, xs[n])
	of := func(i, j int) float64 { return k.of(e.distances(nil, &xs[i], xs[j:j+1])[0]) }
	solve := func(b []float64) []float64 {
		m := make([][]float64, n)
		for i := range n {
			m[i] = make([]float64, n+1)
			for j := range n {
				m[i][j] = of(i, j)
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
	one, ky := solve(constant(n, 1)), solve(y[:n])
	mu := sum(ky) / sum(one)
	cross := make([]float64, n)
	want, v := mu, 1.0
	for i := range cross {
		cross[i] = of(n, i)
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

// A batch's later proposals see the earlier ones as evaluated: what a believer leaves of the
// variance is what a process with the proposals in it leaves, and no more than it said at most.
func TestBelieverVariance(t *testing.T) {
	const n, noise = 11, 0.2
	e, _, xs, y, _ := sampledProcess(rand.New(rand.NewPCG(4, 4)), lettered{layers: 4}, n+14)
	k := kernel{scale: 2, smooth: 0, within: 1}
	p, _ := fit(unfitted(e, k, nil), xs[:n], y[:n], constant(n, noise))
	b := &believer{process: p, ratio: noise}
	var pool []*candidate
	for _, x := range xs[n:] {
		pool = append(pool, &candidate{x: x})
	}
	b.meet(pool)
	for picks := range 3 {
		q, _ := fit(unfitted(e, k, nil), xs[:n+picks], y[:n+picks], constant(n+picks, noise))
		for _, c := range pool[picks:] {
			if _, want := solved(q, c.x); c.left < want-1e-9 {
				t.Errorf("%d proposals: at most %.9f is left, a process with them leaves %.9f", picks, c.left, want)
			}
		}
		b.solve(pool[picks : picks+1+picks]) // so many have rows of other lengths
		for _, c := range pool[picks : picks+1+picks] {
			if _, want := solved(q, c.x); math.Abs(c.left-want) > 1e-6 {
				t.Errorf("%d proposals: %.9f is left, a process with them leaves %.9f", picks, c.left, want)
			}
		}
		y[n+picks] = pool[picks].mean
		b.believe(pool[picks])
	}
}

// A process that goes on from another, and what is known of a candidate, are to the bit what
// they are when made at once.
func TestProcessGrows(t *testing.T) {
	s := lettered{layers: 4}
	e, _, xs, y, noise := sampledProcess(rand.New(rand.NewPCG(2, 2)), s, 60)
	k := kernel{scale: 2, smooth: 0.5, within: 1.4}
	before := unfitted(e, k, nil)
	grown := &candidate{x: e.encode(s.draw(rand.New(rand.NewPCG(5, 5))))}
	for step := 1; step <= 6; step++ {
		n := 9 * step
		if step == 4 {
			noise[4] = 0.15 // evaluated again
		}
		p, _ := fit(before, xs[:n], y[:n], append([]float64(nil), noise[:n]...))
		q, _ := fit(unfitted(e, k, nil), xs[:n], y[:n], noise[:n])
		if step != 4 && p.kept != n-9 || step == 4 && p.kept != 4 {
			t.Fatalf("step %d: %d rows of %d kept", step, p.kept, n)
		}
		grown.keep(p.known, p.kept)
		b := &believer{process: p}
		b.meet([]*candidate{grown})
		b.solve([]*candidate{grown})
		mean, left := solved(q, grown.x)
		own, _ := solved(q, xs[2])
		if grown.mean != mean || grown.left != left || p.logLik != q.logLik || p.own()[2] != own {
			t.Errorf("step %d: grown %g, %g, at once %g, %g; own %g, %g", step, grown.mean, grown.left, mean, left, p.own()[2], own)
		}
		before = p.first(n)
	}
}

// The candidate that is worth most is the one it is where all variances are solved for.
func TestMostWorth(t *testing.T) {
	const n, noise = 40, 0.2
	s := lettered{layers: 6}
	e, archs, xs, y, _ := sampledProcess(rand.New(rand.NewPCG(6, 6)), s, n+300)
	p, _ := fit(unfitted(e, kernel{scale: 4, smooth: 0.5, within: 2}, nil), xs[:n], y[:n], constant(n, noise))
	for _, again := range []bool{false, true} {
		x := &bayes{record: &record{}, ratio: noise, again: again}
		best := &leaders{first: 0.1, second: 0}
		lazy, whole := &believer{process: p, ratio: noise}, &believer{process: p, ratio: noise}
		var some, all []*candidate
		for i := n; i < len(xs); i++ {
			some = append(some, &candidate{key: archs[i].Key(), x: xs[i]})
			all = append(all, &candidate{key: archs[i].Key(), x: xs[i]})
		}
		lazy.meet(some)
		whole.meet(all)
		for range 6 {
			for i := range all {
				whole.solve(all[i : i+1])
			}
			want, got := x.mostWorth(all, best, whole), x.mostWorth(some, best, lazy)
			if got != want {
				t.Fatalf("evaluated again %t: candidate %d, want %d", again, got, want)
			}
			lazy.believe(some[got])
			whole.believe(all[want])
			some, all = append(some[:got:got], some[got+1:]...), append(all[:want:want], all[want+1:]...)
		}
	}
}

package anytime

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestBetsCover: over 300 values, looked at all the time, a bound is crossed in no
// more than α of the runs, for distributions of every kind; the fixed-n interval of
// the normal distribution, looked at as often, is crossed far more (control).
func TestBetsCover(t *testing.T) {
	const runs, alpha, values = 100, 0.1, 300
	for name, c := range map[string]struct {
		mean float64
		draw func(r *rand.Rand) float64
	}{
		"coin":                 {0.3, func(r *rand.Rand) float64 { return step(r.Float64() < 0.3) }},
		"uniform":              {0.5, func(r *rand.Rand) float64 { return r.Float64() }},
		"narrow":               {0.9, func(r *rand.Rand) float64 { return min(1, max(0, 0.9+0.01*r.NormFloat64())) }},
		"one in fifty is lost": {0.98 * 0.94, func(r *rand.Rand) float64 { return 0.94 * step(r.Float64() >= 0.02) }},
	} {
		above, below, normal := 0, 0, 0
		for run := range runs {
			r := rand.New(rand.NewPCG(uint64(run), 7))
			b := NewBets(alpha)
			sum, square := 0.0, 0.0
			up, down, fixed := false, false, false
			for n := 1; n <= values; n++ {
				x := c.draw(r)
				b.Add(x)
				sum += x
				square += x * x
				mean := sum / float64(n)
				sd := math.Sqrt(max(0, square/float64(n)-mean*mean))
				fixed = fixed || n > 20 && mean+1.2816*sd/math.Sqrt(float64(n)) < c.mean
				if n%25 == 0 || n == 5 {
					up, down = up || b.Upper() < c.mean, down || b.Lower() > c.mean
				}
			}
			above, below, normal = above+int(step(up)), below+int(step(down)), normal+int(step(fixed))
			if run == 0 {
				t.Logf("%s: after %d values [%.4f, %.4f], mean %.4f", name, values, b.Lower(), b.Upper(), c.mean)
			}
		}
		limit := int(runs*alpha + 3*math.Sqrt(runs*alpha*(1-alpha)))
		if above > limit || below > limit {
			t.Errorf("%s: the upper bound is crossed in %d of %d runs, the lower in %d, limit %d", name, above, runs, below, limit)
		}
		if normal <= limit {
			t.Errorf("%s: the fixed-n bound is crossed in %d of %d runs only: the test cannot fail", name, normal, runs)
		}
	}
}

func step(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Bounds are in [0, 1], hold the mean between them, and close in on it.
func TestBettingRadius(t *testing.T) {
	b := NewBets(0.05)
	if b.Upper() != 1 || b.Lower() != 0 {
		t.Errorf("without values [%g, %g]", b.Lower(), b.Upper())
	}
	r := rand.New(rand.NewPCG(1, 1))
	last := 1.0
	for n := range 4000 {
		b.Add(0.4 + 0.2*r.Float64())
		if n == 40 || n == 400 || n == 3999 {
			w := b.Upper() - b.Lower()
			if !(w < last) || b.Upper() < 0.5 || b.Lower() > 0.5 {
				t.Errorf("after %d values [%g, %g]", n+1, b.Lower(), b.Upper())
			}
			last = w
		}
	}
	if last > 0.02 {
		t.Errorf("after 4000 values within ±0.1 the bounds are %.4f apart", last)
	}
}

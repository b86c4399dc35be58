package anytime

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestBoundsOfOneArmCover: over 300 values, looked at after each, a bound is crossed in
// no more than α of the runs; the textbook's fixed-n interval, looked at as often, is
// crossed far more (control).
func TestBoundsOfOneArmCover(t *testing.T) {
	const runs, alpha, values = 400, 0.1, 300
	type bounds interface {
		Add(x float64)
		Bounds() (lower, upper float64)
	}
	for _, c := range []struct {
		name   string
		center float64
		open   func() bounds
		draw   func(r *rand.Rand) float64
	}{
		{"student, normal", 3, func() bounds { return NewStudent(alpha) }, func(r *rand.Rand) float64 { return 3 + 7*r.NormFloat64() }},
		{"median, normal", 3, func() bounds { return NewMedian(alpha) }, func(r *rand.Rand) float64 { return 3 + r.NormFloat64() }},
		{"median, Cauchy", -1, func() bounds { return NewMedian(alpha) }, func(r *rand.Rand) float64 { return -1 + r.NormFloat64()/r.NormFloat64() }},
		{"median, ties", 1, func() bounds { return NewMedian(alpha) }, func(r *rand.Rand) float64 { return float64(r.IntN(3)) }},
	} {
		above, below, plain := 0, 0, 0
		first := 0
		for run := range runs {
			r := rand.New(rand.NewPCG(uint64(run), 5))
			b := c.open()
			up, down, fixed := false, false, false
			sum, square := 0.0, 0.0
			for n := 1; n <= values; n++ {
				x := c.draw(r)
				b.Add(x)
				lower, upper := b.Bounds()
				up, down = up || upper < c.center, down || lower > c.center
				sum += x
				square += x * x
				mean := sum / float64(n)
				sd := math.Sqrt(max(0, square-float64(n)*mean*mean) / float64(max(n-1, 1)))
				fixed = fixed || n > 10 && mean+1.35*sd/math.Sqrt(float64(n)) < c.center
				if run == 0 && first == 0 && !math.IsInf(upper, 1) {
					first = n
				}
			}
			above, below, plain = above+int(step(up)), below+int(step(down)), plain+int(step(fixed))
		}
		limit := int(runs*alpha + 3*math.Sqrt(runs*alpha*(1-alpha)))
		t.Logf("%s: upper crossed in %d, lower in %d of %d runs (limit %d), fixed-n in %d; finite from %d values on", c.name, above, below, runs, limit, plain, first)
		if above > limit || below > limit {
			t.Errorf("%s: the upper bound is crossed in %d of %d runs, the lower in %d, limit %d", c.name, above, runs, below, limit)
		}
		if c.name == "student, normal" && plain <= limit {
			t.Errorf("the fixed-n bound is crossed in %d of %d runs only: the test cannot fail", plain, runs)
		}
	}
}

// The closed form solves the martingale's equation, and no value further in does.
func TestStudentSolvesItsEquation(t *testing.T) {
	s := NewStudent(0.01)
	r := rand.New(rand.NewPCG(1, 2))
	var x []float64
	for range 40 {
		x = append(x, 5+0.3*r.NormFloat64())
		s.Add(x[len(x)-1])
		_, upper := s.Bounds()
		if math.IsInf(upper, 1) {
			continue
		}
		n, sum, square := float64(len(x)), 0.0, 0.0
		for _, v := range x {
			sum += v - upper
			square += (v - upper) * (v - upper)
		}
		ratio := math.Sqrt(studentRho/(n+studentRho)) * math.Pow(1-sum*sum/((n+studentRho)*square), -n/2)
		if math.Abs(ratio/((1/0.01+1)/2)-1) > 1e-6 {
			t.Fatalf("%g values: the mixture at the bound is %g, not %g", n, ratio, (1/0.01+1)/2)
		}
	}
	if lower, upper := s.Bounds(); !(upper-lower < 0.5) {
		t.Errorf("after 40 values [%g, %g]", lower, upper)
	}
}

// The median's bounds are order statistics, the first at which the mixture is reached.
func TestMedianIsAnOrderStatistic(t *testing.T) {
	m := NewMedian(0.05)
	for i := range 100 {
		m.Add(float64((i * 37) % 100))
	}
	lower, upper := m.Bounds()
	k := int(upper) + 1
	mixture := func(k int) float64 { // by a sum over p instead of the beta function
		sum, weight := 0.0, 0.0
		for p := 0.0005; p < 1; p += 0.001 {
			w := math.Pow(p*(1-p), medianShape-1)
			weight += w
			sum += w * math.Exp(100*math.Ln2+float64(k)*math.Log(p)+float64(100-k)*math.Log(1-p))
		}
		return sum / weight
	}
	if mixture(k) < 10.5 || mixture(k-1) >= 10.5 || lower != 99-upper {
		t.Errorf("bounds %g and %g: the mixture is %g at %d and %g before", lower, upper, mixture(k), k, mixture(k-1))
	}
}

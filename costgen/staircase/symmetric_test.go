package staircase

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSymmetric(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	const n = 7
	s := newSymmetric(n)
	for i := range n {
		s.add(i, i, 1)
	}
	for range 20 {
		var v [n]float64
		for i := range v {
			v[i] = rng.NormFloat64()
		}
		for i := range n {
			for j := 0; j <= i; j++ {
				s.add(i, j, v[i]*v[j])
			}
		}
	}
	x := make([]float64, n)
	for i := range x {
		x[i] = rng.NormFloat64()
	}
	for what, got := range map[string][]float64{"solve": s.solve(s.times(x)), "inverse": s.inverse().times(s.times(x))} {
		for i := range x {
			if math.Abs(got[i]-x[i]) > 1e-9 {
				t.Errorf("%s: %v, want %v", what, got, x)
				break
			}
		}
	}
}

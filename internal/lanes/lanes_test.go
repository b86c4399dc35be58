package lanes

import (
	"math/rand/v2"
	"testing"
)

// Every lane is to the bit what a loop over it alone gives, by whichever instructions.
func TestLanes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	ways := map[string]func(*Lanes, []float64, []Lanes){
		"as on any processor": func(s *Lanes, l []float64, v []Lanes) { s.half(0, l, v); s.half(8, l, v) },
		"as on this one":      (*Lanes).Subtract,
	}
	for _, n := range []int{0, 1, 2, 7, 100} {
		l, v := make([]float64, n), make([]Lanes, n+3)
		var from, want Lanes
		for i := range v {
			for r := range v[i] {
				v[i][r] = rng.NormFloat64()
			}
		}
		for i := range l {
			l[i] = rng.NormFloat64()
		}
		for r := range from {
			from[r] = rng.NormFloat64()
			want[r] = from[r]
			for m := range l {
				want[r] -= float64(l[m] * v[m][r])
			}
		}
		for name, subtract := range ways {
			got := from
			if subtract(&got, l, v); got != want {
				t.Errorf("%s: of %d products %v, want %v", name, n, got, want)
			}
		}
	}
}

package devicemodel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// A sum by whichever instructions is to the bit the loop's, and writes nothing beyond it.
func TestAxpy(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for n := range 35 {
		x, y := make([]float64, n), make([]float64, n+9)
		for i := range y {
			y[i] = rng.NormFloat64()
		}
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		f, want := rng.NormFloat64(), slices.Clone(y)
		for i, v := range x {
			want[i] += f * v
		}
		if axpy(f, x, y); !slices.Equal(y, want) {
			t.Errorf("of %d numbers %v, want %v", n, y, want)
		}
	}
}

package isotonic

import (
	"math"
	"math/rand/v2"
	"testing"
)

// BenchmarkChain is the line that make bench holds against scikit-learn: noise about a slow rise.
func BenchmarkChain(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	y, w := make([]float64, 1e6), make([]float64, 1e6)
	for i := range y {
		y[i], w[i] = math.Sqrt(float64(i))+20*rng.NormFloat64(), 0.5+1.5*rng.Float64()
	}
	for b.Loop() {
		Chain(y, w)
	}
}

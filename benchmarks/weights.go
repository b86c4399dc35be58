package benchmarks

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// uniform returns n weights, uniform in ±√3·std (so their standard deviation is
// std), the same for equal seed and name on every machine: the generator is PCG
// (O'Neill 2014, math/rand/v2's PCG-DXSM), seeded by the build's seed and the
// FNV-1a hash of the weight's name; each 64-bit draw gives two numbers of 24
// bits. A uniform distribution quantises well and needs no transcendental
// function, whose last bit differs between machines.
func uniform(seed uint64, name string, n int, std float64) []float32 {
	h := fnv.New64a()
	h.Write([]byte(name))
	rng := rand.NewPCG(seed, h.Sum64())
	scale := float32(math.Sqrt(3)*std) / (1 << 23)
	out := make([]float32, n)
	for i := 0; i < n; i += 2 {
		v := rng.Uint64()
		out[i] = float32(int32(v>>40)-1<<23) * scale
		if i+1 < n {
			out[i+1] = float32(int32(v>>8&0xffffff)-1<<23) * scale
		}
	}
	return out
}

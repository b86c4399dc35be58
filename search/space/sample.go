package space

import (
	"math/rand/v2"

	"github.com/isocost/isocost/lut"
)

// Sample draws n different architectures for calibrating and auditing a table,
// deterministically from the seed. The draw is stratified: every layer sees each
// of its choices equally often (a Latin hypercube), the overall width and the
// share of layers in a narrower precision are spread over their whole range, and
// uniform-precision networks are among them. It returns fewer than n only when
// the space is nearly exhausted.
func Sample(s Space, n int, seed uint64) []Arch {
	rng := rand.New(rand.NewPCG(seed, 0x150c057))
	L := s.Layers()
	var out []Arch
	seen := map[string]bool{}
	for tries := 0; len(out) < n && tries < 20; tries++ {
		want := n - len(out)
		choice := make([][]int, L)
		for l := range L {
			choice[l] = strata(rng, want, len(s.Choices(l)))
		}
		level := rng.Perm(want)     // of the width, one stratum each
		narrow := rng.Perm(want)    // share of layers below the widest precision
		for i := 0; i < want; i++ { // one architecture
			a := Arch{Layers: make([]Layer, L)}
			u := (float64(level[i]) + rng.Float64()) / float64(want)
			// The ends of the range are whole networks in one precision: a fifth each.
			share := min(max((float64(narrow[i])+0.5)/float64(want)*5/3-1.0/3, 0), 1)
			global := min(int(u*float64(s.Widths(0))), s.Widths(0)-1)
			for l := range L {
				x := &a.Layers[l]
				x.Choice = s.Choices(l)[choice[l][i]]
				x.Width = global
				if !s.GlobalWidth() {
					w := s.Widths(l)
					// Half the layers follow the network's level, half are free.
					v := rng.Float64()
					if rng.IntN(2) == 0 {
						v = u
					}
					x.Width = min(int(v*float64(w)), w-1)
				}
				x.Precision = drawPrecision(rng, s.Precisions(l), share)
			}
			if k := Canonical(s, a).Key(); s.Validate(a) == nil && !seen[k] {
				seen[k] = true
				out = append(out, a)
			}
		}
	}
	return out
}

// strata returns n values of [0, k), each about n/k times, in random order.
func strata(rng *rand.Rand, n, k int) []int {
	out := make([]int, n)
	start := rng.IntN(k)
	for i := range out {
		out[i] = (start + i) % k
	}
	rng.Shuffle(n, func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func drawPrecision(rng *rand.Rand, ps []lut.Precision, share float64) lut.Precision {
	switch {
	case len(ps) == 0:
		return ""
	case len(ps) == 1 || rng.Float64() >= share:
		return ps[0]
	}
	return ps[1+rng.IntN(len(ps)-1)]
}

// Canonical returns a with the settings that change nothing set to the default's:
// width (when it is the layer's own) and precision of skipped layers, and widths that a
// choice does not have. Two
// architectures are the same network when their canonical keys are equal.
func Canonical(s Space, a Arch) Arch {
	m, ok := s.(interface{ Skipped(a Arch, l int) bool })
	if !ok {
		return a
	}
	x0 := s.Default()
	out := a.Clone()
	if widths, ok := s.(interface{ SameWidth(a Arch, l int) int }); ok {
		for l := range out.Layers {
			out.Layers[l].Width = widths.SameWidth(a, l)
		}
	}
	for l := range out.Layers {
		if m.Skipped(a, l) {
			out.Layers[l].Precision = x0.Layers[l].Precision
			if !s.GlobalWidth() {
				out.Layers[l].Width = x0.Layers[l].Width
			}
		}
	}
	return out
}

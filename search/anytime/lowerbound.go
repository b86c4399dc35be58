package anytime

import "math"

// KLBernoulli is kl(δ, 1−δ) = (1−2δ)·ln((1−δ)/δ), the information any
// δ-correct procedure has to gather (Kaufmann, Cappé and Garivier 2016).
func KLBernoulli(delta float64) float64 { return (1 - 2*delta) * math.Log((1-delta)/delta) }

// Certificate is the number of samples that any δ-correct procedure needs, on
// this instance, to show that no candidate beats the incumbent by more than ε.
// gaps[z] = Δ_z + ε, with Δ_z = f(x) − f(z); all must be positive, otherwise the
// claim is false and the bound is +Inf. With D_z = gap²/2σ² it solves
// Σ(y/(D_z−y))² = 1; w₀ = 1/(1+Σ y/(D_z−y)) is the incumbent's best share and
// kl(δ,1−δ)/(w₀y) the bound.
func Certificate(sigma float64, gaps []float64, delta float64) float64 {
	if len(gaps) == 0 || sigma == 0 {
		return 0
	}
	least := math.Inf(1)
	d := make([]float64, len(gaps))
	for i, g := range gaps {
		if g <= 0 {
			return math.Inf(1)
		}
		d[i] = g * g / (2 * sigma * sigma)
		least = min(least, d[i])
	}
	sums := func(y float64) (one, two float64) {
		for _, x := range d {
			q := y / (x - y)
			one += q
			two += q * q
		}
		return one, two
	}
	lo, hi := 0.0, least
	for range 200 {
		mid := (lo + hi) / 2
		if _, two := sums(mid); two < 1 {
			lo = mid
		} else {
			hi = mid
		}
	}
	one, _ := sums(lo)
	return KLBernoulli(delta) * (1 + one) / lo
}

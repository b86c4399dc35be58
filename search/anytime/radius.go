// Package anytime holds the statistics of selection: confidence radii that stay
// valid whenever one looks, variance bounds, and the lower bounds on samples
// they are judged against. Pure functions, no randomness.
package anytime

import "math"

// DefaultRho is the mixture's prior weight in samples: the radii are tightest
// for sample sizes of some ten times this (decision 0503 has the sizes tried).
const DefaultRho = 0.5

// Evidence holds what an arm's samples say about its mean.
type Evidence struct {
	N      int     // samples
	Center float64 // estimate of the mean
	// Scale holds what the noise sum is divided by in Center: n, or the pool scale of
	// Pool. 0 when the mean is known exactly.
	Scale float64
	// Var and Log are the arm's part of a difference's half-width: σ²(n+ρ)/b² and
	// ½ ln(1+n/ρ), where b is n, or the pool scale of Pool. Both are 0 when the
	// mean is known exactly.
	Var, Log float64
}

// Infinite is the evidence of n independent samples with the given sum.
// Var is +Inf for n = 0.
func Infinite(sigma float64, n int, sum, rho float64) Evidence {
	if n == 0 {
		return Evidence{Var: math.Inf(1)}
	}
	if sigma == 0 { // declared deterministic: one sample is the mean
		return Evidence{N: n, Center: sum / float64(n)}
	}
	x := float64(n)
	return Evidence{N: n, Center: sum / x, Scale: x, Var: sigma * sigma * (x + rho) / (x * x), Log: 0.5 * math.Log1p(x/rho)}
}

// Pool is the evidence of draws without replacement from a pool of size values
// whose mean is sought: those of values from the index from on, the ones before
// being known but no evidence. The t-th draw has conditional mean
// (Nμ−S_{t−1})/(N−t+1), so Σ(x_t − that) = A − μB is a sub-Gaussian martingale
// with A = Σ x_t + Σ S_{t−1}/(N−t+1) and B = Σ N/(N−t+1) (Waudby-Smith and
// Ramdas 2020); A/B is the centre and B takes the place of n. sigma is the
// sub-Gaussian parameter of one draw given those before it. A pool drawn to the
// end is known exactly.
func Pool(sigma float64, size int, values []float64, from int, rho float64) Evidence {
	var a, b, sum float64
	for t, x := range values {
		if t >= from {
			left := float64(size - t)
			a += x + sum/left
			b += float64(size) / left
		}
		sum += x
	}
	n := len(values)
	if n >= size || sigma == 0 && n > 0 {
		return Evidence{N: n, Center: sum / float64(n)}
	}
	if n -= from; n <= 0 {
		return Evidence{Var: math.Inf(1)}
	}
	x := float64(n)
	return Evidence{N: n, Center: a / b, Scale: b, Var: sigma * sigma * (x + rho) / (b * b), Log: 0.5 * math.Log1p(x/rho)}
}

// Width is the half-width of a two-sided confidence interval for the difference
// of two arms' means that holds for all allocations of samples to them at once,
// however adaptive, with probability 1−delta:
//
//	W = √(2·[σ_a²(n_a+ρ)/n_a² + σ_b²(n_b+ρ)/n_b²]·[ln(1/δ) + ½ln(1+n_a/ρ) + ½ln(1+n_b/ρ)])
//
// The product of the two arms' mixture martingales is a supermartingale because
// the arms' noises are independent; Cauchy–Schwarz and Ville's inequality do the
// rest. Where b's mean is known exactly it is the radius of Robbins 1970 (Howard et
// al. 2021, eq. 14), σ·√((n+ρ)(ln(1+n/ρ) + 2 ln(1/δ)))/n.
func Width(a, b Evidence, delta float64) float64 {
	v := a.Var + b.Var
	if v == 0 {
		return 0
	}
	return math.Sqrt(2 * v * (math.Log(1/delta) + a.Log + b.Log))
}

// Delta is the error probability of the i-th distinct comparison, i from 1:
// δ/(i(i+1)). Over all i they add up to δ.
func Delta(delta float64, i int) float64 {
	return delta / (float64(i) * float64(i+1))
}

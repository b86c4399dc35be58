package anytime

import "math"

// SigmaUpper is an upper bound for a normal standard deviation that fails with
// probability beta: s·√(ν/χ²_{β,ν}), from the pooled sample standard deviation s
// with nu degrees of freedom. It is +Inf for nu < 1.
func SigmaUpper(s float64, nu int, beta float64) float64 {
	if nu < 1 {
		return math.Inf(1)
	}
	return s * math.Sqrt(float64(nu)/ChiSquareQuantile(beta, nu))
}

// ChiSquareCDF is P(χ²_ν ≤ x), the regularised lower incomplete gamma function
// P(ν/2, x/2) by series or continued fraction (Numerical Recipes §6.2).
func ChiSquareCDF(x float64, nu int) float64 {
	if x <= 0 {
		return 0
	}
	a, z := float64(nu)/2, x/2
	lg, _ := math.Lgamma(a)
	front := math.Exp(a*math.Log(z) - z - lg)
	if z < a+1 {
		sum, term := 1/a, 1/a
		for k := 1; k < 10000 && term > sum*1e-17; k++ {
			term *= z / (a + float64(k))
			sum += term
		}
		return front * sum
	}
	const tiny = 1e-300
	b := z + 1 - a
	c, d := 1/tiny, 1/b
	h := d
	for i := 1; i < 10000; i++ {
		an := -float64(i) * (float64(i) - a)
		b += 2
		if d = an*d + b; math.Abs(d) < tiny {
			d = tiny
		}
		if c = b + an/c; math.Abs(c) < tiny {
			c = tiny
		}
		d = 1 / d
		del := d * c
		h *= del
		if math.Abs(del-1) < 1e-15 {
			break
		}
	}
	return 1 - front*h
}

// ChiSquareQuantile is the x with P(χ²_ν ≤ x) = p, by bisection.
func ChiSquareQuantile(p float64, nu int) float64 {
	lo, hi := 0.0, float64(nu)
	for ChiSquareCDF(hi, nu) < p {
		hi *= 2
	}
	for range 200 {
		if mid := (lo + hi) / 2; ChiSquareCDF(mid, nu) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}

// VarianceSuspect says that a sample standard deviation s of n samples is larger
// than sigma allows: under N(·, σ²), s² that large has probability below alpha.
func VarianceSuspect(s float64, n int, sigma, alpha float64) bool {
	if n < 2 {
		return false
	}
	if sigma == 0 {
		return s > 0
	}
	x := float64(n-1) * s * s / (sigma * sigma)
	return 1-ChiSquareCDF(x, n-1) < alpha
}

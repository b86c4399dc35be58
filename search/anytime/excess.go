package anytime

import "math"

// Prior is the mixing distribution behind Excess: a normal of precision Rho on the
// candidate's multiplier, with all but wrongSide of its mass on the side that
// counts, and a normal of precision Loose on what the incumbent's multiplier has
// besides Ratio times the candidate's. Precisions are in samples; Ratio is the
// candidate's expected number of samples for one of the incumbent's. Any values
// are valid; they must be fixed before the first of the samples.
type Prior struct{ Rho, Loose, Ratio float64 }

// NewPrior is the prior for an incumbent with k candidates, a sample of which costs
// weight of one of theirs. With k equal ones the incumbent's best share is
// √(k/weight) to 1. Loose is 20 times rho where weight is 1: on NAS-Bench-Macro factors from 10 to 40
// differ by 3 % in the samples a search needs.
func NewPrior(rho float64, k int, weight float64) Prior {
	return Prior{Rho: rho, Loose: 20 * rho / math.Sqrt(weight), Ratio: math.Sqrt(weight / float64(max(k, 1)))}
}

const (
	// wrongSide is the prior's mass on the side no certificate needs. It lengthens the
	// bounds by less than 1 % and keeps them finite where one arm has hardly been
	// sampled.
	wrongSide = 0.05
	// leastScore is the standardised deviation up to which wrongSide alone is relied
	// on.
	leastScore = 2
)

// The side's factor 2((1−q)Φ(ζ) + q(1−Φ(ζ))), q = wrongSide, in logarithms: at any
// ζ, and from leastScore on; slope is the derivative of ½ζ² + ln of it there.
var (
	lnAny  = math.Log(2 * wrongSide)
	lnFrom = math.Log(2 * side(leastScore))
	slope  = slopeAt(leastScore)
)

func slopeAt(score float64) float64 {
	return score + (1-2*wrongSide)*math.Exp(-score*score/2)/math.Sqrt(2*math.Pi)/side(score)
}

func side(score float64) float64 {
	phi := 0.5 * math.Erfc(-score/math.Sqrt2)
	return (1-wrongSide)*phi + wrongSide*(1-phi)
}

// Excess is the half-width w of an upper confidence bound for f(z) − f(x): with
// probability 1−delta, D + w is at least that at all times at once, however the
// two arms are sampled. It is one-sided, which is all that a certificate rests
// on, and therefore shorter than Width.
//
// With noise sums S_x, S_z (σ = 1) the process
//
//	M = E exp((c·a+b)·S_x − a·S_z − ½(c·a+b)²n_x − ½a²n_z)
//
// over the prior of a and b is a non-negative martingale from 1; Ville's
// inequality bounds it by 1/δ. The prior has its mass along the direction in which
// the arms are sampled, so that one logarithm of a sample size is paid for and not
// two (method of mixtures: Robbins 1970; Howard et al. 2021 for one side). With
// A = n_x+ρ_b, h = ρ_b/A, Q = c²h·n_x + n_z + ρ_a, L = c·h·S_x − S_z and ζ = L/√Q
//
//	ln M = S_x²/2A + ½ζ² + ln side(ζ) − ½ln(A/ρ_b) − ½ln(Q/ρ_a),
//
// and w is the largest deviation S_x/n_x − S_z/n_z inside ln M ≤ ln 1/δ. Along the
// boundary the deviation is a concave function of L, since ln M is convex: where
// it still rises at ζ = 2 the maximum has ζ ≥ 2, and side is at least side(2);
// elsewhere side is at least q. Either leaves a quadratic with a closed form.
func Excess(x, z Evidence, sigma float64, p Prior, delta float64) float64 {
	switch {
	case x.N == 0 || z.N == 0:
		return math.Inf(1)
	case sigma == 0 || x.Scale == 0 && z.Scale == 0: // known exactly
		return 0
	case x.Scale == 0:
		return single(sigma, z, p.Rho, delta)
	case z.Scale == 0:
		return single(sigma, x, p.Rho, delta)
	}
	c, nx, nz := p.Ratio, float64(x.N), float64(z.N)
	a := nx + p.Loose
	h := p.Loose / a
	q := c*c*h*nx + nz + p.Rho
	alpha := c*h - z.Scale/x.Scale
	t := math.Log(1/delta) + 0.5*math.Log(a/p.Loose) + 0.5*math.Log(q/p.Rho)
	rest := t - lnFrom - leastScore*leastScore/2
	if rest > 0 && 2*rest*q >= alpha*alpha*a*slope*slope {
		t -= lnFrom
	} else {
		t -= lnAny
	}
	return sigma * math.Sqrt(2*(q+alpha*alpha*a)*t) / z.Scale
}

// single is Excess with the other arm known exactly: a mixture over one arm.
func single(sigma float64, e Evidence, rho, delta float64) float64 {
	n := float64(e.N)
	t := math.Log(1/delta) + 0.5*math.Log1p(n/rho)
	if t-lnFrom >= leastScore*leastScore/2 {
		t -= lnFrom
	} else {
		t -= lnAny
	}
	return sigma * math.Sqrt(2*(n+rho)*t) / e.Scale
}

// PairedExcess is Excess for n independent paired differences with sub-Gaussian
// parameter sigma: common random numbers make the arms dependent, so that the
// differences' own spread takes the place of the arms'.
func PairedExcess(sigma float64, n int, rho, delta float64) float64 {
	if n == 0 {
		return math.Inf(1)
	}
	if sigma == 0 {
		return 0
	}
	return single(sigma, Evidence{N: n, Scale: float64(n)}, rho, delta)
}

// spread says how flat Share is.
const spread = 2

// Share is the part of δ that the k-th incumbent gets, k from 1:
// (1+a)/((k+a)(k+a+1)) with a = 2. Over all k the parts add up to 1. Searches end
// after a handful of moves, and a flat beginning costs the later ones less than
// 1/(k(k+1)) would.
func Share(k int) float64 {
	x := float64(k)
	return (1 + spread) / ((x + spread) * (x + spread + 1))
}

// Further says how many further samples bring a half-width down to target: width(m)
// is the half-width with m times the present n samples. 0 if it is there already,
// -1 if no number up to 2^40 times as many does (target ≤ 0).
func Further(width func(m float64) float64, n int, target float64) int {
	if target <= 0 {
		return -1
	}
	if width(1) <= target {
		return 0
	}
	hi := 2.0
	for !(width(hi) <= target) {
		if hi *= 2; hi > 1<<40 {
			return -1
		}
	}
	lo := hi / 2
	for range 40 {
		if mid := (lo + hi) / 2; width(mid) > target {
			lo = mid
		} else {
			hi = mid
		}
	}
	return int(math.Ceil(hi*float64(n))) - n
}

package anytime

import "math"

// Pairs weigh every size of noise at once by differences of two samples that one network
// was asked for together. Of normal noise such a difference over √2 is N(0, σ²) whatever
// led to the question, and independent of the two samples' sum, on which bounds rest. So
// for each σ the mixture of likelihood ratios
//
//	E(σ) = Σ_j w·λ_j^(n/2)·exp(−(λ_j−1)·SS/2σ²),
//
// σ² against σ²/λ_j with SS the n differences' squares, is a non-negative martingale from
// 1, and so is its product with the one behind Excess: Ville's inequality bounds the
// product at the true σ (Robbins 1970; Waudby-Smith and Ramdas 2024 for products).
// Hence no size of noise is settled and no part of δ is set aside for it: a bound is the
// largest over all σ, those that the differences speak against having less to say.
type Pairs struct {
	n      float64
	square float64 // Σ d², d a difference over √2
	known  map[excessOf]float64
}

// excessOf is what Excess depends on besides the pairs: most of a neighbourhood's
// networks have the same number of samples.
type excessOf struct {
	x, z  int
	prior Prior
	delta float64
}

// lambdas are the λ_j, each with the same weight: one so that E stays above a fifth, the
// others for the σ from 1.1 to 2.2 times the estimate that bounds from 1000 to 10
// differences turn on. Of eleven such sets none is better by more than a tenth there.
var lambdas = [...]float64{1, 1.25, 1.6, 2.5, 5}

// Add takes the two samples of a pair.
func (p *Pairs) Add(a, b float64) {
	p.n++
	p.square += (a - b) * (a - b) / 2
	clear(p.known)
}

// N is the number of pairs, each of one degree of freedom.
func (p *Pairs) N() int { return int(p.n) }

// Sigma is the estimate; NaN without pairs.
func (p *Pairs) Sigma() float64 { return math.Sqrt(p.square / p.n) }

// against is ln E at a variance.
func (p *Pairs) against(variance float64) float64 {
	var terms [len(lambdas)]float64
	most := math.Inf(-1)
	for j, l := range lambdas {
		terms[j] = 0.5*p.n*math.Log(l) - (l-1)*p.square/(2*variance)
		most = max(most, terms[j])
	}
	sum := 0.0
	for _, t := range terms {
		sum += math.Exp(t - most)
	}
	return most + math.Log(sum/float64(len(lambdas)))
}

// Excess is that of two arms whose noise has one size which is not known. With the
// known size's half-width √(2·(Q+α²A)·(T − ln 2side(ζ)))·σ/b and T − ln E(σ) for T it is
// the largest over σ. Where that is within reach of ζ = 2, side(2) holds, as there; else
// side(1), side(0), side(−1), or what side has at least. v·(T − ln E(√v)) − v·ln 2side is
// concave in v = σ², as E is a sum of exponentials in 1/v, so that each has its maximum
// at the end of its reach or where the slope is zero.
//
// x and z are those of Infinite at σ = 1. The result is +Inf until there are pairs enough.
func (p *Pairs) Excess(x, z Evidence, prior Prior, delta float64) float64 {
	if x.N == 0 || z.N == 0 || !(p.square > 0) {
		return math.Inf(1)
	}
	of := excessOf{x.N, z.N, prior, delta}
	w, ok := p.known[of]
	if !ok {
		if p.known == nil {
			p.known = map[excessOf]float64{}
		}
		w = p.excess(x, z, prior, delta)
		p.known[of] = w
	}
	return w
}

func (p *Pairs) excess(x, z Evidence, prior Prior, delta float64) float64 {
	c, nx, nz := prior.Ratio, float64(x.N), float64(z.N)
	a := nx + prior.Loose
	h := prior.Loose / a
	q := c*c*h*nx + nz + prior.Rho
	alpha := c*h - z.Scale/x.Scale
	t := math.Log(1/delta) + 0.5*math.Log(a/prior.Loose) + 0.5*math.Log(q/prior.Rho)
	if t-p.against(math.Inf(1)) >= lnAny { // no size is too large
		return math.Inf(1)
	}
	most, above := 0.0, 0.0 // above: the variances at which a higher score is within reach
	for _, s := range scores {
		slope := max(0, s.slope)
		reach := p.variance(t - s.ln - s.score*s.score/2 - alpha*alpha*a*slope*slope/(2*q))
		if reach > above {
			most, above = max(most, p.worst(t-s.ln, above, reach)), reach
		}
	}
	most = max(most, p.worst(t-lnAny, above, p.variance(t-lnAny)))
	return math.Sqrt(2*(q+alpha*alpha*a)*most) / z.Scale
}

// scores are the standardised deviations whose side is relied on, falling.
var scores = [...]struct{ score, ln, slope float64 }{scoreAt(leastScore), scoreAt(1), scoreAt(0), scoreAt(-1)}

func scoreAt(score float64) struct{ score, ln, slope float64 } {
	return struct{ score, ln, slope float64 }{score, math.Log(2 * side(score)), slopeAt(score)}
}

// variance is the largest one at which ln E is at most t: E falls with 1/σ². It is 0
// where there is none.
func (p *Pairs) variance(t float64) float64 {
	if t <= -math.Log(float64(len(lambdas))) {
		return 0
	}
	lo, hi := 0.0, p.square/p.n
	for p.against(hi) < t {
		if lo, hi = hi, 2*hi; math.IsInf(hi, 1) {
			return hi
		}
	}
	for range 50 {
		if mid := (lo + hi) / 2; p.against(mid) < t {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// worst is the largest v·(t − ln E(√v)) from lo to hi, a concave function of v.
func (p *Pairs) worst(t, lo, hi float64) float64 {
	at := func(v float64) float64 { return v * (t - p.against(v)) }
	const golden = 0.6180339887498949
	u, v := hi-golden*(hi-lo), lo+golden*(hi-lo)
	below, above := at(u), at(v)
	for range 40 {
		if below < above {
			lo, u, below = u, v, above
			v = lo + golden*(hi-lo)
			above = at(v)
		} else {
			hi, v, above = v, u, below
			u = hi - golden*(hi-lo)
			below = at(u)
		}
	}
	return max(below, above, at(hi))
}

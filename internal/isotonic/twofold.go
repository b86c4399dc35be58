package isotonic

import "math"

// twofold is the unevaluated sum of two float64, some 106 bits. Weights that lie
// 1e12 and more apart meet in one flow, and what the light points have to gain must
// not drown in the rounding of the heavy ones.
//
// Dekker, Numer. Math. 18 (1971); Hida, Li, Bailey, ARITH-15 (2001).
type twofold struct{ hi, lo float64 }

// twofoldEps is the relative error that a sum of some thousand twofolds may have.
const twofoldEps = 1e-28

func single(a float64) twofold { return twofold{hi: a} }

// exactSum is a+b without error.
func exactSum(a, b float64) twofold {
	s := a + b
	t := s - a
	return twofold{s, (a - (s - t)) + (b - t)}
}

// exactProduct is a·b without error.
func exactProduct(a, b float64) twofold {
	p := a * b
	return twofold{p, math.FMA(a, b, -p)}
}

// normal sums a large and a small part.
func normal(hi, lo float64) twofold {
	s := hi + lo
	return twofold{s, lo - (s - hi)}
}

func (a twofold) plus(b twofold) twofold {
	s, t := exactSum(a.hi, b.hi), exactSum(a.lo, b.lo)
	s = normal(s.hi, s.lo+t.hi)
	return normal(s.hi, s.lo+t.lo)
}

func (a twofold) negative() twofold { return twofold{-a.hi, -a.lo} }

func (a twofold) minus(b twofold) twofold { return a.plus(b.negative()) }

func (a twofold) times(b float64) twofold {
	p := exactProduct(a.hi, b)
	return normal(p.hi, math.FMA(a.lo, b, p.lo))
}

// over is a/b for b > 0, by long division.
func (a twofold) over(b twofold) twofold {
	q := a.hi / b.hi
	a = a.minus(b.times(q))
	r := a.hi / b.hi
	a = a.minus(b.times(r))
	return normal(q, r).plus(single(a.hi / b.hi))
}

func (a twofold) less(b twofold) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// exceeds says whether a is more than a plain number.
func (a twofold) exceeds(b float64) bool { return a.hi > b || a.hi == b && a.lo > 0 }

package anytime

import "math"

// Bets bounds the mean of independent values in [0, 1] of any distribution, at all
// times at once: the hedge of a gambler who bets against means that are too large or
// too small (Waudby-Smith and Ramdas, Estimating means of bounded random variables
// by betting, 2024). Against a mean m the capital is
//
//	K(m) = Π (1 + λ_i·(m − X_i)), λ_i = min(l_i, c/(1−m)),
//
// with bets l_i that depend on the values before the i-th alone. If the mean is m
// this is a non-negative martingale from 1, so that K(m) ≥ 1/α has probability at
// most α, ever. K rises with m: where λ_i = l_i plainly, and where it is c/(1−m)
// because the derivative of a factor is c(1−X)/(1−m)²; the means with K(m) < 1/α are
// therefore those below one number.
type Bets struct {
	alpha  float64
	values []float64
	bets   []float64
	sum    float64
	square float64 // Σ (X_i − mean before it)²
}

// largestBet is c: a gambler who never stakes more than half survives.
const largestBet = 0.5

// NewBets returns the bounds of no values yet, each of which is wrong with
// probability at most alpha.
func NewBets(alpha float64) *Bets { return &Bets{alpha: alpha} }

// N is the number of values.
func (b *Bets) N() int { return len(b.values) }

// Add takes a value from 0 to 1. The bet on it was settled before: the size that is
// best at the variance and the mean seen so far, of half a value each to begin with.
func (b *Bets) Add(x float64) {
	n := float64(len(b.values))
	mean := (0.5 + b.sum) / (n + 1)
	variance := (0.25 + b.square) / (n + 1)
	b.bets = append(b.bets, math.Sqrt(2*math.Log(1/b.alpha)/(variance*(n+1)*math.Log(n+2))))
	b.square += (x - mean) * (x - mean)
	b.sum += x
	b.values = append(b.values, x)
}

// Upper bounds the mean from above: 1 without values.
func (b *Bets) Upper() float64 { return b.bound(func(x float64) float64 { return x }) }

// Lower bounds the mean from below: 0 without values.
func (b *Bets) Lower() float64 { return 1 - b.bound(func(x float64) float64 { return 1 - x }) }

// bound is the largest mean of the values, seen through a mirror or not, that the
// gambler has not won 1/α against.
func (b *Bets) bound(see func(float64) float64) float64 {
	goal := math.Log(1 / b.alpha)
	won := func(m float64) bool {
		capital := 0.0
		for i, x := range b.values {
			capital += math.Log1p(min(b.bets[i], largestBet/(1-m)) * (m - see(x)))
		}
		return capital >= goal
	}
	lo, hi := 0.0, 1.0
	for range 50 {
		if mid := (lo + hi) / 2; won(mid) {
			hi = mid
		} else {
			lo = mid
		}
	}
	return hi
}

package baseline

import (
	"context"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/isocost/isocost/internal/stats"
)

// Tuning of the penalty: the first climb has none and gives the utilities' scale
// U; then λ is bisected by its logarithm over [U·10⁻², U·10³].
const (
	lambdaRounds = 8
	lambdaLow    = -2
	lambdaHigh   = 3
)

// FixedPenalty returns λ of the method penalty:λ; ok is false for every other method.
func FixedPenalty(method string) (lambda float64, ok bool) {
	text, ok := strings.CutPrefix(method, Penalty+":")
	if !ok {
		return 0, false
	}
	lambda, err := strconv.ParseFloat(text, 64)
	return lambda, err == nil && lambda >= 0 && !math.IsInf(lambda, 1)
}

// penaltyAt climbs f̂ − λ·max(ĝ/B − 1) from the anchor, once.
func (b *player) penaltyAt(ctx context.Context, lambda float64) error {
	b.lambda = lambda
	return b.wander(ctx, b.s.Budget, b.priced, b.penalised(lambda))
}

// penalised scores an architecture by its utility less what it costs beyond the budget.
func (b *player) penalised(lambda float64) func(*arm) float64 {
	return func(a *arm) float64 { return a.mean() - lambda*b.excess(a.arch) }
}

// penalty climbs f̂ − λ·max(ĝ/B − 1) from the anchor, once a λ, each climb with its
// share of the budget (samples are kept). The result is the best final that costs
// at most (1+τ)B, else the cheapest.
func (b *player) penalty(ctx context.Context) error {
	start := b.x
	type final struct {
		a      *arm
		lambda float64
		moves  int
	}
	var finals []final
	choose := func() final {
		best := finals[0]
		for _, f := range finals[1:] {
			was, is := b.excess(best.a.arch), b.excess(f.a.arch)
			holds := is <= b.s.Tau
			if holds && (was > b.s.Tau || f.a.mean() > best.a.mean()) || !holds && is < was {
				best = f
			}
		}
		return best
	}
	b.best = func() *arm { // of the climbs that have ended
		if len(finals) == 0 {
			return start
		}
		return choose().a
	}
	lo, hi, scale, lambda := float64(lambdaLow), float64(lambdaHigh), 0.0, 0.0
	var stop error
	for round := 1; round <= lambdaRounds && stop == nil; round++ {
		b.x, b.moves = start, 0
		stop = b.wander(ctx, b.s.Budget*round/lambdaRounds, b.priced, b.penalised(lambda))
		if stop != nil && !errors.Is(stop, errSpent) {
			return stop
		}
		finals = append(finals, final{b.x, lambda, b.moves})
		if round == 1 {
			scale = b.spread()
		} else if b.excess(b.x.arch) > b.s.Tau {
			lo = math.Log10(lambda / scale)
		} else {
			hi = math.Log10(lambda / scale)
		}
		lambda = scale * math.Pow(10, (lo+hi)/2)
	}
	best := choose()
	b.x, b.lambda, b.moves = best.a, best.lambda, best.moves
	b.best = func() *arm { return b.x }
	return stop
}

// spread is the standard deviation of the sampled architectures' means; 1 when
// there is none to take it from.
func (b *player) spread() float64 {
	var means []float64
	for _, a := range b.arms {
		if len(a.values) > 0 {
			means = append(means, a.mean())
		}
	}
	means = stats.Sorted(means) // one order: sums of floats depend on it
	if len(means) < 2 {
		return 1
	}
	if sd := stats.StdDev(means); sd > 0 {
		return sd
	}
	return 1
}

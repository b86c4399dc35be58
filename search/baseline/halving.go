package baseline

import (
	"context"
	"math/bits"
	"slices"
)

// halving draws as many networks of the band as the budget gives every round an equal
// share, with Samples of each in the first, and keeps the better half each time: samples
// add up. What rounding leaves over goes to the last two.
func (b *player) halving(ctx context.Context) error {
	n := 2
	for (n+1)*b.s.Samples*rounds(n+1) <= b.s.Budget {
		n++
	}
	left := []*arm{b.x}
	e := b.whole()
	for tries := 0; len(left) < n && tries < 50*n; tries++ {
		if x, ok := e.Draw(b.rng); ok && !slices.Contains(left, b.arm(x)) {
			left = append(left, b.arm(x))
		}
	}
	b.best = func() *arm { return slices.MaxFunc(left, byMean) }
	share := b.s.Budget / rounds(len(left))
	for samples := 0; ; {
		more := max(share/len(left), 1)
		if len(left) <= 2 {
			more = max((b.s.Budget-b.spent)/len(left), 1)
		}
		samples += more
		before := b.spent
		if err := b.sample(ctx, samples, left...); err != nil {
			return err
		}
		if len(left) <= 2 && b.spent == before { // finite pools are used up
			return nil
		}
		if len(left) > 2 {
			slices.SortStableFunc(left, func(x, y *arm) int { return byMean(y, x) })
			left = left[:(len(left)+1)/2]
		}
	}
}

// rounds of halving bring n to 1.
func rounds(n int) int { return max(bits.Len(uint(n-1)), 1) }

// byMean orders arms by the means of their samples.
func byMean(x, y *arm) int {
	switch {
	case x.mean() < y.mean():
		return -1
	case x.mean() > y.mean():
		return 1
	}
	return 0
}

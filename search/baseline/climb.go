package baseline

import (
	"context"
	"fmt"

	"github.com/isocost/isocost/search"
)

// normalised climbs at an equal proxy of cost.
func (b *player) normalised(ctx context.Context, name string, cost search.Cost) error {
	if cost == nil {
		return fmt.Errorf("the number of %s of an architecture is not known", name)
	}
	budget, err := cost.Cost(b.x.arch)
	if err != nil {
		return err
	}
	band, err := search.NewBand(name, cost, budget, b.s.Tau)
	if err != nil {
		return err
	}
	return b.climb(ctx, search.NewCompensator(b.p.Space, []search.Band{band}))
}

// constrained climbs under ĝ ≤ B in every table: the upper side of each band is
// the budget itself and there is no lower one.
func (b *player) constrained(ctx context.Context) error {
	var bands []search.Band
	for _, band := range b.p.Bands {
		band.Hi, band.Interval = 0, false
		bands = append(bands, band)
	}
	c := search.NewCompensator(b.p.Space, bands)
	c.FreeSlack = true
	return b.climb(ctx, c)
}

// climb sweeps the layers and takes the best of each, every candidate sampled
// equally often. A sweep without a move doubles the samples, until the budget
// is spent.
func (b *player) climb(ctx context.Context, c *search.Compensator) error {
	for n := b.s.Samples; ; {
		before, moved := b.spent, false
		for l := range b.p.Space.Layers() {
			arms := []*arm{b.x}
			for _, choice := range b.p.Space.Choices(l) {
				if p := c.Propose(b.x.arch, l, choice); p.Feasible {
					arms = append(arms, b.arm(p.Arch))
				}
			}
			if len(arms) == 1 {
				continue
			}
			if err := b.sample(ctx, n, arms...); err != nil {
				return err
			}
			best := b.x
			for _, a := range arms {
				if a.mean() > best.mean() {
					best = a
				}
			}
			if best != b.x {
				b.x, moved = best, true
				b.moves++
			}
		}
		if !moved {
			if b.spent == before && n > b.s.Budget {
				return nil // nothing left to sample
			}
			n *= 2
		}
	}
}

package baseline

import (
	"context"
	"math"
	"slices"

	"github.com/isocost/isocost/search/space"
)

// tries says how many random settings are drawn for one that meets the band. A
// lookup is free; a mutation that cannot be found ends the method.
const tries = 500

// mutate draws a random setting of one random layer; ok is false when none of
// the draws is another architecture that accept takes.
func (b *player) mutate(x space.Arch, accept func(space.Arch) bool) (y space.Arch, ok bool) {
	s, key := b.p.Space, x.Key()
	for range tries {
		y := x.Clone()
		l := b.rng.IntN(s.Layers())
		cs := s.Choices(l)
		y.Layers[l].Choice = cs[b.rng.IntN(len(cs))]
		w := b.rng.IntN(s.Widths(l))
		if ps := s.Precisions(l); len(ps) > 0 {
			y.Layers[l].Precision = ps[b.rng.IntN(len(ps))]
		}
		for i := range y.Layers {
			if i == l || s.GlobalWidth() {
				y.Layers[i].Width = w
			}
		}
		y = space.Canonical(s, y)
		if y.Key() != key && s.Validate(y) == nil && accept(y) {
			return y, true
		}
	}
	return x, false
}

// inside accepts what meets every band.
func (b *player) inside(a space.Arch) bool {
	ok, _, _, err := b.comp.Inside(a)
	return err == nil && ok
}

// priced accepts what the tables can price.
func (b *player) priced(a space.Arch) bool {
	_, _, _, err := b.comp.Inside(a)
	return err == nil
}

// excess is the largest ĝ/B − 1 over the bands.
func (b *player) excess(a space.Arch) float64 {
	_, _, dev, err := b.comp.Inside(a)
	if err != nil {
		return math.Inf(1)
	}
	return math.Expm1(slices.Max(dev))
}

// wander climbs by random mutations until the evaluations spent reach limit.
func (b *player) wander(ctx context.Context, limit int, accept func(space.Arch) bool, score func(*arm) float64) error {
	n, idle := b.s.Samples, 0
	for b.spent < limit {
		y, ok := b.mutate(b.x.arch, accept)
		if !ok {
			return nil
		}
		z, before := b.arm(y), b.spent
		if err := b.sample(ctx, n, b.x, z); err != nil {
			return err
		}
		if score(z) > score(b.x) {
			b.x = z
			b.moves++
		}
		// In a small space everything near is soon sampled: then sample it better.
		if idle++; b.spent > before {
			idle = 0
		}
		if idle == 100 {
			if n > b.s.Budget {
				return nil // finite pools are used up
			}
			n, idle = 2*n, 0
		}
	}
	return nil
}

// random is wander inside the band.
func (b *player) random(ctx context.Context) error {
	return b.wander(ctx, b.s.Budget, b.inside, (*arm).mean)
}

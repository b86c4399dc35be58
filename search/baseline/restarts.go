package baseline

import "context"

// patience says how many settings per layer in succession a climb tries without getting
// further before another begins.
const patience = 3

// restarts climbs again and again; the result is the best of all it has sampled.
func (b *player) restarts(ctx context.Context) error {
	top, n := b.x, b.s.Samples
	b.best = func() *arm { return top }
	live := func(a *arm) error {
		err := b.sample(ctx, n, a)
		if a.mean() > top.mean() {
			top = a
		}
		return err
	}
	e := b.whole()
	for x := b.x; ; {
		before := b.spent
		if err := live(x); err != nil {
			return err
		}
		for failed := 0; failed < patience*b.p.Space.Layers(); failed++ {
			y, ok := b.mutate(x.arch, b.inside)
			if !ok {
				break
			}
			z := b.arm(y)
			if err := live(z); err != nil {
				return err
			}
			if z.mean() > x.mean() {
				x, failed = z, 0
				b.moves++
			}
		}
		if b.spent == before { // all near here is sampled: then it is sampled better
			if n > b.s.Budget {
				return nil // finite pools are used up
			}
			n *= 2
		}
		if a, ok := e.Draw(b.rng); ok {
			x = b.arm(a)
		}
	}
}

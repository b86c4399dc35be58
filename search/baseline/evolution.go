package baseline

import "context"

// Regularised evolution's sizes: Real et al. (2019) have a population of 100 and
// tournaments of a quarter of it for 20,000 models. The population here is a
// quarter of the candidates the budget pays for, at most theirs.
const (
	maxPopulation  = 100
	tournamentPart = 4
)

// evolution keeps a queue: the best of a random tournament has a mutated child,
// which joins the queue, and the oldest leaves it. The result is the best of all
// that lived. Parents and children are inside the band.
func (b *player) evolution(ctx context.Context) error {
	size := min(max(b.s.Budget/b.s.Samples/4, 4), maxPopulation)
	queue := []*arm{b.x}
	best, n := b.x, b.s.Samples
	b.best = func() *arm { return best }
	live := func(a *arm) error {
		if err := b.sample(ctx, n, a); err != nil {
			return err
		}
		if a != best && a.mean() > best.mean() {
			best = a
			b.moves++
		}
		return nil
	}
	if err := live(b.x); err != nil {
		return err
	}
	for len(queue) < size { // random walks from the anchor, inside the band
		x := b.x.arch
		for range b.p.Space.Layers() {
			y, ok := b.mutate(x, b.inside)
			if !ok {
				break
			}
			x = y
		}
		a := b.arm(x)
		if err := live(a); err != nil {
			return err
		}
		queue = append(queue, a)
	}
	for idle := 0; ; {
		// In a small space all children are soon sampled: then sample them better.
		if idle >= 2*size {
			if n > b.s.Budget {
				return nil // finite pools are used up
			}
			n, idle = 2*n, 0
			if err := live(best); err != nil {
				return err
			}
		}
		idle++
		parent := queue[b.rng.IntN(len(queue))]
		for range max(size/tournamentPart, 2) - 1 {
			if a := queue[b.rng.IntN(len(queue))]; a.mean() > parent.mean() {
				parent = a
			}
		}
		y, ok := b.mutate(parent.arch, b.inside)
		if !ok {
			continue
		}
		child, before := b.arm(y), b.spent
		if err := live(child); err != nil {
			return err
		}
		if b.spent > before {
			idle = 0
		}
		queue = append(queue[1:], child)
	}
}

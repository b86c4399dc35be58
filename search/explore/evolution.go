package explore

import (
	"math/rand/v2"

	"github.com/isocost/isocost/search/space"
)

// maxPopulation and tournamentPart are those of Real et al. (2019): a population of
// 100 and tournaments of a quarter of it, for 20,000 models. The population here is
// a quarter of the evaluations, at most theirs.
const (
	maxPopulation  = 100
	tournamentPart = 4
)

// evolution keeps a queue: the best of a random tournament has a mutated child,
// which joins the queue, and the oldest leaves it. The first generation is drawn
// from the band; parents and children are inside it.
type evolution struct {
	*record
	rng   *rand.Rand
	size  int
	born  int
	queue []*sampled
}

func (e *evolution) Propose(n int) []space.Arch {
	var out []space.Arch
	for range n {
		var a space.Arch
		ok := false
		if e.born >= e.size && len(e.queue) > 0 {
			a, ok = e.child()
		}
		if !ok {
			if a, ok = e.fresh(e.rng); !ok {
				continue
			}
		}
		e.born++
		out = append(out, a)
	}
	return out
}

// child is a mutation of the winner of a tournament.
func (e *evolution) child() (space.Arch, bool) {
	parent := e.queue[e.rng.IntN(len(e.queue))]
	for range max(e.size/tournamentPart, 2) - 1 {
		if s := e.queue[e.rng.IntN(len(e.queue))]; s.mean() > parent.mean() {
			parent = s
		}
	}
	a, ok := e.band.Near(e.rng, parent.arch, 1)
	if ok {
		e.of(a).proposed++
	}
	return a, ok
}

// Tell implements Explorer: what can be evaluated joins the queue.
func (e *evolution) Tell(evaluations []Evaluation) {
	e.record.Tell(evaluations)
	for _, v := range evaluations {
		if s := e.of(v.Arch); s.inside && !v.Failed {
			e.queue = append(e.queue, s)
		}
	}
	e.queue = e.queue[max(0, len(e.queue)-e.size):]
}

package search

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/search/evidence"
)

// published is the plain algorithm as published, for comparison: one pass over the
// layers; candidates banded against the *previous incumbent*, |ĝ′−ĝ| ≤ τĝ;
// tolerance ε/L and failure probability δ/L per layer; every candidate and the
// incumbent sampled the fixed number of times that puts all K+1 means within
// ε/2L by Hoeffding's bound; the best mean wins. It makes no claim: one pass does
// not visit the neighbours of what it ends with.
func (r *searcher) published(ctx context.Context) error {
	if err := r.adopt(r.arm(r.p.Anchor, r.p.Anchor.Key())); err != nil {
		return err
	}
	if err := r.calibrate(ctx); err != nil {
		return err
	}
	layers := r.p.Space.Layers()
	for l := range layers {
		moving := NewCompensator(r.p.Space, slices.Clone(r.p.Bands))
		for i := range moving.Bands {
			b := &moving.Bands[i]
			cost, err := b.Cost.Cost(r.x.Arch)
			if err != nil {
				return fmt.Errorf("incumbent %s: %w", r.x.Key, err)
			}
			b.Budget, b.Lo, b.Hi, b.Interval = cost, math.Log1p(-r.s.Tau), math.Log1p(r.s.Tau), false
		}
		arms := []*evidence.Arm{r.x}
		for _, choice := range r.p.Space.Choices(l) {
			if p := moving.Propose(r.x.Arch, l, choice); p.Feasible && p.Key != r.x.Key {
				arms = append(arms, r.arm(p.Arch, p.Key))
			}
		}
		if len(arms) == 1 {
			continue
		}
		n := publishedSamples(r.base.Sigma, r.s.Epsilon, r.s.Delta, layers, len(arms))
		r.emit(Event{Kind: EventLayer, Layer: l, From: r.x.Key, Samples: r.base.Samples, Arms: len(r.order)})
		var want []*evidence.Arm
		for _, a := range arms {
			need := n - len(a.Values)
			if a.Pool > 0 {
				need = min(need, a.Left())
			}
			for range need {
				want = append(want, a)
			}
		}
		for batch := range slices.Chunk(want, 1024) {
			if err := r.sample(ctx, batch, each(batch)); err != nil {
				return err
			}
		}
		best := arms[0]
		for _, a := range arms[1:] {
			if a.Mean() > best.Mean() {
				best = a
			}
		}
		if best != r.x {
			m := Move{Layer: l, From: r.x.Key, To: best.Key, D: best.Mean() - r.x.Mean(), Samples: r.base.Samples}
			r.priced(&m)
			r.moves = append(r.moves, m)
			if err := r.adopt(best); err != nil {
				return err
			}
			r.emit(Event{Kind: EventMove, Layer: l, From: m.From, To: m.To, D: m.D, Samples: r.base.Samples})
		}
	}
	return nil
}

// publishedSamples is the number of samples of each of k arms that puts every
// mean within ε/2L with probability 1−δ/L (Hoeffding, union over the arms).
func publishedSamples(sigma, epsilon, delta float64, layers, k int) int {
	half := epsilon / float64(2*layers)
	return int(math.Ceil(2 * sigma * sigma / (half * half) * math.Log(2*float64(k*layers)/delta)))
}

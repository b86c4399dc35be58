package search

import (
	"context"
	"math"
)

// fresh estimates the final's gain over the anchor on samples the search has not
// seen: the winner was chosen by its own samples, whose mean is too large
// (+1.42σ/√n for the best of 8 equals).
func (r *searcher) fresh(ctx context.Context) (*CertGain, error) {
	anchor := r.arms[r.p.Anchor.Key()]
	n := r.s.Fresh
	if n < 2 || anchor == r.x || r.s.Pool {
		return nil, nil
	}
	var reqs []Request
	for i := range n {
		for _, a := range []*arm{anchor, r.x} {
			reqs = append(reqs, Request{Arch: a.arch, Key: a.key, Stream: StreamFresh, Index: i,
				Seed: SampleSeed(r.s.Seed, StreamFresh, a.key, i), Fidelity: 1})
		}
	}
	out, err := r.ask(ctx, reqs)
	if err != nil {
		return nil, err
	}
	var was, is arm
	for i, o := range out {
		if o.Failed != "" {
			continue
		}
		if i%2 == 0 {
			was.add(o.Utility)
		} else {
			is.add(o.Utility)
		}
	}
	if len(was.values) < 2 || len(is.values) < 2 {
		return nil, nil
	}
	g := &CertGain{N: min(len(was.values), len(is.values)), Gain: is.mean() - was.mean(), Naive: r.x.mean() - anchor.mean()}
	half := 1.96 * math.Sqrt(is.spread()*is.spread()/float64(len(is.values))+was.spread()*was.spread()/float64(len(was.values)))
	g.Lo, g.Hi = g.Gain-half, g.Gain+half
	return g, nil
}

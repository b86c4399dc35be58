package search

import (
	"context"
	"math"

	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/search/evidence"
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
		for _, a := range []*evidence.Arm{anchor, r.x} {
			reqs = append(reqs, Request{Arch: a.Arch, Key: a.Key, Stream: StreamFresh, Index: i,
				Seed: SampleSeed(r.s.Seed, StreamFresh, a.Key, i), Fidelity: 1})
		}
	}
	r.emit(Event{Kind: EventFresh, Layer: -1, From: r.x.Key, Samples: r.base.Samples, Need: len(reqs), EpsHat: r.epsilonHat(),
		Failures: r.failures, Best: r.base.Center(r.x), Anchor: r.base.Center(anchor), Moves: len(r.moves)})
	out, err := r.ask(ctx, reqs)
	if err != nil {
		return nil, err
	}
	var was, is evidence.Arm
	for i, o := range out {
		if o.Failed != "" {
			continue
		}
		if i%2 == 0 {
			was.Add(o.Utility)
		} else {
			is.Add(o.Utility)
		}
	}
	if len(was.Values) < 2 || len(is.Values) < 2 {
		return nil, nil
	}
	if r.base.Medians() {
		return medianGain(&was, &is, r.x.Median()-anchor.Median()), nil
	}
	g := &CertGain{N: min(len(was.Values), len(is.Values)), Gain: is.Mean() - was.Mean(), Naive: r.x.Mean() - anchor.Mean()}
	a, b := is.Spread()*is.Spread()/float64(len(is.Values)), was.Spread()*was.Spread()/float64(len(was.Values))
	g.se, g.df = math.Sqrt(a+b), 1
	// Welch's degrees of freedom, rounded down.
	if d := a*a/float64(len(is.Values)-1) + b*b/float64(len(was.Values)-1); d > 0 {
		g.df = max(1, int((a+b)*(a+b)/d))
	}
	g.within(1.96)
	return g, nil
}

// medianGain is the difference of two medians. Either has an interval between order
// statistics that misses it with a probability of at most 2.5 %; the gain's lies
// between their ends and is the longer for it.
func medianGain(was, is *evidence.Arm, naive float64) *CertGain {
	g := &CertGain{N: min(len(was.Values), len(is.Values)), Gain: is.Median() - was.Median(), Naive: naive}
	a, b, ok1 := stats.MedianInterval(was.Values, 0.975)
	c, d, ok2 := stats.MedianInterval(is.Values, 0.975)
	if !ok1 || !ok2 {
		return nil // too few samples for an interval
	}
	g.Lo, g.Hi = c-b, d-a
	return g
}

// within sets the interval to so many standard errors on either side.
func (g *CertGain) within(score float64) {
	half := score * g.se
	g.Lo, g.Hi = g.Gain-half, g.Gain+half
}

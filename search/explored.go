package search

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/explore"
	"github.com/isocost/isocost/search/space"
)

// CertExploration says how the search came to where it began. No bound rests on its
// evaluations.
type CertExploration struct {
	Plan        *explore.Plan `json:"plan,omitempty"` // absent: the start was given
	Evaluations int           `json:"evaluations"`
	Failed      int           `json:"failed,omitempty"`
	Archs       int           `json:"archs"` // evaluated
	Start       string        `json:"start"` // where the certifying search began
	// Score is the start's utility as the explorer estimates it, chosen as the largest:
	// too large.
	Score *float64 `json:"score,omitempty"`
}

// begin makes an architecture of the band the first incumbent: the anchor, the one
// that was named, or the most promising one that exploration finds and the device
// does not refuse.
func (r *searcher) begin(ctx context.Context) error {
	anchor := r.arm(r.p.Anchor, r.p.Anchor.Key())
	start := anchor
	if r.p.Start.Layers != nil {
		start = r.arm(r.p.Start, r.p.Start.Key())
	}
	if r.s.Explore == nil && start == anchor {
		return r.adopt(anchor)
	}
	r.explored = &CertExploration{Plan: r.s.Explore}
	ranked, err := r.explore(ctx, anchor, start)
	r.explored.Evaluations, r.explored.Failed = r.base.Samples, r.failures
	for _, a := range r.order {
		if len(a.Values)+a.Failures > 0 {
			r.explored.Archs++
		}
	}
	if err == nil {
		start, err = r.firstAdmitted(ctx, ranked, anchor)
	} else if len(ranked) > 0 {
		start = r.arm(ranked[0].Arch, ranked[0].Arch.Key())
	}
	// What led here is not evidence for it.
	r.evidence.LeaveBehind(r.order)
	if err := r.adopt(start); err != nil {
		return err
	}
	r.explored.Start = start.Key
	score := math.NaN()
	for _, c := range ranked {
		if c.Arch.Key() == start.Key {
			score = c.Score
			r.explored.Score = finite(score)
		}
	}
	if err != nil { // stopped: continued, it may begin elsewhere
		return err
	}
	r.emit(Event{Kind: EventStart, From: anchor.Key, To: start.Key, D: score, Samples: r.base.Samples, Note: r.s.Explore.String()})
	return nil
}

// explore evaluates what the settings' explorer proposes and ranks it; without one it
// ranks the start alone.
func (r *searcher) explore(ctx context.Context, anchor, start *evidence.Arm) ([]explore.Candidate, error) {
	if r.s.Explore == nil {
		return []explore.Candidate{{Arch: start.Arch, Score: math.NaN()}}, nil
	}
	n, auto := r.s.Explore.Evaluations, r.s.Explore.Auto
	if auto {
		n = explore.AutoLeast
	}
	band := r.bandOf(start)
	band.Stopped = func() bool { return ctx.Err() != nil }
	if all, ok := band.All(); ok && len(all) < 2 { // there is nothing to find
		return []explore.Candidate{{Arch: start.Arch, Score: math.NaN()}}, nil
	}
	e := explore.New(r.s.Explore, band, r.s.Sigma, r.s.Seed)
	e.Tell(r.p.Known)
	next := []*evidence.Arm{anchor}
	if start != anchor {
		next = append(next, start)
	}
	for {
		if auto && r.base.Samples+r.failures >= n { // how long it is worth is settled once
			if ranked := e.Ranked(); len(ranked) > 0 {
				n = max(n, r.worth(e, ranked[0].Arch))
			}
			auto = false
		}
		if left := n - r.base.Samples - r.failures; len(next) > left {
			next = next[:left]
		}
		if len(next) == 0 {
			return e.Ranked(), nil
		}
		told, err := r.evaluate(ctx, next)
		e.Tell(told)
		if err != nil {
			return e.Ranked(), err
		}
		ranked := e.Ranked()
		p := Event{Kind: EventExplore, Samples: r.base.Samples, Arms: len(r.order), Failures: r.failures, Need: n - r.base.Samples - r.failures, EpsHat: math.Inf(1), Layer: -1,
			Best: math.NaN(), Anchor: r.base.Center(anchor)}
		if len(ranked) > 0 {
			p.D, p.To = ranked[0].Score, ranked[0].Arch.Key()
			p.Best = p.D
			// The certificate comes after it: that much is still to be done as well.
			neighbours, _ := r.comp.Neighbourhood(ranked[0].Arch)
			if more := explore.Certificate(e.Noise(), r.s.Epsilon, r.s.SelectionDelta(), len(neighbours)); more >= 0 {
				p.Need += more
			}
		}
		r.emit(p)
		next = next[:0]
		proposed := e.Propose(max(r.s.Batch, 1))
		if ctx.Err() != nil {
			return e.Ranked(), fmt.Errorf("%w: interrupted", ErrStop)
		}
		for _, a := range proposed {
			if z := r.arm(a, a.Key()); z.Left() != 0 {
				next = append(next, z)
			}
		}
	}
}

// worth returns the length that an exploration which found x is worth. Where a claim about x's
// neighbours would be vacuous nothing else is found out: then it explores longer.
func (r *searcher) worth(e explore.Explorer, x space.Arch) int {
	neighbours, _ := r.comp.Neighbourhood(x)
	if len(neighbours) < fewNeighbours && r.s.BandShare == 0 && r.s.Explore.Rules > 0 {
		return r.s.Explore.Uncertain()
	}
	return r.s.Explore.Worth(e.Noise(), r.s.Epsilon, r.s.SelectionDelta(), len(neighbours))
}

// evaluate has one sample of each arm evaluated.
func (r *searcher) evaluate(ctx context.Context, arms []*evidence.Arm) ([]explore.Evaluation, error) {
	type before struct{ values, failures int }
	was := make([]before, len(arms))
	for i, a := range arms {
		was[i] = before{len(a.Values), a.Failures}
	}
	err := r.sample(ctx, arms, each(arms))
	var told []explore.Evaluation
	for i, a := range arms {
		switch {
		case len(a.Values) > was[i].values:
			told = append(told, explore.Evaluation{Arch: a.Arch, Utility: a.Values[len(a.Values)-1]})
		case a.Failures > was[i].failures:
			told = append(told, explore.Evaluation{Arch: a.Arch, Failed: true})
		}
	}
	return told, err
}

// bandOf is the problem's band as an explorer sees it.
func (r *searcher) bandOf(start *evidence.Arm) *explore.Band {
	b := &explore.Band{Space: r.p.Space, Start: start.Arch, Excess: r.comp.Excess}
	if r.s.early == 0 {
		b.Whole = explore.WholeBand
	}
	return b
}

// firstAdmitted is the most promising architecture that can be evaluated and that
// the device lets; the anchor when it refuses all of them.
func (r *searcher) firstAdmitted(ctx context.Context, ranked []explore.Candidate, anchor *evidence.Arm) (*evidence.Arm, error) {
	for _, c := range ranked {
		z := r.arm(c.Arch, c.Arch.Key())
		if z.Dead() {
			continue
		}
		if z == anchor || r.p.Admit == nil {
			return z, nil
		}
		why, err := r.p.Admit(ctx, z.Arch)
		if err != nil {
			return anchor, err
		}
		if why == "" {
			return z, nil
		}
		r.refused[z.Key] = why
		r.refusals = append(r.refusals, z)
		r.emit(Event{Kind: EventRefuse, Layer: -1, From: anchor.Key, To: z.Key, D: c.Score, Upper: math.Inf(1), Lower: math.Inf(-1), Samples: r.base.Samples, Note: why})
	}
	return anchor, nil
}

// checkExplore says what is wrong with an exploration of these settings.
func (s *Settings) checkExplore() error {
	if err := s.Explore.Check(); err != nil {
		return fmt.Errorf("explore: %w", err)
	}
	switch {
	case s.Explore == nil:
	case s.Published:
		return errors.New("the published form does not explore: explore none")
	case s.Schedule == ScheduleComparisons:
		return fmt.Errorf("schedule %s counts every sample as evidence, those that led to the start as well: explore none, or schedule %s", ScheduleComparisons, ScheduleEpochs)
	}
	return nil
}

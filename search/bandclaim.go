package search

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search/anytime"
)

// drawnLayer stands for the layer of a network that was drawn from the band: it
// differs from the incumbent in any of them.
const drawnLayer = -1

// missShare is the part of an incumbent's share of δ that a claim about the whole
// band spends on the draws' missing all of what is better; the bounds have the rest.
const missShare = 0.5

// maxDrawn bounds the draws of one incumbent.
const maxDrawn = 10000

// Drawn says how many networks of the band are drawn for the k-th incumbent, k from 1,
// of a search that claims that at most a share p of the band is better by more than ε:
// the least n with (1−p)ⁿ ≤ half of the incumbent's share of δ. The proof is decision
// 0510's.
func (s *Settings) Drawn(k int) int {
	if s.BandShare == 0 {
		return 0
	}
	miss := missShare * anytime.Share(k) * s.SelectionDelta()
	return int(math.Ceil(math.Log(miss) / math.Log1p(-s.BandShare)))
}

// checkBandShare says what is wrong with a claim about the whole band.
func (s *Settings) checkBandShare() error {
	switch {
	case s.BandShare == 0:
		return nil
	case !(s.BandShare > 0 && s.BandShare < 1):
		return fmt.Errorf("certify: a share of %g of the band is not between 0 and 1", s.BandShare)
	case s.Schedule != ScheduleEpochs || s.Scope != ScopeAll || s.Published:
		return fmt.Errorf("certify: a claim about the band needs schedule %s and scope %s", ScheduleEpochs, ScopeAll)
	}
	// The shares are not known before σ's part is taken out of δ; it is at most a fifth.
	if n := s.Drawn(1); n > maxDrawn {
		return fmt.Errorf("certify: a share of %g of the band takes %d networks drawn, over %d", s.BandShare, n, maxDrawn)
	}
	return nil
}

// drawTries says how many networks of a space that is not on file are drawn for one of
// the band.
const drawTries = 200000

// draw adds networks drawn from the band to the incumbent's neighbourhood, all alike
// and independent of what has been sampled.
func (r *searcher) draw() error {
	n := r.s.Drawn(r.base.Epoch.Incumbent)
	if n == 0 {
		return nil
	}
	band := r.bandOf(r.x)
	rng := rand.New(rand.NewPCG(r.s.Seed^0x6472617762616e64, uint64(r.base.Epoch.Incumbent)))
	seen := map[string]bool{r.x.Key: true}
	for _, p := range r.hood.feasible {
		seen[p.Key] = true
	}
	for range n {
		a, ok := band.Uniform(rng, drawTries)
		if !ok {
			return hint.Wrap(errors.New("certify: none of the networks drawn at random has the anchor's cost: the band cannot be drawn from"), "a larger --tau, or a claim about neighbours alone")
		}
		r.hood.drawn++
		if key := a.Key(); !seen[key] { // drawn twice, or a neighbour: compared once
			seen[key] = true
			_, costs, dev, err := r.comp.Inside(a)
			if err != nil {
				return err
			}
			r.hood.feasible = append(r.hood.feasible, Proposal{Layer: drawnLayer, Feasible: true, Arch: a, Key: key, Costs: costs, Dev: dev})
			r.hood.arms = append(r.hood.arms, r.arm(a, key))
		}
	}
	return nil
}

// CertDrawn is the part of a claim that is about the whole band.
type CertDrawn struct {
	Share float64   `json:"share"` // at most so much of the band is better by more than ε
	Drawn int       `json:"drawn"` // at the final; those drawn twice or among the neighbours are compared once
	Archs []CertArm `json:"archs"`
}

// claim is the clause of the sentence about it.
func (d *CertDrawn) claim(epsilon float64) string {
	return fmt.Sprintf(", and at most %g %% of all networks of this cost are better by more than %g (%d drawn at random and compared)", 100*d.Share, epsilon, d.Drawn)
}

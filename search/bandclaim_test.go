package search

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/search/explore"
	"github.com/isocost/isocost/search/space"
)

// betterShare is the share of the band, estimated on n networks drawn afresh, that is
// better than x by more than epsilon.
func (p *planted) betterShare(prob Problem, x space.Arch, epsilon float64, n int) float64 {
	c := NewCompensator(p, prob.Bands)
	band := &explore.Band{Space: p, Start: prob.Anchor, Excess: c.Excess}
	rng := rand.New(rand.NewPCG(99, p.seed))
	better := 0
	for range n {
		a, ok := band.Uniform(rng, drawTries)
		if ok && p.utility(a)-p.utility(x) > epsilon {
			better++
		}
	}
	return float64(better) / float64(n)
}

// TestBandClaim: a certificate about the whole band is false – a larger share than p
// is better by more than ε, or a neighbour is – no more often than δ allows; without
// draws the same finals are worse than a share p of their band far more often.
func TestBandClaim(t *testing.T) {
	tier.Sequential(t, "many simulated searches")
	t.Parallel()
	const runs, p, fresh = 60, 0.05, 600
	one := 1.0
	wrong, certified, control := 0, 0, 0
	samples, plain := 0, 0
	for run := range runs {
		l := &planted{layers: 6, choices: 5, widths: 1, seed: uint64(run), spread: 8} // hardly a neighbour of equal cost
		prob := l.problem(0.004)
		s := simulationSettings()
		s.Tau, s.Sigma, s.Seed, s.Epsilon, s.BandShare = 0.004, &one, uint64(run), 3, p
		res, err := Search(context.Background(), prob, s, l.noisy, nil)
		if err != nil {
			t.Fatal(err)
		}
		samples += res.Samples
		if res.Drawn < int(math.Log(s.Delta)/math.Log(1-p)) {
			t.Fatalf("only %d draws", res.Drawn)
		}
		bad := l.betterShare(prob, res.Final.Arch, s.Epsilon, fresh) > p
		for _, n := range res.Neighbours {
			bad = bad || n.Layer != drawnLayer && l.utility(n.Arch)-l.utility(res.Final.Arch) > s.Epsilon
		}
		if res.Reached {
			certified++
			if bad {
				wrong++
			}
		}
		s.BandShare = 0
		if res, err = Search(context.Background(), prob, s, l.noisy, nil); err != nil {
			t.Fatal(err)
		}
		plain += res.Samples
		if res.Reached && l.betterShare(prob, res.Final.Arch, s.Epsilon, fresh) > p {
			control++
		}
	}
	limit := int(runs * (0.1 + 3*math.Sqrt(0.1*0.9/runs)))
	t.Logf("%d of %d claims about the band are false (limit %d); control without draws: %d finals are worse than a share of %g; %d evaluations each, %d without",
		wrong, certified, limit, control, p, samples/runs, plain/runs)
	if wrong > limit || certified < runs*95/100 {
		t.Errorf("%d of %d claims are false, limit %d", wrong, certified, limit)
	}
	if control <= limit {
		t.Errorf("only %d of %d finals without draws are worse: the test cannot fail", control, runs)
	}
}

// The number of draws is the least that misses a share p of the band with half of the
// incumbent's share of δ, and what cannot be claimed is refused.
func TestDrawnNetworksOfTheBand(t *testing.T) {
	s := DefaultSettings()
	one := 1.0
	s.Sigma, s.BandShare = &one, 0.05
	if err := s.Complete(); err != nil {
		t.Fatal(err)
	}
	miss := 0.5 * 0.25 * 0.05
	if n := s.Drawn(1); math.Pow(0.95, float64(n)) > miss || math.Pow(0.95, float64(n-1)) <= miss {
		t.Errorf("%d draws for the first incumbent", n)
	}
	for _, change := range []func(*Settings){
		func(s *Settings) { s.BandShare = 1 },
		func(s *Settings) { s.BandShare = -0.1 },
		func(s *Settings) { s.BandShare = math.NaN() },
		func(s *Settings) { s.BandShare = 1e-9 },
		func(s *Settings) { s.Scope = ScopeLayer },
		func(s *Settings) { s.Schedule = ScheduleComparisons },
		func(s *Settings) { s.Published = true },
	} {
		bad := s
		change(&bad)
		if err := bad.Complete(); err == nil {
			t.Errorf("passes: %+v", bad)
		}
	}
}

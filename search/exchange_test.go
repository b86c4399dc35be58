package search

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/isocost/isocost/search/space"
)

// An exchange changes the layer it is for and one other, is inside the band, leaves
// the mutated layer's width and precision alone, and is the one of least drift.
func TestExchangesOfTwoLayers(t *testing.T) {
	feasible := 0
	for seed := range uint64(12) {
		p := &planted{layers: 5, choices: 3, widths: 3, seed: seed, inversions: 0.3, spread: 2}
		prob := p.problem(0.04)
		budget := prob.Bands[0].Budget.Value
		c := NewCompensator(p, prob.Bands)
		x := prob.Anchor
		for l := range x.Layers {
			for _, choice := range []string{"b", "c"} {
				got := c.Exchange(x, l, choice)
				best := math.Inf(1)
				for m := range x.Layers {
					for _, other := range p.Choices(m) {
						for w := range p.widths {
							y := x.Clone()
							y.Layers[l].Choice = choice
							if m == l || y.Layers[m] == (space.Layer{Choice: other, Width: w}) {
								continue
							}
							drift := math.Abs(math.Log(p.WidthRatio(m, w) / p.WidthRatio(m, y.Layers[m].Width)))
							if other != y.Layers[m].Choice {
								drift += choiceDrift
							}
							y.Layers[m] = space.Layer{Choice: other, Width: w}
							if p.inBand(y, budget, 0.04) {
								best = min(best, drift)
							}
						}
					}
				}
				if got.Feasible != !math.IsInf(best, 1) {
					t.Fatalf("seed %d, layer %d to %s: feasible %t, the best by enumeration has drift %g", seed, l, choice, got.Feasible, best)
				}
				if !got.Feasible {
					continue
				}
				feasible++
				changed := 0
				for m := range x.Layers {
					if got.Arch.Layers[m] != x.Layers[m] {
						changed++
					}
				}
				want := x.Layers[l]
				want.Choice = choice
				if changed != 2 || got.Arch.Layers[l] != want || !p.inBand(got.Arch, budget, 0.04) || math.Abs(got.Drift-best) > 1e-12 {
					t.Errorf("seed %d, layer %d to %s: %s with drift %g, want %g", seed, l, choice, got.Key, got.Drift, best)
				}
			}
		}
	}
	if feasible < 20 {
		t.Errorf("only %d exchanges are feasible", feasible)
	}
}

// Where no width makes up for a change, a claim about single changes is about hardly
// anything and says so; exchanges give it neighbours. Its sentence names both.
func TestVacuousClaims(t *testing.T) {
	vacuous, more := 0, 0
	one := 1.0
	for seed := range uint64(10) {
		p := &planted{layers: 4, choices: 3, widths: 1, seed: seed, spread: 2}
		prob := p.problem(0.005)
		certify := func(neighbours Neighbours, format string) (*Certificate, *Result) {
			s := simulationSettings()
			s.Tau, s.Sigma, s.Seed, s.Neighbours = 0.005, &one, seed, neighbours
			res, err := Search(context.Background(), prob, s, p.noisy, nil)
			if err != nil {
				t.Fatal(err)
			}
			return NewCertificate(Header{Format: format, Settings: s, Tables: []TableRef{{}}}, res, nil, "", nil, nil), res
		}
		c, res := certify("", JournalFormat)
		wide, _ := certify(NeighboursExchange, JournalFormat)
		if len(wide.Neighbours) > len(c.Neighbours) {
			more++
		}
		if wide.Claim.Verdict == Certified && (!strings.Contains(wide.Claim.Text, "or by one other") || !strings.Contains(wide.Claim.Text, "proposals have the anchor's cost")) {
			t.Errorf("seed %d: %s", seed, wide.Claim.Text)
		}
		if res.Vacuous() != (len(c.Neighbours) < 3) {
			t.Errorf("seed %d: %d neighbours, vacuous %t", seed, len(c.Neighbours), res.Vacuous())
		}
		if len(c.Neighbours) >= 3 {
			continue
		}
		vacuous++
		if c.Claim.Reached || c.Claim.Verdict != Vacuous || !strings.HasPrefix(c.Claim.Text, "vacuous: ") {
			t.Errorf("seed %d: %d neighbours and yet %+v", seed, len(c.Neighbours), c.Claim)
		}
		if old, _ := certify("", journalV1); !old.Claim.Reached || old.Claim.Verdict != "" || old.Format != certificateV1 {
			t.Errorf("seed %d: a search of version 1 now says %+v", seed, old.Claim)
		}
	}
	if vacuous < 3 || more < 5 {
		t.Errorf("%d of 10 claims are vacuous, exchanges have more neighbours in %d", vacuous, more)
	}
}

// The claim holds among exchanges as well: 300 planted problems.
func TestExchangeHoldsTheClaim(t *testing.T) {
	const runs = 300
	s := simulationSettings()
	one := 1.0
	s.Sigma, s.Neighbours = &one, NeighboursExchange
	wrong, certified := 0, 0
	for run := range runs {
		p := &planted{layers: 5, choices: 3, widths: 3, seed: uint64(run), inversions: 0.3, spread: 2}
		s.Seed = uint64(run)
		prob := p.problem(s.Tau)
		res, err := Search(context.Background(), prob, s, p.noisy, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.Reached {
			certified++
		}
		c := NewCompensator(p, prob.Bands)
		c.Neighbours = NeighboursExchange
		f, _ := c.Neighbourhood(res.Final.Arch)
		for _, n := range f {
			if p.utility(n.Arch)-p.utility(res.Final.Arch) > s.Epsilon {
				wrong++
				break
			}
		}
	}
	limit := int(runs * (s.Delta + 3*math.Sqrt(s.Delta*(1-s.Delta)/runs)))
	t.Logf("%d of %d wrong (limit %d), %d certified", wrong, runs, limit, certified)
	if wrong > limit || certified < runs*99/100 {
		t.Errorf("%d of %d wrong (limit %d), %d certified", wrong, runs, limit, certified)
	}
}

package search

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/search/space"
)

// A certificate says what is assumed of the noise, what could not be had, and when
// there was nothing to compare.
func TestWhatAClaimRestsOn(t *testing.T) {
	certify := func(change func(p *planted, s *Settings, out []Outcome)) *Certificate {
		t.Helper()
		p := &planted{layers: 5, choices: 3, widths: 3, seed: 2, spread: 2}
		s := simulationSettings()
		change(p, &s, nil)
		prob := p.problem(s.Tau)
		ask := func(c context.Context, reqs []Request) ([]Outcome, error) {
			out, err := p.noisy(c, reqs)
			change(p, &s, out)
			return out, err
		}
		res, err := Search(context.Background(), prob, s, ask, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Complete(); err != nil {
			t.Fatal(err)
		}
		return NewCertificate(Header{Settings: s, Tables: []TableRef{{FileRef: FileRef{Name: "t"}}}}, res, nil, "", nil, nil)
	}
	has := func(c *Certificate, want string) {
		t.Helper()
		if !slices.ContainsFunc(c.Claim.Rests, func(s string) bool { return strings.Contains(s, want) }) {
			t.Errorf("nothing says %q: %q", want, c.Claim.Rests)
		}
	}
	one := 1.0
	has(certify(func(*planted, *Settings, []Outcome) {}), "for every neighbour: the upper bound of 4 samples of each of")
	has(certify(func(_ *planted, s *Settings, _ []Outcome) { s.Sigma = &one }), "as declared, for every neighbour")
	n := 0
	has(certify(func(_ *planted, s *Settings, out []Outcome) {
		s.Sigma = &one
		for i := range out {
			if n++; n%7 == 0 {
				out[i] = Outcome{Failed: "diverged"}
			}
		}
	}), "failed, and the utility is the expected one of those that do not")
	alone := certify(func(p *planted, s *Settings, _ []Outcome) { p.widths, p.inversions, s.Tau, s.Sigma = 1, 1, 1e-6, &one })
	if alone.Claim.Reached || alone.Claim.Verdict != Vacuous || !strings.Contains(alone.Claim.Text, "vacuous: 0 of the ") {
		t.Errorf("without a feasible neighbour: %q", alone.Claim.Text)
	}
	if c := certify(func(p *planted, s *Settings, _ []Outcome) {
		p.widths, p.inversions, s.Tau, s.Selector = 1, 1, 1e-6, "paired"
	}); c.Claim.Text != alone.Claim.Text {
		t.Errorf("paired, without a feasible neighbour: %q", c.Claim.Text)
	}
	has(alone, "none of the 10 proposals at the final is feasible")
}

// The three martingales a pair of pools may be judged by have a third of δ each.
func TestPoolsShareDelta(t *testing.T) {
	s := Settings{Delta: 0.05, SigmaBeta: 0.02}
	whole := s.SelectionDelta()
	s.Pool = true
	if got := 3 * s.SelectionDelta(); got < whole*0.999 || got > whole*1.001 {
		t.Errorf("three thirds are %g of %g", got, whole)
	}
}

// A cost that is noisy, drifted or preempted is none that a claim rests on.
func TestOnlyValidMeasurementsAreCompared(t *testing.T) {
	m := Measurement{Value: 110, Reference: 100, Validity: []string{"ok"}}
	if d := m.Deviation(); d == nil || *d < 0.09 {
		t.Fatalf("a valid one: %v", d)
	}
	for _, bad := range []Measurement{
		{Value: 110, Reference: 100, Validity: []string{"noisy"}},
		{Value: 110, Reference: 100, Validity: []string{"preempted", "drift"}},
		{Value: 110, Reference: 100},
		{Value: 110, Validity: []string{"ok"}},
		{Reference: 100, Validity: []string{"ok"}},
	} {
		if d := bad.Deviation(); d != nil {
			t.Errorf("%+v deviates by %g", bad, *d)
		}
	}
}

// noPrice has no price for a choice of layer 1.
type noPrice struct{ *planted }

func (p noPrice) Cost(a space.Arch) (Bounds, error) {
	if a.Layers[1].Choice == "b" {
		return Bounds{}, errors.New("unknown operator conv7")
	}
	return p.planted.Cost(a)
}

func TestProposalsWithoutAPriceAreCounted(t *testing.T) {
	p := &planted{layers: 5, choices: 3, widths: 3, seed: 2, spread: 2}
	s := simulationSettings()
	one := 1.0
	s.Sigma = &one
	prob := p.problem(s.Tau)
	prob.Bands[0].Cost = noPrice{p}
	res, err := Search(context.Background(), prob, s, p.noisy, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := NewCertificate(Header{Settings: s, Tables: []TableRef{{FileRef: FileRef{Name: "t"}}}}, res, nil, "", nil, nil)
	if !slices.ContainsFunc(c.Claim.Rests, func(s string) bool {
		return strings.Contains(s, "1 of the") && strings.Contains(s, "unknown operator conv7")
	}) {
		t.Errorf("nothing says what could not be priced: %q", c.Claim.Rests)
	}
}

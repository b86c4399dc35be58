package search

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/search/evidence"
)

// multiSettings race through two low fidelities whose bias bounds are those of a
// planted bias.
func multiSettings(bias float64) Settings {
	s := simulationSettings()
	s.Selector = "multi-fidelity"
	b1, b2 := bias*0.9, bias*0.7
	s.Fidelities = []evidence.Fidelity{{Value: 0.1, Bias: &b1}, {Value: 0.3, Bias: &b2}}
	return s
}

// TestMultiFidelityHoldsTheClaim is the multi-fidelity selector's acceptance: 120
// planted problems for each kind of bias, an adversary's among them.
func TestMultiFidelityHoldsTheClaim(t *testing.T) {
	tier.Sequential(t, "hundreds of simulated searches")
	t.Parallel()
	const runs = 120
	plain := simulate(t, runs, simulationSettings(), nil)
	limit := int(runs * (0.1 + 3*math.Sqrt(0.1*0.9/runs)))
	for _, c := range []struct {
		name  string
		bias  float64
		sly   bool
		order bool // without a bias bound
		saves float64
	}{
		{"no bias, none declared", 0, false, false, 0.5},
		{"small bias", 0.5, false, false, 0.95},
		{"small bias that hides what is good", 0.5, true, false, 0},
		{"large bias", 3, false, false, 0},
		{"large bias that hides what is good", 3, true, false, 0},
		{"large bias, order alone", 3, true, true, 0},
	} {
		s := multiSettings(c.bias)
		if c.order {
			s.Fidelities[0].Bias, s.Fidelities[1].Bias = nil, nil
		}
		got := simulate(t, runs, s, func(p *planted) { p.bias, p.sly = c.bias, c.sly })
		t.Logf("%-36s %d of %d wrong (limit %d), %d certified, cost %.0f full samples (median; lucb %.0f), %.1f neighbours retired at low fidelity",
			c.name, got.wrong, runs, limit, got.certified, median(got.cost), median(plain.samples), float64(got.trusting)/runs)
		if got.wrong > limit || got.outside > 0 || got.certified < runs*97/100 {
			t.Errorf("%s: %d of %d wrong, %d outside the band, %d certified", c.name, got.wrong, runs, got.outside, got.certified)
		}
		if c.saves > 0 && median(got.cost) > c.saves*median(plain.samples) {
			t.Errorf("%s: cost %.0f, lucb %.0f", c.name, median(got.cost), median(plain.samples))
		}
		if c.order && got.trusting > 0 {
			t.Errorf("%s: %d neighbours retired at a fidelity without a bias bound", c.name, got.trusting)
		}
	}
}

// Negative control: a bias bound that does not hold breaks the claim, which says
// that it rests on it; without a bound, at full fidelity alone, it cannot.
func TestWrongBiasBound(t *testing.T) {
	const runs = 80
	change := func(p *planted) { p.bias, p.sly = 6, true }
	limit := int(runs * (0.1 + 3*math.Sqrt(0.1*0.9/runs)))
	believed := simulate(t, runs, multiSettings(0), change)
	s := multiSettings(0)
	s.Fidelities[0].Bias, s.Fidelities[1].Bias = nil, nil
	order := simulate(t, runs, s, change)
	t.Logf("a bias of 6 declared to be 0: %d of %d wrong; as order alone: %d", believed.wrong, runs, order.wrong)
	if believed.wrong <= limit {
		t.Errorf("a wrong bias bound is wrong in %d of %d only: the acceptance test cannot fail", believed.wrong, runs)
	}
	if order.wrong > limit {
		t.Errorf("order alone: %d of %d wrong", order.wrong, runs)
	}
	p := &planted{layers: 4, choices: 3, widths: 3, seed: 1, spread: 2}
	one := 1.0
	b := multiSettings(0.5)
	b.Sigma = &one
	res, err := Search(context.Background(), p.problem(0.05), b, p.noisy, nil)
	if err != nil {
		t.Fatal(err)
	}
	cert := NewCertificate(Header{Settings: b, Tables: []TableRef{{}}}, res, nil, "", nil, nil)
	if !strings.Contains(cert.Claim.Text, "declared bias") || !strings.Contains(strings.Join(cert.Claim.Rests, "\n"), "±0.45 at fidelity 0.1") {
		t.Errorf("the claim does not say that it rests on bias bounds: %s; %v", cert.Claim.Text, cert.Claim.Rests)
	}
	if cert.Cost == nil || *cert.Cost >= float64(cert.Samples) || cert.LowerBound != nil {
		t.Errorf("cost %v of %d samples, lower bound %v", cert.Cost, cert.Samples, cert.LowerBound)
	}
	b.Fidelities[0].Bias, b.Fidelities[1].Bias = nil, nil
	if res, err = Search(context.Background(), p.problem(0.05), b, p.noisy, nil); err != nil {
		t.Fatal(err)
	}
	if cert = NewCertificate(Header{Settings: b, Tables: []TableRef{{}}}, res, nil, "", nil, nil); strings.Contains(cert.Claim.Text, "bias") || cert.LowerBound == nil {
		t.Errorf("order alone: %s, lower bound %v", cert.Claim.Text, cert.LowerBound)
	}
}

// What both fidelities have sampled contradicts a wrong bound: an alarm, no claim.
func TestBiasAlarm(t *testing.T) {
	alarmed, claimed := 0, 0
	for run := range uint64(40) {
		p := &planted{layers: 6, choices: 3, widths: 3, seed: run, spread: 2, bias: 40}
		s := multiSettings(0.2)
		one := 1.0
		s.Sigma, s.Seed = &one, run
		// Only what looks better than x at low fidelity gets to full fidelity.
		res, err := Search(context.Background(), p.problem(0.05), s, p.noisy, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Alarms) > 0 {
			alarmed++
			if res.Reached {
				claimed++
			}
		}
	}
	if alarmed < 4 || claimed > 0 {
		t.Errorf("a bias of 40 against 0.2 declared: alarms in %d of 40 runs, %d claims in spite of one", alarmed, claimed)
	}
}

// Samples of low fidelity have streams of their own, and failures there do not
// take an architecture out.
func TestLowStreams(t *testing.T) {
	p := &planted{layers: 5, choices: 3, widths: 3, seed: 3, spread: 2}
	seen := map[string]bool{}
	ask := func(c context.Context, reqs []Request) ([]Outcome, error) {
		out, err := p.noisy(c, reqs)
		for i, r := range reqs {
			id := fmt.Sprint(r.Key, r.Stream, r.Index)
			if seen[id] {
				t.Fatalf("%s is asked for twice", id)
			}
			seen[id] = true
			if (r.Stream == StreamSearch) != (r.Fidelity == 1) {
				t.Fatalf("stream %s at fidelity %g", r.Stream, r.Fidelity)
			}
			if r.Fidelity == 0.1 && r.Arch.Layers[1].Choice == "b" {
				out[i] = Outcome{Failed: "too few steps"}
			}
		}
		return out, err
	}
	s := multiSettings(0.3)
	one := 1.0
	s.Sigma = &one
	res, err := Search(context.Background(), p.problem(0.05), s, ask, nil)
	if err != nil || !res.Reached || res.Failures == 0 {
		t.Fatalf("%v, %+v", err, res)
	}
}

func TestParseFidelities(t *testing.T) {
	got, err := evidence.ParseFidelities("0.1:0.5:0.2,0.3")
	if err != nil || len(got) != 2 || got[0].Value != 0.1 || *got[0].Bias != 0.5 || *got[0].Sigma != 0.2 || got[1].Value != 0.3 || got[1].Bias != nil {
		t.Errorf("%+v, %v", got, err)
	}
	for _, bad := range []string{"", "x", "0.1:", "0.1:1:1:1"} {
		if _, err := evidence.ParseFidelities(bad); err == nil {
			t.Errorf("%q passes", bad)
		}
	}
	for _, bad := range []string{"1", "0", "0.3,0.1", "0.1,0.1", "0.1:-1", "NaN"} {
		s := DefaultSettings()
		s.Selector = "multi-fidelity"
		s.Fidelities, err = evidence.ParseFidelities(bad)
		if err != nil || s.Complete() == nil {
			t.Errorf("%q: %v, and the settings pass", bad, err)
		}
	}
}

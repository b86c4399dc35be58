package search

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/space"
)

// pairedSettings search at common seeds with a calibrated spread of differences.
func pairedSettings() Settings {
	s := simulationSettings()
	s.Selector, s.SigmaArchs, s.SigmaRepeats = "paired", 12, 4
	return s
}

// TestPairedHoldsTheClaim is the paired selector's acceptance: 200 planted problems
// for each kind of noise, adversaries among them.
func TestPairedHoldsTheClaim(t *testing.T) {
	tier.Sequential(t, "hundreds of simulated searches")
	t.Parallel()
	const runs = 200
	s := pairedSettings()
	limit := int(runs * (s.Delta + 3*math.Sqrt(s.Delta*(1-s.Delta)/runs)))
	for _, c := range []struct {
		name    string
		common  float64
		opposed bool
		pays    bool // pairing does, and has to save samples
	}{
		{"nine tenths common", 0.9, false, true},
		{"half common", 0.5, false, true},
		{"nothing common", 0, false, false},
		// At a common seed the noises of half the pairs are opposed: pairing them makes
		// differences noisier than independent seeds would.
		{"opposed for half the pairs", 0.8, true, false}, // the pooled σ is not a bound for these
	} {
		change := func(p *planted) { p.common, p.opposed = c.common, c.opposed }
		got := calibrated(t, runs, s, change)
		plain := s
		plain.Selector = "lucb"
		lucb := calibrated(t, runs/5, plain, change)
		t.Logf("%-26s %d of %d wrong (limit %d), %d certified, paired in %d, %.0f samples (median; lucb %.0f)",
			c.name, got.wrong, runs, limit, got.certified, got.paired, median(got.samples), median(lucb.samples))
		if got.wrong > limit || got.outside > 0 {
			t.Errorf("%s: %d of %d wrong, %d outside the band", c.name, got.wrong, runs, got.outside)
		}
		if c.pays && (got.paired < runs*80/100 || got.certified < runs*97/100 || median(got.samples) > 0.9*median(lucb.samples)) {
			t.Errorf("%s: paired in %d runs, certified in %d, %.0f samples against %.0f", c.name, got.paired, got.certified, median(got.samples), median(lucb.samples))
		}
		if !c.pays && !c.opposed && got.paired > runs/10 {
			t.Errorf("%s: paired in %d runs although it does not pay", c.name, got.paired)
		}
	}
}

// Negative control: with the spread of a difference declared ten times too small
// results are wrong more often than δ, or the alarm is raised; with the alarms
// ignored the test above would fail.
func TestPairedControl(t *testing.T) {
	const runs = 200
	s := pairedSettings()
	small := math.Sqrt2 / 10
	s.SigmaDiff = &small
	got := simulate(t, runs, s, nil)
	t.Logf("σ of a difference ten times too small: %d of %d wrong, %d claimed in spite of the alarm", got.wrong, runs, got.certified)
	if limit := int(runs * (s.Delta + 3*math.Sqrt(s.Delta*(1-s.Delta)/runs))); got.wrong <= limit {
		t.Errorf("only %d of %d wrong: the acceptance test cannot fail", got.wrong, runs)
	}
	if got.certified > runs/2 {
		t.Errorf("%d of %d claimed with differences ten times as noisy as declared", got.certified, runs)
	}
}

// At a common seed each architecture is evaluated once; after a move no seed used
// before counts.
func TestPairedSeeds(t *testing.T) {
	p := &planted{layers: 5, choices: 3, widths: 3, seed: 4, spread: 2, common: 0.9}
	seen, archs := map[string]bool{}, map[uint64]int{}
	ask := func(c context.Context, reqs []Request) ([]Outcome, error) {
		for _, r := range reqs {
			id := fmt.Sprint(r.Key, r.Stream, r.Index)
			if seen[id] {
				t.Fatalf("%s is asked for twice at index %d", r.Key, r.Index)
			}
			seen[id] = true
			archs[r.Seed]++
			if want := SampleSeed(7, StreamSearch, "", r.Index); r.Stream == StreamSearch && r.Seed != want {
				t.Fatalf("index %d has seed %d, not the common %d", r.Index, r.Seed, want)
			}
		}
		return p.noisy(c, reqs)
	}
	s := pairedSettings()
	s.Seed = 7
	res, err := Search(context.Background(), p.problem(0.05), s, ask, nil)
	if err != nil || !res.Reached || len(res.Moves) == 0 {
		t.Fatalf("%v, %+v", err, res)
	}
	shared := 0
	for _, n := range archs {
		if n > 1 {
			shared++
		}
	}
	if shared < 5 {
		t.Errorf("only %d seeds are shared by architectures", shared)
	}
	cert := NewCertificate(Header{Settings: s, Tables: []TableRef{{}}}, res, nil, "", nil, nil)
	if !strings.Contains(strings.Join(cert.Claim.Rests, "\n"), "common seeds") {
		t.Errorf("the certificate does not say what pairing rests on: %v", cert.Claim.Rests)
	}
	d := res.Sigma.Diff
	if d == nil || !d.Used || d.Value < d.S || math.Abs(d.S-math.Sqrt(2*0.1)) > 0.2 || d.Ratio >= evidence.PairingRatio {
		t.Errorf("differences %+v, want a spread near %.2f", d, math.Sqrt(2*0.1))
	}
	if !math.IsNaN(res.LowerBound) {
		t.Error("the lower bound for independent samples is given for paired ones")
	}
}

// An evaluator whose noise is the seed's alone tells differences exactly, which
// has to be declared; one that ignores the seed cannot be certified at all.
func TestPairedAlarms(t *testing.T) {
	p := &planted{layers: 4, choices: 3, widths: 3, seed: 1, spread: 2, common: 1}
	ctx, zero := context.Background(), 0.0
	s := pairedSettings()
	if _, err := Search(ctx, p.problem(0.05), s, p.noisy, nil); !errors.Is(err, ErrDeterministic) || !strings.Contains(err.Error(), "same noise") {
		t.Errorf("noise in common alone: %v", err)
	}
	s.SigmaDiff = &zero
	res, err := Search(ctx, p.problem(0.05), s, p.noisy, nil)
	if err != nil || !res.Reached {
		t.Fatalf("declared: %v", err)
	}
	for _, n := range res.Neighbours {
		if p.utility(n.Arch)-p.utility(res.Final.Arch) > s.Epsilon {
			t.Errorf("exact differences and yet %s is better", n.Key)
		}
	}
	p.common = 0
	if alarmed := p.alarms(t, s, p.noisy); alarmed < 20 {
		t.Errorf("differences declared exact are not, and %d of 20 runs notice", alarmed)
	}
	exact := func(_ context.Context, reqs []Request) ([]Outcome, error) {
		out := make([]Outcome, len(reqs))
		for i, r := range reqs {
			out[i].Utility = p.utility(r.Arch)
		}
		return out, nil
	}
	s.SigmaDiff = nil
	if _, err := Search(ctx, p.problem(0.05), s, exact, nil); !errors.Is(err, ErrDeterministic) {
		t.Errorf("an evaluator that ignores the seed: %v", err)
	}
	// One choice whose noise is its own and much larger.
	p.common = 0.9
	loud := func(c context.Context, reqs []Request) ([]Outcome, error) {
		out, err := p.noisy(c, reqs)
		for i, r := range reqs {
			if r.Arch.Layers[0].Choice == "b" {
				out[i].Utility += 6 * (&planted{}).noise(r)
			}
		}
		return out, err
	}
	diff := 0.5
	s.SigmaDiff = &diff
	if alarmed := p.alarms(t, s, loud); alarmed < 10 {
		t.Errorf("twelve-fold noise of one choice raised an alarm in %d of 20 runs", alarmed)
	}
	pool := p.problem(0.05)
	pool.PoolSize = func(space.Arch) int { return 3 }
	if _, err := Search(ctx, pool, s, p.noisy, nil); err == nil || !strings.Contains(err.Error(), "finite pool") {
		t.Errorf("a finite pool: %v", err)
	}
}

func TestPairedSettingsAreChecked(t *testing.T) {
	for _, c := range []struct {
		change func(s *Settings)
		want   string
	}{
		{func(s *Settings) { s.Selector, s.Schedule = "paired", ScheduleComparisons }, "needs schedule epochs"},
		{func(s *Settings) { v := 1.0; s.SigmaDiff = &v }, "is for selector paired"},
		{func(s *Settings) { v := -1.0; s.Selector, s.SigmaDiff = "paired", &v }, "sigma-diff -1"},
		{func(s *Settings) { s.Epsilon = 0 }, "not positive"},
		{func(s *Settings) { s.MoveScore = math.NaN() }, "move score"},
		{func(s *Settings) { s.Selector = "best" }, "unknown selector"},
	} {
		s := DefaultSettings()
		c.change(&s)
		if err := s.Complete(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

// A search that ends before its noise is known knows nothing, and says so.
func TestStoppedInCalibration(t *testing.T) {
	p := &planted{layers: 4, choices: 3, widths: 3, seed: 1, spread: 2, common: 0.9}
	stop := func(context.Context, []Request) ([]Outcome, error) { return nil, fmt.Errorf("%w: enough", ErrStop) }
	for _, sel := range Selectors() {
		s := DefaultSettings()
		s.Selector = sel
		if sel == "multi-fidelity" {
			zero := 0.0
			s.Fidelities = []evidence.Fidelity{{Value: 0.5, Bias: &zero}}
		}
		res, err := Search(context.Background(), p.problem(0.05), s, stop, nil)
		if err != nil {
			t.Fatalf("%s: %v", sel, err)
		}
		cert := NewCertificate(Header{Settings: s, Tables: []TableRef{{}}}, res, nil, "", nil, nil)
		if _, err := cert.Encode(); err != nil {
			t.Errorf("%s: %v", sel, err)
		}
		if cert.Claim.Reached || cert.Claim.EpsilonHat != nil || cert.Claim.Unretired != len(res.Neighbours) {
			t.Errorf("%s: %+v", sel, cert.Claim)
		}
	}
}

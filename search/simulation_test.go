package search

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/evidence"
	"github.com/isocost/isocost/search/explore"
)

// simulation is P(not ε-locally optimal) over many planted problems, and what
// went with it.
type simulation struct {
	wrong, outside, certified int
	paired                    int // runs at common seeds
	samples, ratios, cost     []float64
	trusting                  int // neighbours retired at a low fidelity
}

// simulate is calibrated with the noise declared.
func simulate(t *testing.T, runs int, s Settings, change func(p *planted)) simulation {
	t.Helper()
	if sigma := 1.0; s.Sigma == nil {
		s.Sigma = &sigma
	}
	return calibrated(t, runs, s, change)
}

// calibrated searches runs planted problems and judges each result against the
// truth, with neighbours recomputed from the anchor's band.
func calibrated(t *testing.T, runs int, s Settings, change func(p *planted)) (out simulation) {
	t.Helper()
	for run := range runs {
		p := &planted{layers: 6, choices: 2 + run%3, widths: 3, precisions: []lut.Precision{lut.FP32, lut.INT8}, seed: uint64(run), inversions: 0.3, spread: 2}
		if change != nil {
			change(p)
		}
		s.Seed = uint64(run)
		prob := p.problem(s.Tau)
		res, err := Search(context.Background(), prob, s, p.noisy, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.Reached {
			out.certified++
		}
		if d := res.Sigma.Diff; d != nil && d.Used {
			out.paired++
		}
		budget := prob.Bands[0].Budget.Value
		if !p.inBand(res.Final.Arch, budget, s.Tau) {
			out.outside++
		}
		f, _ := NewCompensator(p, prob.Bands).Neighbourhood(res.Final.Arch)
		var gaps []float64
		bad := false
		for _, n := range f {
			gap := p.utility(res.Final.Arch) - p.utility(n.Arch)
			bad = bad || -gap > s.Epsilon
			gaps = append(gaps, gap+s.Epsilon)
		}
		if bad {
			out.wrong++
		}
		out.samples = append(out.samples, float64(res.Samples))
		out.cost = append(out.cost, res.Cost)
		out.trusting += res.OnTrust
		if lb := anytime.Certificate(1, gaps, s.Delta); lb > 0 && !math.IsInf(lb, 1) {
			out.ratios = append(out.ratios, float64(res.Samples)/lb)
		}
	}
	return out
}

func simulationSettings() Settings {
	s := DefaultSettings()
	s.Tau, s.Epsilon, s.Delta = 0.05, 1, 0.1
	return s
}

// TestPlantedOptimum is the acceptance simulation: 1000 runs, L = 6, K ≤ 4.
func TestPlantedOptimum(t *testing.T) {
	tier.Sequential(t, "hundreds of simulated searches")
	t.Parallel()
	const runs = 1000
	s := simulationSettings()
	limit := int(runs * (s.Delta + 3*math.Sqrt(s.Delta*(1-s.Delta)/runs)))
	got := simulate(t, runs, s, nil)
	t.Logf("anchored: %d of %d wrong (limit %d), %d outside, %d certified, %.0f samples (median), samples/LB %.2f (median)",
		got.wrong, runs, limit, got.outside, got.certified, median(got.samples), median(got.ratios))
	if got.wrong > limit {
		t.Errorf("%d of %d results are not ε-locally optimal, limit %d", got.wrong, runs, limit)
	}
	if got.outside > 0 {
		t.Errorf("%d results are outside the band", got.outside)
	}
	if got.certified < runs*99/100 {
		t.Errorf("only %d of %d runs reached the claim", got.certified, runs)
	}

	// Negative controls. A σ declared a tenth of the truth must be found out …
	small := 0.1
	bad := s
	bad.Sigma = &small
	if c := simulate(t, 200, bad, nil); c.wrong <= 200*limit/runs {
		t.Errorf("with σ ten times too small only %d of 200 are wrong: the test cannot fail", c.wrong)
	} else {
		t.Logf("control, σ/10 declared: %d of 200 wrong, %d claimed in spite of the alarm", c.wrong, c.certified)
	}
	// … and the published form leaves the band and ends off the optimum. Its
	// sample sizes are enormous, so σ is made small and few runs are done.
	pub := s
	pub.Published, pub.Epsilon = true, 3
	c := simulate(t, 30, pub, nil)
	t.Logf("as published, ε 3: %d of 30 wrong, %d outside, %.0f samples (median)", c.wrong, c.outside, median(c.samples))
	if c.outside == 0 {
		t.Error("the published form never left the anchor's band: the control cannot fail")
	}
	if c.certified > 0 {
		t.Error("the published form claimed something")
	}
}

// TestEverySelectorHoldsTheClaim runs fewer, with every selector, scope and schedule.
func TestEverySelectorHoldsTheClaim(t *testing.T) {
	tier.Sequential(t, "hundreds of simulated searches")
	t.Parallel()
	const runs = 60
	for _, sel := range Selectors() {
		for _, scope := range []Scope{ScopeLayer, ScopeAll} {
			for _, schedule := range []Schedule{ScheduleComparisons, ScheduleEpochs} {
				s := simulationSettings()
				s.Selector, s.Scope, s.Schedule = sel, scope, schedule
				if sel == "multi-fidelity" {
					s.Fidelities = []evidence.Fidelity{{Value: 0.2}}
				}
				if (sel == "paired" || sel == "multi-fidelity") && schedule == ScheduleComparisons {
					continue // refused, see TestPairedSettingsAreChecked
				}
				got := simulate(t, runs, s, nil)
				t.Logf("%-12s %-6s %-12s %3d wrong %3d certified, %.0f samples, ratio %.2f", sel, scope, schedule, got.wrong, got.certified, median(got.samples), median(got.ratios))
				if limit := int(runs * (s.Delta + 3*math.Sqrt(s.Delta*(1-s.Delta)/runs))); got.wrong > limit {
					t.Errorf("%s, %s, %s: %d of %d wrong", sel, scope, schedule, got.wrong, runs)
				}
				if got.outside > 0 {
					t.Errorf("%s, %s, %s: %d outside the band", sel, scope, schedule, got.outside)
				}
			}
		}
	}
}

// With a calibrated σ the claim holds too.
func TestCalibratedSigmaHoldsTheClaim(t *testing.T) {
	const runs = 100
	s := simulationSettings()
	wrong := 0
	for run := range runs {
		p := &planted{layers: 6, choices: 3, widths: 3, seed: uint64(run), inversions: 0.3, spread: 2}
		s.Seed = uint64(run)
		prob := p.problem(s.Tau)
		res, err := Search(context.Background(), prob, s, p.noisy, nil)
		if err != nil {
			t.Fatal(err)
		}
		if res.Sigma.Source != "calibrated" || res.Sigma.Value < res.Sigma.S {
			t.Fatalf("σ %+v", res.Sigma)
		}
		f, _ := NewCompensator(p, prob.Bands).Neighbourhood(res.Final.Arch)
		for _, n := range f {
			if p.utility(n.Arch)-p.utility(res.Final.Arch) > s.Epsilon {
				wrong++
				break
			}
		}
	}
	if wrong > 19 { // .1 + 3·√(.1·.9/100)
		t.Errorf("%d of %d wrong with a calibrated σ", wrong, runs)
	}
}

func TestAlarmsOfAMisstatedSigma(t *testing.T) {
	p := &planted{layers: 4, choices: 3, widths: 3, seed: 1, spread: 2}
	s := simulationSettings()
	exact := func(_ context.Context, reqs []Request) ([]Outcome, error) {
		out := make([]Outcome, len(reqs))
		for i, r := range reqs {
			out[i].Utility = p.utility(r.Arch)
		}
		return out, nil
	}
	ctx := context.Background()
	if _, err := Search(ctx, p.problem(0.05), s, exact, nil); err == nil {
		t.Error("a deterministic evaluator was calibrated and certified")
	}
	one, zero := 1.0, 0.0
	s.Sigma = &one
	if _, err := Search(ctx, p.problem(0.05), s, exact, nil); err == nil {
		t.Error("identical repeats went unnoticed with a declared σ")
	}
	s.Sigma = &zero
	res, err := Search(ctx, p.problem(0.05), s, exact, nil)
	if err != nil || !res.Reached {
		t.Fatalf("declared deterministic: %v", err)
	}
	for _, n := range res.Neighbours {
		if p.utility(n.Arch)-p.utility(res.Final.Arch) > s.Epsilon {
			t.Errorf("deterministic search ends below its neighbour %s", n.Key)
		}
	}
	if _, err := Search(ctx, p.problem(0.05), s, p.noisy, nil); err == nil {
		t.Error("a noisy evaluator passed as deterministic")
	}
	// One choice much noisier than declared.
	s.Sigma = &one
	loud := func(c context.Context, reqs []Request) ([]Outcome, error) {
		out, err := p.noisy(c, reqs)
		for i, r := range reqs {
			if r.Arch.Layers[0].Choice == "b" {
				out[i].Utility += 8 * (out[i].Utility - p.utility(r.Arch))
			}
		}
		return out, err
	}
	if alarmed := p.alarms(t, s, loud); alarmed < 10 {
		t.Errorf("nine-fold noise raised an alarm in %d of 20 runs", alarmed)
	}
}

// alarms says how many of 20 searches raise an alarm; none of these may claim anything.
func (p *planted) alarms(t *testing.T, s Settings, ask Ask) int {
	t.Helper()
	alarmed := 0
	for seed := range uint64(20) {
		s.Seed = seed
		res, err := Search(context.Background(), p.problem(0.05), s, ask, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(res.Alarms) > 0 {
			alarmed++
			if res.Reached {
				t.Error("a claim in spite of an alarm")
			}
		}
	}
	return alarmed
}

func TestSeedsAreNeverCountedTwice(t *testing.T) {
	p := &planted{layers: 5, choices: 4, widths: 3, seed: 9, spread: 2}
	seen := map[string]bool{}
	ask := func(c context.Context, reqs []Request) ([]Outcome, error) {
		for _, r := range reqs {
			id := r.Key + " " + r.Stream + " " + string(rune(r.Seed%0xd800)) + " " + string(rune(r.Seed/0xd800%0xd800)) + string(rune(r.Seed/0xd800/0xd800%0xd800))
			if seen[id] {
				t.Fatalf("%s is asked for twice with seed %d", r.Key, r.Seed)
			}
			if r.Seed >= 1<<53 {
				t.Fatalf("seed %d is not exact in JSON", r.Seed)
			}
			seen[id] = true
		}
		return p.noisy(c, reqs)
	}
	s := simulationSettings()
	s.Fresh = 8
	if _, err := Search(context.Background(), p.problem(0.05), s, ask, nil); err != nil {
		t.Fatal(err)
	}
	if len(seen) < 50 {
		t.Errorf("only %d samples", len(seen))
	}
}

func TestFailedEvaluations(t *testing.T) {
	p := &planted{layers: 5, choices: 3, widths: 3, seed: 2, spread: 2}
	ask := func(c context.Context, reqs []Request) ([]Outcome, error) {
		out, err := p.noisy(c, reqs)
		for i, r := range reqs {
			if r.Arch.Layers[1].Choice == "b" || r.Index%7 == 3 { // never, and now and then
				out[i] = Outcome{Failed: "out of memory"}
			}
		}
		return out, err
	}
	s := simulationSettings()
	one := 1.0
	s.Sigma = &one
	res, err := Search(context.Background(), p.problem(0.05), s, ask, nil)
	if err != nil {
		t.Fatal(err)
	}
	dead := 0
	for _, n := range res.Neighbours {
		if n.Dead != "" {
			dead++
			if n.Retired {
				t.Error("an architecture that cannot be evaluated counts as retired")
			}
		}
	}
	if dead == 0 || res.Reached || res.Failures == 0 {
		t.Errorf("%d dead neighbours, reached %t, %d failures", dead, res.Reached, res.Failures)
	}
}

func median(v []float64) float64 {
	if len(v) == 0 {
		return math.NaN()
	}
	w := append([]float64(nil), v...)
	slices.Sort(w)
	return w[len(w)/2]
}

// Where samples cost differently the incumbent's share is weighed by it: one
// neighbourhood is certified for less than without knowing the costs. Moves are
// off, so that both have the same path.
func TestUnequalCostsAreWeighed(t *testing.T) {
	tier.Sequential(t, "hundreds of simulated searches")
	t.Parallel()
	const runs = 100
	for _, ratio := range []float64{25, 0.04} { // of the anchor's cost to its neighbours'
		total := map[bool]float64{}
		for _, known := range []bool{true, false} {
			for run := range runs {
				p := &planted{layers: 6, choices: 4, widths: 3, seed: uint64(run), inversions: 0.3, spread: 2}
				prob := p.problem(0.05)
				anchor, spent := prob.Anchor.Key(), 0.0
				ask := func(_ context.Context, reqs []Request) ([]Outcome, error) {
					out := make([]Outcome, len(reqs))
					for i, r := range reqs {
						cost := 1.0
						if r.Key == anchor {
							cost = ratio
						}
						spent += cost
						out[i].Utility = p.utility(r.Arch) + 4*p.noise(r)
						if r.Key == anchor && r.Index == 0 { // so that the search begins there
							out[i].Utility += 15
						}
						if known {
							out[i].Seconds = cost
						}
					}
					return out, nil
				}
				s := simulationSettings()
				four := 4.0
				s.Sigma, s.Seed, s.Epsilon, s.MoveScore = &four, uint64(run), 6, 99
				// What samples cost has to be known before the incumbent's time.
				s.Explore = &explore.Plan{Method: explore.Random, Evaluations: 8}
				res, err := Search(context.Background(), prob, s, ask, nil)
				if err != nil || !res.Reached {
					t.Fatalf("%v, %+v", err, res)
				}
				total[known] += spent / runs
			}
		}
		t.Logf("anchor's sample at %g: a certificate costs %.0f weighed, %.0f not", ratio, total[true], total[false])
		if total[true] > 0.95*total[false] {
			t.Errorf("anchor's sample at %g: weighing saves nothing: %.0f against %.0f", ratio, total[true], total[false])
		}
	}
}

// The incumbent's share is the optimum: at the balance n₀²c₀ = Σ n²c any other
// allocation that gives every candidate its half-width costs more.
func TestIncumbentsShareIsOptimal(t *testing.T) {
	need := []float64{0.5, 0.3, 0.3, 0.2} // variances 1/n₀ + 1/n to be reached
	costs := []float64{1, 4, 0.5, 2}
	const c0 = 3.0
	total := func(n0 float64) (sum, pull float64) {
		sum = c0 * n0
		for i, v := range need {
			n := 1 / (v - 1/n0)
			sum += costs[i] * n
			pull += costs[i] * n * n
		}
		return sum, pull
	}
	best, at := math.Inf(1), 0.0
	for n0 := 5.1; n0 < 100; n0 += 0.01 {
		if sum, _ := total(n0); sum < best {
			best, at = sum, n0
		}
	}
	_, pull := total(at)
	if got := evidence.Balance(pull, c0, 0); math.Abs(float64(got)-at) > 1 {
		t.Errorf("the incumbent wants %d samples, the optimum is %.2f", got, at)
	}
	if got := evidence.Balance(pull, c0, int(math.Ceil(at))); got != 0 {
		t.Errorf("at the optimum it wants %d more", got)
	}
}

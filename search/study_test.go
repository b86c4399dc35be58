package search

import (
	"fmt"
	"os"
	"testing"
)

// TestSearchStudy prints the acceptance study of NAS-Bench-Macro as the page
// docs/results/search.md into the file ISOCOST_STUDY names. `make search-study` runs it.
func TestSearchStudy(t *testing.T) {
	path := os.Getenv("ISOCOST_STUDY")
	if path == "" {
		t.Skip("a study of a minute, not a test: make search-study")
	}
	m := loadMacro(t)
	const starts = 300
	text := fmt.Sprintf(`# Search on NAS-Bench-Macro

NAS-Bench-Macro (8 layers, 3 choices, 6,561 networks trained three times), cost = published parameters, τ = 5 %%, δ = 0.05,
%d random starts, Gaussian noise of the benchmark's own spread (σ = %.4f points) around the three-run means. Every
neighbour of every result is checked against the table. LB: the instance's lower bound at the true gaps.

| search | ε | not ε-locally optimal | outside ±τ of x₀ | cost in full samples (mean) | cost/LB (median) |
|---|---|---|---|---|---|
`, starts, m.sigma)
	type row struct {
		name   string
		change func(*Settings)
		noise  noiseModel
		bound  bool // LB is one for this search
	}
	rows := []row{
		{"certifying (default)", func(*Settings) {}, noiseModel{}, true},
		{"as first designed: by layer, δ/(i(i+1)), ε₀ = ε/2", func(s *Settings) {
			s.Scope, s.Schedule, s.Move = ScopeLayer, ScheduleComparisons, s.Epsilon/2
		}, noiseModel{}, true},
		{"successive elimination", func(s *Settings) { s.Selector = "elimination" }, noiseModel{}, true},
		{"uniform sampling", func(s *Settings) { s.Selector = "uniform" }, noiseModel{}, true},
		{"as published", func(s *Settings) { s.Published = true }, noiseModel{}, true},
	}
	for _, noise := range []Noise{NoiseAuto, NoiseShared, NoisePerNetwork} {
		rows = append(rows, row{fmt.Sprintf("certifying, σ not declared, `--noise %s`", noise), func(s *Settings) { s.Sigma, s.Noise = nil, noise }, noiseModel{}, false})
	}
	for _, c := range macroSelectors(m) {
		rows = append(rows, row{c.name, c.change, c.noise, false})
	}
	for _, c := range rows {
		for _, eps := range []float64{0.5, 0.2} {
			s := DefaultSettings()
			s.Epsilon, s.Sigma = eps, &m.sigma
			c.change(&s)
			got := macroStudy(t, m, s, m.ask(c.noise), starts)
			ratio := "–"
			if c.bound {
				ratio = fmt.Sprintf("%.2f", got.ratio)
			}
			text += fmt.Sprintf("| %s | %g | %d | %d | %.1f | %s |\n", c.name, eps, got.wrong, got.outside, got.mean, ratio)
		}
	}
	text += fmt.Sprintf(`
The benchmark's runs share no seeds (variance ratio %.2f): the paired search goes on with independent samples (decision 0504).
Common noise is made up, as is the bias of fidelities 0.1 and 0.3, at most (1−φ)·0.1 points; a sample of fidelity φ costs φ.

The default over eight draws of the noise:

| ε | not ε-locally optimal | evaluations (mean) | samples/LB (mean of medians) |
|---|---|---|---|
`, m.runRatio())
	for _, eps := range []float64{0.5, 0.2, 0.1} {
		const draws = 8
		var sum macroOutcome
		for k := range draws {
			s := DefaultSettings()
			s.Epsilon, s.Sigma, s.Seed = eps, &m.sigma, uint64(k)*1000003
			got := macroStudy(t, m, s, m.ask(noiseModel{}), starts)
			sum.wrong += got.wrong
			sum.mean += got.mean / draws
			sum.ratio += got.ratio / draws
		}
		text += fmt.Sprintf("| %g | %d of %d | %.1f | %.2f |\n", eps, sum.wrong, draws*starts, sum.mean, sum.ratio)
	}
	propose, driver := testing.Benchmark(BenchmarkPropose), testing.Benchmark(BenchmarkDriver)
	text += fmt.Sprintf(`
On one core: %.2g compensated proposals per second (example space, 5 widths × 2 precisions; the goal is 1e5), and %.0f µs of the
driver's own time per evaluation, journal and sync included: %.2f %% of a 10 ms evaluator.
`, float64(propose.N)/propose.T.Seconds(), float64(driver.NsPerOp())/1e3, float64(driver.NsPerOp())/1e5)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

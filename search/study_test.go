package search

import (
	"fmt"
	"os"
	"testing"
)

// TestSearchStudy prints the acceptance study of NAS-Bench-Macro as a section of
// docs/results.md into the file ISOCOST_STUDY names. `make search-study` runs it.
func TestSearchStudy(t *testing.T) {
	path := os.Getenv("ISOCOST_STUDY")
	if path == "" {
		t.Skip("a study of a minute, not a test: make search-study")
	}
	m := loadMacro(t)
	const starts = 300
	text := fmt.Sprintf(`## Search

`+"`make search-study`"+`: NAS-Bench-Macro (8 layers, 3 choices, all 6,561 networks trained three times), cost = published
parameters, τ = 5 %%, δ = 0.05, %d random starts, Gaussian noise of the benchmark's own spread (σ = %.4f points, pooled
over its repeats) around the three-run means. Every neighbour of every result is checked against the table. LB is the
instance's lower bound at the true gaps.

| search | ε | not ε-locally optimal | outside ±τ of x₀ | evaluations (mean) | samples/LB (median) |
|---|---|---|---|---|---|
`, starts, m.sigma)
	for _, c := range []struct {
		name   string
		change func(*Settings)
	}{
		{"certifying (default)", func(*Settings) {}},
		{"design's letter: by layer, δ/(i(i+1)), ε₀ = ε/2", func(s *Settings) {
			s.Scope, s.Schedule, s.Move = ScopeLayer, ScheduleComparisons, s.Epsilon/2
		}},
		{"successive elimination", func(s *Settings) { s.Selector = "elimination" }},
		{"uniform sampling", func(s *Settings) { s.Selector = "uniform" }},
		{"as published", func(s *Settings) { s.Published = true }},
	} {
		for _, eps := range []float64{0.5, 0.2} {
			s := DefaultSettings()
			s.Epsilon, s.Sigma = eps, &m.sigma
			c.change(&s)
			got := macroStudy(t, m, s, starts)
			text += fmt.Sprintf("| %s | %g | %d | %d | %.1f | %.2f |\n", c.name, eps, got.wrong, got.outside, got.mean, got.ratio)
		}
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

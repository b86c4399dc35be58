package search

import (
	"context"
	"strings"
	"testing"
)

// TestUncalibratedNoiseNamesTheFailure: where every evaluation fails, a declared σ would not help.
func TestUncalibratedNoiseNamesTheFailure(t *testing.T) {
	p := &planted{layers: 2, choices: 2, widths: 2, seed: 1, spread: 2}
	diverges := func(_ context.Context, reqs []Request) ([]Outcome, error) {
		out := make([]Outcome, len(reqs))
		for i := range out {
			out[i].Failed = "diverged: the utility is not a number"
		}
		return out, nil
	}
	for name, s := range map[string]Settings{"independent": simulationSettings(), "paired": pairedSettings()} {
		if s.Sigma = nil; s.SigmaArchs == 0 {
			s.SigmaArchs, s.SigmaRepeats = 4, 4
		}
		if _, err := Search(context.Background(), p.problem(0.05), s, diverges, nil); err == nil || !strings.Contains(err.Error(), "diverged: the utility") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

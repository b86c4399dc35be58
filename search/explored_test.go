package search

import (
	"context"
	"testing"

	"github.com/isocost/isocost/search/explore"
)

// TestHardlyANeighbourIsExploredLonger: where a claim about the neighbours would be vacuous an
// exploration takes all it may; with a claim about the band, or under the rules of older
// journals, as long as the certificate would take.
func TestHardlyANeighbourIsExploredLonger(t *testing.T) {
	one := 1.0
	l := &planted{layers: 6, choices: 5, widths: 1, spread: 8}
	prob := l.problem(0.002)
	s := simulationSettings()
	s.Tau, s.Sigma, s.Epsilon = 0.002, &one, 3
	for _, c := range []struct {
		rules  int
		share  float64
		longer bool
	}{{explore.Rules, 0, true}, {0, 0, false}, {explore.Rules, 0.3, false}} {
		plan, err := explore.Parse("gp:auto")
		if err != nil {
			t.Fatal(err)
		}
		plan.Rules = c.rules
		s.Explore, s.BandShare = plan, c.share
		res, err := Search(context.Background(), prob, s, l.noisy, nil)
		if err != nil {
			t.Fatal(err)
		}
		if longer := res.Explored.Evaluations == plan.Evaluations; longer != c.longer || c.longer && len(res.Neighbours) >= fewNeighbours {
			t.Errorf("%+v: %d neighbours, explored by %d evaluations of %d", c, len(res.Neighbours), res.Explored.Evaluations, plan.Evaluations)
		}
	}
}

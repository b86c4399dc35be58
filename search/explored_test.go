package search

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/search/explore"
)

// TestHardlyANeighbourIsExploredLonger: where a claim about the neighbours would be vacuous an
// exploration takes all it may; with a claim about the band, or under the rules of older
// journals, as long as the certificate would take.
func TestHardlyANeighbourIsExploredLonger(t *testing.T) {
	tier.Slow(t, "searches large spaces")
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
		if longer := res.Explored.Evaluations == plan.Uncertain(); longer != c.longer || c.longer && len(res.Neighbours) >= fewNeighbours {
			t.Errorf("%+v: %d neighbours, explored by %d evaluations of %d", c, len(res.Neighbours), res.Explored.Evaluations, plan.Uncertain())
		}
	}
}

// TestSearchGoesOnByItsOwnRules: the same command goes on with a search that began before
// gp:auto changed, and explores as long as it would have then.
func TestSearchGoesOnByItsOwnRules(t *testing.T) {
	l := &planted{layers: 4, choices: 3, widths: 1, spread: 2}
	prob := l.problem(0.05)
	b := prob.Bands[0]
	header := func(plan *explore.Plan) Header {
		s := simulationSettings()
		s.Explore = plan
		if err := s.Complete(); err != nil {
			t.Fatal(err)
		}
		return Header{Format: JournalFormat, Settings: s, Space: FileRef{Name: l.Name(), SHA256: l.Hash()}, Evaluator: Identity{Spec: "planted"}, Anchor: prob.Anchor.Key(),
			Tables: []TableRef{{FileRef: FileRef{Name: b.Name}, Metric: "latency", Unit: "us", Budget: b.Budget}}}
	}
	was := explore.Plan{Method: explore.GP, Evaluations: 160, Auto: true, Rules: 1}
	dir := t.TempDir()
	w, _, err := openJournal(filepath.Join(dir, JournalFile), header(&was))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	now, err := explore.Parse("gp:auto")
	if err != nil {
		t.Fatal(err)
	}
	d := &Driver{Dir: dir, Problem: prob, Header: header(now)}
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	if got := *d.Header.Settings.Explore; got != was {
		t.Errorf("goes on by %+v, began by %+v", got, was)
	}
}

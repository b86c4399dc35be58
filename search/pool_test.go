package search_test

import (
	"path/filepath"
	"testing"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evaluator"
	"github.com/isocost/isocost/search/searchtest"
)

// TestDrawnPoolsNeverStick: of three trainings an architecture, with more noise than
// ε, a search may draw all. Their means are known then, and a neighbour that is
// better by more than ε is moved to, although a standard error of independent
// samples would hide it: no search ends with its claim unreached.
func TestDrawnPoolsNeverStick(t *testing.T) {
	const epsilon = 0.5
	dir := t.TempDir()
	rows := searchtest.Rows()
	means := map[string]float64{}
	for _, r := range rows {
		for _, v := range r.Utility {
			means[r.Arch] += v / 3
		}
	}
	path := filepath.Join(dir, "t.jsonl")
	searchtest.WriteRows(t, path, rows)
	for seed := range uint64(20) {
		s := search.DefaultSettings()
		s.Epsilon, s.Seed = epsilon, seed+1
		if err := s.Complete(); err != nil {
			t.Fatal(err)
		}
		in, err := search.OpenInputs(search.Inputs{Space: path, Tables: []string{"space:us"}, Anchor: "b|b|b|b|b"}, s)
		if err != nil {
			t.Fatal(err)
		}
		e, err := evaluator.OpenTable(path, s.Seed)
		if err != nil {
			t.Fatal(err)
		}
		if err := in.Attach(e); err != nil {
			t.Fatal(err)
		}
		d := &search.Driver{Dir: filepath.Join(dir, "run", string('a'+rune(seed))), Problem: in.Problem, Header: in.Header, Evaluator: e}
		c, err := d.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !c.Claim.Reached {
			t.Errorf("seed %d: %s; %s", s.Seed, c.Claim.Stop, c.Claim.Text)
		}
		for _, n := range c.Neighbours {
			if gain := means[n.Arch] - means[c.Final.Arch]; gain > epsilon {
				t.Errorf("seed %d: %s is better than the final by %.3f", s.Seed, n.Arch, gain)
			}
		}
	}
}

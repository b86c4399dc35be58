package search_test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evaluator"
	"github.com/isocost/isocost/search/space"
)

// TestDrawnPoolsNeverStick: of three trainings an architecture, with more noise than
// ε, a search may draw all. Their means are known then, and a neighbour that is
// better by more than ε is moved to, although a standard error of independent
// samples would hide it: no search ends with its claim unreached.
func TestDrawnPoolsNeverStick(t *testing.T) {
	const epsilon = 0.5
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 2))
	var table strings.Builder
	means := map[string]float64{}
	for i := range 243 {
		var arch []string
		u, cost := 0.0, 100.0
		for l, n := 0, i; l < 5; l, n = l+1, n/3 {
			arch = append(arch, string("abc"[n%3]))
			u += float64((n%3*(l+3)*7)%5) / 2
			cost += float64(n%3) * 1.5
		}
		row := space.Row{Arch: strings.Join(arch, "|"), Utility: []float64{u, u + rng.Float64(), u - rng.Float64()}, Cost: map[string]float64{"us": cost}}
		for _, v := range row.Utility {
			means[row.Arch] += v / 3
		}
		line, err := json.Marshal(row)
		if err != nil {
			t.Fatal(err)
		}
		table.Write(append(line, '\n'))
	}
	path := filepath.Join(dir, "t.jsonl")
	if err := os.WriteFile(path, []byte(table.String()), 0o644); err != nil {
		t.Fatal(err)
	}
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

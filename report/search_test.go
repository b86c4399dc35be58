package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evaluator"
)

// runOnTable really searches a small table of 3⁴ architectures: cost rises with
// the choices' sum, so that staying in the band means trading one layer for
// another, and utility prefers late layers.
func runOnTable(t *testing.T, anchor string) Run {
	t.Helper()
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(7, 7))
	var rows bytes.Buffer
	for i := range 81 {
		c := [4]int{i / 27, i / 9 % 3, i / 3 % 3, i % 3}
		cost := 100 + c[0] + c[1] + c[2] + c[3]
		if c[0] == 2 {
			cost += 40 // out of the band
		}
		u := make([]float64, 400)
		for k := range u {
			u[k] = 70 + float64(c[1]+2*c[2]+3*c[3]) + 0.5*rng.NormFloat64()
		}
		line, err := json.Marshal(map[string]any{"arch": fmt.Sprintf("%d|%d|%d|%d", c[0], c[1], c[2], c[3]), "utility": u, "cost": map[string]float64{"latency_us": float64(cost)}})
		if err != nil {
			t.Fatal(err)
		}
		rows.Write(append(line, '\n'))
	}
	table := filepath.Join(dir, "bench.jsonl")
	if err := os.WriteFile(table, rows.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	s := search.DefaultSettings()
	s.Epsilon, s.Seed, s.Fresh = 0.5, 3, 8
	if err := s.Complete(); err != nil {
		t.Fatal(err)
	}
	in, err := search.OpenInputs(search.Inputs{Space: table, Tables: []string{"space:latency_us"}, Anchor: anchor}, s)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := evaluator.Open(t.Context(), "table:"+table, evaluator.Options{Space: in.Problem.Space, Seed: s.Seed, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Attach(ev); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(dir, "run-"+strings.ReplaceAll(anchor, "|", ""))
	d := &search.Driver{Dir: out, Problem: in.Problem, Header: in.Header, Evaluator: ev, Workers: 1, Now: time.Now}
	if err := in.Save(out); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := OpenRun(out)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSearchReport(t *testing.T) {
	if testing.Short() {
		t.Skip("opens the page in Chromium: make test")
	}
	r := runOnTable(t, "0|0|0|0")
	if len(r.Certificate.Moves) == 0 || len(r.Certificate.Infeasible) == 0 {
		t.Fatalf("the example shows too little: %d moves, %d infeasible", len(r.Certificate.Moves), len(r.Certificate.Infeasible))
	}
	var b bytes.Buffer
	if err := Search(&b, []Run{r}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"What is claimed", "no single compensated change", "Candidates at equal cost", "Infeasible proposals", "lower bound", "Before and after"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	inChromium(t, "search", b.Bytes())
}

func TestSeveralRunsAddThePareto(t *testing.T) {
	var b bytes.Buffer
	if err := Search(&b, []Run{runOnTable(t, "0|0|0|0"), runOnTable(t, "2|0|0|0")}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "Several anchors") || strings.Count(b.String(), "What is claimed") < 2 {
		t.Error("two runs do not show as two stories with a Pareto view")
	}
}

func TestOpenRunNamesWhatIsMissing(t *testing.T) {
	if _, err := OpenRun(filepath.Join(t.TempDir(), "nowhere")); err == nil || !strings.Contains(err.Error(), "nowhere") {
		t.Errorf("error %v does not name the directory", err)
	}
}

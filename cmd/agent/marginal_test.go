package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/record"
)

// bothWays is one plan that holds each shape-preserving cell of two plans of the
// same cells twice: against its frame and as the slope over copies.
func bothWays(frames, chains *benchmarks.Plan) (plan *benchmarks.Plan, pairs map[string][2]string) {
	plan = &benchmarks.Plan{Seed: frames.Seed, Source: frames.Source}
	pairs = map[string][2]string{}
	slope := map[string]benchmarks.Case{}
	framed := map[string]bool{}
	for _, c := range frames.Cases {
		framed[c.ID] = true
	}
	for _, c := range chains.Cases {
		if c.Role == benchmarks.RoleCell && !framed[c.ID] {
			slope[c.Key.String()] = c
		}
	}
	need := map[string]bool{}
	add := func(c benchmarks.Case) {
		c.Isolated = ""
		plan.Cases = append(plan.Cases, c)
		for _, t := range c.Terms {
			need[t.Model] = true
		}
	}
	for _, c := range frames.Cases {
		switch {
		case c.Role == benchmarks.RoleAnchor:
			add(c)
		case c.Role == benchmarks.RoleCell:
			if s, ok := slope[c.Key.String()]; ok {
				add(c)
				add(s)
				pairs[c.Key.String()] = [2]string{c.ID, s.ID}
			}
		}
	}
	have := map[string]bool{}
	for _, m := range slices.Concat(frames.Models, chains.Models) {
		if need[m.ID] && !have[m.ID] {
			have[m.ID] = true
			plan.Models = append(plan.Models, m)
		}
	}
	return plan, pairs
}

// copies is the longest chain: one, two, four and five copies give a line with two
// degrees of freedom left to judge it by.
const copies = 5

// TestFramesAgainstChains measures the shape-preserving cells of examples/mobile-cnn
// both ways in one interleaved campaign of ISOCOST_SECONDS on ONNX Runtime and writes
// the section of docs/results.md to ISOCOST_STUDY (make marginal).
func TestFramesAgainstChains(t *testing.T) {
	study, seconds := os.Getenv("ISOCOST_STUDY"), os.Getenv("ISOCOST_SECONDS")
	if study == "" {
		t.Skip("a study of two minutes: make marginal")
	}
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	plans := map[string]*benchmarks.Plan{}
	for name, more := range map[string][]string{"frames": nil, "chains": {"--copies", fmt.Sprint(copies)}} {
		path := filepath.Join(dir, name+".jsonl")
		if code, _, talk := runAgent(t, append([]string{"plan", "--space", "../../examples/mobile-cnn/space.yaml", "-o", path}, more...)...); code != 0 {
			t.Fatal(talk)
		}
		p, err := benchmarks.OpenPlan(path)
		if err != nil {
			t.Fatal(err)
		}
		plans[name] = p
	}
	plan, pairs := bothWays(plans["frames"], plans["chains"])
	if len(pairs) < 5 {
		t.Fatalf("only %d cells can be chained", len(pairs))
	}
	path, rec := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "rec.jsonl")
	if err := os.WriteFile(path, plan.Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, out, talk := runAgent(t, "bench", "--plan", path, "--estimator", "min", "--max-time", seconds, "-o", rec); code != 0 && code != 3 {
		t.Fatal(out, talk)
	}
	files, err := record.Read(rec)
	if err != nil {
		t.Fatal(err)
	}
	byCase := map[string]*record.Record{}
	for _, e := range files[0].Records {
		byCase[e.Record.Case] = e.Record
	}
	agree, judged := 0, 0
	var differ, width, slopeWidth []float64
	for key, p := range pairs {
		a, b := byCase[p[0]], byCase[p[1]]
		if a.EstimateUS == nil || b.EstimateUS == nil || *a.EstimateUS <= 0 || *b.EstimateUS <= 0 {
			continue
		}
		judged++
		d := *b.EstimateUS / *a.EstimateUS - 1
		differ = append(differ, max(d, -d))
		width = append(width, (a.CI95US[1]-a.CI95US[0])/2 / *a.EstimateUS)
		slopeWidth = append(slopeWidth, (b.CI95US[1]-b.CI95US[0])/2 / *b.EstimateUS)
		ok := a.CI95US[0] <= b.CI95US[1] && b.CI95US[0] <= a.CI95US[1]
		if ok {
			agree++
		}
		t.Logf("%v %+.1f %% %s: frame %.1f %v, chain %.1f %v µs", ok, d*100, key, *a.EstimateUS, *a.CI95US, *b.EstimateUS, *b.CI95US)
	}
	if judged == 0 {
		t.Fatal("no cell has both intervals")
	}
	t.Logf("%d of %d agree (%.0f %%), median difference %.2f %%", agree, judged, 100*float64(agree)/float64(judged), 100*stats.Median(differ))
	if m := stats.Median(differ); m > 0.5 {
		t.Errorf("frame and chain differ by %.0f %% in the median", m*100)
	}
	text := fmt.Sprintf("\n## Frames against chains\n\nMarginal costs by frames and as slopes over one to %d copies, one interleaved campaign of %s on ONNX Runtime, estimator min (`make marginal`):\n"+
		"of the %d shape-preserving cells of `examples/mobile-cnn`, %d have both intervals, and in %d of these (%.0f %%) the intervals overlap (the aim is 90 %%);\n"+
		"median difference %.2f %%, ninetieth of a hundred %.1f %%; median half width of a frame's interval %.2f %%, of a slope's %.2f %%.\n\n"+
		"A slope's interval holds how far its latencies lie from a line: ONNX Runtime lays out the memory of each length differently, which moves a\n"+
		"chain by several percent of an operator, up for one length and down for the next ([decision 0203](decisions/0203-frames-and-slopes.md)).\n",
		copies, seconds, len(pairs), judged, agree, 100*float64(agree)/float64(judged),
		100*stats.Median(differ), 100*stats.Quantile(differ, 0.9), 100*stats.Median(width), 100*stats.Median(slopeWidth))
	if err := os.WriteFile(study, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
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
	for _, c := range chains.Cases {
		if c.Role == role.Cell && c.Terms[0].Copies > 0 {
			slope[c.Key.String()] = c
		}
	}
	need := map[string]bool{}
	add := func(c benchmarks.Case) {
		c.Isolated = ""
		plan.Cases = append(plan.Cases, c)
		for _, t := range slices.Concat(c.Terms, c.SecondContext) {
			need[t.Model] = true
		}
	}
	for _, c := range frames.Cases {
		switch {
		case c.Role == role.Reference:
			add(c)
		case c.Role == role.Cell:
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

// secondPlaces is as many blocks as a plan measures twice: half of them change the shape
// and are not in the study.
const secondPlaces = 1000

// TestFramesAgainstChains measures the shape-preserving cells of examples/mobile-cnn
// both ways in one interleaved campaign of ISOCOST_SECONDS on ONNX Runtime and writes
// docs/results/frames-and-chains.md to ISOCOST_STUDY (make marginal); plan and records go to
// the folder ISOCOST_RECORDS, when given.
func TestFramesAgainstChains(t *testing.T) {
	study, seconds := os.Getenv("ISOCOST_STUDY"), os.Getenv("ISOCOST_SECONDS")
	if study == "" {
		t.Skip("a study of five minutes: make marginal")
	}
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	plans := map[string]*benchmarks.Plan{}
	for name, more := range map[string][]string{"frames": {"--elsewhere", fmt.Sprint(secondPlaces)}, "chains": {"--copies", fmt.Sprint(copies)}} {
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
	if code, out, talk := runAgent(t, "bench", "--plan", path, "--protocol", "../../examples/mobile-cnn/protocol.yaml", "--max-time", seconds, "-o", rec); code != 0 && code != 3 {
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
	agree, within, judged, twice := 0, 0, 0, 0
	var differ, width, slopeWidth []float64
	var contexts, rounds float64
	for key, p := range pairs {
		a, b := byCase[p[0]], byCase[p[1]]
		if a.SecondContextUS != nil {
			twice++
		}
		if a.EstimateUS == nil || b.EstimateUS == nil || *a.EstimateUS <= 0 || *b.EstimateUS <= 0 {
			continue
		}
		judged++
		contexts, rounds = a.Context, float64(a.Rounds)
		d := *b.EstimateUS - *a.EstimateUS
		differ = append(differ, math.Abs(d) / *a.EstimateUS)
		width = append(width, (a.CI95US[1]-a.CI95US[0])/2 / *a.EstimateUS)
		slopeWidth = append(slopeWidth, (b.CI95US[1]-b.CI95US[0])/2 / *b.EstimateUS)
		overlap := a.CI95US[0] <= b.CI95US[1] && b.CI95US[0] <= a.CI95US[1]
		if overlap {
			agree++
		}
		// The interval of the difference: the sides that face each other, in quadrature.
		room := math.Hypot(a.CI95US[1]-*a.EstimateUS, *b.EstimateUS-b.CI95US[0])
		if d < 0 {
			room = math.Hypot(*a.EstimateUS-a.CI95US[0], b.CI95US[1]-*b.EstimateUS)
		}
		if math.Abs(d) <= room {
			within++
		}
		t.Logf("%v %+.1f %% %s: frame %.1f %v, chain %.1f %v µs", overlap, 100*d / *a.EstimateUS, key, *a.EstimateUS, *a.CI95US, *b.EstimateUS, *b.CI95US)
	}
	if judged == 0 {
		t.Fatal("no cell has both intervals")
	}
	percent := func(n int) float64 { return 100 * float64(n) / float64(judged) }
	t.Logf("%d of %d agree (%.0f %%), within both %.0f %%, median difference %.2f %%", agree, judged, percent(agree), percent(within), 100*stats.Median(differ))
	if m := stats.Median(differ); m > 0.5 {
		t.Errorf("frame and chain differ by %.0f %% in the median", m*100)
	}
	text := fmt.Sprintf("# Frames against chains\n\nMarginal costs by frames and as slopes over one to %d copies, one campaign of %s on ONNX Runtime, %.0f rounds, protocol of\n"+
		"`examples/mobile-cnn`: of %d shape-preserving cells %d have both intervals, which overlap in %d (%.0f %%; the aim is 90 %%).\n"+
		"Differences are within both intervals in quadrature in %.0f %% (right intervals: 95 %%): %.2f %% in the median, 90th percentile %.1f %%.\n"+
		"Median half width of a frame's interval %.2f %%, of a slope's %.2f %%. Frames' intervals include the spread between contexts\n"+
		"([decision 0203](../decisions/0203-frames-and-slopes.md)): %.2f %% (standard deviation), by %d cells measured in a second one.\n",
		copies, seconds, rounds, len(pairs), judged, agree, percent(agree), percent(within),
		100*stats.Median(differ), 100*stats.Quantile(differ, 0.9), 100*stats.Median(width), 100*stats.Median(slopeWidth), 100*contexts, twice)
	if err := os.WriteFile(study, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if keep := os.Getenv("ISOCOST_RECORDS"); keep != "" {
		for _, f := range []string{path, rec} {
			data, err := os.ReadFile(f)
			if err == nil {
				err = os.WriteFile(filepath.Join(keep, filepath.Base(f)), data, 0o644)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

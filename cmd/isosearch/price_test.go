package main

import (
	"bytes"
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/searchtest"
	"github.com/isocost/isocost/search/space"
)

const tinyTwo = "../../examples/tiny-two/space.yaml"

// madeUp writes a table of the space whose blocks cost in proportion to their
// middle channels, in int8 times the factor.
func madeUp(t *testing.T, path string, int8 float64) {
	t.Helper()
	s, err := space.OpenMeasured(tinyTwo)
	if err != nil {
		t.Fatal(err)
	}
	table := searchtest.Table(t, s, 0, func(op lut.Op) float64 {
		mid, ok := op.Coord("mid")
		if ok && op.Precision == lut.INT8 {
			return float64(mid) * int8
		}
		return searchtest.Coord(op, "mid", 1)
	})
	if err := os.WriteFile(path, table.Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
}

func isosearch(args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = program().Run(context.Background(), args, cli.Env{Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }})
	return code, out.String(), errs.String()
}

func TestPriceOfArchitectures(t *testing.T) {
	dir := t.TempDir()
	half, dear := filepath.Join(dir, "half.lut.json"), filepath.Join(dir, "dear.lut.json")
	madeUp(t, half, 0.5)
	madeUp(t, dear, 1.1)
	// Two blocks of int8 half again as wide, at the price of three quarters: far off where int8 is dear.
	key := "mb_k3_e4:4:int8|mb_k3_e4:2:fp32|mb_k3_e4:4:int8|mb_k3_e4:3:fp32"
	code, out, stderr := isosearch("price", "--space", tinyTwo, "--lut", half+","+dear, "--recompensate", "--sample", "300", "--json", "mine="+key)
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var r priceReport
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Archs) < 3 || r.Archs[0].Name != "x0" || r.Archs[1].Name != "mine" || r.Archs[1].Arch != key {
		t.Fatalf("architectures %+v", r.Archs)
	}
	sum := func(key string, int8 float64) float64 { // from the space file: expansion 4, ratios 0.5 … 1.5
		total := 0.0
		x, err := space.ParseArch(key)
		if err != nil {
			t.Fatal(err)
		}
		for l, y := range x.Layers {
			mid := 4 * []float64{16, 16, 16, 32}[l] * []float64{0.5, 0.75, 1, 1.25, 1.5}[y.Width]
			if y.Precision == lut.INT8 {
				mid *= int8
			}
			total += mid
		}
		return total
	}
	for i, int8 := range []float64{0.5, 1.1} {
		x0, mine := r.Archs[0].Costs[i], r.Archs[1].Costs[i]
		if x0.Deviation != 0 || !x0.Inside {
			t.Errorf("x0 deviates from itself: %+v", x0)
		}
		// Beside the blocks there are a handful of cells of 1 us.
		if want := sum(key, int8); mine.Predicted.Value < want || mine.Predicted.Value > want+12 {
			t.Errorf("%s: %g us, the blocks alone are %g", mine.Table, mine.Predicted.Value, want)
		}
		if want := mine.Predicted.Value/x0.Predicted.Value - 1; math.Abs(mine.Deviation-want) > 1e-9 || mine.Inside != (math.Abs(math.Log1p(want)) <= math.Log1p(0.05)) {
			t.Errorf("%s: deviation %g, inside %v", mine.Table, mine.Deviation, mine.Inside)
		}
	}
	restored := 0
	for _, a := range r.Archs[2:] {
		i := slices.IndexFunc(a.Costs, func(c pricedCost) bool { return c.Table == a.For })
		if i < 0 || a.From != "mine" || r.Archs[1].Costs[i].Inside || *a.Reached != a.Costs[i].Inside || len(a.Changes) == 0 {
			t.Errorf("re-compensated: %+v", a)
		}
		if a.Costs[i].Inside {
			restored++
		}
	}
	if restored == 0 {
		t.Error("nothing was restored")
	}
	if len(r.Tables) != 2 || r.Tables[0].N != 300 || r.Tables[0].Both != r.Tables[1].Both || r.Tables[0].Both > r.Tables[0].InA || r.Tables[0].InA == 0 || *r.Tables[0].Spearman > 0.999 {
		t.Errorf("pairs %+v", r.Tables)
	}

	// A table agrees with itself.
	again := filepath.Join(dir, "again.lut.json")
	madeUp(t, again, 0.5)
	_, out, _ = isosearch("price", "--space", tinyTwo, "--lut", half+","+again, "--sample", "50", "--json")
	if err := json.Unmarshal([]byte(out), &r); err != nil || *r.Tables[0].Spearman < 1-1e-12 || r.Tables[0].Both != r.Tables[0].InA {
		t.Errorf("a table and itself: %v, %+v", err, r.Tables)
	}

	_, out, _ = isosearch("price", "--space", tinyTwo, "--lut", half, "--markdown", "mine="+key)
	if !strings.HasPrefix(out, "| architecture |") || strings.Count(out, "\n") != 4 {
		t.Errorf("Markdown:\n%s", out)
	}
}

// A run's final is judged beside the anchor the run searched from and by its tolerance, not
// the space's own anchor and 5 %.
func TestPriceBesideTheRunsAnchor(t *testing.T) {
	dir := t.TempDir()
	table := filepath.Join(dir, "t.jsonl")
	searchtest.WriteRows(t, table, searchtest.Rows())
	var anchors []string
	for i, anchor := range []string{"b|b|b|b|b", "c|c|c|c|c"} {
		out := filepath.Join(dir, string('p'+rune(i)))
		if code, _, stderr := isosearch("run", "--space", table, "--lut", "space:us", "--evaluator", "table:"+table+",noise=gaussian", "--epsilon", "0.5", "--anchor", anchor, "--tau", "0.2", "--table-tau", "space:us=0.3", "-o", out); code != 0 && code != 3 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		code, text, stderr := isosearch("price", "--space", table, "--lut", "space:us", "--json", out)
		if code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		var r priceReport
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		if r.Archs[0].Arch != anchor || !r.Archs[1].Costs[0].Inside {
			t.Errorf("beside %s, the run's anchor is %s; the final in its band: %t", r.Archs[0].Arch, anchor, r.Archs[1].Costs[0].Inside)
		}
		if r.Tau != 0.2 || r.TableTau["space:us"] != 0.3 {
			t.Errorf("judged by %g and %v, the run's tolerances are 0.2 and 0.3", r.Tau, r.TableTau)
		}
		if _, text, _ := isosearch("price", "--space", table, "--lut", "space:us", "--json", "--tau", "0.001", out); !strings.Contains(text, `"tau": 0.001`) || strings.Contains(text, "table_tau") {
			t.Errorf("--tau 0.001 is not heard:\n%s", text)
		}
		anchors = append(anchors, out)
	}
	if code, _, stderr := isosearch("price", "--space", table, "--lut", "space:us", anchors[0], "other="+anchors[1]); code != 1 || !strings.Contains(stderr, "different anchors") {
		t.Errorf("two runs of different anchors: exit code %d, %s", code, stderr)
	}
}

func TestPriceErrors(t *testing.T) {
	table := filepath.Join(t.TempDir(), "a.lut.json")
	madeUp(t, table, 1)
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{2, "--space and --lut", nil},
		{2, "-o DIR", []string{"--space", tinyTwo, "--lut", table, "--measure", "local"}},
		{2, "--sample 1", []string{"--space", tinyTwo, "--lut", table, "--sample", "1"}},
		{1, "no-such-run", []string{"--space", tinyTwo, "--lut", table, "no-such-run"}},
		{1, "best.json", []string{"--space", tinyTwo, "--lut", table, t.TempDir()}},
		{1, "architecture skip:9:fp32", []string{"--space", tinyTwo, "--lut", table, "skip:9:fp32"}},
		{1, "no-such.lut.json", []string{"--space", tinyTwo, "--lut", "no-such.lut.json"}},
	} {
		if code, _, stderr := isosearch(append([]string{"price"}, c.args...)...); code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%v: exit code %d, %q", c.args, code, stderr)
		}
	}
}

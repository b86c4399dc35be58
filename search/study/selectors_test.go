package study

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evidence"
)

// Every selector in one study: the same anchors, seeds and budget, spends in full
// samples, and a ratio over the pairs both certified.
func TestSelectorsAreCompared(t *testing.T) {
	c := example(t)
	c.Methods, c.Seeds = []string{Isocost}, []uint64{1, 2, 3}
	c.Evaluator += ",common=0.9,bias=0.05"
	low := 0.05
	c.Fidelities = []evidence.Fidelity{{Value: 0.2, Bias: &low}}
	if err := c.AddSelectors(strings.Split(search.SelectorNames(), ", ")); err != nil {
		t.Fatal(err)
	}
	res, _ := runIn(t, t.TempDir(), c)
	if want := len(search.Selectors()) * len(res.Tables); len(res.Selectors) != want {
		t.Fatalf("%d rows, want %d", len(res.Selectors), want)
	}
	for _, row := range res.Selectors {
		if row.Units == 0 || row.Certified == 0 || !(row.Spent > 0 && row.Spent <= float64(c.Budget)) {
			t.Errorf("%+v", row)
		}
		if row.Selector == "lucb" {
			if row.Ratio != nil || row.Pairs != 0 {
				t.Errorf("the default is compared with itself: %+v", row)
			}
			continue
		}
		// The ratio again, from the units: over the anchors' means.
		logs, n := map[string][]float64{}, 0
		for _, u := range res.Units {
			if u.Method != Selector(row.Selector) || u.Table != row.Table || !u.Certified && !u.Vacuous {
				continue
			}
			i := slices.IndexFunc(res.Units, func(v Unit) bool {
				return v.Method == Isocost && v.Table == u.Table && v.Anchor == u.Anchor && v.Seed == u.Seed
			})
			if b := res.Units[i]; (b.Certified || b.Vacuous) && b.Samples > 0 { // a lone anchor costs nothing
				logs[u.Anchor] = append(logs[u.Anchor], math.Log(u.spent()/float64(b.Samples)))
				n++
			}
		}
		want := 0.0
		for _, of := range logs {
			want += stats.Mean(of) / float64(len(logs))
		}
		if n != row.Pairs || math.Abs(*row.Ratio-math.Exp(want)) > 1e-9 || !(*row.Lo <= *row.Ratio && *row.Ratio <= *row.Hi) {
			t.Errorf("%+v, want %g over %d pairs", row, math.Exp(want), n)
		}
		if row.Selector == "uniform" && *row.Ratio < 1 {
			t.Errorf("uniform sampling is cheaper than LUCB: %+v", row)
		}
	}
	for _, u := range res.Units {
		if (u.Spent != nil) != (u.Method == Selector("multi-fidelity")) || u.Spent != nil && *u.Spent > float64(u.Samples) {
			t.Errorf("%s: %d samples, spent %v", u.Method, u.Samples, u.Spent)
		}
	}
	text := res.Markdown()
	if !strings.Contains(text, "### Selectors") || !strings.Contains(text, "| multi-fidelity ") {
		t.Errorf("the tables do not show them:\n%s", text)
	}
	bare := c
	bare.Fidelities = nil
	if _, err := (&Study{Config: bare, Dir: t.TempDir(), Open: open}).Run(t.Context()); err == nil || !strings.Contains(err.Error(), "needs fidelities") {
		t.Errorf("without fidelities: %v", err)
	}
	if err := bare.AddSelectors([]string{"lucky"}); err == nil {
		t.Error("an unknown selector is taken")
	}
}

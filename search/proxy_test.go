package search_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

func TestProxyPairs(t *testing.T) {
	// Of the pairs ab, ac, ad, bc, bd, cd the finals of b and c are equal, and the
	// proxy orders a and b the other way.
	pairs, wrong := search.ProxyPairs([]float64{2, 1, 3, 4}, []float64{1, 2, 2, 3})
	if pairs != 5 || wrong != 1 {
		t.Errorf("%d pairs, %d wrong", pairs, wrong)
	}
	if r := search.ProxyRank([]float64{1, 2}, []float64{1, 2}); r != nil {
		t.Errorf("correlation %g of two", *r)
	}
}

// The certificate's fidelity is that of the table of final utilities.
func TestFidelityOfTheProxy(t *testing.T) {
	dir := t.TempDir()
	table := writeTable(t, dir)
	j := job{Table: table, Out: filepath.Join(dir, "r"), Noise: ",noise=gaussian", Workers: 3, Final: true}
	c, err := j.run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, finalTable)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	finals := map[string]float64{}
	if err := space.ReadRows(path, data, func(_ int, r space.Row) error {
		finals[r.Arch] = r.Utility[0]
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	f := c.Fidelity
	if f == nil || f.Archs != len(f.Audited) || f.Archs < 5 || f.Archs > len(c.Moves)+1+16 {
		t.Fatalf("fidelity %+v", f)
	}
	var proxy, final []float64
	in := map[string]bool{}
	for _, x := range f.Audited {
		if x.Final != finals[x.Arch] || in[x.Arch] {
			t.Errorf("%s: final %g, the table says %g", x.Arch, x.Final, finals[x.Arch])
		}
		in[x.Arch] = true
		proxy, final = append(proxy, x.Proxy), append(final, x.Final)
	}
	if !in[c.Anchor.Arch] || !in[c.Final.Arch] {
		t.Error("anchor or final is not audited")
	}
	for _, m := range c.Moves {
		if !in[m.To] {
			t.Errorf("the incumbent %s is not audited", m.To)
		}
	}
	if f.Wrong == 0 || f.Pairs <= f.Wrong || f.Spearman == nil || *f.Spearman != stats.Spearman(proxy, final) {
		t.Errorf("%d of %d wrong, correlation %v", f.Wrong, f.Pairs, f.Spearman)
	}
	last := c.Claim.Rests[len(c.Claim.Rests)-1]
	if want := fmt.Sprintf("of %d pairs in the band whose final utilities differ the proxy orders %d wrongly", f.Pairs, f.Wrong); !strings.Contains(last, want) || !strings.Contains(last, "the claim is about the proxy") {
		t.Errorf("the claim rests on: %s", last)
	}
	if v, err := verify(j.Out); err != nil || v.Unused != 0 {
		t.Errorf("verify: %v", err)
	}
	// Stopped by its budget and continued it ends as in one go; what was audited of
	// other neighbours is left over.
	cut := j
	cut.Out, cut.Budget = filepath.Join(dir, "cut"), 90
	if c, err := cut.run(context.Background()); err != nil || c.Fidelity == nil || c.Claim.Reached {
		t.Fatalf("stopped: %v", err)
	}
	if _, err := verify(cut.Out); err != nil {
		t.Errorf("verify after the budget: %v", err)
	}
	cut.Budget = 0
	if _, err := cut.run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if string(certificateOf(t, cut.Out)) != string(certificateOf(t, j.Out)) {
		t.Error("continued after its budget it ends elsewhere")
	}
	if _, err := verify(cut.Out); err != nil {
		t.Errorf("verify after the continuation: %v", err)
	}
	// A directory started without it does not get it later.
	j.Final = false
	if _, err := j.run(context.Background()); err == nil || !strings.Contains(err.Error(), "final") {
		t.Errorf("continued without the final evaluator: %v", err)
	}
}

func TestCalibratedIsNoFinalEvaluator(t *testing.T) {
	var in search.Opened
	if err := in.AttachFinal(&scaled{Evaluator: named{}}); err == nil || !strings.Contains(err.Error(), "calibrated") {
		t.Errorf("attached: %v", err)
	}
}

type named struct{ search.Evaluator }

func (named) Identity() search.Identity { return search.Identity{Spec: "made-up"} }

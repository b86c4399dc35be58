package study

import (
	"bytes"
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/searchtest"
	"github.com/isocost/isocost/search/space"
)

// plainTable writes a table in which a block costs what its channels say.
func plainTable(t *testing.T, s space.Lowerer, path string) {
	t.Helper()
	table := searchtest.Table(t, s, 0, func(op lut.Op) float64 { return searchtest.Coord(op, "mid", 1) })
	if err := os.WriteFile(path, table.Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
}

// kernels is an evaluator that likes large kernels and expansions.
type kernels struct{}

func (kernels) Identity() search.Identity {
	return search.Identity{Spec: "kernels", SHA256: strings.Repeat("0", 64)}
}

func (kernels) Evaluate(_ context.Context, r search.Request) (search.Answer, error) {
	u := 0.0
	for _, x := range r.Arch.Layers {
		u += float64(strings.Count(x.Choice, "5")*3+strings.Count(x.Choice, "6")*2) + float64(x.Width)/4
	}
	return search.Answer{Utility: u + float64(r.Seed%1000)/1000}, nil
}

// skewed is a device on which what is predicted costs a tenth more for every k5.
type skewed struct {
	space space.Lowerer
	table *lut.Table
	asked *[]int
	fail  error
}

func (d *skewed) Measure(_ context.Context, archs []space.Arch) ([]search.Measurement, error) {
	*d.asked = append(*d.asked, len(archs))
	var out []search.Measurement
	for _, a := range archs {
		c, err := search.NewLUTCost(d.space, d.table).Cost(a)
		if err != nil {
			return nil, err
		}
		v := c.Value * 1.3 * math.Pow(1.1, float64(strings.Count(a.Key(), "k5")))
		out = append(out, search.Measurement{Metric: lut.Latency, Unit: "us", Value: v, Lo: v, Hi: v, N: 1, Validity: []string{"ok"}})
	}
	return out, d.fail
}

func TestMeasuredStudy(t *testing.T) {
	const spacePath = "../../examples/tiny-two/space.yaml"
	sp, err := space.OpenMeasured(spacePath)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	table := filepath.Join(dir, "one.lut.json")
	plainTable(t, sp, table)
	c := Config{Space: spacePath, Tables: []string{table}, Evaluator: "kernels", Methods: []string{Isocost, "constrained"}, Seeds: []uint64{1},
		Budget: 400, Samples: 2, Fresh: 4, Tau: 0.05, Epsilon: 0.5, Delta: 0.05, Measure: []string{"local"}}
	var asked []int
	s := Study{Config: c, Dir: filepath.Join(dir, "study"),
		Open: func(context.Context, string, space.Space, uint64) (search.Evaluator, error) { return kernels{}, nil },
		Device: func(target, name string, low space.Lowerer, f lut.File) (search.Measurer, error) {
			if target != "local" || name != "one" {
				t.Errorf("device %s of %s", target, name)
			}
			tab, err := lut.New(f)
			return &skewed{low, tab, &asked, nil}, err
		}}
	res, err := s.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(asked) != 1 || asked[0] < 2 {
		t.Fatalf("campaigns of %v networks, want one", asked)
	}
	for _, u := range res.Units {
		m := u.Measured
		if m == nil || math.Abs(m.Cost/m.Anchor-1-m.Deviation) > 1e-12 {
			t.Fatalf("%s: measured %+v", u.Method, m)
		}
		skew := math.Pow(1.1, float64(strings.Count(u.Final, "k5")-strings.Count(u.Anchor, "k5")))
		if math.Abs((1+u.Deviation)*skew-1-m.Deviation) > 1e-9 || m.Inside != (math.Abs(math.Log1p(m.Deviation)) <= math.Log1p(c.Tau)) {
			t.Errorf("%s: predicted %+g, measured %+v, skew %g", u.Method, u.Deviation, m, skew)
		}
	}
	for _, m := range res.Methods {
		if m.Measured == nil || m.Measured.Units != 1 || m.Measured.Worst == 0 {
			t.Errorf("%s: %+v", m.Method, m.Measured)
		}
	}
	if !res.Fronts[0].Measured {
		t.Error("the fronts are not by measured cost")
	}
	if !strings.Contains(res.Markdown(), "### Measured") {
		t.Error("the tables do not show what was measured")
	}
	text, err := os.ReadFile(filepath.Join(s.Dir, ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := DecodeResults("results.json", text); err != nil {
		t.Error(err)
	}
	// Again: nothing is measured twice, and the results are the same bytes.
	if _, err := s.Run(context.Background()); err != nil || len(asked) != 1 {
		t.Fatalf("run again: %v, campaigns %v", err, asked)
	}
	if again, _ := os.ReadFile(filepath.Join(s.Dir, ResultsFile)); !bytes.Equal(again, text) {
		t.Error("run again, the results are others")
	}
	// A study that has grown measures what is new, beside the anchor.
	s.Config.Seeds = []uint64{1, 2}
	s.Config.Methods = append(s.Config.Methods, "random")
	if _, err := s.Run(context.Background()); err != nil || len(asked) > 2 {
		t.Fatalf("grown: %v, campaigns %v", err, asked)
	}
	// A device that fails keeps the searches.
	s.Dir = filepath.Join(dir, "failing")
	s.Device = func(_, _ string, low space.Lowerer, f lut.File) (search.Measurer, error) {
		tab, err := lut.New(f)
		return &skewed{low, tab, &asked, errors.New("unplugged")}, err
	}
	if _, err := s.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "unplugged") {
		t.Errorf("a device that fails: %v", err)
	}
	if _, err := os.Stat(filepath.Join(s.Dir, MeasuredFile)); err == nil {
		t.Error("a failed campaign was written down")
	}
}

package main

import (
	"os"
	"slices"
	"testing"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/costgen/next"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// The active plan on a real device, replayed: a campaign that measured every cell
// of a space answers what Next asks for, as if it were measured then.
//
//	agent plan --space examples/mobile-cnn/space.yaml -o plan.jsonl
//	agent bench --plan plan.jsonl -o rec.jsonl
//	ISOCOST_RECORDS=$PWD/rec.jsonl go test ./cmd/costgen -run Replay -v
func TestReplayOfNext(t *testing.T) {
	path := os.Getenv("ISOCOST_RECORDS")
	if path == "" {
		t.Skip("set ISOCOST_RECORDS to the records of a campaign over a whole space; the comment says how to make them")
	}
	files, err := record.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	all := costgen.FromFile(files[0])
	cells := map[string]costgen.Line{}
	var rest []costgen.Line
	var uses []next.Use
	grids := map[string][]lut.Op{}
	for _, l := range all.Records {
		if l.Kind != role.Cell || l.Key == nil {
			rest = append(rest, l)
			for _, op := range l.Ops {
				uses = append(uses, next.Use{Op: op, Weight: 1})
			}
			continue
		}
		cells[l.Key.String()] = l
		line := *l.Key
		if _, ok := line.Coord("mid"); ok {
			line = line.With("mid", 1)
		}
		grids[line.String()] = append(grids[line.String()], *l.Key)
	}
	for _, l := range cells {
		uses = append(uses, next.Use{Op: *l.Key, Weight: 0.01})
	}
	rmspe := func(have map[string]bool, slopes bool) float64 {
		s := all
		s.Records = slices.Clone(rest)
		for key := range have {
			s.Records = append(s.Records, cells[key])
		}
		tab, err := costgen.Compile(t.Context(), []costgen.Source{s}, costgen.Options{Slopes: slopes})
		if err != nil {
			t.Fatal(err)
		}
		if a := tab.File().Audit; a != nil && a.Errors.N > 20 {
			return a.Errors.RMSPE
		}
		return 1
	}
	uniform := func(k int) map[string]bool {
		have := map[string]bool{}
		for _, ops := range grids {
			slices.SortFunc(ops, func(a, b lut.Op) int { x, _ := a.Coord("mid"); y, _ := b.Coord("mid"); return x - y })
			for i := range min(k, len(ops)) {
				have[ops[i*(len(ops)-1)/max(1, min(k, len(ops))-1)].String()] = true
			}
		}
		return have
	}
	have := uniform(2)
	type point struct {
		cells int
		rmspe float64
	}
	curve := []point{{len(have), rmspe(have, false)}}
	for len(have) < len(cells) {
		s := all
		s.Records = slices.Clone(rest)
		for key := range have {
			s.Records = append(s.Records, cells[key])
		}
		tab, err := costgen.Compile(t.Context(), []costgen.Source{s}, costgen.Options{})
		if err != nil {
			t.Fatal(err)
		}
		ps, err := next.Propose(tab, uses, 4)
		if err != nil {
			t.Fatal(err)
		}
		before := len(have)
		for _, p := range ps {
			if _, ok := cells[p.Op.String()]; ok {
				have[p.Op.String()] = true
			}
		}
		if len(have) == before {
			break
		}
		curve = append(curve, point{len(have), rmspe(have, false)})
	}
	// What no choice of cells can better: the error with all of them.
	everything := map[string]bool{}
	for key := range cells {
		everything[key] = true
	}
	floor := rmspe(everything, false)
	t.Logf("all %d cells: RMSPE %.2f %%", len(cells), 100*floor)
	for k := 3; k <= 10; k++ {
		grid := uniform(k)
		for _, slopes := range []bool{true, false} {
			e := rmspe(grid, slopes)
			i := slices.IndexFunc(curve, func(p point) bool { return p.rmspe <= max(e, floor*1.05) })
			if i < 0 {
				t.Errorf("the active plan never reaches the %.2f %% of %d evenly spaced cells", 100*e, len(grid))
				continue
			}
			if start := curve[0].cells; 3*(curve[i].cells-start) > len(grid)-start {
				t.Errorf("the active plan needs %d cells where %d evenly spaced ones do, beyond the %d of the start", curve[i].cells, len(grid), start)
			}
			how := "with staircases"
			if slopes {
				how = "along slopes   "
			}
			t.Logf("uniform %2d widths %s: %d cells, RMSPE %5.2f %%; active plan: %d cells, %.2f %%; beyond the common start %.1f times fewer",
				k, how, len(grid), 100*e, curve[i].cells, 100*curve[i].rmspe, float64(len(grid)-curve[0].cells)/float64(max(1, curve[i].cells-curve[0].cells)))
		}
	}
	for _, p := range curve {
		t.Logf("active: %d cells, RMSPE %.2f %%", p.cells, 100*p.rmspe)
	}
}

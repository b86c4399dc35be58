package costgen

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/costgen/next"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// mill is a device like ONNX Runtime's CPU provider: fp32 blocks pay whole blocks of
// 16 channels, int8 ones run slower by a factor of their own where the channels are no
// multiple of 16.
type mill struct {
	rng   *rand.Rand
	slow  map[string]float64 // factor of a line
	lines []lut.Op           // one operator of each, at mid=16
}

func newMill(seed uint64) *mill {
	m := &mill{rng: rand.New(rand.NewPCG(seed, 3)), slow: map[string]float64{}}
	for _, p := range []lut.Precision{lut.FP32, lut.INT8} {
		for _, k := range []string{"3", "5"} {
			family := math.Exp(0.1 * m.rng.NormFloat64())
			for _, c := range []int{24, 40, 80} {
				op := lut.NewOp("mbconv", p, map[string]string{"k": k, "s": "1"}, map[string]int{"cin": c, "cout": c, "h": 1920 / c, "mid": 16, "w": 1920 / c})
				m.lines = append(m.lines, op)
				m.slow[op.String()] = 1
				if p == lut.INT8 {
					m.slow[op.String()] = 1.9 * family * math.Exp(0.1*m.rng.NormFloat64())
				}
			}
		}
	}
	return m
}

// widths are those of a line: multiples of 8 at five ratios of three expansions.
func (m *mill) widths(line lut.Op) []int {
	c, _ := line.Coord("cin")
	var w []int
	for _, e := range []float64{3, 4, 6} {
		for _, r := range []float64{0.5, 0.75, 1, 1.25, 1.5} {
			w = append(w, 8*int(math.Round(e*r*float64(c)/8)))
		}
	}
	slices.Sort(w)
	return slices.Compact(w)
}

func (m *mill) cost(op lut.Op) float64 {
	c, _ := op.Coord("cin")
	h, _ := op.Coord("h")
	mid, _ := op.Coord("mid")
	paid := mid
	slow := 1.0
	if op.Precision == lut.FP32 {
		paid = (mid + 15) / 16 * 16
	} else if mid%16 != 0 {
		slow = m.slow[op.With("mid", 16).String()]
	}
	k := 9.0
	if op.Attr("k") == "5" {
		k = 25
	}
	return (2 + float64(h*h*paid)*(float64(2*c)+k)/3e4) * slow
}

func (m *mill) record(op lut.Op) record.Record {
	v := m.cost(op) * (1 + 0.005*m.rng.NormFloat64())
	return record.Record{Kind: role.Cell, Case: op.String(), Key: &op, Validity: []record.Validity{record.OK}, EstimateUS: &v, CI95US: &record.Interval{v * 0.99, v * 1.01}, N: 60}
}

func (m *mill) grid(k int) map[string]record.Record {
	cells := map[string]record.Record{}
	for _, l := range m.lines {
		w := m.widths(l)
		for i := range k {
			op := l.With("mid", w[i*(len(w)-1)/(k-1)])
			cells[op.String()] = m.record(op)
		}
	}
	return cells
}

func compileCells(t *testing.T, cells map[string]record.Record, slopes bool) *lut.Table {
	t.Helper()
	s := Source{Name: "cells", Header: testHeader()}
	for _, k := range slices.Sorted(maps.Keys(cells)) {
		s.Records = append(s.Records, Line{1, cells[k]})
	}
	tab, err := Compile(t.Context(), []Source{s}, Options{Slopes: slopes})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// errors of all cells of the space, relative.
func (m *mill) errors(t *testing.T, tab *lut.Table) (rms float64, covered int, n int) {
	t.Helper()
	for _, l := range m.lines {
		for _, w := range m.widths(l) {
			op := l.With("mid", w)
			c, err := tab.Cost(op)
			if err != nil {
				t.Fatal(err)
			}
			truth := m.cost(op)
			rms += (c.Value/truth - 1) * (c.Value/truth - 1)
			if c.Lo <= truth && truth <= c.Hi {
				covered++
			}
			n++
		}
	}
	return math.Sqrt(rms / float64(n)), covered, n
}

// Four widths a line are enough to find both staircases, and then all widths.
func TestStaircasesAreFound(t *testing.T) {
	for seed := range uint64(5) {
		m := newMill(seed)
		tab := compileCells(t, m.grid(4), false)
		for _, f := range tab.File().Families {
			// At these widths whole blocks and slopes of the slow path are much alike.
			if len(f.Stairs) != 1 || f.Stairs[0].Axis != "mid" || f.Stairs[0].Period != 16 || f.Op.Precision == lut.FP32 && !f.Stairs[0].Whole {
				t.Errorf("seed %d: %s has the staircases %+v", seed, f.Name(), f.Stairs)
			}
		}
		rms, covered, n := m.errors(t, tab)
		t.Logf("seed %d: %d cells known, all %d off by %.2f %%, %d inside their intervals", seed, 4*len(m.lines), n, 100*rms, covered)
		if rms > 0.03 || covered < n*9/10 {
			t.Errorf("seed %d: off by %.2f %%, %d of %d covered", seed, 100*rms, covered, n)
		}
	}
}

// The active plan on staircases, against uniform grids from the same start, two cells
// a line: three times fewer measurements than a grid interpolated along slopes, and
// than one compiled as the plan's is, once that has so many cells that a third of
// them can tell anything; never more in any case.
func TestProposalsBeatAUniformGridOnStaircases(t *testing.T) {
	for seed := range uint64(4) {
		m := newMill(seed)
		var uses []next.Use
		for _, l := range m.lines {
			for _, w := range m.widths(l) {
				uses = append(uses, next.Use{Op: l.With("mid", w), Weight: 1})
			}
		}
		cells := m.grid(2)
		start := len(cells)
		type point struct {
			more int
			rms  float64
		}
		var curve []point
		for len(cells) < start+3*len(m.lines) {
			tab := compileCells(t, cells, false)
			rms, _, _ := m.errors(t, tab)
			curve = append(curve, point{len(cells) - start, rms})
			ps, err := next.Propose(tab, uses, 2)
			if err != nil || len(ps) == 0 {
				t.Fatalf("%d proposals, %v", len(ps), err)
			}
			for _, p := range ps {
				cells[p.Op.String()] = m.record(p.Op)
			}
		}
		t.Logf("seed %d: %v", seed, curve)
		for k := 3; k <= 9; k++ {
			uniform := m.grid(k)
			for _, slopes := range []bool{true, false} {
				target, _, _ := m.errors(t, compileCells(t, uniform, slopes))
				i := slices.IndexFunc(curve, func(p point) bool { return p.rms <= max(target, floor) })
				if i < 0 {
					t.Fatalf("seed %d: the active plan never reaches %.2f %%", seed, 100*target)
				}
				need, spent := curve[i].more, len(uniform)-start
				t.Logf("seed %d: uniform %d widths, slopes only %v, %d more cells: %.2f %%; active plan %d more", seed, k, slopes, spent, 100*target, need)
				if need > spent || (k > 4 || slopes && k > 3) && 3*need > spent {
					t.Errorf("seed %d: the active plan needs %d where %d evenly spaced cells do", seed, need, spent)
				}
			}
		}
	}
}

// floor is an error that the noise of these cells explains: 0.5 % each, and what
// their isotonic regression moves.
const floor = 0.02

// A step somewhere is not a staircase, however the knots lie.
func TestAStepIsNotAStaircase(t *testing.T) {
	for seed := range uint64(6) {
		p := &plant{rng: rand.New(rand.NewPCG(seed, 9))}
		for range 8 {
			p.step = append(p.step, []int{0, 0, 3 + p.rng.IntN(10)}[p.rng.IntN(3)])
		}
		p.step[0] = 5
		for _, k := range []int{2, 3, 6, 16} {
			cells := map[string]record.Record{}
			for f := range p.step {
				for i := range k {
					for j := range k {
						op := plantOp(f, 1+i*(side-1)/(k-1), 1+j*(side-1)/(k-1))
						cells[op.String()] = p.record(op)
					}
				}
			}
			for _, f := range compileCells(t, cells, false).File().Families {
				if len(f.Stairs) > 0 {
					t.Errorf("seed %d, %d×%d knots: %s has the staircases %+v", seed, k, k, f.Name(), f.Stairs)
				}
			}
		}
	}
}

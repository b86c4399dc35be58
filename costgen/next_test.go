package costgen

import (
	"fmt"
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

// plant is a space of families over a 16×16 grid of channels on a device whose
// costs are products with a step somewhere: a cache that overflows at some width.
type plant struct {
	rng  *rand.Rand
	step []int // per family: cout beyond which everything costs 1.7 times, 0 for none
}

const side = 16

func plantOp(fam, cin, cout int) lut.Op {
	return lut.NewOp("conv", lut.FP32, map[string]string{"k": fmt.Sprint(fam + 1)}, map[string]int{"cin": 8 * cin, "cout": 8 * cout})
}

func (p *plant) cost(fam, cin, cout int) float64 {
	v := float64(5+cin*cout+cout) * float64(1+fam%4)
	if s := p.step[fam]; s > 0 && cout > s {
		v *= 1.7
	}
	return v
}

func (p *plant) record(op lut.Op) record.Record {
	fam, cin, cout := p.where(op)
	v := p.cost(fam, cin, cout) * (1 + 0.003*p.rng.NormFloat64())
	return record.Record{Kind: role.Cell, Case: op.String(), Key: &op, Validity: []record.Validity{record.OK}, EstimateUS: &v, CI95US: &record.Interval{v * 0.994, v * 1.006}, N: 60}
}

func (p *plant) where(op lut.Op) (fam, cin, cout int) {
	fmt.Sscan(op.Attr("k"), &fam)
	cin, _ = op.Coord("cin")
	cout, _ = op.Coord("cout")
	return fam - 1, cin / 8, cout / 8
}

// compiled is the table of these cells.
func compiled(t *testing.T, cells map[string]record.Record) *lut.Table {
	t.Helper()
	s := Source{Name: "plant", Header: testHeader()}
	for _, k := range slices.Sorted(maps.Keys(cells)) {
		s.Records = append(s.Records, Line{1, cells[k]})
	}
	tab, err := Compile(t.Context(), []Source{s}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// error is the RMSPE of networks of the space, priced by a table.
func (p *plant) error(t *testing.T, tab *lut.Table, nets [][][3]int) float64 {
	t.Helper()
	ss := 0.0
	for _, n := range nets {
		var sum, truth float64
		for _, l := range n {
			c, err := tab.Cost(plantOp(l[0], l[1], l[2]))
			if err != nil {
				t.Fatal(err)
			}
			sum += c.Value
			truth += p.cost(l[0], l[1], l[2])
		}
		ss += (sum/truth - 1) * (sum/truth - 1)
	}
	return math.Sqrt(ss / float64(len(nets)))
}

// The promise of the active plan: from the same start – the corners – it reaches
// the error of a uniform grid with at least three times fewer measurements.
func TestProposalsBeatAUniformGridThreefold(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles hundreds of tables: make test")
	}
	for seed := range uint64(6) {
		p := &plant{rng: rand.New(rand.NewPCG(seed, 9))}
		for range 8 {
			p.step = append(p.step, []int{0, 0, 3 + p.rng.IntN(10)}[p.rng.IntN(3)])
		}
		p.step[0] = 5 // at least one
		var uses []next.Use
		for f := range p.step {
			for cin := 1; cin <= side; cin++ {
				for cout := 1; cout <= side; cout++ {
					uses = append(uses, next.Use{Op: plantOp(f, cin, cout), Weight: 1})
				}
			}
		}
		var nets [][][3]int
		for range 60 {
			var n [][3]int
			for range 8 {
				n = append(n, [3]int{p.rng.IntN(len(p.step)), 1 + p.rng.IntN(side), 1 + p.rng.IntN(side)})
			}
			nets = append(nets, n)
		}
		grid := func(k int) map[string]record.Record {
			cells := map[string]record.Record{}
			for f := range p.step {
				for i := range k {
					for j := range k {
						op := plantOp(f, 1+i*(side-1)/(k-1), 1+j*(side-1)/(k-1))
						cells[op.String()] = p.record(op)
					}
				}
			}
			return cells
		}
		corners := grid(2)
		uniform := grid(6)
		target := p.error(t, compiled(t, uniform), nets)

		cells := corners
		tab := compiled(t, cells)
		err := p.error(t, tab, nets)
		first := err
		for err > target && len(cells) < len(uniform) {
			ps, nerr := next.Propose(tab, uses, 4)
			if nerr != nil || len(ps) == 0 {
				t.Fatalf("%d proposals, %v", len(ps), nerr)
			}
			for _, q := range ps {
				if _, again := cells[q.Op.String()]; again {
					t.Fatalf("%s is proposed though it is measured", q.Op)
				}
				cells[q.Op.String()] = p.record(q.Op)
			}
			tab = compiled(t, cells)
			err = p.error(t, tab, nets)
		}
		t.Logf("seed %d: corners %d cells %.2f %%; uniform %d cells %.2f %%; active %d cells %.2f %%: %.1f times fewer", seed,
			4*len(p.step), 100*first, len(uniform), 100*target, len(cells), 100*err, float64(len(uniform))/float64(len(cells)))
		if err > target || 3*len(cells) > len(uniform) {
			t.Errorf("seed %d: active plan needs %d of %d measurements", seed, len(cells), len(uniform))
		}
	}
}

func TestProposalsCloseHolesFirst(t *testing.T) {
	p := &plant{rng: rand.New(rand.NewPCG(1, 1)), step: []int{0, 0}}
	s := Source{Name: "plant", Header: testHeader()}
	for _, c := range [][2]int{{1, 1}, {1, 8}} {
		s.Records = append(s.Records, Line{1, p.record(plantOp(0, c[0], c[1]))})
	}
	tab, err := Compile(t.Context(), []Source{s}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var uses []next.Use
	for f := range 2 {
		for cin := 1; cin <= 4; cin++ {
			for cout := 1; cout <= 8; cout++ {
				uses = append(uses, next.Use{Op: plantOp(f, cin, cout), Weight: 1})
			}
		}
	}
	ps, err := next.Propose(tab, uses, 6)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, q := range ps {
		f, cin, cout := p.where(q.Op)
		got = append(got, fmt.Sprintf("%d:%d,%d %s", f, cin, cout, q.Why))
	}
	slices.Sort(got)
	want := []string{"0:4,1 range", "0:4,8 range", "1:1,1 unknown", "1:1,8 unknown", "1:4,1 unknown", "1:4,8 unknown"}
	if !slices.Equal(got, want) {
		t.Errorf("proposed %v, want the corners %v", got, want)
	}
	all, err := next.Propose(tab, uses, 1000)
	if err != nil || len(all) > 62 {
		t.Errorf("%d proposals for 62 open cells, %v", len(all), err)
	}
}

package costgen

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/isocost/isocost/lut"
)

// Law: cells that cannot be told from zero are right on average, as the sum of a
// network's many is; half of the upper bound is not. What they borrow from is a family
// of a dispatch and a price for each element, with members off that line.
func TestBorrowedCostsAreRightOnAverage(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var truth, borrowed, halves, inside, n float64
	for range 300 {
		var fam []cell
		var costs []float64
		for i := range 12 {
			dim := 16 << (i / 2)
			cost := (0.3 + 0.002*float64(dim)) * math.Exp(0.1*rng.NormFloat64())
			v := cost + rng.NormFloat64()
			op, err := lut.ParseOp(fmt.Sprintf("hsigmoid/fp32@dim=%d,seq=%d", dim, 1+i%2))
			if err != nil {
				t.Fatal(err)
			}
			c := cell{op: op, family: op.Grid(), value: v, lo: v - 1.96, hi: v + 1.96, n: 1}
			c.censored = c.lo <= 0
			fam, costs = append(fam, c), append(costs, cost)
		}
		raw := append([]cell(nil), fam...)
		borrow(fam)
		for i, c := range fam {
			if !c.censored {
				if c.value != raw[i].value {
					t.Fatalf("a cell that can be told from zero has changed: %+v", c)
				}
				continue
			}
			if !(c.value > 0) || c.lo < 0 || c.lo > c.value || c.hi < c.value {
				t.Fatalf("borrowed %+v", c)
			}
			n++
			truth += costs[i]
			borrowed += c.value
			halves += max(0, raw[i].hi) / 2
			if c.lo <= costs[i] && costs[i] <= c.hi {
				inside++
			}
		}
	}
	if e := borrowed/truth - 1; math.Abs(e) > 0.2 {
		t.Errorf("borrowed costs are off by %+.0f %%", 100*e)
	}
	if e := halves/truth - 1; e < 0.4 {
		t.Errorf("half the bounds are off by %+.0f %% only: nothing to improve", 100*e)
	}
	if inside/n < 0.9 {
		t.Errorf("%.0f %% of intervals hold the truth", 100*inside/n)
	}
}

// A family of two tells nothing: what stands for a cell is the mean of what its
// measurement leaves possible, in agreement with a textbook's truncated normal.
func TestACensoredCellWithoutAFamilyIsPositive(t *testing.T) {
	for _, c := range []struct{ v, se, want float64 }{{0, 1, 0.797885}, {-2, 1, 0.373215}, {1, 1, 1.2876}, {-40, 1, 0.025}} {
		op, _ := lut.ParseOp("relu/fp32@dim=8,seq=4")
		fam := []cell{{op: op, family: op.Grid(), value: c.v, lo: c.v - 1.96*c.se, hi: c.v + 1.96*c.se, censored: true}}
		borrow(fam)
		if math.Abs(fam[0].value-c.want) > 2e-3*c.want {
			t.Errorf("%v ± %v: %v, want %v", c.v, c.se, fam[0].value, c.want)
		}
	}
}

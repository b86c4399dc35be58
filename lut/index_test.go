package lut

import (
	"fmt"
	"testing"
)

// Every knot is found by its operator and by no other, also where hashes are equal: names of
// attributes and axes, and the middles of long names, are not in them.
func TestKnotsAreFoundByTheirOperators(t *testing.T) {
	f := testFile()
	f.Families = nil
	cost := 1.0
	for _, name := range []string{"add", "block_of_that_kind_here", "block_of_this_kind_here"} {
		for _, axes := range [][]string{{"a0", "a1", "a2", "a3", "a4", "a5", "a6", "c"}, {"c", "h"}, {"c", "w"}} {
			fam := Family{Op: Op{Kind: name, Precision: FP32, Attrs: []Attr{{"k", "3"}}}, Axes: axes}
			for i := range 300 {
				at := make([]int, len(axes))
				for a := range at {
					at[a] = 1
				}
				at[len(at)-2], at[len(at)-1] = 1+i/20, 1+i%20
				fam.Knots = append(fam.Knots, Knot{At: at, Raw: cost, Corrected: cost, Lo: cost, Hi: cost, N: 1, Reason: Measured, Records: []string{"x"}})
				cost++
			}
			f.Families = append(f.Families, fam)
		}
	}
	tab, err := New(f)
	if err != nil {
		t.Fatal(err)
	}
	for i := range tab.families {
		fam := &tab.families[i]
		for j := range fam.Knots {
			op := fam.Member(fam.Knots[j].At)
			if p := tab.knots.find(tab.families, &op); p == nil || p.value != fam.Knots[j].Corrected {
				t.Errorf("%s is not found: %+v", op, p)
			}
			for _, other := range []Op{op.With("c", 99), op.WithPrecision(FP16), {Kind: op.Kind, Precision: op.Precision, Attrs: []Attr{{"s", "3"}}, At: op.At}} {
				if p := tab.knots.find(tab.families, &other); p != nil {
					t.Errorf("%s is taken for %+v", other, p)
				}
			}
		}
	}
}

func TestHashesDiffer(t *testing.T) {
	seen := map[uint64]Op{}
	for c := range 64 {
		for h := range 64 {
			for k := range 8 {
				op := NewOp("conv", FP32, map[string]string{"k": fmt.Sprint(k), "s": fmt.Sprint(k % 3)}, map[string]int{"cin": 1 + c, "cout": 1 + h})
				if other, ok := seen[hash(&op)]; ok {
					t.Fatalf("%s has the hash of %s", op, other)
				}
				seen[hash(&op)] = op
			}
		}
	}
}

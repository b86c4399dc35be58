package devicemodel

import (
	"testing"

	"github.com/isocost/isocost/benchmarks/census"
)

// What kernels move by formula is what their graphs do.
func TestWorkByFormulaIsTheGraphs(t *testing.T) {
	c, err := census.Default()
	if err != nil {
		t.Fatal(err)
	}
	checked := map[string]int{}
	for _, k := range c.Kernels() {
		fast := work{window: 1, stride: 1, groups: 1, width: 1}
		slow := fast
		act, _ := bytesOf(k.Op.Precision)
		if !fast.formula(k.Op, act, fast.lie(k.Op)) {
			continue
		}
		if checked[k.Op.Grid()]++; checked[k.Op.Grid()]%12 != 1 { // a graph takes time
			continue
		}
		if slow.build(k.Op, act, slow.lie(k.Op)); fast != slow {
			t.Errorf("%s: %+v, its graph %+v", k.Op, fast, slow)
		}
	}
	if len(checked) < 40 {
		t.Errorf("only %d sorts of kernels are priced by formula", len(checked))
	}
}

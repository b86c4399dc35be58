package deviceplan

import (
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// Every floor can be met: a census of little has kernels of other sizes beside its own, and each way to transpose.
func TestRareKinds(t *testing.T) {
	want := builtIn(t).Kernels()
	have, kinds, ways := map[string]bool{}, map[string]int{}, map[string]int{}
	for _, k := range want {
		have[k.Op.String()] = true
		kinds[kindOf(k.Op)]++
	}
	for _, op := range rare(want) {
		if have[op.String()] {
			t.Errorf("%s is of the census", op)
		}
		if op.Precision != lut.FP32 {
			t.Errorf("%s is of a precision that the census has not", op)
		}
		if _, ok := cell(op, schedule); !ok {
			continue
		}
		kinds[kindOf(op)]++
		if op.Kind == "transpose" {
			ways[benchmarks.Moved(op.Attr("perm"))]++
		}
	}
	for kind, n := range kinds {
		if n < 2 {
			t.Errorf("%d kernels of kind %s", n, kind)
		}
	}
	if kinds["deconv/fp32"] < leastOfRegime {
		t.Errorf("transposed convolutions: %d", kinds["deconv/fp32"])
	}
	if ways["elements"] < leastOfRegime {
		t.Errorf("transpositions by element: %d", ways["elements"])
	}
}

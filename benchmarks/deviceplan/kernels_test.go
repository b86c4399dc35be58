package deviceplan

import (
	"testing"

	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/lut"
)

// A list of kernels is planned in its order as far as there is time, but none of a network that is to judge.
func TestKernelsInOrder(t *testing.T) {
	var ops []lut.Op
	for _, k := range builtIn(t).Kernels()[:60] {
		ops = append(ops, k.Op)
	}
	r := Request{Unseen: &census.Census{Networks: []census.Network{{Kernels: ops[:1]}}}, Seconds: 3, Schedule: schedule, Seed: 1}
	planned := 0
	for left := ops; len(left) > 0; {
		plan, looked, err := Kernels(r, left)
		if err != nil || looked == 0 {
			t.Fatalf("%d kernels were looked at: %v", looked, err)
		}
		for _, c := range plan.Cases {
			if c.Key == nil {
				continue
			}
			planned++
			if c.Key.String() == ops[0].String() {
				t.Errorf("%s is of a network that judges", c.Key)
			}
		}
		if len(left) == len(ops) && looked > len(ops)/2 {
			t.Errorf("in 3 seconds %d kernels were looked at", looked)
		}
		left = left[looked:]
	}
	if planned < len(ops)/2 {
		t.Errorf("%d of %d kernels are planned", planned, len(ops))
	}
}

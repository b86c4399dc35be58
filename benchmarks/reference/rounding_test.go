package reference_test

import (
	"math/rand/v2"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/reference"
)

// rows is a graph that applies one operator to numbers of some type.
func rowsGraph(op string, t graph.DType, attrs graph.Attrs, in, out []int) *graph.Graph {
	x, y := &graph.Value{Name: "x", DType: t, Shape: in}, &graph.Value{Name: "y", DType: t, Shape: out}
	return &graph.Graph{Inputs: []*graph.Value{x}, Outputs: []*graph.Value{y},
		Nodes: []*graph.Node{{Op: benchmarks.Operator(op), Name: op, In: []*graph.Value{x}, Out: []*graph.Value{y}, Attrs: attrs}}}
}

func numbers(n int) map[string][]float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return map[string][]float32{"x": x}
}

func tolerance(t *testing.T, g *graph.Graph, in map[string][]float32) float64 {
	t.Helper()
	limit, err := reference.Tolerance(g, in)
	if err != nil {
		t.Fatal(err)
	}
	return limit["y"]
}

// TestToleranceOfRounding: what Higham's formulas say of single operators.
func TestToleranceOfRounding(t *testing.T) {
	reduce := func(op string) graph.Attrs { return graph.Attrs{Strings: map[string]string{"op": op}} }
	in := numbers(64 * 24)
	limit := func(op string, d graph.DType) float64 {
		return tolerance(t, rowsGraph("reduce", d, reduce(op), []int{64, 24}, []int{64}), in)
	}
	// The same graph scales with the unit roundoff: 2^-24, 2^-11, 2^-8.
	f, h, b := limit("sumsquare", graph.Float32), limit("sumsquare", graph.Float16), limit("sumsquare", graph.BFloat16)
	for name, r := range map[string][2]float64{"fp16/fp32": {h / f, 0x1p13}, "bf16/fp16": {b / h, 8}} {
		if r[0] < 0.5*r[1] || r[0] > 2*r[1] {
			t.Errorf("%s: the tolerances are as %.3g, the unit roundoffs as %.3g", name, r[0], r[1])
		}
	}
	// 24 factors add their relative errors; 24 positive terms average them.
	if p := limit("prod", graph.BFloat16); !(p > 2*b && p < 1) {
		t.Errorf("a product of 24 in bf16 may be off by %.3g, a sum of squares by %.3g", p, b)
	}
	if l := tolerance(t, rowsGraph("reshape", graph.BFloat16, graph.Attrs{}, []int{64, 24}, []int{1536}), in); l != 0 {
		t.Errorf("an operator that computes nothing may be off by %.3g", l)
	}
	// Numbers that are rounded to integers: a few change sides, by 1 each.
	if l := tolerance(t, rowsGraph("round", graph.Float16, graph.Attrs{}, []int{64, 24}, []int{64, 24}), in); !(l > 0.01 && l < 0.2) {
		t.Errorf("rounding to integers may be off by %.3g", l)
	}
}

// TestTiesMayRoundEitherWay: a tie may go either way, all of them by one rule; nothing else may.
func TestTiesMayRoundEitherWay(t *testing.T) {
	x := []float64{0.5, 1.5, 2.25, 3, 4.5001, 5.4999, 6.5002}
	noisy := []float64{0.5001, 1.5001, 2.2501, 3.0001, 4.5002, 5.5, 6.5003}
	if got := reference.NearTies(noisy, x); len(got) != 4 || got[0] != 0 || got[1] != 1 {
		t.Errorf("in doubt are %v; want both ties and two near ones", got)
	}
	for x, want := range map[float64]float64{0.5: 1, 1.5: 1, 2.4: 3, 2.6: 2} {
		if got := reference.OtherWay(x); got != want {
			t.Errorf("%v the other way is %v, want %v", x, got, want)
		}
	}
}

// TestToleranceExcludesOtherPrecisionsAndGraphs: results of a coarser precision and of another graph are outside.
func TestToleranceExcludesOtherPrecisionsAndGraphs(t *testing.T) {
	in := numbers(16 * 32)
	g := func(op string, d graph.DType) *graph.Graph {
		return rowsGraph(op, d, graph.Attrs{}, []int{16, 32}, []int{16, 32})
	}
	for _, c := range []struct {
		name           string
		right, instead *graph.Graph
	}{
		{"fp16 for fp32", g("silu", graph.Float32), g("silu", graph.Float16)},
		{"bf16 for fp32", g("softmax", graph.Float32), g("softmax", graph.BFloat16)},
		{"another function", g("silu", graph.BFloat16), g("hswish", graph.BFloat16)},
		{"another, alike", g("gelu", graph.Float16), g("silu", graph.Float16)},
	} {
		want, err := reference.Run(c.right, in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := reference.Run(c.instead, in)
		if err != nil {
			t.Fatal(err)
		}
		if limit, off := tolerance(t, c.right, in), reference.Relative(got["y"], want["y"]); off <= limit {
			t.Errorf("%s: off by %.3g, within %.3g", c.name, off, limit)
		}
	}
}

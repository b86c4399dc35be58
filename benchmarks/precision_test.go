package benchmarks_test

import (
	"slices"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/lut"
)

// TestReferenceModelHasTheSameWeights: a chain of mixed precision and its fp32 form
// must differ by rounding alone, switches or not, or a comparison of their outputs
// says nothing.
func TestReferenceModelHasTheSameWeights(t *testing.T) {
	c := chain(t, "conv[k=3]/fp32@cin=8,cout=16,h=8,w=8 switch[from=fp32,to=int8]/int8@c=16,h=8,w=8 "+
		"mbconv[act=relu6,k=3,res=1,s=1]/int8@cin=16,cout=16,h=8,mid=32,w=8 switch[from=int8,to=fp32]/fp32@c=16,h=8,w=8 "+
		"conv[k=1]/fp32@cin=16,cout=8,h=8,w=8")
	mixed, err := benchmarks.Build(c, benchmarks.BuildOptions{Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	plain, err := benchmarks.Build(c, benchmarks.BuildOptions{Seed: 3, Precision: lut.FP32})
	if err != nil {
		t.Fatal(err)
	}
	weights := func(g *graph.Graph) map[string][]float32 {
		out := map[string][]float32{}
		for _, w := range g.Weights {
			if len(w.Data) > 0 && len(w.Shape) == 4 { // kernels: biases may be stored otherwise
				out[w.Name] = w.Data
			}
		}
		return out
	}
	a, b := weights(mixed), weights(plain)
	if len(a) < 5 || len(a) != len(b) {
		t.Fatalf("%d and %d kernels", len(a), len(b))
	}
	for name, w := range a {
		if !slices.Equal(w, b[name]) {
			t.Errorf("%s differs", name)
		}
	}
	for _, n := range plain.Nodes {
		for _, v := range append(n.In, n.Out...) {
			if v != nil && v.DType != graph.Float32 && len(v.Ints) == 0 {
				t.Errorf("%s is of type %d in the fp32 form", v.Name, v.DType)
			}
		}
	}
}

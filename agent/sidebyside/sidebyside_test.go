package sidebyside

import (
	"slices"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// TestEveryKindHasAnExample: the support table leaves out no operator.
func TestEveryKindHasAnExample(t *testing.T) {
	cases, err := SupportCases(lut.Precisions)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range benchmarks.Kinds() {
		if kind == "relayout" {
			continue // no operator: a difference between models
		}
		if !slices.ContainsFunc(cases, func(c Case) bool { return c.Name == kind }) {
			t.Errorf("no example of kind %q in support.go builds", kind)
		}
	}
}

func TestDefaultCasesBuild(t *testing.T) {
	cases, err := DefaultCases([]lut.Precision{lut.FP32, lut.INT8})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		g, err := benchmarks.Build(c.Chain, benchmarks.BuildOptions{})
		if err != nil {
			t.Errorf("%s: %v", c.Name, err)
			continue
		}
		if c.Name == "mobilenet_v2_224" && c.Precision == lut.FP32 {
			n := 0
			for _, w := range g.Weights {
				n += w.Len()
			}
			// 3.5 million parameters in the paper (table 4), batch norms folded.
			if n < 3_450_000 || n > 3_550_000 {
				t.Errorf("MobileNetV2 has %d parameters", n)
			}
		}
	}
}

package search

import (
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/searchtest"
	"github.com/isocost/isocost/search/space"
)

// sampleTable is SampleTable with int8 at 60 %.
func sampleTable(t testing.TB, s space.Lowerer) *lut.Table { return SampleTable(t, s, 0.6) }

// SampleTable is a table of every cell of a space with made-up costs: roughly the
// multiply-adds of a block, int8 at a share of that, in steps of 16 channels as
// hardware has them.
func SampleTable(t testing.TB, s space.Lowerer, int8 float64) *lut.Table {
	t.Helper()
	return searchtest.Table(t, s, 0.02, func(op lut.Op) float64 {
		coord := func(axis string) float64 { return searchtest.Coord(op, axis, 1) }
		mid := math.Ceil(coord("mid")/16) * 16
		k := map[string]float64{"3": 9, "5": 25}[op.Attr("k")]
		work := coord("h") * coord("w") * (coord("cin")*mid + k*mid + mid*coord("cout"))
		cost := 2 + work/4000
		if op.Precision == lut.INT8 {
			cost *= int8
		}
		return cost
	})
}

// mobileCNN is the example space.
func mobileCNN(t testing.TB) *space.Measured {
	t.Helper()
	s, err := space.OpenMeasured("../examples/mobile-cnn/space.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestWriteSampleTable(t *testing.T) {
	dir := os.Getenv("SAMPLE_TABLE")
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.WriteFile(filepath.Join(dir, "sample.lut.json"), sampleTable(t, mobileCNN(t)).Encode(), 0o644); err != nil {
		t.Fatal(err)
	}
}

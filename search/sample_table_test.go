package search

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// sampleTable is SampleTable with int8 at 60 %.
func sampleTable(t testing.TB, s space.Lowerer) *lut.Table { return SampleTable(t, s, 0.6) }

// SampleTable is a table of every cell of a space with made-up costs: roughly the
// multiply-adds of a block, int8 at a share of that, in steps of 16 channels as
// hardware has them.
func SampleTable(t testing.TB, s space.Lowerer, int8 float64) *lut.Table {
	t.Helper()
	families := map[string]*lut.Family{}
	for _, op := range s.Cells() {
		name := op.Family()
		f := families[name]
		if f == nil {
			f = &lut.Family{Name: name}
			for _, c := range op.At {
				f.Axes = append(f.Axes, c.Axis)
			}
			families[name] = f
		}
		coord := func(axis string) float64 {
			v, ok := op.Coord(axis)
			if !ok {
				return 1
			}
			return float64(v)
		}
		mid := math.Ceil(coord("mid")/16) * 16
		k := map[string]float64{"3": 9, "5": 25}[op.Attr("k")]
		work := coord("h") * coord("w") * (coord("cin")*mid + k*mid + mid*coord("cout"))
		cost := 2 + work/4000
		if op.Precision == lut.INT8 {
			cost *= int8
		}
		kn := lut.Knot{Raw: cost, Corrected: cost, Lo: cost * 0.98, Hi: cost * 1.02, N: 50, Reason: lut.Measured, Records: []string{"x"}}
		for _, c := range op.At {
			kn.At = append(kn.At, c.Value)
		}
		f.Knots = append(f.Knots, kn)
	}
	file := lut.File{Format: lut.Format, Metric: lut.Latency, Unit: "us", Policy: "raw",
		Device:  lut.Device{ID: "made-up", Model: "made-up", CPU: "none", OS: "none", Arch: "none", Cores: "0"},
		Runtime: lut.Runtime{Backend: "none", Version: "0", SHA256: hexSum(nil), Provider: "none", Threads: 1}, Protocol: lut.Protocol{SHA256: hexSum(nil)}}
	for _, name := range sortedKeys(families) {
		f := families[name]
		slices.SortFunc(f.Knots, func(a, b lut.Knot) int { return slices.Compare(a.At, b.At) })
		file.Families = append(file.Families, *f)
	}
	table, err := lut.New(file)
	if err != nil {
		t.Fatal(err)
	}
	return table
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

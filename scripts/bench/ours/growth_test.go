//go:build unix

package main

import (
	"math"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/record"
)

// Orders of growth are guarded here, times are not: of each measurement the least processor
// time of three is taken at two sizes, and the exponent between them may be so large. Linear
// work shows 1.0 to 1.2 however loaded the machine is, quadratic work 1.8 and more.
const steepest = 1.5

// grows fails where the least time of f(n) grows from one size to the other by more than the
// steepest power.
func grows(t *testing.T, what string, small, large int, f func(n int) (answer, error)) {
	t.Helper()
	least := func(n int) float64 {
		best := math.Inf(1)
		for range 3 {
			a, err := f(n)
			if err != nil {
				t.Fatalf("%s of %d: %v", what, n, err)
			}
			best = min(best, a["s"].(float64))
		}
		return best
	}
	a, b := least(small), least(large)
	exponent := math.Log(b/a) / math.Log(float64(large)/float64(small))
	t.Logf("%s: %d takes %.3g s, %d takes %.3g s: n^%.2f", what, small, a, large, b, exponent)
	if exponent > steepest {
		t.Errorf("%s: %.3g s at %d and %.3g s at %d: it grows as n^%.2f, and at most n^%v is allowed", what, a, small, b, large, exponent, steepest)
	}
}

func TestOrdersOfGrowth(t *testing.T) {
	tier.Sequential(t, "measures at two sizes")
	grows(t, "compiling records", 5_000, 80_000, func(n int) (answer, error) { return compileRecords([]string{strconv.Itoa(n)}) })
	grows(t, "compiling cells of one family", 1_500, 12_000, func(n int) (answer, error) {
		return compileCells([]string{strconv.Itoa(n), strconv.Itoa(n)})
	})
	grows(t, "a search's evaluations", 4_000, 64_000, func(n int) (answer, error) { return drive([]string{strconv.Itoa(n), "1"}) })
}

// A lookup does the same work and allocates nothing, however many cells the table has.
func TestLookupsDoNotAllocate(t *testing.T) {
	for _, n := range []int{1_000, 20_000} {
		cells := grid(n, 250)
		table, err := costgen.Compile(t.Context(), []costgen.Source{records(cells, 1)}, costgen.Options{Slopes: true})
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		if a := testing.AllocsPerRun(1000, func() {
			if _, err := table.Cost(cells[i*37%n]); err != nil {
				t.Fatal(err)
			}
			i++
		}); a != 0 {
			t.Errorf("a lookup in a table of %d cells allocates %v times", n, a)
		}
	}
}

// A changed layer is priced without allocating, and to the sum of the network's kernels.
func TestChangedLayers(t *testing.T) {
	if _, err := prepareLookups([]string{"../space.yaml", filepath.Join(t.TempDir(), "lookups.json")}); err != nil {
		t.Fatal(err)
	}
	for _, a := range looked.changed { // priced once, all parts are known
		if _, err := looked.cost.Cost(a); err != nil {
			t.Fatal(err)
		}
	}
	i := 0
	if n := testing.AllocsPerRun(1000, func() {
		if _, err := looked.cost.Cost(looked.changed[i%len(looked.changed)]); err != nil {
			t.Fatal(err)
		}
		i++
	}); n != 0 {
		t.Errorf("a changed layer allocates %v times", n)
	}
	a, err := oneArchitecture(nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := a["differs"].(float64); d > 1e-12 {
		t.Errorf("the price by parts differs from that by kernels by %v", d)
	}
}

// The made-up records are a campaign that the programs read.
func TestRecordFilesAreWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rec.jsonl")
	if _, err := writeRecords([]string{"500", path}); err != nil {
		t.Fatal(err)
	}
	files, err := record.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(files[0].Records); n != 500 || files[0].End == nil {
		t.Fatalf("%d records of 500, ended: %v", n, files[0].End != nil)
	}
}

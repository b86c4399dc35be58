// Package searchtest makes what tests of searches and their commands start from.
package searchtest

import (
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// Table is a table of every cell of a space with made-up costs in microseconds:
// cost says what an operator costs, spread its interval as a fraction to either
// side.
func Table(t testing.TB, s space.Lowerer, spread float64, cost func(lut.Op) float64) *lut.Table {
	t.Helper()
	families := map[string]*lut.Family{}
	for _, op := range s.Cells() {
		name := op.Family()
		f := families[name]
		if f == nil {
			of := lut.FamilyOf(op)
			f = &of
			families[name] = f
		}
		us := cost(op)
		k := lut.Knot{At: op.Point(), Raw: us, Corrected: us, Lo: us * (1 - spread), Hi: us * (1 + spread), N: 50, Reason: lut.Measured, Records: []string{"x"}}
		f.Knots = append(f.Knots, k)
	}
	sum := strings.Repeat("0", 64)
	file := lut.File{Format: lut.Format, Metric: lut.Latency, Unit: "us", Policy: "raw",
		Device:  lut.Device{ID: "made-up", Model: "made-up", CPU: "none", OS: "none", Arch: "none", Cores: "0"},
		Runtime: lut.Runtime{Library: lut.Library{Backend: "none", Version: "0", SHA256: sum, Provider: "none"}, Threads: 1}, Protocol: lut.Protocol{SHA256: sum}}
	for _, f := range families {
		slices.SortFunc(f.Knots, func(a, b lut.Knot) int { return slices.Compare(a.At, b.At) })
		file.Families = append(file.Families, *f)
	}
	slices.SortFunc(file.Families, func(a, b lut.Family) int { return strings.Compare(a.Name(), b.Name()) })
	table, err := lut.New(file)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// Coord is the operator's coordinate on an axis, or without one the default.
func Coord(op lut.Op, axis string, without float64) float64 {
	if v, ok := op.Coord(axis); ok {
		return float64(v)
	}
	return without
}

package benchmarks

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// Grid returns the standard shapes of a kind in one precision: what agent plan
// --family measures where no space says which shapes matter. Channels are halved,
// kept and doubled around each step of the pyramid, so that a family has at least
// three knots on its channel axis. docs/catalogue.md lists the grids.
func Grid(family string, p lut.Precision) ([]lut.Op, error) {
	k, known := kinds[family]
	if !known {
		return nil, hint.Wrap(fmt.Errorf("family %q: %w", family, ErrUnknownKind), "families with a grid are %v", GridFamilies())
	}
	if k.grid.shapes == nil {
		return nil, hint.Wrap(fmt.Errorf("family %q has no standard grid: %s", family, k.grid.why), "families with a grid are %v", GridFamilies())
	}
	var ops []lut.Op
	k.grid.shapes(func(attrs map[string]string, at map[string]int) {
		if op := lut.NewOp(family, p, attrs, at); Check(op) == nil {
			ops = append(ops, op)
		}
	})
	slices.SortFunc(ops, compareKeys)
	return slices.CompactFunc(ops, func(a, b lut.Op) bool { return a.String() == b.String() }), nil
}

// GridFamilies are the kinds that Grid knows, sorted.
func GridFamilies() []string {
	return slices.DeleteFunc(Kinds(), func(name string) bool { return kinds[name].grid.shapes == nil })
}

func compareKeys(a, b lut.Op) int {
	switch x, y := a.String(), b.String(); {
	case x < y:
		return -1
	case x > y:
		return 1
	}
	return 0
}

// Thin keeps at most knots values along an axis in each group of operators equal
// in everything else: the smallest, the largest and evenly spaced ones between.
// Operators without the axis stay.
func Thin(ops []lut.Op, axis string, knots int) []lut.Op {
	values := map[string][]int{}
	group := func(op lut.Op) (string, int, bool) {
		v, ok := op.Coord(axis)
		if !ok {
			return "", 0, false
		}
		return op.With(axis, 1).String(), v, true
	}
	for _, op := range ops {
		if g, v, ok := group(op); ok && !slices.Contains(values[g], v) {
			values[g] = append(values[g], v)
		}
	}
	kept := map[string][]int{}
	for g, vs := range values {
		slices.Sort(vs)
		if len(vs) <= knots || knots < 2 {
			kept[g] = vs
			continue
		}
		for i := range knots {
			kept[g] = append(kept[g], vs[i*(len(vs)-1)/(knots-1)])
		}
	}
	var out []lut.Op
	for _, op := range ops {
		if g, v, ok := group(op); !ok || slices.Contains(kept[g], v) {
			out = append(out, op)
		}
	}
	return out
}

package lut

import (
	"math"
	"slices"
	"sort"
)

// family is a Family prepared for queries.
type family struct {
	Family
	op     Op  // of the name
	first  Ref // of the first knot
	square int // index of the axis h when every knot has h = w and w follows, else −1
}

func newFamily(f Family, first Ref) family {
	op, _ := ParseOp(f.Name) // validated
	fam := family{Family: f, op: op, first: first, square: -1}
	h, w := slices.Index(f.Axes, "h"), slices.Index(f.Axes, "w")
	if h >= 0 && w >= 0 && !slices.ContainsFunc(f.Knots, func(k Knot) bool { return k.At[h] != k.At[w] }) {
		fam.square = h
	}
	return fam
}

// find is the index of the knot at exactly op's coordinates.
func (f *family) find(op Op) (int, bool) {
	lo, hi := 0, len(f.Knots)
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		at := f.Knots[mid].At
		c := 0
		for i := range at {
			if d := at[i] - op.At[i].Value; d != 0 {
				c = d
				break
			}
		}
		switch {
		case c == 0:
			return mid, true
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return lo, false
}

// guess is an interpolated value with its variances (squared 95 % half-widths).
type guess struct{ value, lower, upper float64 }

// interpolate is linear along each axis in turn between the nearest measured
// neighbours on both sides: multilinear on a full grid, and defined on scattered
// points wherever neighbours bracket the query. Costs of dense operators are
// products of their channel counts, for which this is exact. Square images
// (h = w in every knot) are one axis, linear in their area.
//
// The result is clamped between the dearest knot below and the cheapest knot
// above in the product order, so that scattered points keep the order too.
//
// Between two knots the truth may be a step anywhere: the interval takes the gap
// as a uniform uncertainty (variance gap²/12) beside the knots' own.
func (f *family) interpolate(op Op) (Cost, error) {
	q := make([]int, len(op.At))
	for i, c := range op.At {
		q[i] = c.Value
	}
	all := make([]int, len(f.Knots))
	for i := range all {
		all[i] = i
	}
	if err := f.inBox(op, q); err != nil {
		return Cost{}, err
	}
	g, axis, ok := f.along(all, q, 0)
	if !ok {
		lo, hi := f.span(axis)
		return Cost{}, &OutOfRangeError{op.String(), f.Axes[axis], q[axis], lo, hi, true}
	}
	below, above := 0.0, math.Inf(1)
	for _, k := range f.Knots {
		if dominates(q, k.At) {
			below = max(below, k.Corrected)
		}
		if dominates(k.At, q) {
			above = min(above, k.Corrected)
		}
	}
	if below <= above {
		g.value = min(max(g.value, below), above)
	}
	return Cost{Value: g.value, Lo: max(0, g.value-math.Sqrt(g.lower)), Hi: g.value + math.Sqrt(g.upper)}, nil
}

func dominates(a, b []int) bool {
	for i := range a {
		if a[i] < b[i] {
			return false
		}
	}
	return true
}

func (f *family) span(axis int) (lo, hi int) {
	lo, hi = f.Knots[0].At[axis], f.Knots[0].At[axis]
	for _, k := range f.Knots {
		lo, hi = min(lo, k.At[axis]), max(hi, k.At[axis])
	}
	return lo, hi
}

func (f *family) inBox(op Op, q []int) error {
	for i := range q {
		if lo, hi := f.span(i); q[i] < lo || q[i] > hi {
			return &OutOfRangeError{op.String(), f.Axes[i], q[i], lo, hi, false}
		}
	}
	return nil
}

// along interpolates among the knots of set over the axes from axis on; all of
// them agree with q, or bracket it, on the axes before. When it fails it names
// the axis that lacks a neighbour.
func (f *family) along(set []int, q []int, axis int) (guess, int, bool) {
	if axis == len(f.Axes) {
		c := f.Knots[set[0]].cost()
		return guess{c.Value, square(c.Value - c.Lo), square(c.Hi - c.Value)}, axis, true
	}
	x := func(at []int) int { return at[axis] }
	next := axis + 1
	if axis == f.square {
		w := slices.Index(f.Axes, "w")
		if q[w] == q[axis] {
			x = func(at []int) int { return at[axis] * at[axis] }
		}
	} else if f.square >= 0 && f.Axes[axis] == "w" && q[f.square] == q[axis] {
		return f.along(set, q, next) // settled together with h
	}
	groups := map[int][]int{}
	for _, i := range set {
		groups[x(f.Knots[i].At)] = append(groups[x(f.Knots[i].At)], i)
	}
	want := x(q)
	failed := axis
	if g, ok := groups[want]; ok {
		v, a, ok := f.along(g, q, next)
		if ok {
			return v, a, true
		}
		failed = a
	}
	var xs []int
	for v := range groups {
		if v != want {
			xs = append(xs, v)
		}
	}
	sort.Ints(xs)
	cut := sort.SearchInts(xs, want)
	var lo, hi guess
	xlo, xhi := -1, -1
	for i := cut - 1; i >= 0 && xlo < 0; i-- {
		if v, _, ok := f.along(groups[xs[i]], q, next); ok {
			lo, xlo = v, xs[i]
		}
	}
	for i := cut; i < len(xs) && xhi < 0; i++ {
		if v, _, ok := f.along(groups[xs[i]], q, next); ok {
			hi, xhi = v, xs[i]
		}
	}
	if xlo < 0 || xhi < 0 {
		return guess{}, failed, false
	}
	r := float64(want-xlo) / float64(xhi-xlo)
	gap := (hi.value - lo.value) * (hi.value - lo.value) / 12 * 1.96 * 1.96
	return guess{
		value: lo.value + r*(hi.value-lo.value),
		lower: (1-r)*lo.lower + r*hi.lower + gap,
		upper: (1-r)*lo.upper + r*hi.upper + gap,
	}, axis, true
}

// extrapolate scales the nearest knot (in the logarithm of the coordinates) by
// the ratio of the coordinates' products. Its interval spans from the unscaled
// to the twice scaled value: it is a guess and says so.
func (f *family) extrapolate(op Op) Cost {
	best, dist := 0, math.Inf(1)
	for i, k := range f.Knots {
		d := 0.0
		for j, x := range k.At {
			d += square(math.Log(float64(op.At[j].Value) / float64(x)))
		}
		if d < dist {
			best, dist = i, d
		}
	}
	k := f.Knots[best]
	ratio := 1.0
	for j, x := range k.At {
		ratio *= float64(op.At[j].Value) / float64(x)
	}
	c := k.cost()
	v := c.Value * ratio
	return Cost{Value: v, Lo: min(c.Lo, v*ratio, v/2), Hi: max(c.Hi, v*ratio, 2*v), Extrapolated: true}
}

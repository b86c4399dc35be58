package lut

import (
	"math"
	"slices"
	"sort"
)

// family is a Family prepared for queries.
type family struct {
	Family
	square   int          // index of the axis h when every knot has h = w, else −1
	lo, hi   []int        // smallest and largest coordinate of each axis
	fullGrid bool         // the knots are the whole product of their axes' values
	base     []guess      // of each knot, with its staircases' factors taken out
	stairs   []*Staircase // by axis; nil where there is none
}

func newFamily(f Family) family {
	fam := family{Family: f, square: -1}
	h, w, equal := f.Square()
	if equal {
		fam.square = h
	}
	cells := 1
	for a := range f.Axes {
		values := map[int]bool{}
		for _, k := range f.Knots {
			values[k.At[a]] = true
		}
		lo, hi := math.MaxInt, 0
		for v := range values {
			lo, hi = min(lo, v), max(hi, v)
		}
		fam.lo, fam.hi = append(fam.lo, lo), append(fam.hi, hi)
		if !(fam.square >= 0 && a == w) {
			cells *= len(values)
		}
	}
	fam.fullGrid = cells == len(f.Knots)
	fam.stairs = make([]*Staircase, len(f.Axes))
	for i := range f.Stairs {
		fam.stairs[slices.Index(f.Axes, f.Stairs[i].Axis)] = &f.Stairs[i]
	}
	for _, k := range f.Knots {
		c := k.cost()
		log, _ := fam.factor(k.At)
		scale := math.Exp(-log)
		fam.base = append(fam.base, guess{value: scale * c.Value, lower: square(scale * (c.Value - c.Lo)), upper: square(scale * (c.Hi - c.Value))})
	}
	return fam
}

// factor is the logarithm of a point's factors over all staircases, and its
// variance.
func (f *family) factor(at []int) (log, variance float64) {
	for axis, s := range f.stairs {
		if s == nil {
			continue
		}
		x := s.On(at, axis)
		log += x.Log
		variance += square(x.SE)
	}
	return log, variance
}

// unlike is the standard deviation of a knot's cost, relative, as a witness of the
// cost at q: 0 where all residues agree, else the doubt of both factors.
func (f *family) unlike(at, q []int) float64 {
	differ := false
	for axis, s := range f.stairs {
		differ = differ || s != nil && at[axis]%s.Period != q[axis]%s.Period
	}
	if !differ {
		return 0
	}
	_, a := f.factor(at)
	_, b := f.factor(q)
	return math.Sqrt(a + b)
}

// guess is an interpolated value with its variances (squared 95 % half-widths), and
// the relative standard deviation of its staircases' factors.
type guess struct{ value, lower, upper, unlike float64 }

// interpolate is linear along each axis in turn between the nearest measured
// neighbours on both sides: multilinear on a full grid, and defined on scattered
// points wherever neighbours bracket the query. Costs of dense operators are
// products of their channel counts, for which this is exact. Square images
// (h = w in every knot) are one axis, linear in their area.
//
// The result is clamped between the most expensive knot below and the cheapest knot
// above in the product order, so that scattered points keep the order too.
//
// Between two knots the truth may be a step anywhere: the interval takes the gap
// as a uniform uncertainty (variance gap²/12) besides the knots' own.
//
// Where staircases are known, all this is done to what they leave: costs without
// their factors, at the positions they are paid for.
func (f *family) interpolate(op Op) (Cost, error) {
	var buf [8]int
	q := buf[:0]
	for i, c := range op.At {
		if c.Value < f.lo[i] || c.Value > f.hi[i] {
			return Cost{}, &OutOfRangeError{op.String(), c.Axis, c.Value, f.lo[i], f.hi[i], false}
		}
		q = append(q, c.Value)
	}
	g, axis, ok := f.along(0, len(f.Knots), q, 0)
	if !ok {
		return Cost{}, &OutOfRangeError{op.String(), f.Axes[axis], q[axis], f.lo[axis], f.hi[axis], true}
	}
	if !f.fullGrid {
		below, above := 0.0, math.Inf(1)
		for i := range f.Knots {
			k := &f.Knots[i]
			if dominates(q, k.At) {
				below = max(below, f.base[i].value)
			}
			if dominates(k.At, q) {
				above = min(above, f.base[i].value)
			}
		}
		if below <= above {
			g.value = min(max(g.value, below), above)
		}
	}
	log, _ := f.factor(q)
	scale := math.Exp(log)
	doubt := square(1.96 * g.unlike * g.value)
	return Cost{
		Value: scale * g.value,
		Lo:    max(0, scale*(g.value-math.Sqrt(g.lower+doubt))),
		Hi:    scale * (g.value + math.Sqrt(g.upper+doubt)),
	}, nil
}

func dominates(a, b []int) bool {
	for i := range a {
		if a[i] < b[i] {
			return false
		}
	}
	return true
}

// along interpolates among the knots from lo to hi over the axes from axis on;
// all of them agree on the axes before. Knots are sorted, so those that agree on
// one axis more lie together. When it fails it names the axis that lacks a
// neighbour.
func (f *family) along(lo, hi int, q []int, axis int) (guess, int, bool) {
	if axis == len(f.Axes) {
		g := f.base[lo]
		g.unlike = f.unlike(f.Knots[lo].At, q)
		return g, axis, true
	}
	next := axis + 1
	area := false
	if f.square >= 0 && q[f.square] == q[slices.Index(f.Axes, "w")] {
		area = axis == f.square
		if f.Axes[axis] == "w" {
			return f.along(lo, hi, q, next) // settled together with h
		}
	}
	want := q[axis]
	at := func(i int) int { return f.Knots[i].At[axis] }
	cut := lo + sort.Search(hi-lo, func(i int) bool { return at(lo+i) >= want })
	failed := axis
	up := cut
	for up < hi && at(up) == want {
		up++
	}
	if up > cut {
		g, a, ok := f.along(cut, up, q, next)
		if ok {
			return g, a, true
		}
		failed = a
	}
	var below, above guess
	xlo, xhi := -1, -1
	for end := cut; end > lo && xlo < 0; {
		start := end - 1
		for start > lo && at(start-1) == at(end-1) {
			start--
		}
		if g, _, ok := f.along(start, end, q, next); ok {
			below, xlo = g, at(start)
		}
		end = start
	}
	for start := up; start < hi && xhi < 0; {
		end := start + 1
		for end < hi && at(end) == at(start) {
			end++
		}
		if g, _, ok := f.along(start, end, q, next); ok {
			above, xhi = g, at(start)
		}
		start = end
	}
	if xlo < 0 || xhi < 0 {
		return guess{}, failed, false
	}
	if s := f.stairs[axis]; s != nil {
		xlo, xhi, want = s.Position(xlo), s.Position(xhi), s.Position(want)
	}
	r := 0.5
	if xhi > xlo {
		r = float64(want-xlo) / float64(xhi-xlo)
	}
	if area && xhi > xlo {
		r = float64(want*want-xlo*xlo) / float64(xhi*xhi-xlo*xlo)
	}
	gap := square(1.96*(above.value-below.value)) / 12
	return guess{
		value:  below.value + r*(above.value-below.value),
		lower:  (1-r)*below.lower + r*above.lower + gap,
		upper:  (1-r)*below.upper + r*above.upper + gap,
		unlike: (1-r)*below.unlike + r*above.unlike,
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

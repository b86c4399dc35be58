// Package next says what to measure next: the operators whose cost a table knows least
// of, by how often a space asks for them.
package next

import (
	"cmp"
	"errors"
	"math"
	"slices"

	"github.com/isocost/isocost/costgen/staircase"
	"github.com/isocost/isocost/lut"
)

// Use is an operator a space can ask for and how often it does.
type Use struct {
	Op     lut.Op
	Weight float64
}

// Reason says why a measurement is proposed.
type Reason string

// The reasons.
const (
	Unknown Reason = "unknown" // the table has no family for it
	Range   Reason = "range"   // outside the measured points
	Unsure  Reason = "unsure"  // interpolated with the widest interval × use
)

// Proposal is one measurement to make.
type Proposal struct {
	Op  lut.Op  `json:"key"`
	Why Reason  `json:"why"`
	Cut float64 `json:"cut"` // by how much it narrows Σ weight · half-width, in the table's unit; 0 for unknown and range
}

// Propose names up to n measurements, the most useful first.
//
// What the table cannot answer comes first: the ends of the space's lines, so that
// everything between is bracketed after a minimum of measurements. Then, greedily,
// the slice of points at a new value of one axis that narrows Σ weight · half-width
// most per measurement, each assumed to come out as interpolated. Between two knots
// the truth may be a step anywhere, so doubt starts as the gap between them and a
// step is bisected until it stands between neighbours; plain slopes are left alone
// as soon as the knots around have shown that interpolation holds (see line.trust).
//
// It returns fewer than n when nothing is left to gain.
func Propose(t *lut.Table, uses []Use, n int) ([]Proposal, error) {
	var queue []*front
	byFamily := map[string]*front{}
	for _, u := range uses {
		fam := u.Op.Grid()
		f := byFamily[fam]
		if f == nil {
			f = newFront(t, u.Op)
			byFamily[fam] = f
			queue = append(queue, f)
		}
		f.want = append(f.want, u)
	}
	slices.SortFunc(queue, func(a, b *front) int { return cmp.Compare(a.name, b.name) })
	for _, f := range queue {
		if err := f.start(); err != nil {
			return nil, err
		}
	}
	lend(queue)
	viewResidues(t, queue)
	for _, f := range queue {
		f.kin = f.related(queue)
		f.open = f.doubts()
	}
	for _, f := range queue {
		if err := f.choose(); err != nil {
			return nil, err
		}
	}
	var out []Proposal
	for len(out) < n {
		var best *front
		for _, f := range queue {
			if len(f.best) > 0 && (best == nil || f.better(best)) {
				best = f
			}
		}
		if best == nil {
			break
		}
		took := best.best
		for _, p := range took {
			if len(out) < n {
				out = append(out, p)
			}
		}
		if err := best.take(took); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// front is the planning state of one family.
type front struct {
	name    string
	fam     lut.Family // measured knots and those assumed
	known   bool       // the table has the family
	want    []Use
	table   *lut.Table // of fam alone; nil while it has no knots
	proven  []line     // of the measured knots alone: where interpolation held
	lines   []line     // of all knots
	views   []*view    // by axis: what is known of its residues; nil for image sizes
	kin     []*front   // the fronts that share them, this one among them
	open    []doubtful // what is wanted, as the knots stand
	centred bool       // a knot inside has tested the interpolation across all axes
	urgent  bool       // best closes a hole rather than narrowing
	weight  float64    // of the best when urgent
	best    []Proposal
	gain    float64 // per measurement
	cornery []int   // ends score of want
}

func newFront(t *lut.Table, member lut.Op) *front {
	f := &front{name: member.Grid(), fam: lut.FamilyOf(member)}
	for _, fam := range t.File().Families {
		if fam.Grid() == f.name {
			f.fam.Knots, f.fam.Stairs = slices.Clone(fam.Knots), fam.Stairs
			f.known = true
		}
	}
	return f
}

// better orders fronts: holes first, by use, then gain.
func (f *front) better(g *front) bool {
	switch {
	case f.urgent != g.urgent:
		return f.urgent
	case f.urgent:
		return f.weight > g.weight
	}
	return f.gain > g.gain
}

func (f *front) start() error {
	slices.SortFunc(f.want, func(a, b Use) int { return lut.CompareCoords(a.Op.At, b.Op.At) })
	// Equal keys are one, their weights added.
	w := f.want[:0]
	for _, u := range f.want {
		if len(w) > 0 && slices.Equal(w[len(w)-1].Op.At, u.Op.At) {
			w[len(w)-1].Weight += u.Weight
			continue
		}
		w = append(w, u)
	}
	f.want = w
	f.cornery = ends(f.want)
	if err := f.rebuild(); err != nil {
		return err
	}
	f.proven = linesOf(&f.fam)
	return f.proveInside()
}

// ends counts, for each point, the axes on which it is the first or last of the
// wanted points that differ from it on that axis alone. A corner of a grid has all.
func ends(want []Use) []int {
	score := make([]int, len(want))
	for i, u := range want {
		for d := range u.Op.At {
			first, last := true, true
			for _, v := range want {
				same := len(v.Op.At) == len(u.Op.At)
				for e := range u.Op.At {
					if e != d && same && v.Op.At[e] != u.Op.At[e] {
						same = false
					}
				}
				if !same {
					continue
				}
				first = first && v.Op.At[d].Value >= u.Op.At[d].Value
				last = last && v.Op.At[d].Value <= u.Op.At[d].Value
			}
			if first || last {
				score[i]++
			}
		}
	}
	return score
}

// sort restores the order of the knots, and the lines, after knots were added.
func (f *front) sort() {
	slices.SortFunc(f.fam.Knots, func(a, b lut.Knot) int { return slices.Compare(a.At, b.At) })
	f.lines = linesOf(&f.fam)
}

func (f *front) rebuild() error {
	f.sort()
	if len(f.fam.Knots) == 0 {
		f.table = nil
		return nil
	}
	t, err := lut.New(lut.File{Format: lut.Format, Metric: lut.Latency, Unit: lut.Units[lut.Latency], Policy: "raw",
		Families: []lut.Family{{Op: f.fam.Op, Axes: f.fam.Axes, Knots: slices.Clone(f.fam.Knots), Stairs: f.fam.Stairs}}})
	f.table = t
	return err
}

// proveInside compares the knots that no line proves with the interpolation from the
// others. A product of the axes and nothing else is hit; a step along any axis is
// not, since the interpolation takes a part of it and the knot takes all or none.
// What they show goes to the intervals around them that have shown nothing yet.
func (f *front) proveInside() error {
	for i, k := range f.fam.Knots {
		rest := f.fam
		rest.Knots = slices.Delete(slices.Clone(f.fam.Knots), i, i+1)
		g := front{fam: rest}
		if len(rest.Knots) == 0 {
			return nil
		}
		if err := g.rebuild(); err != nil {
			return err
		}
		c, err := g.table.Cost(f.fam.Member(k.At))
		if err != nil {
			continue // nothing brackets it
		}
		f.centred = true
		noise := (k.Hi - k.Lo) / 2 * 2 // its own and, about as much, its neighbours'
		gap := (c.Hi - c.Lo) / (2 * 1.96)
		share := 0.0
		if off := math.Abs(k.Corrected-c.Value) - noise; off > 0 {
			share = min(1, off/max(gap, off))
		}
		for n := range f.proven {
			l := &f.proven[n]
			if x := k.At[l.Axis]; len(l.shown) == 0 && l.Xs[0] < x && x < l.Xs[1] {
				l.inside = append(l.inside, share)
			}
		}
	}
	return nil
}

// centre is the wanted point nearest the middle of the family's knots.
func (f *front) centre() (lut.Op, bool) {
	best, dist := -1, math.Inf(1)
	for i, u := range f.want {
		inside := len(u.Op.At) > 0
		d := 0.0
		for a, c := range u.Op.At {
			lo, hi := math.MaxInt, 0
			for _, k := range f.fam.Knots {
				lo, hi = min(lo, k.At[a]), max(hi, k.At[a])
			}
			if lo == hi {
				continue
			}
			inside = inside && lo < c.Value && c.Value < hi
			m := (float64(c.Value) - float64(lo)) / float64(hi-lo)
			d += (m - 0.5) * (m - 0.5)
		}
		if inside && d < dist && !f.measured(u.Op) {
			best, dist = i, d
		}
	}
	if best < 0 {
		return lut.Op{}, false
	}
	return f.want[best].Op, true
}

// measured reports whether the point is a knot, measured or assumed.
func (f *front) measured(op lut.Op) bool {
	_, ok := slices.BinarySearchFunc(f.fam.Knots, op.At, func(k lut.Knot, at []lut.Coord) int {
		for i := range k.At {
			if c := cmp.Compare(k.At[i], at[i].Value); c != 0 {
				return c
			}
		}
		return 0
	})
	return ok
}

// gap is the half-width of the interpolation error at op: along each axis the gap
// between the knots around it, as a uniform error, scaled by trust; added in
// quadrature over the axes. Residues are left to the views.
func (f *front) gap(op lut.Op) float64 {
	sum, lines := 0.0, 0
	for axis := range f.fam.Axes {
		gap, trust := 0.0, 1.0
		if l, i := nearest(f.lines, axis, op.At); l != nil {
			lines++
			if l.Xs[i] != op.At[axis].Value {
				gap = l.Ys[i+1] - l.Ys[i]
			}
		}
		if gap == 0 {
			continue
		}
		if l, i := nearest(f.proven, axis, op.At); l != nil {
			trust = l.trust[min(i, len(l.trust)-1)]
		}
		sum += gap * gap * trust * trust
	}
	if lines == 0 && f.table != nil && !f.measured(op) {
		// Bracketed by scattered knots that form no line: the table's own interval.
		if c, err := f.table.Cost(op); err == nil {
			return (c.Hi - c.Lo) / 2
		}
	}
	return staircase.FactorAt(&f.fam, op.Point()) * 1.96 * math.Sqrt(sum/12)
}

// choose finds the family's best next measurements.
func (f *front) choose() error {
	f.best, f.gain, f.urgent, f.weight = nil, 0, false, 0
	hole, score := -1, -1
	for i, u := range f.want {
		if f.measured(u.Op) {
			continue
		}
		if f.table != nil {
			if _, err := f.table.Cost(u.Op); !errors.Is(err, lut.ErrOutOfRange) {
				if err != nil {
					return err
				}
				continue
			}
		}
		if f.cornery[i] > score || f.cornery[i] == score && u.Weight > f.want[hole].Weight {
			hole, score = i, f.cornery[i]
		}
	}
	if hole >= 0 {
		why := Range
		if !f.known {
			why = Unknown
		}
		f.urgent, f.weight = true, f.want[hole].Weight
		f.best = []Proposal{{Op: f.want[hole].Op, Why: why}}
		return nil
	}
	now := sumOfDoubts(f.open, f.views)
	if op, ok := f.centre(); ok && !f.centred && len(f.fam.Axes) > 1 {
		// One knot inside tests every axis at once: it is counted on to halve the
		// doubt of the gaps, of which the slices below then narrow what is left.
		for _, d := range f.open {
			f.gain += d.weight * d.gap / 2
		}
		f.best = []Proposal{{op, Unsure, f.gain}}
		return nil
	}
	for _, c := range f.candidates() {
		g := front{name: f.name, fam: f.fam, proven: f.proven, want: f.want, table: f.table, views: f.views}
		g.fam.Knots = slices.Clone(f.fam.Knots)
		views := f.views
		for _, op := range c {
			views = f.count(views, op)
		}
		g.assume(c, f.table)
		g.sort()
		cut := now - sumOfDoubts(g.doubts(), views)
		for _, k := range f.kin {
			if k != f && !slices.Equal(views, f.views) {
				cut += sumOfDoubts(k.open, k.views) - sumOfDoubts(k.open, k.like(f, views))
			}
		}
		if per := cut / float64(len(c)); per > f.gain*(1+1e-9) && per > 1e-9*now {
			f.gain = per
			f.best = f.best[:0:0]
			for _, op := range c {
				f.best = append(f.best, Proposal{op, Unsure, per})
			}
		}
	}
	return nil
}

// candidates are, for each axis, the slices that repeat the knots' pattern at a new
// value of that axis; the most doubtful values of each.
func (f *front) candidates() [][]lut.Op {
	const slicesPerAxis = 12
	type scored struct {
		op lut.Op
		h  float64
	}
	var open []scored
	for i, u := range f.want {
		if !f.measured(u.Op) {
			open = append(open, scored{u.Op, u.Weight * f.open[i].half(f.views)})
		}
	}
	var out [][]lut.Op
	for _, s := range open {
		if s.h > 0 && !slices.ContainsFunc(f.lines, func(l line) bool {
			n, _ := nearest([]line{l}, l.Axis, s.op.At)
			return n != nil
		}) {
			out = append(out, []lut.Op{s.op})
		}
	}
	h, w, square := f.fam.Square()
	for d := range f.fam.Axes {
		if square && d == w {
			continue // moves with h
		}
		patterns := map[string]bool{}
		rest := func(at []int) string {
			r := slices.Clone(at)
			r[d] = 0
			if square && d == h {
				r[w] = 0
			}
			return staircase.Key(r)
		}
		for _, l := range f.lines {
			if l.Axis == d {
				patterns[staircase.Key(l.Rest)] = true
			}
		}
		slice := map[int][]lut.Op{}
		doubt := map[int]float64{}
		for _, s := range open {
			at := s.op.Point()
			doubt[at[d]] += s.h
			if patterns[rest(at)] {
				slice[at[d]] = append(slice[at[d]], s.op)
			}
		}
		values := make([]int, 0, len(slice))
		for v := range slice {
			values = append(values, v)
		}
		slices.SortFunc(values, func(a, b int) int { return cmp.Or(cmp.Compare(doubt[b], doubt[a]), cmp.Compare(a, b)) })
		for _, v := range values[:min(slicesPerAxis, len(values))] {
			out = append(out, slice[v])
		}
	}
	return out
}

// assume adds points as knots at the value the table gives them, as sharp as a
// measurement (1 %).
func (f *front) assume(ops []lut.Op, by *lut.Table) {
	for _, op := range ops {
		v := 1.0
		if by != nil {
			if c, err := by.Extrapolate(op); err == nil {
				v = c.Value
			}
		}
		f.fam.Knots = append(f.fam.Knots, lut.Knot{At: op.Point(), Raw: v, Corrected: v, Lo: v * 0.99, Hi: v * 1.01, Reason: lut.Measured})
	}
}

func (f *front) take(ps []Proposal) error {
	var ops []lut.Op
	views := f.views
	for _, p := range ps {
		ops = append(ops, p.Op)
		views = f.count(views, p.Op)
	}
	told := !slices.Equal(views, f.views)
	for _, k := range f.kin {
		k.views = k.like(f, views)
	}
	f.assume(ops, f.table)
	if err := f.rebuild(); err != nil {
		return err
	}
	f.open = f.doubts()
	if len(ps) == 1 && !f.urgent && !f.centred && len(f.fam.Axes) > 1 {
		// The test comes first: what it shows decides what follows, in the next plan.
		f.centred, f.best, f.gain = true, nil, 0
		return nil
	}
	for _, k := range f.kin {
		if k == f || told && !k.urgent && len(k.best) > 0 {
			if err := k.choose(); err != nil {
				return err
			}
		}
	}
	return nil
}

package costgen

import (
	"math"
	"slices"

	"github.com/isocost/isocost/lut"
)

// stairNew is the form a plan doubts until the knots have chosen one: that of 512-bit
// units, and the commonest.
var stairNew = stairForm{period: 16}

// stairView is what is known of a pool's residues when some measurements are counted
// on that are not made yet. They narrow the covariance whatever they will say.
type stairView struct {
	fit     *stairFit
	counted []deflation
}

// deflation is what one observation takes off the covariance: v·vᵀ/d.
type deflation struct {
	v []float64
	d float64
}

// variance of Σ terms.
func (s *stairView) variance(terms []term) float64 {
	if len(terms) == 0 {
		return 0
	}
	sum := s.fit.variance(terms)
	for _, c := range s.counted {
		dot := 0.0
		for _, t := range terms {
			dot += t.c * c.v[t.i]
		}
		sum -= dot * dot / c.d
	}
	return max(0, sum)
}

// with is the view after Σ terms has been observed as well. What a measurement tells
// no more than a straight line between knots does is not worth counting.
func (s *stairView) with(terms []term) *stairView {
	if s.variance(terms) < stairCurve*stairCurve {
		return s
	}
	d := deflation{v: make([]float64, s.fit.cov.n)}
	for i := range d.v {
		for _, t := range terms {
			d.v[i] += t.c * s.fit.cov.at(i, t.i)
		}
		for _, c := range s.counted {
			dot := 0.0
			for _, t := range terms {
				dot += t.c * c.v[t.i]
			}
			d.v[i] -= c.v[i] * dot / c.d
		}
	}
	d.d = stairCurve*stairCurve + s.variance(terms)
	return &stairView{s.fit, append(s.counted[:len(s.counted):len(s.counted)], d)}
}

// doubtful is a wanted point and why its cost is in doubt.
type doubtful struct {
	weight float64
	gap    float64  // 95 % half-width by the knots around
	cost   float64  // 0 when unknown
	terms  [][]term // by axis: its residue against those of the knots around
}

// half is the half-width of the point's cost under views of the axes' pools.
func (d *doubtful) half(views []*stairView) float64 {
	v := 0.0
	for axis, t := range d.terms {
		if len(t) > 0 {
			v += views[axis].variance(t)
		}
	}
	return math.Hypot(d.gap, 1.96*d.cost*math.Sqrt(v))
}

// doubts lists what is wanted of the family.
func (f *front) doubts() []doubtful {
	out := make([]doubtful, len(f.want))
	for i, u := range f.want {
		d := doubtful{weight: u.Weight, gap: f.gap(u.Op)}
		if f.table != nil {
			if c, err := f.table.Cost(u.Op); err == nil {
				d.cost = c.Value
				d.terms = f.terms(u.Op)
			}
		}
		out[i] = d
	}
	return out
}

func sumOfDoubts(ds []doubtful, views []*stairView) float64 {
	sum := 0.0
	for i := range ds {
		sum += ds[i].weight * ds[i].half(views)
	}
	return sum
}

// terms are, by axis, the residue parameters of a point less those of the two knots
// it is interpolated between.
func (f *front) terms(op lut.Op) [][]term {
	out := make([][]term, len(f.fam.Axes))
	at := pointOf(op)
	for axis, view := range f.views {
		if view == nil {
			continue
		}
		l, i := nearest(f.lines, axis, op.At)
		if l == nil {
			continue
		}
		place := func(at []int, x int) []term {
			rest := append([]int{}, at...)
			rest[axis] = 0
			return view.fit.terms(stairPlace{f.name, string(encodeInts(rest)), x})
		}
		add := func(ts []term, c float64) {
			for _, t := range ts {
				out[axis] = append(out[axis], term{t.i, c * t.c})
			}
		}
		x := at[axis]
		add(place(at, x), 1)
		if l.xs[i] == x {
			add(place(l.rest, x), -1)
			continue
		}
		r := 0.5
		if lo, hi := view.fit.form.position(l.xs[i]), view.fit.form.position(l.xs[i+1]); hi > lo {
			r = (view.fit.form.position(x) - lo) / (hi - lo)
		}
		add(place(l.rest, l.xs[i]), r-1)
		add(place(l.rest, l.xs[i+1]), -r)
	}
	return out
}

// count is the views once a point has been measured.
func (f *front) count(views []*stairView, op lut.Op) []*stairView {
	out := append([]*stairView{}, views...)
	for axis, t := range f.terms(op) {
		if len(t) > 0 {
			out[axis] = views[axis].with(t)
		}
	}
	return out
}

// viewStairs gives every front a view of the residues along each of its axes. Fronts
// of one pool share it.
func viewStairs(t *lut.Table, queue []*front) {
	pools := stairPools(t.File().Families)
	places := map[string][]stairPlace{}
	for _, f := range queue {
		for _, u := range f.want {
			for axis, c := range u.Op.At {
				if name := poolName(u.Op, c.Axis); name != "" {
					rest := pointOf(u.Op)
					rest[axis] = 0
					places[name] = append(places[name], stairPlace{f.name, string(encodeInts(rest)), c.Value})
				}
			}
		}
	}
	shared := map[string]*stairView{}
	for _, name := range sortedKeys(places) {
		p := pools[name]
		if p == nil {
			continue // no family to interpolate in
		}
		form, pays := p.best()
		if !pays {
			form = stairNew
		}
		shared[name] = &stairView{fit: p.fit(form, stairParams, places[name])}
	}
	for _, f := range queue {
		member := memberOf(f.fam)
		f.views = make([]*stairView, len(f.fam.Axes))
		for i, a := range f.fam.Axes {
			f.views[i] = shared[poolName(member, a)]
		}
	}
}

// like is f's views where another front of its kin has come to others.
func (f *front) like(g *front, views []*stairView) []*stairView {
	out := slices.Clone(f.views)
	for i, a := range f.fam.Axes {
		if j := slices.Index(g.fam.Axes, a); j >= 0 {
			out[i] = views[j]
		}
	}
	return out
}

// related are the fronts that share residues with f, f among them.
func (f *front) related(queue []*front) []*front {
	mine := memberOf(f.fam)
	var out []*front
	for _, g := range queue {
		if m := memberOf(g.fam); m.Kind == mine.Kind && m.Precision == mine.Precision {
			out = append(out, g)
		}
	}
	return out
}

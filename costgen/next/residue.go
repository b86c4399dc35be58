package next

import (
	"maps"
	"math"
	"slices"

	"github.com/isocost/isocost/costgen/staircase"
	"github.com/isocost/isocost/lut"
)

// newForm is the form a plan doubts until the knots have chosen one: that of 512-bit
// units, and the commonest.
var newForm = staircase.Form{Period: 16}

// view holds what a pool's residues are known to be if some measurements that are not
// made yet are counted on. They narrow the covariance whatever they will say.
type view struct {
	fit     *staircase.Fit
	counted []deflation
}

// deflation is the part that one observation takes off the covariance: v·vᵀ/d.
type deflation struct {
	v []float64
	d float64
}

// variance of Σ terms.
func (s *view) variance(terms []staircase.Term) float64 {
	if len(terms) == 0 {
		return 0
	}
	sum := s.fit.Variance(terms)
	for _, c := range s.counted {
		dot := 0.0
		for _, t := range terms {
			dot += t.Coef * c.v[t.Param]
		}
		sum -= dot * dot / c.d
	}
	return max(0, sum)
}

// with is the view after Σ terms has been observed as well. What a measurement tells
// no more than a straight line between knots does is not worth counting.
func (s *view) with(terms []staircase.Term) *view {
	if s.variance(terms) < staircase.Curve*staircase.Curve {
		return s
	}
	d := deflation{v: make([]float64, s.fit.Params())}
	for i := range d.v {
		for _, t := range terms {
			d.v[i] += t.Coef * s.fit.Covariance(i, t.Param)
		}
		for _, c := range s.counted {
			dot := 0.0
			for _, t := range terms {
				dot += t.Coef * c.v[t.Param]
			}
			d.v[i] -= c.v[i] * dot / c.d
		}
	}
	d.d = staircase.Curve*staircase.Curve + s.variance(terms)
	return &view{s.fit, append(s.counted[:len(s.counted):len(s.counted)], d)}
}

// doubtful is a wanted point and why its cost is in doubt.
type doubtful struct {
	weight float64
	gap    float64            // 95 % half-width by the knots around
	cost   float64            // 0 when unknown
	terms  [][]staircase.Term // by axis: its residue against those of the knots around
}

// half is the half-width of the point's cost under views of the axes' pools.
func (d *doubtful) half(views []*view) float64 {
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

func sumOfDoubts(ds []doubtful, views []*view) float64 {
	sum := 0.0
	for i := range ds {
		sum += ds[i].weight * ds[i].half(views)
	}
	return sum
}

// terms are, by axis, the residue parameters of a point less those of the two knots
// it is interpolated between.
func (f *front) terms(op lut.Op) [][]staircase.Term {
	out := make([][]staircase.Term, len(f.fam.Axes))
	at := op.Point()
	for axis, view := range f.views {
		if view == nil {
			continue
		}
		l, i := nearest(f.lines, axis, op.At)
		if l == nil {
			continue
		}
		place := func(at []int, x int) []staircase.Term {
			rest := append([]int{}, at...)
			rest[axis] = 0
			return view.fit.Terms(staircase.Place{Family: f.name, Line: staircase.Key(rest), X: x})
		}
		add := func(ts []staircase.Term, c float64) {
			for _, t := range ts {
				out[axis] = append(out[axis], staircase.Term{Param: t.Param, Coef: c * t.Coef})
			}
		}
		x := at[axis]
		add(place(at, x), 1)
		if l.Xs[i] == x {
			add(place(l.Rest, x), -1)
			continue
		}
		r := 0.5
		if lo, hi := view.fit.Form.Position(l.Xs[i]), view.fit.Form.Position(l.Xs[i+1]); hi > lo {
			r = (view.fit.Form.Position(x) - lo) / (hi - lo)
		}
		add(place(l.Rest, l.Xs[i]), r-1)
		add(place(l.Rest, l.Xs[i+1]), -r)
	}
	return out
}

// count is the views once a point has been measured.
func (f *front) count(views []*view, op lut.Op) []*view {
	out := append([]*view{}, views...)
	for axis, t := range f.terms(op) {
		if len(t) > 0 {
			out[axis] = views[axis].with(t)
		}
	}
	return out
}

// viewResidues gives every front a view of the residues along each of its axes. Fronts
// of one pool share it.
func viewResidues(t *lut.Table, queue []*front) {
	pools := staircase.Pools(t.File().Families)
	places := map[string][]staircase.Place{}
	for _, f := range queue {
		for _, u := range f.want {
			for axis, c := range u.Op.At {
				if name := staircase.PoolName(u.Op, c.Axis); name != "" {
					rest := u.Op.Point()
					rest[axis] = 0
					places[name] = append(places[name], staircase.Place{Family: f.name, Line: staircase.Key(rest), X: c.Value})
				}
			}
		}
	}
	shared := map[string]*view{}
	for _, name := range slices.Sorted(maps.Keys(places)) {
		p := pools[name]
		if p == nil {
			continue // no family to interpolate in
		}
		form, pays := p.Best()
		if !pays {
			form = newForm
		}
		shared[name] = &view{fit: p.Fit(form, places[name])}
	}
	for _, f := range queue {
		member := f.fam.Op
		f.views = make([]*view, len(f.fam.Axes))
		for i, a := range f.fam.Axes {
			f.views[i] = shared[staircase.PoolName(member, a)]
		}
	}
}

// like is f's views where another front of its kin has come to others.
func (f *front) like(g *front, views []*view) []*view {
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
	mine := f.fam.Op
	var out []*front
	for _, g := range queue {
		if m := g.fam.Op; m.Kind == mine.Kind && m.Precision == mine.Precision {
			out = append(out, g)
		}
	}
	return out
}

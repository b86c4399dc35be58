package staircase

import (
	"math"
	"slices"

	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
)

// Fit is the posterior of a pool under one form: mean and covariance of its parameters.
type Fit struct {
	Form   Form
	levels int           // parameters are of any family, of one family, of one line
	index  map[param]int // number of a parameter
	mean   []float64
	cov    *symmetric
	off    float64 // RMS relative error of knots left out; 0 when there are none
	n      int     // how many
}

// param names a parameter; family and line are "" on the levels above.
type param struct {
	family, line string
	residue      int
}

// Term is a coefficient of a parameter of a Fit.
type Term struct {
	Param int
	Coef  float64
}

// Fit fits a form; places are further ones that will be asked about.
func (p *Pool) Fit(form Form, places []Place) *Fit { return p.fit(form, maxParams, places) }

// fit is Fit with at most params parameters.
func (p *Pool) fit(form Form, params int, places []Place) *Fit {
	f := &Fit{Form: form}
	for f.levels = 3; f.levels > 0; f.levels-- {
		f.index = map[param]int{}
		for _, r := range p.runs {
			for _, k := range r.knots {
				f.enter(Place{r.family, r.line, k.x})
			}
		}
		for _, x := range places {
			f.enter(x)
		}
		if len(f.index) <= params {
			break
		}
	}
	n := len(f.index)
	f.mean = make([]float64, n)
	var seen []observation
	var a *symmetric
	var b []float64
	// A few steps settle the shares of the neighbours and the size of μ.
	for range steps {
		a, b = newSymmetric(n), make([]float64, n)
		for q, i := range f.index {
			a.add(i, i, 1/f.prior(q))
		}
		seen = seen[:0]
		for _, r := range p.runs {
			for j := 1; j < len(r.knots)-1; j++ {
				s := f.witness(r, j)
				seen = append(seen, s)
				s.addTo(a, b, 1)
			}
		}
		f.cov = a.inverse()
		f.mean = f.cov.times(b)
	}
	f.judge(seen, a, b)
	return f
}

// judge predicts each knot from the knots at other positions. What several positions
// of a residue do not share is not a property of the residue: a step somewhere, say.
func (f *Fit) judge(seen []observation, a *symmetric, b []float64) {
	rank := map[int]int{} // of a position among those of its residue
	byResidue := map[int][]int{}
	for _, s := range seen {
		if _, ok := rank[s.x]; !ok {
			rank[s.x] = 0
			byResidue[s.x%f.Form.Period] = append(byResidue[s.x%f.Form.Period], s.x)
		}
	}
	for _, xs := range byResidue {
		slices.Sort(xs)
		for i, x := range xs {
			rank[x] = i % folds
		}
	}
	ss := 0.0
	for fold := range folds {
		without, rest := a.clone(), slices.Clone(b)
		any := false
		for _, s := range seen {
			if rank[s.x] == fold {
				s.addTo(without, rest, -1)
				any = true
			}
		}
		if !any {
			continue
		}
		mean := without.solve(rest)
		for _, s := range seen {
			if rank[s.x] != fold {
				continue
			}
			miss := s.z
			for _, t := range s.terms {
				miss -= t.Coef * mean[t.Param]
			}
			ss += min(miss*miss, 1)
		}
	}
	if f.n = len(seen); f.n > 0 {
		f.off = math.Sqrt(ss / float64(f.n))
	}
}

// observation is the equation that an inner knot gives: Σ terms = z, with a variance.
type observation struct {
	x           int // of the knot
	terms       []Term
	z, variance float64
}

// addTo adds the observation, times sign, to the normal equations.
func (s *observation) addTo(a *symmetric, b []float64, sign float64) {
	w := sign / s.variance
	for _, t := range s.terms {
		b[t.Param] += w * t.Coef * s.z
		for _, u := range s.terms {
			if u.Param <= t.Param {
				a.add(t.Param, u.Param, w*t.Coef*u.Coef)
			}
		}
	}
}

// witness compares the knot j of a line with the straight line between its
// neighbours.
func (f *Fit) witness(r run, j int) observation {
	a, k, c := r.knots[j-1], r.knots[j], r.knots[j+1]
	xa, xk, xc := f.Form.Position(a.x), f.Form.Position(k.x), f.Form.Position(c.x)
	t := 0.5
	if xc > xa {
		t = (xk - xa) / (xc - xa)
	}
	place := func(x int) []Term { return f.Terms(Place{r.family, r.line, x}) }
	ta, tk, tc := place(a.x), place(k.x), place(c.x)
	va := (1 - t) * a.cost * math.Exp(-f.value(ta))
	vc := t * c.cost * math.Exp(-f.value(tc))
	share := va / (va + vc)
	s := observation{x: k.x, variance: Curve*Curve + f.unseen(k.x%f.Form.Period) + k.e*k.e + share*share*a.e*a.e + (1-share)*(1-share)*c.e*c.e}
	s.terms = slices.Clone(tk)
	for _, x := range ta {
		s.terms = append(s.terms, Term{x.Param, -share})
	}
	for _, x := range tc {
		s.terms = append(s.terms, Term{x.Param, share - 1})
	}
	s.z = math.Log(k.cost/(va+vc)) - f.value(tk) + f.value(s.terms)
	return s
}

// prior is the prior variance of a parameter.
func (f *Fit) prior(q param) float64 {
	if q.family == "" {
		return priorSD * priorSD
	}
	return f.spread(q.residue)
}

// spread is the prior variance of φ and of δ at a residue, by what is known of μ.
func (f *Fit) spread(residue int) float64 {
	size := priorSD * priorSD
	if i, ok := f.index[param{"", "", residue}]; ok && f.cov != nil {
		size = f.mean[i]*f.mean[i] + f.cov.at(i, i)
	}
	return spreadShare * spreadShare * size
}

// unseen is the variance at a residue of the levels that have no parameters.
func (f *Fit) unseen(residue int) float64 {
	if residue == 0 {
		return 0
	}
	v := float64(min(2, 3-f.levels)) * f.spread(residue)
	if f.levels == 0 {
		v += priorSD * priorSD
	}
	return v
}

func (f *Fit) enter(p Place) {
	r := p.X % f.Form.Period
	if r == 0 {
		return
	}
	for _, q := range []param{{"", "", r}, {p.Family, "", r}, {p.Family, p.Line, r}}[:f.levels] {
		if _, ok := f.index[q]; !ok {
			f.index[q] = len(f.index)
		}
	}
}

// Terms are those of θ at a place; those of a line or family without parameters are left
// out.
func (f *Fit) Terms(p Place) []Term {
	r := p.X % f.Form.Period
	if r == 0 {
		return nil
	}
	out := make([]Term, 0, 3)
	for _, q := range []param{{"", "", r}, {p.Family, "", r}, {p.Family, p.Line, r}}[:f.levels] {
		if i, ok := f.index[q]; ok {
			out = append(out, Term{i, 1})
		}
	}
	return out
}

func (f *Fit) value(terms []Term) float64 {
	sum := 0.0
	for _, t := range terms {
		sum += t.Coef * f.mean[t.Param]
	}
	return sum
}

// Variance is that of Σ terms.
func (f *Fit) Variance(terms []Term) float64 { return f.covariance(terms, terms) }

// Params says how many parameters the fit has.
func (f *Fit) Params() int { return f.cov.n }

// Covariance is that of two parameters.
func (f *Fit) Covariance(a, b int) float64 { return f.cov.at(a, b) }

func (f *Fit) covariance(a, b []Term) float64 {
	sum := 0.0
	for _, s := range a {
		for _, t := range b {
			sum += s.Coef * t.Coef * f.cov.at(s.Param, t.Param)
		}
	}
	return sum
}

// staircase is one family's staircase by the fit.
func (f *Fit) staircase(p *Pool, family string) lut.Staircase {
	s := lut.Staircase{Axis: p.axis, Period: f.Form.Period, Whole: f.Form.Whole}
	add := func(at []int, place Place, further float64) {
		terms := f.Terms(place)
		if len(terms) == 0 {
			return
		}
		s.Factors = append(s.Factors, lut.Factor{At: at, Residue: place.X % f.Form.Period,
			Log: stats.Significant(f.value(terms)), SE: stats.Significant(math.Sqrt(f.Variance(terms) + further))})
	}
	residues := map[int]bool{}
	for _, r := range p.runs {
		for _, k := range r.knots {
			residues[k.x%f.Form.Period] = true
		}
	}
	for r := range residues {
		// Any other line: its own deviation is not known.
		add([]int{}, Place{family, "", r}, f.spread(r))
	}
	for _, run := range p.runs {
		if run.family != family || len(run.knots) < 3 {
			continue
		}
		mine := map[int]bool{}
		for _, k := range run.knots {
			if r := k.x % f.Form.Period; !mine[r] {
				mine[r] = true
				add(run.at, Place{family, run.line, r}, 0)
			}
		}
	}
	slices.SortFunc(s.Factors, func(a, b lut.Factor) int {
		if c := slices.Compare(a.At, b.At); c != 0 {
			return c
		}
		return a.Residue - b.Residue
	})
	return s
}

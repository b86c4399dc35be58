package costgen

import (
	"cmp"
	"math"
	"slices"

	"github.com/isocost/isocost/lut"
)

// Kernels work in blocks of channels, and costs follow a staircase or a saw-tooth in
// the channels' residue: ONNX Runtime's fp32 convolutions pay whole blocks of 16, its
// int8 depthwise convolution takes twice as long where the channels are no multiple
// of 16. No interpolation between widths predicts that, but it is a property of the
// kernel: what one line of a family shows holds for the others, and nearly so for
// other families of the kind.
//
// The model, for all families of one kind and precision along one axis: the logarithm
// of a cost is a smooth function of the position plus θ(residue), and
//
//	θ = μ(residue) + φ(family, residue) + δ(line, residue),  θ(0) = 0
//
// with independent normal priors. An inner knot of a line tells its own θ against
// those of the two knots around it, by the straight line between them. That is linear
// in θ once the shares of the two neighbours are fixed: a few Gauss–Newton steps give
// mean and covariance, those of a Gaussian process whose kernel is three indicators.
// Forms (period, whole blocks or not) are compared by leaving out one knot at a time;
// decision 0403.

const (
	// stairPrior is the prior standard deviation of μ, in logarithms of cost: a
	// residue may cost anything between a third and three times as much.
	stairPrior = 0.5
	// stairSpread is that of φ and of δ, as a share of the size of μ: the spread of the
	// int8 inverted residuals of decision 0403 over families and over lines. A residue
	// that costs nothing extra on most lines does so on all.
	stairSpread = 0.25
	// stairCurve is what a straight line between knots is off by itself.
	stairCurve = 0.03
	// stairPays is how much smaller the error of left-out knots must be before a
	// staircase replaces plain slopes; stairNeeds is how many knots must say so.
	stairPays  = 0.6
	stairNeeds = 4
	// stairParams and stairKnots bound the work: beyond so many parameters lines and
	// then families have none of their own, and fewer still do to judge a form; more
	// knots tell nothing new.
	stairParams = 200
	stairJudged = 60
	stairKnots  = 4000
	// stairFolds is in how many parts the positions of a residue are left out.
	stairFolds = 8
	// stairSteps is how often the model is linearised: the third hardly moves it.
	stairSteps = 4
	// stairNoise is what no form need explain: a good measurement's interval.
	stairNoise = 0.01
)

// stairForm is one form a staircase can take; period 1 is a plain slope.
type stairForm struct {
	period int
	whole  bool
}

var plainSlope = stairForm{period: 1}

// stairForms are the candidates: 8, 16 and 32 are what vector units of 128 to 512
// bits make of fp32 and int8 channels.
var stairForms = []stairForm{{8, false}, {8, true}, {16, false}, {16, true}, {32, false}, {32, true}}

func (s stairForm) position(x int) float64 {
	if s.whole {
		return float64((x + s.period - 1) / s.period * s.period)
	}
	return float64(x)
}

// stairPlace is where a cost stands in a pool: a line of a family, and the position
// along the pool's axis.
type stairPlace struct {
	family string // Op.Grid
	line   string // the other coordinates, encoded
	x      int
}

// stairKnot is a knot of a line, with its cost and relative standard error.
type stairKnot struct {
	x       int
	cost, e float64
}

// stairRun is the knots of one line, sorted.
type stairRun struct {
	family, line string
	at           []int // the line's coordinates, 0 for the pool's axis
	knots        []stairKnot
}

// stairPool is the lines along one axis of all families of a kind and precision.
type stairPool struct {
	axis string
	runs []stairRun
}

// stairFit is what a pool says under one form.
type stairFit struct {
	form   stairForm
	levels int                // parameters are of any family, of one family, of one line
	index  map[stairParam]int // number of a parameter
	mean   []float64
	cov    *symmetric
	off    float64 // RMS relative error of knots left out; 0 when there are none
	n      int     // how many
}

// stairParam names a parameter; family and line are "" on the levels above.
type stairParam struct {
	family, line string
	residue      int
}

// term is a coefficient of a parameter.
type term struct {
	i int
	c float64
}

// poolName is the pool of an operator's axis; "" for image sizes, whose costs have
// other reasons to jump.
func poolName(op lut.Op, axis string) string {
	if axis == "h" || axis == "w" {
		return ""
	}
	return op.Kind + "/" + string(op.Precision) + "@" + axis
}

// stairPools gathers the lines of families, which are sorted.
func stairPools(fams []lut.Family) map[string]*stairPool {
	pools := map[string]*stairPool{}
	inner := map[string]int{}
	for _, fam := range fams {
		op := memberOf(fam)
		open := slices.ContainsFunc(fam.Axes, func(a string) bool { n := poolName(op, a); return n != "" && inner[n] < stairKnots })
		if !open {
			continue
		}
		fam.Stairs = nil
		for _, l := range linesOf(fam) {
			name := poolName(op, fam.Axes[l.axis])
			if name == "" {
				continue
			}
			if pools[name] == nil {
				pools[name] = &stairPool{axis: fam.Axes[l.axis]}
			}
			at := slices.Clone(l.rest)
			at[l.axis] = 0
			run := stairRun{family: op.Grid(), line: string(encodeInts(at)), at: at}
			for i, x := range l.xs {
				run.knots = append(run.knots, stairKnot{x, l.ys[i], l.half[i] / 1.96 / l.ys[i]})
			}
			pools[name].runs = append(pools[name].runs, run)
			inner[name] += len(run.knots) - 2
		}
	}
	return pools
}

// memberOf is an operator of a family, at coordinates that mean nothing.
func memberOf(fam lut.Family) lut.Op {
	op, _ := lut.ParseOp(fam.Name)
	for _, a := range fam.Axes {
		op.At = append(op.At, lut.Coord{Axis: a, Value: 1})
	}
	return op
}

// best is the form that predicts knots it has not seen best, and whether it is worth
// having.
func (p *stairPool) best() (stairForm, bool) {
	// Below the resolution of a measurement there is nothing to explain.
	score := func(f *stairFit) float64 { return math.Hypot(f.off, stairNoise) }
	plain := score(p.fit(plainSlope, stairJudged, nil))
	best, off, n := plainSlope, plain, 0
	for _, form := range stairForms {
		if f := p.fit(form, stairJudged, nil); score(f) < off {
			best, off, n = form, score(f), f.n
		}
	}
	return best, n >= stairNeeds && off < stairPays*plain
}

// fit is the posterior of at most so many parameters under a form; places are further
// ones that will be asked about.
func (p *stairPool) fit(form stairForm, params int, places []stairPlace) *stairFit {
	f := &stairFit{form: form}
	for f.levels = 3; f.levels > 0; f.levels-- {
		f.index = map[stairParam]int{}
		for _, r := range p.runs {
			for _, k := range r.knots {
				f.enter(stairPlace{r.family, r.line, k.x})
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
	var seen []sight
	var a *symmetric
	var b []float64
	// A few steps settle the shares of the neighbours and the size of μ.
	for range stairSteps {
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
// of a residue do not share is no property of the residue: a step somewhere, say.
func (f *stairFit) judge(seen []sight, a *symmetric, b []float64) {
	rank := map[int]int{} // of a position among those of its residue
	byResidue := map[int][]int{}
	for _, s := range seen {
		if _, ok := rank[s.x]; !ok {
			rank[s.x] = 0
			byResidue[s.x%f.form.period] = append(byResidue[s.x%f.form.period], s.x)
		}
	}
	for _, xs := range byResidue {
		slices.Sort(xs)
		for i, x := range xs {
			rank[x] = i % stairFolds
		}
	}
	ss := 0.0
	for fold := range stairFolds {
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
				miss -= t.c * mean[t.i]
			}
			ss += min(miss*miss, 1)
		}
	}
	if f.n = len(seen); f.n > 0 {
		f.off = math.Sqrt(ss / float64(f.n))
	}
}

// sight is what an inner knot tells: Σ terms = z, with a variance.
type sight struct {
	x           int // of the knot
	terms       []term
	z, variance float64
}

// addTo adds the sight, times sign, to the normal equations.
func (s *sight) addTo(a *symmetric, b []float64, sign float64) {
	w := sign / s.variance
	for _, t := range s.terms {
		b[t.i] += w * t.c * s.z
		for _, u := range s.terms {
			if u.i <= t.i {
				a.add(t.i, u.i, w*t.c*u.c)
			}
		}
	}
}

// witness compares the knot j of a line with the straight line between its
// neighbours.
func (f *stairFit) witness(r stairRun, j int) sight {
	a, k, c := r.knots[j-1], r.knots[j], r.knots[j+1]
	xa, xk, xc := f.form.position(a.x), f.form.position(k.x), f.form.position(c.x)
	t := 0.5
	if xc > xa {
		t = (xk - xa) / (xc - xa)
	}
	place := func(x int) []term { return f.terms(stairPlace{r.family, r.line, x}) }
	ta, tk, tc := place(a.x), place(k.x), place(c.x)
	va := (1 - t) * a.cost * math.Exp(-f.value(ta))
	vc := t * c.cost * math.Exp(-f.value(tc))
	share := va / (va + vc)
	s := sight{x: k.x, variance: stairCurve*stairCurve + f.unseen(k.x%f.form.period) + k.e*k.e + share*share*a.e*a.e + (1-share)*(1-share)*c.e*c.e}
	s.terms = slices.Clone(tk)
	for _, x := range ta {
		s.terms = append(s.terms, term{x.i, -share})
	}
	for _, x := range tc {
		s.terms = append(s.terms, term{x.i, share - 1})
	}
	s.z = math.Log(k.cost/(va+vc)) - f.value(tk) + f.value(s.terms)
	return s
}

// prior is the prior variance of a parameter.
func (f *stairFit) prior(q stairParam) float64 {
	if q.family == "" {
		return stairPrior * stairPrior
	}
	return f.spread(q.residue)
}

// spread is the prior variance of φ and of δ at a residue, by what is known of μ.
func (f *stairFit) spread(residue int) float64 {
	size := stairPrior * stairPrior
	if i, ok := f.index[stairParam{"", "", residue}]; ok && f.cov != nil {
		size = f.mean[i]*f.mean[i] + f.cov.at(i, i)
	}
	return stairSpread * stairSpread * size
}

// unseen is the variance at a residue of the levels that have no parameters.
func (f *stairFit) unseen(residue int) float64 {
	if residue == 0 {
		return 0
	}
	v := float64(min(2, 3-f.levels)) * f.spread(residue)
	if f.levels == 0 {
		v += stairPrior * stairPrior
	}
	return v
}

func (f *stairFit) enter(p stairPlace) {
	r := p.x % f.form.period
	if r == 0 {
		return
	}
	for _, q := range []stairParam{{"", "", r}, {p.family, "", r}, {p.family, p.line, r}}[:f.levels] {
		if _, ok := f.index[q]; !ok {
			f.index[q] = len(f.index)
		}
	}
}

// terms of θ at a place; those of a line or family without parameters are left out.
func (f *stairFit) terms(p stairPlace) []term {
	r := p.x % f.form.period
	if r == 0 {
		return nil
	}
	out := make([]term, 0, 3)
	for _, q := range []stairParam{{"", "", r}, {p.family, "", r}, {p.family, p.line, r}}[:f.levels] {
		if i, ok := f.index[q]; ok {
			out = append(out, term{i, 1})
		}
	}
	return out
}

func (f *stairFit) value(terms []term) float64 {
	sum := 0.0
	for _, t := range terms {
		sum += t.c * f.mean[t.i]
	}
	return sum
}

func (f *stairFit) variance(terms []term) float64 { return f.covariance(terms, terms) }

func (f *stairFit) covariance(a, b []term) float64 {
	sum := 0.0
	for _, s := range a {
		for _, t := range b {
			sum += s.c * t.c * f.cov.at(s.i, t.i)
		}
	}
	return sum
}

// stairs adds the staircases that pay to families, which are sorted.
func stairs(fams []lut.Family) {
	pools := stairPools(fams)
	for _, name := range sortedKeys(pools) {
		p := pools[name]
		form, pays := p.best()
		if !pays {
			continue
		}
		f := p.fit(form, stairParams, nil)
		for i := range fams {
			op := memberOf(fams[i])
			if slices.Contains(fams[i].Axes, p.axis) && poolName(op, p.axis) == name {
				fams[i].Stairs = append(fams[i].Stairs, f.staircase(p, op.Grid()))
				slices.SortFunc(fams[i].Stairs, func(a, b lut.Staircase) int { return cmp.Compare(a.Axis, b.Axis) })
			}
		}
	}
}

// staircase is what the fit says of one family.
func (f *stairFit) staircase(p *stairPool, family string) lut.Staircase {
	s := lut.Staircase{Axis: p.axis, Period: f.form.period, Whole: f.form.whole}
	add := func(at []int, place stairPlace, further float64) {
		terms := f.terms(place)
		if len(terms) == 0 {
			return
		}
		s.Factors = append(s.Factors, lut.Factor{At: at, Residue: place.x % f.form.period,
			Log: significant(f.value(terms)), SE: significant(math.Sqrt(f.variance(terms) + further))})
	}
	residues := map[int]bool{}
	for _, r := range p.runs {
		for _, k := range r.knots {
			residues[k.x%f.form.period] = true
		}
	}
	for r := range residues {
		// Any other line: its own deviation is not known.
		add([]int{}, stairPlace{family, "", r}, f.spread(r))
	}
	for _, run := range p.runs {
		if run.family != family || len(run.knots) < 3 {
			continue
		}
		mine := map[int]bool{}
		for _, k := range run.knots {
			if r := k.x % f.form.period; !mine[r] {
				mine[r] = true
				add(run.at, stairPlace{family, run.line, r}, 0)
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

// stairFactor is the factor of a point over all staircases of its family.
func stairFactor(fam lut.Family, at []int) float64 {
	sum := 0.0
	for i := range fam.Stairs {
		s := &fam.Stairs[i]
		sum += s.On(at, slices.Index(fam.Axes, s.Axis)).Log
	}
	return math.Exp(sum)
}

// pointOf is where an operator stands on its axes.
func pointOf(op lut.Op) []int {
	at := make([]int, len(op.At))
	for i, c := range op.At {
		at[i] = c.Value
	}
	return at
}

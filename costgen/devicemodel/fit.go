package devicemodel

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// Model prices kernels of one device, runtime and metric. It is safe for concurrent use.
type Model struct {
	processes map[string]*process
	known     map[string]*knowledge // kernels of the observations, by key
	sums      int                   // observations of more than one kernel
	// An interval's variance is the posterior's by widen squared, and context squared on top;
	// 1 and 0 where no network calibrates them.
	widen, context     float64
	families, networks int // that calibrate them
	held               []Held
	heldError          float64 // their root mean square relative error
	cache              placed
}

// knowledge holds what observations say of one kernel beyond its process. With r the logarithm of
// its cost over the physics and w the process's weights: r = (1−trust)·φᵀw + shift + noise.
type knowledge struct {
	trust float64 // in the kernel's own measurement, from 0 to 1
	shift float64
	noise float64   // variance
	sums  []float64 // by how much sums moved it: its covariances fall by products of these
}

// sum is an observation by index.
type sum struct {
	terms         []count
	value, stdErr float64
	family        string
	silent        bool
}

type count struct {
	site  int
	count float64
}

// direct holds what the observations of a kernel alone say: a weighted mean.
type direct struct {
	value, stdErr float64
	seen          bool
}

// fitter holds a fit on its way.
type fitter struct {
	ctx     context.Context // of the one call that made it
	sites   []*site
	members map[string][]int // sites by group
	all     []sum
	m       *Model

	phi  [][]float64
	rest []float64
	base []float64 // logarithm of the physics
}

// Fit learns a device from observations. The same observations in any order of kernels give
// the same model up to rounding. It fails on an observation without kernels, value or error,
// and when there are none.
func Fit(obs []Observation) (*Model, error) {
	return FitFrom(context.Background(), nil, lut.Caches{}, obs)
}

// FitFrom learns a device of these caches as Fit does, starting from another device's model, nil for none: see Leans.
// When ctx ends it fails by its error.
func FitFrom(ctx context.Context, prior *Model, caches lut.Caches, obs []Observation) (*Model, error) {
	if len(obs) == 0 {
		return nil, hint.Wrap(errors.New("no observation to fit a device's model to"), "agent bench --plan measures kernels")
	}
	f := &fitter{ctx: ctx, members: map[string][]int{}, m: &Model{processes: map[string]*process{}, widen: 1}}
	if err := f.take(obs); err != nil {
		return nil, err
	}
	var loud []sum
	for _, o := range f.all {
		if !o.silent {
			loud = append(loud, o)
		}
	}
	if len(loud) == 0 {
		return nil, errors.New("no observation that teaches: all are only to be priced")
	}
	prices := pricesOf(f.sites, FarWeights(caches), loud, false)
	f.base = make([]float64, len(f.sites))
	for _, g := range f.groups() {
		p := &process{name: g, prices: prices[g], far: FarWeights(caches)}
		p.shape(f.of(g))
		f.m.processes[g] = p
		for _, i := range f.members[g] {
			f.base[i], _ = p.base(f.sites[i])
		}
	}
	use := f.vocal()
	evidence := f.learn(f.base, f.groups())
	f.vary(FarWeights(caches), loud, evidence)
	if prior != nil {
		f.lean(prior, evidence)
	}
	f.place()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	eta := f.settle(f.m, use, f.base, rounds, nil)
	if f.noisy() && ctx.Err() == nil { // residuals of noisy kernels were taken around the physics
		f.learn(eta, f.groups())
		f.place()
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		eta = f.settle(f.m, use, eta, rounds, nil)
	}
	if ctx.Err() == nil {
		f.conform(obs, eta)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	f.m.compress()
	return f.m, nil
}

func (f *fitter) groups() []string { return slices.Sorted(maps.Keys(f.members)) }

func (f *fitter) of(group string) []*site {
	var out []*site
	for _, i := range f.members[group] {
		out = append(out, f.sites[i])
	}
	return out
}

// take reads the observations: kernels in the order of their keys.
func (f *fitter) take(obs []Observation) error {
	ops := map[string]lut.Op{}
	for i := range obs {
		if err := obs[i].validate(); err != nil {
			return err
		}
		for _, t := range obs[i].Terms {
			ops[t.Op.String()] = t.Op
		}
	}
	index := map[string]int{}
	for _, key := range slices.Sorted(maps.Keys(ops)) {
		s := newSite(ops[key])
		index[key] = len(f.sites)
		f.members[s.group] = append(f.members[s.group], len(f.sites))
		f.sites = append(f.sites, &s)
	}
	for _, o := range obs {
		s := sum{value: o.Value, stdErr: math.Hypot(o.StdErr, o.Context*o.Value), family: o.Family, silent: o.Silent}
		for _, t := range o.Terms {
			i := index[t.Op.String()]
			if k := slices.IndexFunc(s.terms, func(c count) bool { return c.site == i }); k >= 0 {
				s.terms[k].count += t.Count
				continue
			}
			s.terms = append(s.terms, count{i, t.Count})
		}
		f.all = append(f.all, s)
	}
	return nil
}

// vocal are the observations that teach.
func (f *fitter) vocal() []bool {
	use := make([]bool, len(f.all))
	for i := range use {
		use[i] = !f.all[i].silent
	}
	return use
}

// directs are the kernels' own measurements among the observations in use.
func (f *fitter) directs(use []bool) []direct {
	out := make([]direct, len(f.sites))
	weight := make([]float64, len(f.sites))
	for i, o := range f.all {
		if !use[i] || len(o.terms) > 1 {
			continue
		}
		t := o.terms[0]
		w := t.count * t.count / (o.stdErr * o.stdErr)
		d := &out[t.site]
		d.value += w * o.value / t.count
		weight[t.site] += w
		d.seen = true
	}
	for i := range out {
		if out[i].seen {
			out[i].value /= weight[i]
			out[i].stdErr = 1 / math.Sqrt(weight[i])
		}
	}
	return out
}

// sharp is the relative error up to which a kernel's cost is normal in its logarithm.
const sharp = 0.1

// working is a kernel's own measurement as a normal observation of the logarithm of its cost:
// the logarithm where it is sharp, else linear around eta (Fisher scoring).
func (d *direct) working(eta float64) (z, variance float64) {
	if d.value > 0 && d.stdErr < sharp*d.value {
		return math.Log(d.value), d.stdErr * d.stdErr / (d.value * d.value)
	}
	level := math.Exp(eta)
	z = eta + max(-2, min(2, (d.value-level)/level))
	return z, d.stdErr * d.stdErr / (level * level)
}

// noisy reports whether any kernel's own measurement is not sharp.
func (f *fitter) noisy() bool {
	for i := range f.all {
		if o := &f.all[i]; !o.silent && (len(o.terms) > 1 || !(o.value > 0) || o.stdErr >= sharp*o.value) {
			return true
		}
	}
	return false
}

// learn sets the sizes of these groups' processes by the kernels' own measurements around eta, and returns how
// likely these are then, as a logarithm.
func (f *fitter) learn(eta []float64, groups []string) map[string]float64 {
	own := f.directs(f.vocal())
	var mu sync.Mutex
	evidence := map[string]float64{}
	each(groups, func(g string) {
		var sites []*site
		var r, noise []float64
		for _, i := range f.members[g] {
			if own[i].seen {
				z, v := own[i].working(eta[i])
				sites, r, noise = append(sites, f.sites[i]), append(r, z-f.base[i]), append(noise, v)
			}
		}
		l := f.m.processes[g].learn(f.ctx, sites, r, noise)
		mu.Lock()
		evidence[g] = l
		mu.Unlock()
	})
	return evidence
}

// place chooses inducing points and computes each kernel's coordinates.
func (f *fitter) place() {
	f.phi, f.rest = make([][]float64, len(f.sites)), make([]float64, len(f.sites))
	each(slices.Sorted(maps.Keys(f.m.processes)), func(g string) {
		p := f.m.processes[g]
		points := make([]point, len(f.members[g]))
		for k, i := range f.members[g] {
			points[k], _ = p.embed(f.sites[i])
		}
		p.induce(f.ctx, points)
		p.mean = nil // it was of other points
		for k, i := range f.members[g] {
			if f.ctx.Err() != nil {
				return
			}
			f.phi[i], f.rest[i] = p.weights(&points[k])
		}
	})
}

// rounds of linearisation: sums are linear in costs, the process in their logarithm. Steps of
// the last are far below the noise.
const rounds = 6

// settle computes the posterior given the observations in use, into m, whose processes are
// shaped and placed, in some rounds of linearisation from the logarithms of cost at start. It returns
// the expected ones. What sums taught of a kernel's own cost is computed for the kernels wanted, nil for all.
// When the context ends, what it leaves in m means nothing.
func (f *fitter) settle(m *Model, use []bool, start []float64, passes int, wanted []bool) []float64 {
	own := f.directs(use)
	eta := slices.Clone(start)
	var sums []sum
	for i, o := range f.all {
		if use[i] && len(o.terms) > 1 {
			sums = append(sums, o)
		}
	}
	m.sums = len(sums)
	m.known = map[string]*knowledge{}
	known := make([]*knowledge, len(f.sites))
	if len(sums) == 0 && !f.noisy() {
		passes = 1
	}
	means := map[string][]float64{} // of the pass before, or of the fit that this one starts from
	for pass := range passes {
		if f.ctx.Err() != nil {
			return eta
		}
		for i := range f.sites {
			known[i] = &knowledge{noise: f.rest[i]}
		}
		for g, p := range m.processes {
			means[g] = p.mean
			n := len(p.inducing) + 1
			p.post = newMatrix(n, n)
			b := make([]float64, n)
			for i := range n {
				p.post.a[i*n+i] = 1
			}
			for _, i := range f.members[g] {
				if !own[i].seen {
					continue
				}
				if f.ctx.Err() != nil {
					return eta
				}
				z, v := own[i].working(eta[i])
				r := z - f.base[i]
				phi, k := f.phi[i], known[i]
				if last := means[g]; last != nil {
					off := r - dot(phi, last)
					v *= outlying(off*off, f.rest[i]+v)
				}
				k.trust = f.rest[i] / (f.rest[i] + v)
				k.shift, k.noise = k.trust*r, f.rest[i]*(1-k.trust)
				w := 1 / (f.rest[i] + v)
				for j, x := range phi {
					axpy(w*x, phi[:j+1], p.post.row(j)[:j+1])
				}
				axpy(w*r, phi, b)
			}
			if !p.post.cholesky() {
				panic("devicemodel: the posterior of " + p.name + " is not positive definite")
			}
			p.post.solve(b)
			p.post.solveT(b)
			p.mean, p.sums = b, matrix{n: n}
		}
		expect := func() []float64 {
			out := make([]float64, len(f.sites))
			for i, s := range f.sites {
				k := known[i]
				out[i] = f.base[i] + (1-k.trust)*dot(f.phi[i], m.processes[s.group].mean) + k.shift
			}
			return out
		}
		if len(sums) > 0 {
			f.assimilate(m, sums, known, expect(), eta, pass == passes-1, wanted)
		}
		next := expect()
		for i := range eta {
			eta[i] += max(-1, min(1, next[i]-eta[i]))
		}
	}
	for i, s := range f.sites {
		m.known[s.op.String()] = known[i]
	}
	for _, p := range m.processes {
		p.finish()
	}
	return eta
}

// assimilate updates the posterior of single kernels by sums, which couple processes. Costs are
// linear around eta; the mean before is at mean. Covariances are only wanted of the last pass.
func (f *fitter) assimilate(m *Model, sums []sum, known []*knowledge, mean, eta []float64, last bool, wanted []bool) {
	n := len(sums)
	gap := make([]float64, n)
	g := newMatrix(n, n)
	// Of each process: the sums that hold kernels of it, and for each L⁻¹·Hᵀ.
	type part struct {
		sums []int
		rows matrix
	}
	parts := map[string]*part{}
	for name, p := range m.processes {
		parts[name] = &part{rows: matrix{m: len(p.inducing) + 1}}
	}
	uses := map[int][]count{} // of each kernel: which sums, how steeply
	for a, s := range sums {
		gap[a] = s.value
		for _, t := range s.terms {
			level := t.count * math.Exp(eta[t.site])
			gap[a] -= level * (1 + mean[t.site] - eta[t.site])
			p := parts[f.sites[t.site].group]
			if k := len(p.sums); k == 0 || p.sums[k-1] != a {
				p.sums = append(p.sums, a)
				p.rows.a = append(p.rows.a, make([]float64, p.rows.m)...)
				p.rows.n++
			}
			axpy(level*(1-known[t.site].trust), f.phi[t.site], p.rows.row(p.rows.n-1))
			uses[t.site] = append(uses[t.site], count{a, level})
		}
		g.a[a*n+a] = s.stdErr * s.stdErr
	}
	names := slices.Sorted(maps.Keys(parts))
	each(names, func(name string) {
		t := parts[name].rows
		for a := range t.n {
			m.processes[name].post.solve(t.row(a))
		}
	})
	for _, name := range names {
		p := parts[name]
		for x, a := range p.sums {
			for y, b := range p.sums[:x+1] {
				g.a[a*n+b] += dot(p.rows.row(x), p.rows.row(y))
			}
		}
	}
	for i := range f.sites {
		for x, a := range uses[i] {
			for _, b := range uses[i][:x+1] {
				g.a[a.site*n+b.site] += known[i].noise * a.count * b.count
			}
		}
	}
	if !g.cholesky() {
		panic("devicemodel: the covariance of the sums is not positive definite")
	}
	alpha := slices.Clone(gap)
	g.solve(alpha)
	g.solveT(alpha)
	each(names, func(name string) {
		p, t := m.processes[name], parts[name]
		d := t.rows.m
		if last {
			p.sums = newMatrix(d, n)
		}
		for x, a := range t.sums {
			row := t.rows.row(x)
			p.post.solveT(row) // the weights' covariance with the sum
			axpy(alpha[a], row, p.mean)
			if last {
				for j, v := range row {
					p.sums.a[j*n+a] = v
				}
			}
		}
		if last && len(t.sums) > 0 {
			for j := range d {
				g.solve(p.sums.row(j))
			}
		}
	})
	each(slices.Sorted(maps.Keys(uses)), func(i int) {
		k := known[i]
		for _, a := range uses[i] {
			k.shift += k.noise * a.count * alpha[a.site]
		}
		if last && (wanted == nil || wanted[i]) {
			k.sums = make([]float64, n)
			for _, a := range uses[i] {
				k.sums[a.site] = k.noise * a.count
			}
			g.solve(k.sums)
		}
	})
}

// finish prepares what predictions need of a process.
func (p *process) finish() {
	m := len(p.inducing)
	p.alpha = slices.Clone(p.mean[:m])
	p.lu.solveT(p.alpha)
}

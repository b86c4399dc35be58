package devicemodel

import (
	"math"
	"slices"
	"sync"

	"github.com/isocost/isocost/lut"
)

// placement is a kernel in its process: all that its price needs but is the same every time.
type placement struct {
	p      *process
	base   float64   // logarithm of the physics
	cov    []float64 // covariances with the inducing points
	rest   float64   // variance that the inducing points leave, what is its own included
	status Status    // where it was not observed itself
	// The variance of the kernel alone: of φᵀw, of what is its own beyond the noise, and twice
	// their covariance, all as sums left them.
	shared, own, both float64
}

// placed remembers placements by key: networks repeat their kernels, and searches their
// networks.
type placed struct {
	mu sync.RWMutex
	at map[string]*placement
}

// placedMost bounds the memory of it: a placement is about a kilobyte.
const placedMost = 1 << 15

// place finds a kernel's process and coordinates; nil when its kind or precision was never
// observed.
func (m *Model) place(op lut.Op, key string) *placement {
	m.cache.mu.RLock()
	pl, ok := m.cache.at[key]
	m.cache.mu.RUnlock()
	if ok {
		return pl
	}
	pl = m.locate(op, m.known[key])
	m.cache.mu.Lock()
	if m.cache.at == nil || len(m.cache.at) >= placedMost {
		m.cache.at = map[string]*placement{}
	}
	m.cache.at[key] = pl
	m.cache.mu.Unlock()
	return pl
}

func (m *Model) locate(op lut.Op, k *knowledge) *placement {
	s := newSite(op)
	p := m.processes[s.group]
	if p == nil {
		return nil
	}
	base, ok := p.base(&s)
	if !ok {
		return nil
	}
	pt, unseen := p.embed(&s)
	pl := &placement{p: p, base: base, cov: make([]float64, len(p.inducing)), status: Interpolated}
	for i := range p.inducing {
		pl.cov[i] = p.covariance(&pt, &p.inducing[i])
	}
	n := len(p.inducing)
	phi := append(slices.Clone(pl.cov), math.Sqrt(p.bias))
	p.lu.solve(phi[:n])
	left := max(0, p.spread-dot(phi[:n], phi[:n]))
	pl.rest = p.own + left
	if m.sums > 0 {
		taught := make([]float64, m.sums)
		for j, x := range phi {
			if p.sums.m > 0 {
				axpy(x, p.sums.row(j), taught)
			}
		}
		pl.shared = -dot(taught, taught)
		if k != nil {
			pl.own = -dot(k.sums, k.sums)
			pl.both = -2 * dot(k.sums, taught[:len(k.sums)])
		}
	}
	p.post.solve(phi)
	pl.shared += dot(phi, phi)
	if unseen > 0 || left > p.spread/2 || p.beyond(&s) {
		pl.status = Extrapolated
	}
	return pl
}

// outside says how far, as a logarithm, a size may lie beyond the observed ones before its
// price counts as extrapolated.
const outside = 0.1

// beyond reports whether a kernel lies outside the observed sizes of its group.
func (p *process) beyond(s *site) bool {
	for i, f := range p.active {
		if x := s.x[f]; x < p.lo[i]-outside || x > p.hi[i]+outside {
			return true
		}
	}
	return false
}

// normal95 is the 97.5 % quantile of the normal distribution.
const normal95 = 1.96

// Price estimates the cost of a sum of kernels with its joint interval.
func (m *Model) Price(terms []Term) Estimate {
	j := m.join(terms)
	e := Estimate{Value: j.value, Missing: j.missing, Parts: make([]Part, len(terms))}
	if j.value > 0 {
		e.Lo, e.Hi = m.interval(j.value, j.variance)
		e.StdErr = math.Sqrt(j.variance) / j.value
	}
	for i := range j.lives {
		l, part := &j.lives[i], &e.Parts[i]
		part.Status = Missing
		if l.pl == nil {
			continue
		}
		part.Status, part.Value = l.status(), l.level
		part.Share = j.covariance(l, l.level) / j.variance
		part.Lo, part.Hi = m.interval(l.level, l.alone())
	}
	return e
}

// joint is a sum of kernels before the posterior.
type joint struct {
	lives    []live // one per term; without a placement where it has no price
	value    float64
	variance float64
	missing  int
	loads    map[*process]*load
	taught   []float64 // what sums taught of it: their part of its covariances, by products
}

// live is a term with its place in the posterior.
type live struct {
	key         string
	pl          *placement
	k           *knowledge // nil when nothing was observed of it
	level, coef float64    // the term's cost, and its derivative by φᵀw
	own         float64    // variance of what is its own, of the logarithm
}

func (l *live) status() Status {
	if l.k != nil && l.k.trust > 0 {
		return Measured
	}
	return l.pl.status
}

func (m *Model) join(terms []Term) *joint {
	j := &joint{lives: make([]live, len(terms)), loads: map[*process]*load{}, taught: make([]float64, m.sums)}
	var order []*process
	for i, t := range terms {
		l := &j.lives[i]
		l.key = t.Op.String()
		if l.pl = m.place(t.Op, l.key); l.pl == nil {
			j.missing++
			continue
		}
		l.k = m.known[l.key]
		trust, shift := 0.0, 0.0
		l.own = l.pl.rest
		if l.k != nil {
			trust, shift, l.own = l.k.trust, l.k.shift, l.k.noise
		}
		p := l.pl.p
		bias := math.Sqrt(p.bias)
		mean := l.pl.base + (1-trust)*(dot(p.alpha, l.pl.cov)+bias*p.mean[len(p.inducing)]) + shift
		l.level = t.Count * math.Exp(mean)
		l.coef = l.level * (1 - trust)
		j.value += l.level
		to := j.loads[p]
		if to == nil {
			to = &load{cov: make([]float64, len(p.inducing))}
			j.loads[p] = to
			order = append(order, p)
		}
		axpy(l.coef, l.pl.cov, to.cov)
		to.bias += l.coef * bias
		j.variance += l.level * l.level * l.own
		if l.k != nil {
			axpy(l.level, l.k.sums, j.taught[:len(l.k.sums)])
		}
	}
	for _, p := range order {
		j.variance += j.loads[p].variance(p, j.taught)
	}
	j.variance = max(j.variance-dot(j.taught, j.taught), 1e-12*j.value*j.value)
	for _, p := range order {
		j.loads[p].learned(p, j.taught)
	}
	return j
}

// covariance is that of a term with the sum, of which the same kernel costs shared; 0 where the
// sum does not hold it.
func (j *joint) covariance(l *live, shared float64) float64 {
	cov := shared * l.level * l.own
	if to := j.loads[l.pl.p]; to != nil {
		cov += l.coef * (dot(to.against, l.pl.cov) + to.againstBias*math.Sqrt(l.pl.p.bias))
	}
	if l.k != nil {
		cov -= l.level * dot(l.k.sums, j.taught[:len(l.k.sums)])
	}
	return cov
}

// Interval is the 95 % interval of a value whose logarithm the posterior knows to stdErr, widened as
// Conform has it.
func (m *Model) Interval(value, stdErr float64) (lo, hi float64) {
	return m.interval(value, stdErr*stdErr*value*value)
}

// interval is the 95 % interval of a positive value with that variance: normal in its logarithm.
func (m *Model) interval(value, variance float64) (lo, hi float64) {
	half := normal95 * math.Sqrt(m.widen*m.widen*max(0, variance)/(value*value)+m.context*m.context)
	return value * math.Exp(-half), value * math.Exp(half)
}

// load is a sum's weight on one process.
type load struct {
	cov         []float64 // sum of coefficients times covariances with the inducing points
	bias        float64
	against     []float64 // the covariance of a kernel with the sum is against · its covariances …
	againstBias float64   // … + againstBias · its bias
}

// variance is the load's variance by the process's posterior before sums taught it; what they
// taught of the load is added to taught.
func (l *load) variance(p *process, taught []float64) float64 {
	m := len(p.inducing)
	g := make([]float64, m+1)
	copy(g, l.cov)
	p.lu.solve(g[:m])
	g[m] = l.bias
	for j, x := range g {
		if x != 0 && p.sums.m > 0 {
			axpy(x, p.sums.row(j), taught)
		}
	}
	p.post.solve(g)
	v := dot(g, g)
	p.post.solveT(g)
	l.againstBias = g[m]
	p.lu.solveT(g[:m])
	l.against = g[:m]
	return v
}

// learned takes what sums taught of the whole out of the covariances with it.
func (l *load) learned(p *process, taught []float64) {
	if p.sums.m == 0 {
		return
	}
	m := len(p.inducing)
	g := make([]float64, m+1)
	for j := range g {
		g[j] = dot(p.sums.row(j), taught)
	}
	l.againstBias -= g[m]
	p.lu.solveT(g[:m])
	axpy(-1, g[:m], l.against)
}

// alone is the variance of one term.
func (l *live) alone() float64 {
	return l.level*l.level*(l.own+l.pl.own) + l.coef*l.coef*l.pl.shared + l.coef*l.level*l.pl.both
}

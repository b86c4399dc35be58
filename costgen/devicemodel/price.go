package devicemodel

import (
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/isocost/isocost/internal/lanes"
)

// placement is a kernel in its process: all that its price needs but is the same every time.
type placement struct {
	p      *process
	base   float64   // logarithm of the physics, or by the prior
	cov    []float64 // covariances with the inducing points
	rest   float64   // variance that the inducing points leave, what is its own included
	status Status    // where it was not observed itself
}

// placed remembers placements by key: networks repeat their kernels, and searches their
// networks.
type placed struct {
	mu sync.RWMutex
	at map[string]*placement
}

// placedMost bounds the memory of it: a placement is about a kilobyte.
const placedMost = 1 << 15

// places finds the processes and coordinates of kernels; nil where a kind or precision was never
// observed.
func (m *Model) places(terms []Term, keys []string) []*placement {
	out := make([]*placement, len(terms))
	var lacking []int
	first := map[string]int{} // of those lacking
	m.cache.mu.RLock()
	for i, key := range keys {
		pl, ok := m.cache.at[key]
		if out[i] = pl; ok {
			continue
		}
		if _, again := first[key]; !again {
			first[key] = i
			lacking = append(lacking, i)
		}
	}
	m.cache.mu.RUnlock()
	if len(lacking) == 0 {
		return out
	}
	m.locate(terms, out, lacking)
	m.cache.mu.Lock()
	if m.cache.at == nil || len(m.cache.at) >= placedMost {
		m.cache.at = map[string]*placement{}
	}
	for _, i := range lacking {
		m.cache.at[keys[i]] = out[i]
	}
	m.cache.mu.Unlock()
	for i, key := range keys {
		if j, ok := first[key]; ok {
			out[i] = out[j]
		}
	}
	return out
}

// located is a kernel on its way to a placement.
type located struct {
	site
	point
	unseen int
}

// locateLeast is the smallest number of kernels worth a goroutine.
const locateLeast = 12

// locate places the terms of these indices.
func (m *Model) locate(terms []Term, out []*placement, at []int) {
	found := make([]located, len(at))
	parts := min(runtime.GOMAXPROCS(0), (len(at)+locateLeast-1)/locateLeast)
	each(indices(parts), func(part int) {
		for k := part * len(at) / parts; k < (part+1)*len(at)/parts; k++ {
			out[at[k]] = m.embed(&found[k], terms[at[k]])
		}
	})
	of := map[*process][]int{}
	for k, i := range at {
		if pl := out[i]; pl != nil {
			of[pl.p] = append(of[pl.p], k)
		}
	}
	var few [][]int // of one process each, as many as are solved for at once
	for _, list := range of {
		few = slices.AppendSeq(few, slices.Chunk(list, lanes.Count))
	}
	each(few, func(list []int) {
		covs := make([][]float64, len(list))
		for j, k := range list {
			covs[j] = out[at[k]].cov
		}
		p := out[at[list[0]]].p
		for j, told := range p.lu.lengths(covs) {
			pl, l := out[at[list[j]]], &found[list[j]]
			left := max(0, p.spread-told)
			pl.rest, pl.status = p.own+left, Interpolated
			if l.unseen > 0 || left > p.spread/2 || p.beyond(&l.site) {
				pl.status = Extrapolated
			}
		}
	})
}

// embed finds a term's place but for what its inducing points leave; nil where there is none.
func (m *Model) embed(l *located, t Term) *placement {
	l.site = newSite(t.Op)
	p := m.processes[l.group]
	if p == nil {
		return nil
	}
	base, ok := p.base(&l.site)
	if !ok {
		return nil
	}
	l.point, l.unseen = p.embed(&l.site)
	return &placement{p: p, base: base, cov: p.covariances(&l.point)}
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

// Price estimates the cost of a sum of kernels with its joint interval, and what each part has
// of it.
func (m *Model) Price(terms []Term) Estimate {
	j := m.join(terms)
	e := m.total(j)
	j.turn()
	for i := range j.lives {
		if l := &j.lives[i]; l.pl != nil {
			e.Parts[i].Share = j.covariance(l, l.level) / j.variance
		}
	}
	return e
}

// Total is Price without the parts' shares, in half the time.
func (m *Model) Total(terms []Term) Estimate { return m.total(m.join(terms)) }

func (m *Model) total(j *joint) Estimate {
	e := Estimate{Value: j.value, Missing: j.missing, Parts: make([]Part, len(j.lives))}
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
	order    []*process // of the loads
	taught   []float64  // what sums taught of it: their part of its covariances, by products
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
	keys := make([]string, len(terms))
	for i := range terms {
		keys[i] = terms[i].Op.String()
	}
	places := m.places(terms, keys)
	for i, t := range terms {
		l := &j.lives[i]
		l.key = keys[i]
		if l.pl = places[i]; l.pl == nil {
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
			j.order = append(j.order, p)
		}
		axpy(l.coef, l.pl.cov, to.cov)
		to.bias += l.coef * bias
		j.variance += l.level * l.level * l.own
		if l.k != nil {
			axpy(l.level, l.k.sums, j.taught[:len(l.k.sums)])
		}
	}
	for _, p := range j.order {
		j.variance += j.loads[p].variance(p, j.taught)
	}
	j.variance = max(j.variance-dot(j.taught, j.taught), 1e-12*j.value*j.value)
	return j
}

// turn makes covariances with the sum ready to be asked for.
func (j *joint) turn() {
	for _, p := range j.order {
		j.loads[p].turn(p, j.taught)
	}
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
	half        []float64 // the square root of its variance by the posterior, as a vector
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
	l.half = g
	return dot(g, g)
}

// turn finds the covariance of any kernel with the sum, less what sums taught of the whole.
func (l *load) turn(p *process, taught []float64) {
	m := len(p.inducing)
	g := slices.Clone(l.half)
	p.post.solveT(g)
	l.againstBias = g[m]
	p.lu.solveT(g[:m])
	l.against = g[:m]
	if p.sums.m == 0 {
		return
	}
	g = make([]float64, m+1)
	for j := range g {
		g[j] = dot(p.sums.row(j), taught)
	}
	l.againstBias -= g[m]
	p.lu.solveT(g[:m])
	axpy(-1, g[:m], l.against)
}

package explore

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/isocost/isocost/search/space"
)

// bayes is Bayesian optimisation: a Gaussian process of the utility over the space,
// and the expected improvement of each architecture of a pool (Mockus 1978; Jones
// et al. 1998). The pool is drawn from the band and from near what is best so far.
// Of a batch, each proposal after the first sees the ones before as evaluated at
// what the process expects of them (kriging believer, Ginsbourger et al. 2010).
type bayes struct {
	*record
	rng     *rand.Rand
	sigma   *float64
	enc     *encoder
	chosen  kernel
	ratio   float64 // noise variance over the signal's
	settled int     // evaluations at which kernel and ratio were chosen
	fitted  *process
	counted int // evaluations that fitted is of
}

const (
	firstDraws = 8   // drawn before there is a process
	poolDraws  = 400 // of the band
	poolBest   = 6   // best architectures that get
	poolNear   = 30  // neighbours in the pool each
	settle     = 1.2 // growth of the evaluations after which the kernel is chosen again
)

// Kernels that are tried; the likelihood chooses.
var (
	scales  = []float64{1, 2, 4, 8}
	smooths = []float64{0, 0.5}
	ratios  = []float64{0.003, 0.01, 0.03, 0.1, 0.3, 1} // where the noise is not known
)

func (e *bayes) Propose(n int) []space.Arch {
	var out []space.Arch
	if e.evaluated() < firstDraws {
		for range min(n, firstDraws) {
			if a, ok := e.fresh(e.rng); ok {
				out = append(out, a)
			}
		}
		return out
	}
	p, xs := e.process()
	best := math.Inf(-1)
	for i := range xs {
		m, _ := p.expected(&xs[i])
		best = max(best, m)
	}
	pool := e.pool()
	of := make([]*features, len(pool))
	for i := range pool {
		of[i] = &pool[i].x
	}
	mean, left, v := p.at(of)
	for i := range pool {
		pool[i].mean, pool[i].left, pool[i].v = mean[i], left[i], v[i]
	}
	for len(out) < n && len(pool) > 0 {
		pick, top := 0, math.Inf(-1)
		for i := range pool {
			if v := improvement(pool[i].mean, math.Sqrt(pool[i].left*p.signal), best); v > top {
				pick, top = i, v
			}
		}
		c := pool[pick]
		e.of(c.arch).proposed++
		out = append(out, c.arch)
		best = max(best, c.mean)
		pool = slices.Delete(pool, pick, pick+1)
		// A value as expected leaves every mean as it is and makes all less uncertain.
		sd := math.Sqrt(c.left + e.ratio)
		for i := range pool {
			o := &pool[i]
			cov := p.k.of(&o.x, &c.x)
			for m := range c.v {
				cov -= float64(o.v[m] * c.v[m])
			}
			o.v = append(o.v, cov/sd)
			o.left = max(0, o.left-float64(cov/sd*(cov/sd)))
		}
	}
	return out
}

// candidate is an architecture of the pool: what the process expects of it, the part
// of the signal's variance that is left, and its row of the factor.
type candidate struct {
	arch       space.Arch
	x          features
	mean, left float64
	v          []float64
}

// evaluated counts the evaluations.
func (e *bayes) evaluated() int {
	n := 0
	for _, s := range e.order {
		n += s.n + s.failures
	}
	return n
}

// improvement is the expected improvement over best of N(mean, sd²).
func improvement(mean, sd, best float64) float64 {
	if !(sd > 0) {
		return max(0, mean-best)
	}
	z := (mean - best) / sd
	return float64((mean-best)*0.5*math.Erfc(-z/math.Sqrt2)) + sd*math.Exp(-z*z/2)/math.Sqrt(2*math.Pi)
}

// values are the evaluated architectures with their utilities: what failed has the
// worst seen, and what is far below the others is put up to where it says “bad” and
// no more.
func (e *bayes) values() (who []*sampled, y []float64) {
	worst := math.Inf(1)
	var good []float64
	for _, s := range e.order {
		if s.n > 0 {
			worst = min(worst, s.mean())
			good = append(good, s.mean())
		}
	}
	if len(good) == 0 {
		return nil, nil
	}
	floor := floorOf(good)
	for _, s := range e.order {
		switch {
		case s.n > 0:
			who, y = append(who, s), append(y, max(s.mean(), floor))
		case s.failures > 0:
			who, y = append(who, s), append(y, max(worst, floor))
		}
	}
	return who, y
}

// floorOf is three times as far below the median as the best is above it, or as the
// lower quartile is below it where that is more.
func floorOf(values []float64) float64 {
	v := append([]float64(nil), values...)
	sortStable(v, func(a, b float64) bool { return a < b })
	m := v[len(v)/2]
	return m - 3*max(v[len(v)-1]-m, m-v[len(v)/4])
}

// process fits the evaluations, once however often it is asked for between two of them.
func (e *bayes) process() (*process, []features) {
	if n := e.evaluated(); e.fitted == nil || e.counted != n {
		e.fitted, e.counted = e.fit(), n
	}
	return e.fitted, e.fitted.x
}

func (e *bayes) fit() *process {
	if e.enc == nil {
		e.enc = newEncoder(e.band.Space)
	}
	who, y := e.values()
	var xs []features
	for _, s := range who {
		xs = append(xs, e.enc.encode(s.arch))
	}
	noise := func(ratio float64) []float64 {
		out := make([]float64, len(who))
		for i, s := range who {
			out[i] = ratio / float64(max(s.n, 1))
		}
		return out
	}
	if e.settled == 0 || float64(len(y)) >= settle*float64(e.settled) {
		var best *process
		for _, scale := range scales {
			for _, smooth := range smooths {
				k := kernel{scale, smooth, math.Sqrt(scale)}
				for _, ratio := range e.tried(k, xs, y, noise) {
					if p, ok := fit(nil, k, xs, y, noise(ratio)); ok && (best == nil || p.logLik > best.logLik) {
						best, e.chosen, e.ratio = p, k, ratio
					}
				}
			}
		}
		e.settled = len(y)
		if best != nil {
			return best
		}
	}
	p, ok := fit(e.fitted, e.chosen, xs, y, noise(e.ratio))
	for ratio := max(e.ratio, 0.01); !ok; ratio *= 10 { // hardly any noise and equal architectures
		p, ok = fit(nil, e.chosen, xs, y, noise(ratio))
	}
	return p
}

// tried are the noise ratios to try: that of the known noise, by fixed-point
// iteration, or a list.
func (e *bayes) tried(k kernel, xs []features, y []float64, noise func(float64) []float64) []float64 {
	if e.sigma == nil {
		return ratios
	}
	ratio := 0.1
	for range 4 {
		p, ok := fit(nil, k, xs, y, noise(ratio))
		if !ok {
			return ratios
		}
		ratio = min(max(float64(*e.sigma**e.sigma)/p.signal, 1e-6), 10)
	}
	return []float64{ratio}
}

// pool lists candidates: the band where it is small and on file, else draws from it,
// and neighbours of the best by the process.
func (e *bayes) pool() (pool []candidate) {
	seen := map[string]bool{}
	add := func(a space.Arch) {
		key := a.Key()
		if s, ok := e.at[key]; seen[key] || ok && s.n+s.failures+s.proposed > 0 {
			return
		}
		seen[key] = true
		pool = append(pool, candidate{arch: a, x: e.enc.encode(a)})
	}
	if all, ok := e.band.All(); ok && len(all) <= max(e.band.Whole, 2*poolDraws) {
		for _, a := range all {
			add(a)
		}
	} else {
		for range poolDraws {
			if a, ok := e.band.Draw(e.rng); ok {
				add(a)
			}
		}
		best := e.Ranked()
		for _, c := range best[:min(poolBest, len(best))] {
			for i := range poolNear {
				if a, ok := e.band.Near(e.rng, c.Arch, 1+i%3); ok {
					add(a)
				}
			}
		}
	}
	if len(pool) == 0 { // all of the band is evaluated: then the best is evaluated better
		for _, c := range e.Ranked() {
			pool = append(pool, candidate{arch: c.Arch, x: e.enc.encode(c.Arch)})
		}
	}
	return pool
}

// Noise implements Explorer: as declared, else what the process takes for noise.
func (e *bayes) Noise() float64 {
	if e.sigma != nil {
		return *e.sigma
	}
	if who, _ := e.values(); len(who) < firstDraws {
		return math.NaN()
	}
	p, _ := e.process()
	return math.Sqrt(e.ratio * p.signal)
}

// Ranked implements Explorer by the process's mean.
func (e *bayes) Ranked() []Candidate {
	if e.evaluated() < 2 {
		return e.record.Ranked()
	}
	if who, _ := e.values(); len(who) < 2 {
		return e.record.Ranked()
	}
	p, _ := e.process()
	return e.ranked(func(s *sampled) float64 {
		x := e.enc.encode(s.arch)
		m, _ := p.expected(&x)
		return m
	})
}

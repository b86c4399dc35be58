package explore

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/isocost/isocost/internal/lanes"
	"github.com/isocost/isocost/search/space"
)

// bayes is Bayesian optimisation: a Gaussian process of the utility over the space,
// and of each architecture of a pool what evaluating it is worth. The pool is drawn from
// the band and from near what is best so far; what has been evaluated is in it, because
// where noise is large most of what is lost is lost by choosing wrongly among the best
// (decision 0515). Of a batch, each proposal after the first sees the ones before as
// evaluated at what the process expects of them (kriging believer, Ginsbourger et al. 2010).
type bayes struct {
	*record
	rng     *rand.Rand
	sigma   *float64
	enc     *encoder
	chosen  kernel
	ratio   float64 // noise variance over the signal's
	settled int     // evaluations at which kernel and ratio were chosen

	fitted *process     // to the evaluations of who; nil before there is one
	who    []*sampled   // in the order of their first evaluation
	told   bool         // since fitted was
	again  bool         // evaluated architectures are proposed, too
	scales []float64    // of the kernels that are tried
	listed []*candidate // of a band on file, with what fitted sees of them
	drawn  []*candidate // of the last batch's pool; their memory is used again
}

// Tell implements Explorer.
func (e *bayes) Tell(evaluations []Evaluation) {
	e.record.Tell(evaluations)
	e.told = true
}

const (
	firstDraws = 8   // drawn before there is a process
	poolDraws  = 400 // of the band
	poolBest   = 6   // best architectures that get
	poolNear   = 30  // neighbours in the pool each
	poolAgain  = 40  // best architectures that may be evaluated again
	settle     = 1.2 // growth of the evaluations after which the kernel is chosen again
)

// Kernels that are tried; the likelihood chooses.
var (
	scales  = []float64{1, 2, 4, 8, 16, 32} // the first four by rules before 2
	smooths = []float64{0, 0.5}
	ratios  = []float64{0.003, 0.01, 0.03, 0.1, 0.3, 1} // where the noise is not known
)

// scalesOf are the scales of a plan's rules. Those of many layers are near to a sum over the
// layers, as utilities are where layers have their own worth.
func scalesOf(rules int) []float64 {
	if rules < 2 {
		return scales[:4]
	}
	return scales
}

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
	p := e.process()
	best := e.leading(p)
	pool := e.pool()
	b := &believer{process: p, ratio: e.ratio}
	b.meet(pool)
	for len(out) < n && len(pool) > 0 {
		pick := e.mostWorth(pool, best, b)
		c := pool[pick]
		e.of(c.arch).proposed++
		out = append(out, c.arch)
		best.add(c.mean, c.key)
		b.believe(c)
		pool = slices.Delete(pool, pick, pick+1)
	}
	return out
}

// leaders are the two largest means and whose they are.
type leaders struct {
	first, second float64
	key           string // of the first
}

func (b *leaders) add(mean float64, key string) {
	switch {
	case key == b.key:
		b.first = max(b.first, mean)
	case mean > b.first:
		*b = leaders{mean, b.first, key}
	case mean > b.second:
		b.second = mean
	}
}

// without is the largest mean of the others.
func (b *leaders) without(key string) float64 {
	if key == b.key {
		return b.second
	}
	return b.first
}

// leading are the evaluated architectures that the process expects most of: of the band,
// from which the start is taken; at first of all that were evaluated.
func (e *bayes) leading(p *process) *leaders {
	b, own := &leaders{first: math.Inf(-1), second: math.Inf(-1)}, p.own()
	for i, s := range e.who {
		if !e.again || s.inside && s.n > 0 {
			b.add(own[i], s.key)
		}
	}
	return b
}

// worth returns what one evaluation of an architecture is expected to add to the mean of the
// architecture that is then ranked first: the knowledge gradient for correlated beliefs
// (Frazier, Powell and Dayanik 2009), less what it changes of others' means. An evaluated
// architecture is worth evaluating again where it may turn out to lead, or no longer to.
// Plans of the first rules have the expected improvement of the utility itself instead.
// Either is worth more the more of the variance is left. Rounding makes less than the slack
// of it, by far.
func (e *bayes) worth(c *candidate, best *leaders, signal float64) (v, slack float64) {
	if !e.again {
		sd := math.Sqrt(c.left * signal)
		return improvement(c.mean, sd, best.first), 1e-9 * (math.Abs(c.mean-best.first) + sd)
	}
	change := c.left / math.Sqrt(c.left+e.ratio) * math.Sqrt(signal) // of its mean, by one more evaluation
	other := best.without(c.key)
	v = improvement(c.mean, change, other)
	if s, ok := e.at[c.key]; ok && s.n > 0 {
		v -= max(0, c.mean-other)
	}
	return v, 1e-9 * (math.Abs(c.mean-other) + change)
}

// mostWorth is the first candidate of the pool that is worth most. A variance is solved for
// only where what is known of it does not rule that out.
func (e *bayes) mostWorth(pool []*candidate, best *leaders, b *believer) int {
	type offer struct {
		c    *candidate
		most float64
	}
	var open []offer
	top := math.Inf(-1)
	for _, c := range pool {
		v, slack := e.worth(c, best, b.signal)
		if b.knows(c) {
			c.worth, top = v, max(top, v)
			continue
		}
		c.worth = math.Inf(-1)
		open = append(open, offer{c, v + slack})
	}
	slices.SortFunc(open, func(x, y offer) int { return cmp.Compare(y.most, x.most) })
	for len(open) > 0 && !(open[0].most < top) {
		var few []*candidate
		for _, o := range open[:min(len(open), lanes.Count)] {
			few = append(few, o.c)
		}
		b.solve(few)
		for _, c := range few {
			c.worth, _ = e.worth(c, best, b.signal)
			top = max(top, c.worth)
		}
		open = open[len(few):]
	}
	pick := 0
	for i, c := range pool {
		if c.worth > pool[pick].worth {
			pick = i
		}
	}
	return pick
}

// evaluated counts the evaluations.
func (e *bayes) evaluated() int {
	n := 0
	for _, s := range e.order {
		n += s.n + s.failures
	}
	return n
}

// improvement is the expected improvement over best of N(mean, sd²) (Mockus 1978; Jones et
// al. 1998).
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

// process is fitted to the evaluations.
func (e *bayes) process() *process {
	if e.fitted != nil && !e.told {
		return e.fitted
	}
	if e.enc == nil {
		e.enc = newEncoder(e.band.Space)
	}
	who, y := e.values()
	same := 0
	for same < min(len(who), len(e.who)) && who[same] == e.who[same] {
		same++
	}
	var xs []features
	if e.fitted != nil {
		xs = slices.Clone(e.fitted.x[:same])
	}
	for _, s := range who[len(xs):] {
		xs = append(xs, e.enc.encode(s.arch))
	}
	p := e.fit(xs, y, same, func(ratio float64) []float64 {
		out := make([]float64, len(who))
		for i, s := range who {
			out[i] = ratio / float64(max(s.n, 1))
		}
		return out
	})
	for _, c := range e.listed {
		c.keep(p.known, p.kept)
	}
	e.fitted, e.who, e.told = p, who, false
	return p
}

// fit chooses the kernel, now and then, and fits; the first so many architectures are those of
// the process before.
func (e *bayes) fit(xs []features, y []float64, same int, noise func(float64) []float64) *process {
	if e.settled == 0 || float64(len(y)) >= settle*float64(e.settled) {
		if best := e.choose(xs, y, noise); best != nil {
			return best
		}
	}
	before := unfitted(e.enc, e.chosen, nil)
	if e.fitted != nil && e.fitted.k == e.chosen {
		before = e.fitted.first(same)
	}
	p, ok := fit(before, xs, y, noise(e.ratio))
	for ratio := max(e.ratio, 0.01); !ok; ratio *= 10 { // hardly any noise and equal architectures
		p, ok = fit(unfitted(e.enc, e.chosen, nil), xs, y, noise(ratio))
	}
	return p
}

// choose takes the kernel and the noise that make the evaluations most likely; nil where none
// fits.
func (e *bayes) choose(xs []features, y []float64, noise func(float64) []float64) (best *process) {
	apart := make([][]distance, len(xs))
	for i := range xs {
		apart[i] = e.enc.distances(nil, &xs[i], xs[:i+1])
	}
	for _, scale := range e.scales {
		for _, smooth := range smooths {
			k := kernel{scale, smooth, math.Sqrt(scale)}
			bare := unfitted(e.enc, k, apart)
			for _, ratio := range e.tried(bare, xs, y, noise) {
				if p, ok := fit(bare, xs, y, noise(ratio)); ok && (best == nil || p.logLik > best.logLik) {
					best, e.chosen, e.ratio = p, k, ratio
					best.known = 0 // the process before was of another kernel
				}
			}
		}
	}
	e.settled = len(y)
	return best
}

// tried are the noise ratios to try: that of the known noise, by fixed-point
// iteration, or a list.
func (e *bayes) tried(bare *process, xs []features, y []float64, noise func(float64) []float64) []float64 {
	if e.sigma == nil {
		return ratios
	}
	ratio := 0.1
	for range 4 {
		p, ok := fit(bare, xs, y, noise(ratio))
		if !ok {
			return ratios
		}
		ratio = min(max(float64(*e.sigma**e.sigma)/p.signal, 1e-6), 10)
	}
	return []float64{ratio}
}

// pool lists candidates: the band where it is small and on file, else draws from it,
// and neighbours of the best by the process.
func (e *bayes) pool() (pool []*candidate) {
	fresh := func(key string) bool {
		s, ok := e.at[key]
		return !ok || s.failures+s.proposed == 0 && (e.again || s.n == 0)
	}
	if all, ok := e.band.All(); ok && len(all) <= max(e.band.Whole, 2*poolDraws) {
		if e.listed == nil {
			e.listed = make([]*candidate, len(all))
			for i, a := range all {
				e.listed[i] = e.candidate(a)
			}
		}
		for _, c := range e.listed {
			if fresh(c.key) {
				c.keep(len(e.fitted.x), len(e.fitted.x)) // what was believed in an earlier batch is not known
				pool = append(pool, c)
			}
		}
	} else {
		seen, free := map[string]bool{}, e.drawn
		add := func(a space.Arch) {
			key := a.Key()
			if seen[key] || !fresh(key) {
				return
			}
			seen[key] = true
			c := &candidate{}
			if len(free) > 0 {
				c, free = free[0], free[1:]
			} else {
				e.drawn = append(e.drawn, c)
			}
			*c = candidate{arch: a, key: key, x: e.enc.encode(a), cov: c.cov[:0], row: c.row[:0]}
			pool = append(pool, c)
		}
		for range poolDraws {
			if a, ok := e.band.Draw(e.rng); ok {
				add(a)
			}
		}
		best := e.Ranked()
		if e.again {
			for _, c := range best[:min(poolAgain, len(best))] {
				add(c.Arch)
			}
		}
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
			pool = append(pool, e.candidate(c.Arch))
		}
	}
	return pool
}

func (e *bayes) candidate(a space.Arch) *candidate {
	return &candidate{arch: a, key: a.Key(), x: e.enc.encode(a)}
}

// Noise implements Explorer: as declared, else what the process takes for noise.
func (e *bayes) Noise() float64 {
	if e.sigma != nil {
		return *e.sigma
	}
	if who, _ := e.values(); len(who) < firstDraws {
		return math.NaN()
	}
	return math.Sqrt(e.ratio * e.process().signal)
}

// Ranked implements Explorer by the process's mean.
func (e *bayes) Ranked() []Candidate {
	if e.evaluated() < 2 {
		return e.record.Ranked()
	}
	if who, _ := e.values(); len(who) < 2 {
		return e.record.Ranked()
	}
	mean := make(map[*sampled]float64, len(e.who))
	for i, m := range e.process().own() {
		mean[e.who[i]] = m
	}
	return e.ranked(func(s *sampled) float64 { return mean[s] })
}

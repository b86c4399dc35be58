package evidence

import (
	"fmt"
	"math"

	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/selector"
)

// Pairs is evidence from independent samples whose noise has one size that nobody
// declared. From Begin on a network is always asked for two samples together, and what the
// two differ by says how large the noise is, in this incumbent's time and in all before it
// (anytime.Pairs): nothing is sampled for the noise alone.
type Pairs struct {
	*Independent
	differences anytime.Pairs
	begun       bool
	// For moves and for telling loud networks alone: no bound rests on them.
	within map[string]float64 // Σ squared deviations of an architecture's samples
	ss     float64            // of all
	degree int
}

// NewPairs returns the evidence before its first sample.
func NewPairs(b *Base) *Pairs {
	return &Pairs{Independent: &Independent{Base: b}, within: map[string]float64{}}
}

// Begin has samples be asked for in pairs from now on, at indices 2i and 2i+1.
func (e *Pairs) Begin() { e.begun = true }

// Noise is the noise's size as the pairs estimate it, NaN before, and their number.
func (e *Pairs) Noise() (sigma float64, pairs int) { return e.differences.Sigma(), e.differences.N() }

// Next uses up an arm's next sample.
func (e *Pairs) Next(a *Arm, level int) (Sample, bool) {
	if e.begun && !a.paired {
		a.paired, a.next = true, a.next+a.next%2
		a.pairs = a.next
	}
	return e.Independent.Next(a, level)
}

// Plan asks for two samples instead of one, of half as many networks.
func (e *Pairs) Plan(l *Look, c selector.Choice) []Want {
	half := *l
	half.Batch = (l.Batch + 1) / 2
	var out []Want
	incumbent := 0
	for _, w := range e.Independent.Plan(&half, c) {
		if w.Z < 0 {
			if incumbent++; incumbent%2 == 0 { // the second of a pair
				continue
			}
		}
		out = append(out, w, w)
	}
	return out
}

// Take records a sample.
func (e *Pairs) Take(a *Arm, s Sample, utility, seconds float64) {
	if n := float64(len(a.Values)); n > 0 {
		d := utility - a.Mean()
		square := d * d * n / (n + 1)
		e.ss += square
		e.within[a.Key] += square
		if e.degree++; e.ss > 0 {
			e.Sigma = math.Sqrt(e.ss / float64(e.degree))
		}
	}
	e.Independent.Take(a, s, utility, seconds)
	if a.paired && s.Index%2 == 1 && s.Index > a.pairs {
		if other := a.slots[s.Index-1]; !math.IsNaN(other) {
			e.differences.Add(other, utility)
		}
	}
}

// Compare returns what is known of z against the incumbent x.
func (e *Pairs) Compare(x, z *Arm, count bool) Comparison {
	id := [2]string{x.Key, z.Key}
	if _, ok := e.comparisons[id]; !ok && !(count && x.recent.N > 0 && z.recent.N > 0) {
		return unknown
	}
	k := e.open(id)
	if x.recent.N > 0 && z.recent.N > 0 {
		k.Delta = e.share()
		k.D = z.recent.Center - x.recent.Center
		k.W = e.differences.Excess(x.recent, z.recent, e.prior(x), k.Delta)
		if k.D+k.W < k.Upper {
			k.Upper, k.By = k.D+k.W, 0
		}
	}
	k.Lower = e.lead(x, z)
	return *k
}

// unknownNoise is about how much wider bounds are than at a known size of noise.
const unknownNoise = 1.25

// Further is an estimate: the noise will be better known by then.
func (e *Pairs) Further(x, z *Arm, _ Comparison, target float64) int {
	prior := e.Epoch.prior
	if prior == (anytime.Prior{}) {
		prior = anytime.NewPrior(e.Rho, e.Epoch.Neighbours, 1)
	}
	return e.further(x, z, target, func(a, b anytime.Evidence) float64 {
		return anytime.Excess(a, b, unknownNoise*e.Sigma, prior, e.share())
	})
}

const (
	// quietLeast is the number of degrees of freedom of all others that it takes to call a
	// network loud.
	quietLeast = 8
	// loudLevel is about how often a search whose networks are equally noisy finds one
	// loud: it then takes more samples, and claims what it claims. The others' noise is
	// taken for its upper bound that fails with othersBeta: without, one search in eleven did.
	loudLevel  = 0.01
	othersBeta = 0.1
)

// Loud says that an architecture's samples vary more than those of the others, of which
// there are so many, let them; why says how much.
func (e *Pairs) Loud(a *Arm, archs int) (why string, loud bool) {
	nu := len(a.Values) - 1
	if nu < 1 || e.degree-nu < quietLeast || !(e.ss > e.within[a.Key]) {
		return "", false
	}
	own, others := math.Sqrt(e.within[a.Key]/float64(nu)), math.Sqrt((e.ss-e.within[a.Key])/float64(e.degree-nu))
	if !anytime.VarianceSuspect(own, nu+1, anytime.SigmaUpper(others, e.degree-nu, othersBeta), loudLevel/float64(archs)) {
		return "", false
	}
	return fmt.Sprintf("%s has standard deviation %.4g over %d samples, the others %.4g", a.Key, own, nu+1, others), true
}

// Rests says what the bounds rest on.
func (e *Pairs) Rests(int, int) []string {
	s, n := e.Noise()
	return []string{fmt.Sprintf("independent samples whose noise is normal and of one size, of which no network's samples say otherwise: by %d pairs of samples about %.4g, and the bounds hold whatever it is", n, s)}
}

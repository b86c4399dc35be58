package evidence

import (
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/search/anytime"
)

// Separate is evidence from independent samples of which no common noise level is
// assumed: a difference is bounded by an upper bound on the candidate's expected (or
// median) utility and a lower one on the incumbent's, each from that network's own
// samples and each with half of the incumbent's share of δ. Noise of another size on
// one network enters that network's bounds and no other's.
type Separate struct {
	*Independent
	newMeter func(alpha float64) meter
	// offset and scale bring a utility to what a meter takes, and its bounds back.
	offset, scale float64
	rests         string

	meters map[string]*epochMeter
	// For moves and for sharing out samples alone: no bound rests on them.
	within map[string]float64 // Σ squared deviations of an architecture's samples
	ss     float64            // of all
	degree int
	off    []float64 // sizes of deviations from medians, rising
}

// meter bounds one arm's centre at all times at once; each of its two bounds is wrong
// with the probability it was opened with.
type meter interface {
	Add(x float64)
	Bounds() (lower, upper float64)
}

// epochMeter is an arm's meter in one incumbent's time.
type epochMeter struct {
	epoch        int
	taken        int // of the arm's samples of this time
	alpha        float64
	meter        meter
	lower, upper float64
	center       float64 // mean of the samples of this time, or their median
}

// NewBounded is the evidence of utilities from lo to hi, of any distribution: an
// architecture whose training fails now and then is not taken for a quiet one
// (anytime.Bets).
func NewBounded(b *Base, lo, hi float64) *Separate {
	return newSeparate(b, func(alpha float64) meter { return inRange{anytime.NewBets(alpha)} }, lo, hi-lo,
		fmt.Sprintf("independent samples from %g to %g, as declared, of any distribution: no noise level is assumed", lo, hi))
}

// NewPerNetwork is the evidence of normal noise of each network's own size
// (anytime.Student), where these have been sampled before.
func NewPerNetwork(b *Base, sampled []*Arm) *Separate {
	e := newSeparate(b, func(alpha float64) meter { return anytime.NewStudent(alpha) }, 0, 1,
		"independent samples whose noise is normal, of each network's own size: no noise level is assumed")
	b.noise = e.noiseOf
	for _, a := range sampled {
		if nu := len(a.Values) - 1; nu > 0 {
			e.within[a.Key] = a.Spread() * a.Spread() * float64(nu)
			e.ss, e.degree = e.ss+e.within[a.Key], e.degree+nu
		}
	}
	return e
}

// NewMedian is the evidence of median utilities, whatever the noise (anytime.Median).
func NewMedian(b *Base) *Separate {
	b.noise, b.median = func(*Arm) float64 { return 1 }, true
	return newSeparate(b, func(alpha float64) meter { return anytime.NewMedian(alpha) }, 0, 1,
		"independent samples of any distribution: a median needs no noise level, and says nothing of how bad the worse half of a network's samples is")
}

func newSeparate(b *Base, newMeter func(float64) meter, offset, scale float64, rests string) *Separate {
	return &Separate{Independent: NewIndependent(b), newMeter: newMeter, offset: offset, scale: scale, rests: rests,
		meters: map[string]*epochMeter{}, within: map[string]float64{}}
}

// inRange has bets take values from 0 to 1.
type inRange struct{ *anytime.Bets }

func (r inRange) Add(x float64)                  { r.Bets.Add(min(1, max(0, x))) }
func (r inRange) Bounds() (lower, upper float64) { return r.Lower(), r.Upper() }

// Take records a sample.
func (e *Separate) Take(a *Arm, s Sample, utility, seconds float64) {
	if n := float64(len(a.Values)); n > 0 {
		d := utility - a.Mean()
		square := d * d * n / (n + 1)
		e.ss += square
		e.within[a.Key] += square
		e.degree++
		if e.median {
			off := math.Abs(utility - a.Median())
			i, _ := slices.BinarySearch(e.off, off)
			e.off = slices.Insert(e.off, i, off)
		}
	}
	e.Base.Take(a, s, utility, seconds)
	switch {
	case e.degree == 0:
	case e.median: // a median's standard error is that of a mean, 1.2533 times
		e.Sigma = math.Max(1.2533*1.4826*e.off[len(e.off)/2], 1e-12)
	default:
		e.Sigma = math.Max(math.Sqrt(e.ss/float64(e.degree)), 1e-12*e.scale)
	}
}

// ownNoise is the number of samples that the common spread weighs when an architecture's own
// is drawn towards it.
const ownNoise = 3

// noiseOf is the standard deviation of an architecture's samples, drawn towards that of
// all.
func (e *Separate) noiseOf(a *Arm) float64 {
	if e.degree == 0 {
		return 1
	}
	all := e.ss / float64(e.degree)
	nu := float64(max(len(a.Values)-1, 0))
	return math.Sqrt(math.Max((e.within[a.Key]+ownNoise*all)/(nu+ownNoise), 1e-24))
}

// of brings an arm's bounds up to its samples.
func (e *Separate) of(a *Arm) *epochMeter {
	alpha := e.Independent.share() / 2
	m, ok := e.meters[a.Key]
	if !ok || m.epoch != e.Epoch.Incumbent || m.alpha != alpha {
		m = &epochMeter{epoch: e.Epoch.Incumbent, alpha: alpha, meter: e.newMeter(alpha)}
		m.lower, m.upper = m.meter.Bounds()
		e.meters[a.Key] = m
	}
	values := a.Recent()
	if m.taken == len(values) {
		return m
	}
	for ; m.taken < len(values); m.taken++ {
		m.meter.Add((values[m.taken] - e.offset) / e.scale)
	}
	m.lower, m.upper = m.meter.Bounds()
	if m.center = a.recent.Center; e.median {
		m.center = stats.Median(values)
	}
	return m
}

// Compare returns what is known of z against the incumbent x.
func (e *Separate) Compare(x, z *Arm, count bool) Comparison {
	id := [2]string{x.Key, z.Key}
	if _, ok := e.comparisons[id]; !ok && !(count && x.recent.N > 0 && z.recent.N > 0) {
		return unknown
	}
	k := e.open(id)
	if x.recent.N > 0 && z.recent.N > 0 {
		k.Delta = e.Independent.share()
		mx, mz := e.of(x), e.of(z)
		k.D = mz.center - mx.center
		k.W = e.scale*(mz.upper-mx.lower) - k.D
		if k.D+k.W < k.Upper {
			k.Upper, k.By = k.D+k.W, 0
		}
	}
	k.Lower = e.lead(x, z)
	return *k
}

// Promise orders candidates whose bounds are infinite still.
func (e *Separate) Promise(k Comparison, x, z *Arm) float64 {
	if e.noise == nil || z.recent.N == 0 {
		return 0
	}
	return e.of(z).center + 2*e.Sigma/math.Sqrt(float64(z.recent.N))
}

// firstBounds is about how many samples of a network its first finite bound takes.
const firstBounds = 10

// Further is an estimate: widths fall at least with the root of the samples.
func (e *Separate) Further(x, z *Arm, k Comparison, target float64) int {
	nx, nz := max(x.recent.N, 1), max(z.recent.N, 1)
	switch {
	case !(target > 0) || math.IsInf(k.W, 1) && e.noise == nil:
		return -1
	case math.IsInf(k.W, 1):
		return max(1, 2*firstBounds-nx-nz)
	}
	more := k.W*k.W/(target*target) - 1
	return int(math.Ceil(max(0, more) * float64(nx+nz)))
}

// Alarms lists nothing: the bounds assume no common noise level.
func (e *Separate) Alarms(*Arm, []*Arm, []*Arm) []string { return nil }

// LowerBound is false: the bound is one for normal noise of known size.
func (e *Separate) LowerBound() bool { return false }

// Rests says what the bounds rest on.
func (e *Separate) Rests(int, int) []string { return []string{e.rests} }

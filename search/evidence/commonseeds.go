package evidence

import (
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/search/anytime"
	"github.com/isocost/isocost/search/selector"
)

// CommonSeeds is evidence from the incumbent and its candidates evaluated at common
// seeds: the noise both share cancels, and the differences' own spread takes the
// place of the arms'. A seed counts once both have been evaluated at it, so that the
// incumbent is sampled as often as its most sampled candidate and no more. A bound
// is one on a random walk in the number of common seeds, whatever made the search
// go on or stop.
type CommonSeeds struct {
	*Base
	Diff   *DiffReport
	Doubts []string // about what was declared of differences
}

// PairingRatio is the largest Var(difference at a common seed) / 2σ² at which
// common random numbers are used: beyond, sampling the incumbent more often
// than each candidate saves more than the pairing does.
const PairingRatio = 0.8

// Source says where a noise level came from.
type Source string

// Sources of noise levels.
const (
	Declared      Source = "declared"
	Calibrated    Source = "calibrated"
	Deterministic Source = "deterministic" // declared to be 0
	NotNeeded     Source = "not needed"    // paired, or a declared range
	FromPairs     Source = "pairs"         // of samples asked for together
	Unknown       Source = "unknown"       // the search stopped before
)

// DiffReport says where the noise level of paired differences came from.
type DiffReport struct {
	Source Source  `json:"source"`          // declared, calibrated or deterministic
	Value  float64 `json:"value"`           // the σ of a difference that every bound uses
	S      float64 `json:"s,omitempty"`     // as estimated
	Nu     int     `json:"nu,omitempty"`    // degrees of freedom behind S
	Beta   float64 `json:"beta,omitempty"`  // probability that it exceeds Value
	Ratio  float64 `json:"ratio,omitempty"` // of the variance to that of independent seeds
	// Used says that the search paired. It does not where the ratio is at least 0.8,
	// and goes on with independent seeds and new evidence.
	Used bool `json:"used"`
}

// pairs are the differences f̂(z) − f̂(x) at common seeds.
type pairs struct {
	upto   int // first seed not looked at
	all    int // differences so far
	allSum float64
	epoch  int // the incumbent whose time the rest belongs to
	n      int
	sum    float64
	square float64
}

// spread is the standard deviation of a comparison's differences.
func (p *pairs) spread() float64 {
	n := float64(p.n)
	if p.n < 2 {
		return 0
	}
	return math.Sqrt(max(0, p.square-p.sum*p.sum/n) / (n - 1))
}

// match takes the seeds into a comparison that both arms have been evaluated at
// since the last look.
func (e *CommonSeeds) match(k *Comparison, x, z *Arm) {
	p := &k.pairs
	if p.epoch != e.Epoch.Incumbent {
		p.epoch, p.n, p.sum, p.square = e.Epoch.Incumbent, 0, 0, 0
	}
	for ; p.upto < min(len(x.slots), len(z.slots)); p.upto++ {
		d := z.slots[p.upto] - x.slots[p.upto]
		if math.IsNaN(d) { // skipped or failed on either side
			continue
		}
		p.all++
		p.allSum += d
		if p.upto >= e.Epoch.first {
			p.n++
			p.sum += d
			p.square += d * d
		}
	}
}

// Next gives the arm the next seed of the incumbent's time.
func (e *CommonSeeds) Next(a *Arm, level int) (Sample, bool) {
	if a.Left() != 0 { // no seed used before this time is used again
		a.next = max(a.next, e.Epoch.first)
	}
	s, ok := e.Base.Next(a, level)
	s.Seeds = ""
	return s, ok
}

// Compare returns what is known of z against the incumbent x.
func (e *CommonSeeds) Compare(x, z *Arm, count bool) Comparison {
	id := [2]string{x.Key, z.Key}
	k, ok := e.comparisons[id]
	if !ok {
		first := unknown
		if e.match(&first, x, z); first.pairs.n == 0 || !count {
			return unknown
		}
		k = e.open(id)
		k.pairs = first.pairs
	}
	e.match(k, x, z)
	p := &k.pairs
	// Leads over different seeds need not add up to one order: without a new seed at
	// every incumbent they could lead round in a circle.
	k.Lower = math.Inf(-1)
	if p.n > 0 {
		k.Delta = e.Epoch.Delta
		k.D = p.sum / float64(p.n)
		k.W = anytime.PairedExcess(e.Diff.Value, p.n, e.Rho, k.Delta)
		k.Upper = min(k.Upper, k.D+k.W)
		k.Lower = p.allSum/float64(p.all) - e.MoveScore*e.Diff.Value/math.Sqrt(float64(p.all))
	}
	return *k
}

// Retired is Independent's.
func (e *CommonSeeds) Retired(x, z *Arm) bool { return (&Independent{Base: e.Base}).Retired(x, z) }

// Forget is Independent's.
func (e *CommonSeeds) Forget(x *Arm, zs []*Arm) { (&Independent{Base: e.Base}).Forget(x, zs) }

// Plan hands out the samples of one look; the incumbent follows its most sampled
// candidate.
func (e *CommonSeeds) Plan(l *Look, c selector.Choice) []Want {
	var out []Want
	most := 0
	add := func(i int) {
		out = append(out, Want{Z: i})
		most = max(most, l.Candidate[i].N+1)
	}
	switch first := unsampled(l, c.Sample); {
	case c.Every:
		for _, i := range c.Sample {
			add(i)
		}
	case len(first) > 0:
		for _, i := range first[:min(max(l.Batch, firstSamples), len(first))] {
			add(i)
		}
	default:
		for _, i := range c.Sample[:min(l.Batch, len(c.Sample))] {
			if l.Candidate[i].Left != 0 {
				add(i)
			}
		}
	}
	for n := l.X.recent.N; n < most; n++ {
		out = append(out, Want{Z: -1})
	}
	return out
}

// Further says how many further samples of both arms retire z; -1 when no number does.
func (e *CommonSeeds) Further(_, _ *Arm, k Comparison, target float64) int {
	n := max(k.pairs.n, 1)
	more := anytime.Further(func(m float64) float64 {
		return anytime.PairedExcess(e.Diff.Value, int(math.Ceil(m*float64(n))), e.Rho, e.Epoch.Delta)
	}, n, target)
	return more * min(2, 1+max(0, more)) // of both arms; -1 stays
}

// Alarms lists the neighbours whose differences vary more than they may, or do
// where they were declared not to.
func (e *CommonSeeds) Alarms(x *Arm, zs, _ []*Arm) []string {
	var ks []*Comparison
	var who []*Arm
	for _, z := range zs {
		if k, ok := e.comparisons[[2]string{x.Key, z.Key}]; ok && k.pairs.n >= 2 {
			ks, who = append(ks, k), append(who, z)
		}
	}
	out := slices.Clone(e.Doubts)
	for i, k := range ks {
		s := k.pairs.spread()
		if e.Diff.Value == 0 {
			if s > 1e-9*math.Abs(k.D) {
				out = append(out, fmt.Sprintf("differences: those of %s at common seeds vary (%.4g) and were declared not to", who[i].Key, s))
			}
		} else if anytime.VarianceSuspect(s, k.pairs.n, e.Diff.Value, AlarmLevel/float64(len(ks))) {
			out = append(out, fmt.Sprintf("heteroscedastic: differences of %s at common seeds have standard deviation %.4g over %d seeds, σ of a difference is %.4g", who[i].Key, s, k.pairs.n, e.Diff.Value))
		}
	}
	return out
}

// LowerBound is false: the bound is one for independent samples, and pairing may go
// below it.
func (e *CommonSeeds) LowerBound() bool { return false }

// Rests says what the bounds rest on.
func (e *CommonSeeds) Rests(int, int) []string {
	if !e.Diff.Used {
		return nil
	}
	return []string{fmt.Sprintf("differences at common seeds, independent from seed to seed, with σ at most %.4g for every pair of neighbours (%s)", e.Diff.Value, e.Diff.Source)}
}

// Layout is the two-way layout architecture + seed of samples at common seeds.
type Layout struct {
	Rows   int
	Rest   float64 // sum of squares of what neither architecture nor seed explains
	Within float64 // sum of squares within an architecture
	Nu     int     // degrees of freedom of Rest: (rows − 1)·(columns − 1)
}

// TwoWay lays out the first samples of arms, so many seeds each; architectures with a
// failed sample are left out. The spread of a difference at a common seed is
// √(2·Rest/Nu).
func TwoWay(arms []*Arm, seeds int) Layout {
	var rows [][]float64
	for _, a := range arms {
		if len(a.slots) >= seeds && !slices.ContainsFunc(a.slots[:seeds], math.IsNaN) {
			rows = append(rows, a.slots[:seeds])
		}
	}
	t := Layout{Rows: len(rows), Nu: (len(rows) - 1) * (seeds - 1)}
	if t.Rows < 2 {
		return t
	}
	columns, grand := make([]float64, seeds), 0.0
	for _, row := range rows {
		for i, v := range row {
			columns[i] += v / float64(len(rows))
			grand += v / float64(len(rows)*seeds)
		}
	}
	for _, row := range rows {
		m := 0.0
		for _, v := range row {
			m += v / float64(seeds)
		}
		for i, v := range row {
			e := v - m - columns[i] + grand
			t.Rest += e * e
			t.Within += (v - m) * (v - m)
		}
	}
	return t
}

package analysis

import (
	"math"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/stats"
)

// What a runtime does with an operator depends on its context, what stands beside it:
// where its buffers come to lie, what the caches hold. No number of samples averages
// that out. Cells that the plan measures in a second context (benchmarks.Case.SecondContext)
// show how much it is, and the intervals of all cells of their kinds hold it.

// Contexts says how far marginal costs vary between contexts, by kind of operator.
type Contexts map[string]*variation

type variation struct {
	cells   int
	squares float64 // Σ of the variances that the cells show, relative to their costs
	sd      float64
	factor  float64 // of sd in an interval's half width
}

// fewestContexts: with fewer cells in two contexts Student's t is above 3 and says more
// about their number than about the device.
const fewestContexts = 3

// Compare finds how far costs vary between contexts. of is the group in which a case was
// measured, nil for none, and failed reports models without a cost. Two contexts differ
// by twice the variance of one, plus the noise of the two estimates: a quarter of the
// square of what the even rounds and the odd ones differ by. (The estimates' intervals
// would take too much off: they are wider than they need be.)
func Compare(cases []benchmarks.Case, of func(benchmarks.Case) *Group, failed func(model string) bool) Contexts {
	out := Contexts{}
	level := 0.0
	for _, k := range cases {
		a := of(k)
		if a == nil || len(k.SecondContext) == 0 {
			continue
		}
		level = a.p.Stop.Level
		here := a.Sampled(k.Terms)
		there, ok := a.SecondContext(k, failed)
		even, odd := a.half(0), a.half(1)
		if !ok || !here.OK || here.US <= 0 || odd.Sampled(k.SecondContext).Rounds == 0 || odd.Sampled(k.Terms).Rounds == 0 {
			continue
		}
		apart := func(a *Group) float64 { return (a.Sampled(k.SecondContext).US - a.Sampled(k.Terms).US) / here.US }
		difference, noise := (there.US-here.US)/here.US, (apart(even)-apart(odd))/2
		v := out[k.Key.Kind]
		if v == nil {
			v = &variation{}
			out[k.Key.Kind] = v
		}
		v.cells++
		v.squares += (difference*difference - noise*noise) / 2
	}
	for kind, v := range out {
		if v.cells < fewestContexts || v.squares <= 0 {
			delete(out, kind)
			continue
		}
		// Rounded here: the record's own number is what its interval was made with.
		v.sd = math.Round(1e5*math.Sqrt(v.squares/float64(v.cells))) / 1e5
		v.factor = stats.StudentQuantile(level, v.cells)
	}
	return out
}

// half is the analysis of the even (0) or the odd (1) rounds alone.
func (a *Group) half(parity int) *Group {
	if a.halves[parity] != nil {
		return a.halves[parity]
	}
	out := New(a.p, a.log, a.reference)
	out.rounds, out.curve, out.step, out.settled, out.scale = a.rounds, a.curve, 1, a.settled, a.scale
	for id, m := range a.models {
		h := &modelData{visits: m.visits, samples: m.samples, preempted: m.preempted, hopeless: m.hopeless}
		for _, s := range m.spans {
			if a.rounds[s.round]%2 == parity {
				h.spans = append(h.spans, s)
			}
		}
		out.models[id] = h
	}
	a.halves[parity] = out
	return out
}

// SecondContext is a cell's cost in its second context; ok is false without one, or when one
// of its models was not measured or failed.
func (a *Group) SecondContext(k benchmarks.Case, failed func(model string) bool) (e Estimate, ok bool) {
	if len(k.SecondContext) == 0 {
		return Estimate{}, false
	}
	for _, t := range k.SecondContext {
		if a.models[t.Model] == nil || failed(t.Model) {
			return Estimate{}, false
		}
	}
	e = a.Sampled(k.SecondContext)
	return e, e.OK
}

// Widen gives the interval of a framed cell the variation between contexts, in
// quadrature, and returns that standard deviation, relative to the cost. A slope over
// copies holds it already: see Group.lineError.
func (c Contexts) Widen(k benchmarks.Case, e Estimate) (Estimate, float64) {
	if k.Role != role.Cell || len(k.Terms) < 2 || k.Terms[0].Copies > 0 || c[k.Key.Kind] == nil {
		return e, 0
	}
	v := c[k.Key.Kind]
	h := v.factor * v.sd * math.Abs(e.US)
	e.Lo = e.US - math.Hypot(e.US-e.Lo, h)
	e.Hi = e.US + math.Hypot(e.Hi-e.US, h)
	return e, v.sd
}

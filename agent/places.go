package agent

import (
	"math"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/stats"
)

// What a runtime does with an operator depends on what stands beside it: where its
// buffers come to lie, what the caches hold. No number of samples averages that out.
// Cells that the plan measures in a second place (benchmarks.Case.Elsewhere) show how
// much it is, and the intervals of all cells of their kinds hold it.

// spreads is the spread of marginal costs between places by kind of operator.
type spreads map[string]*spread

type spread struct {
	cells   int
	squares float64 // Σ of the variances that the cells show, relative to their costs
	sd      float64
	factor  float64 // of sd in an interval's half width
}

// fewestPlaces: with fewer cells in two places Student's t is above 3 and says more
// about their number than about the device.
const fewestPlaces = 3

// places finds the spreads. Two places differ by twice the variance of one, plus the
// noise of the two estimates: a quarter of the square of what the even rounds and the odd
// ones differ by. (The estimates' intervals would take too much off: they are wider than
// they need be.)
func (r *run) places(of func(benchmarks.Case) (int, *analysis)) spreads {
	level := r.Protocol.Stop.Level
	out := spreads{}
	for _, k := range r.Plan.Cases {
		_, a := of(k)
		if a == nil || len(k.Elsewhere) == 0 {
			continue
		}
		here := a.sampled(k.Terms)
		there, ok := r.elsewhere(a, k)
		even, odd := a.half(0), a.half(1)
		if !ok || !here.ok || here.us <= 0 || odd.sampled(k.Elsewhere).rounds == 0 || odd.sampled(k.Terms).rounds == 0 {
			continue
		}
		apart := func(a *analysis) float64 { return (a.sampled(k.Elsewhere).us - a.sampled(k.Terms).us) / here.us }
		difference, noise := (there.us-here.us)/here.us, (apart(even)-apart(odd))/2
		s := out[k.Key.Kind]
		if s == nil {
			s = &spread{}
			out[k.Key.Kind] = s
		}
		s.cells++
		s.squares += (difference*difference - noise*noise) / 2
	}
	for kind, s := range out {
		if s.cells < fewestPlaces || s.squares <= 0 {
			delete(out, kind)
			continue
		}
		// Rounded here: the record's own number is what its interval was made with.
		s.sd = math.Round(1e5*math.Sqrt(s.squares/float64(s.cells))) / 1e5
		s.factor = stats.StudentQuantile(level, s.cells)
	}
	return out
}

// half is the analysis of the even (0) or the odd (1) rounds alone.
func (a *analysis) half(parity int) *analysis {
	if a.halves[parity] != nil {
		return a.halves[parity]
	}
	out := newAnalysis(a.p, a.j, a.group, a.anchor)
	out.rounds, out.curve, out.step, out.settled = a.rounds, a.curve, 1, a.settled
	for id, m := range a.models {
		h := &modelData{visits: m.visits, samples: m.samples, preempted: m.preempted, hopeless: m.hopeless}
		for _, s := range m.stays {
			if a.rounds[s.round]%2 == parity {
				h.stays = append(h.stays, s)
			}
		}
		out.models[id] = h
	}
	a.halves[parity] = out
	return out
}

// elsewhere is a cell's cost in its second place; ok is false without one, or when
// one of its models failed.
func (r *run) elsewhere(a *analysis, k benchmarks.Case) (e estimate, ok bool) {
	if a == nil || len(k.Elsewhere) == 0 {
		return estimate{}, false
	}
	for _, t := range k.Elsewhere {
		if a.models[t.Model] == nil || r.j.faults[t.Model] != nil {
			return estimate{}, false
		}
	}
	e = a.sampled(k.Elsewhere)
	return e, e.ok
}

// widen gives the interval of a framed cell the spread between places, in quadrature,
// and returns that spread. A slope over copies holds it already: see lineError.
func (s spreads) widen(k benchmarks.Case, e estimate) (estimate, float64) {
	if k.Role != benchmarks.RoleCell || len(k.Terms) < 2 || k.Terms[0].Copies > 0 || s[k.Key.Kind] == nil {
		return e, 0
	}
	p := s[k.Key.Kind]
	h := p.factor * p.sd * math.Abs(e.us)
	e.lo = e.us - math.Hypot(e.us-e.lo, h)
	e.hi = e.us + math.Hypot(e.hi-e.us, h)
	return e, p.sd
}

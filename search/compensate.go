package search

import (
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// Proposal is one compensated mutation M_{h,τ}(x; layer, choice).
type Proposal struct {
	Layer    int
	Choice   string
	Feasible bool
	Arch     space.Arch // the compensated architecture; the nearest miss when infeasible, zero if nothing could be priced
	Key      string
	Drift    float64   // |ln s| of the chosen width, s the width multiplier
	Costs    []Bounds  // one per band
	Dev      []float64 // ln(ĝ/B), one per band
	Reason   string    // why infeasible
	Refused  bool      // infeasible by measurement: the prediction was inside
}

// Compensator is M_{h,τ}: it changes one layer's choice and restores the budget
// by width and precision.
//
// It is anchored: the bands are around the anchor's budget, never around the
// previous incumbent, so that cost cannot drift along a path. It is canonical:
// the result depends on the other layers and the choice alone, hence not on the
// path taken; doing it twice changes nothing; and the neighbourhood is symmetric.
//
// Among the feasible settings it takes the one of least representation drift
// (width multiplier nearest 1), ties to the smallest cost deviation, then to the
// narrower width index and the wider precision.
type Compensator struct {
	Space space.Space
	Bands []Band
	// FreeSlack drops the lower side of every band, for the cost-constrained
	// baseline ĝ ≤ B; certificates never use it.
	FreeSlack bool
	// Neighbours holds what Neighbourhood lists; "" for NeighboursCanonical.
	Neighbours Neighbours

	trial space.Arch // scratch
	lists [][]lut.Precision
}

// NewCompensator returns the compensator of a space under bands.
func NewCompensator(s space.Space, bands []Band) *Compensator {
	return &Compensator{Space: s, Bands: bands}
}

// anyPrecision stands for the one setting of a space without precisions.
var anyPrecision = []lut.Precision{""}

// Propose compensates the mutation of x that gives layer l the choice.
func (c *Compensator) Propose(x space.Arch, l int, choice string) Proposal {
	var best, miss candidate
	failure := c.scan(x, l, choice, func(cand candidate) {
		if cand.excess == 0 && cand.before(best) {
			best = cand
		}
		if cand.excess > 0 && (!miss.set || cand.excess < miss.excess) {
			miss = cand
		}
	})
	if best.set {
		return c.proposal(l, choice, best)
	}
	p := Proposal{Layer: l, Choice: choice}
	if miss.set {
		p = c.proposal(l, choice, miss)
	}
	p.Feasible = false
	switch {
	case miss.set:
		p.Reason = fmt.Sprintf("no width and precision meets the band: nearest is %+.2f%%", 100*math.Expm1(miss.worst))
	case failure != nil:
		p.Reason = failure.Error()
	default:
		p.Reason = "the layer has no admissible width"
	}
	return p
}

// Alternatives are all compensations of the mutation: every width and precision
// of the layer that meets the bands, the canonical one first. One infeasible
// proposal when there is none.
func (c *Compensator) Alternatives(x space.Arch, l int, choice string) []Proposal {
	var in []candidate
	c.scan(x, l, choice, func(cand candidate) {
		if cand.excess == 0 {
			in = append(in, cand)
		}
	})
	if len(in) == 0 {
		return []Proposal{c.Propose(x, l, choice)}
	}
	slices.SortStableFunc(in, func(a, b candidate) int {
		switch {
		case a.before(b):
			return -1
		case b.before(a):
			return 1
		}
		return 0
	})
	var out []Proposal
	for _, cand := range in {
		out = append(out, c.proposal(l, choice, cand))
	}
	return out
}

// scan prices every setting of layer l under the choice, precision by precision
// and width by width, and leaves the trial with the layer changed. It returns why
// the first that could not be priced could not.
func (c *Compensator) scan(x space.Arch, l int, choice string, visit func(candidate)) (failure error) {
	c.trial.Layers = append(c.trial.Layers[:0], x.Layers...)
	widths := c.Space.Widths(l)
	for _, prec := range c.precisions(l) {
		lo, hi := 0, widths
		if m, ok := c.monotone(); ok && widths > 8 {
			c.set(l, space.Layer{Choice: choice, Width: 0, Precision: prec})
			if m.MonotoneInWidth(c.trial, l) {
				lo, hi = c.bisect(l, choice, prec, widths)
			}
		}
		for w := lo; w < hi; w++ {
			c.set(l, space.Layer{Choice: choice, Width: w, Precision: prec})
			cand, err := c.price(l, w, prec)
			if err == nil {
				visit(cand)
			} else if failure == nil {
				failure = err
			}
		}
	}
	return failure
}

// proposal is a candidate of the mutation whose other layers the trial holds.
func (c *Compensator) proposal(l int, choice string, pick candidate) Proposal {
	p := Proposal{Layer: l, Choice: choice, Feasible: true, Drift: pick.drift}
	c.set(l, space.Layer{Choice: choice, Width: pick.width, Precision: pick.precision})
	p.Arch = c.trial.Clone()
	p.Key = p.Arch.Key()
	for i := range c.Bands {
		cost, err := c.Bands[i].Cost.Cost(p.Arch)
		if err != nil { // it was priced a moment ago
			return Proposal{Layer: l, Choice: choice, Reason: err.Error()}
		}
		p.Costs = append(p.Costs, cost)
		p.Dev = append(p.Dev, c.Bands[i].Deviation(cost))
	}
	return p
}

// precisions is a layer's list, asked for once.
func (c *Compensator) precisions(l int) []lut.Precision {
	for len(c.lists) <= l {
		ps := c.Space.Precisions(len(c.lists))
		if len(ps) == 0 {
			ps = anyPrecision
		}
		c.lists = append(c.lists, ps)
	}
	return c.lists[l]
}

// candidate is one priced setting of the mutated layer.
type candidate struct {
	set       bool
	width     int
	precision lut.Precision
	drift     float64 // |ln s|
	deviation float64 // largest |ln ĝ/B| over the bands
	worst     float64 // the signed deviation of that band
	excess    float64 // 0 when every band holds
}

// before orders candidates: drift, then deviation; equal ones keep scan order.
// Differences below the slack are rounding.
func (a candidate) before(b candidate) bool {
	if !b.set {
		return true
	}
	if math.Abs(a.drift-b.drift) > slack {
		return a.drift < b.drift
	}
	return a.deviation < b.deviation-slack
}

// set puts a layer into the trial; a global width goes into every layer.
func (c *Compensator) set(l int, s space.Layer) {
	c.trial.Layers[l] = s
	if c.Space.GlobalWidth() {
		for i := range c.trial.Layers {
			c.trial.Layers[i].Width = s.Width
		}
	}
}

func (c *Compensator) price(l, w int, prec lut.Precision) (candidate, error) {
	cand := candidate{set: true, width: w, precision: prec, drift: math.Abs(math.Log(c.Space.WidthRatio(l, w)))}
	for i := range c.Bands {
		b := &c.Bands[i]
		cost, err := b.Cost.Cost(c.trial)
		if err != nil {
			return candidate{}, err
		}
		d := b.Deviation(cost)
		if math.Abs(d) > cand.deviation {
			cand.deviation, cand.worst = math.Abs(d), d
		}
		if !b.Holds(cost) && !(c.FreeSlack && d <= b.Hi+slack) {
			// A cost outside by rounding alone must still count as outside.
			cand.excess = max(cand.excess, b.excess(cost), math.SmallestNonzeroFloat64)
		}
	}
	return cand, nil
}

// monotone returns the proof when there is one band and its cost has it.
func (c *Compensator) monotone() (MonotoneInWidth, bool) {
	if len(c.Bands) != 1 || c.FreeSlack || c.Bands[0].Interval {
		return nil, false
	}
	m, ok := c.Bands[0].Cost.(MonotoneInWidth)
	return m, ok
}

// bisect narrows the widths of a monotone grid to the feasible interval and one
// point on either side (the nearest misses).
func (c *Compensator) bisect(l int, choice string, prec lut.Precision, widths int) (int, int) {
	b := &c.Bands[0]
	first := func(bound float64, above bool) int { // first width with deviation ≥ (or >) bound
		lo, hi := 0, widths
		for lo < hi {
			mid := (lo + hi) / 2
			c.set(l, space.Layer{Choice: choice, Width: mid, Precision: prec})
			cost, err := b.Cost.Cost(c.trial)
			if err != nil {
				return -1
			}
			if d := b.Deviation(cost); d > bound || !above && d == bound {
				hi = mid
			} else {
				lo = mid + 1
			}
		}
		return lo
	}
	lo, hi := first(b.Lo-slack, false), first(b.Hi+slack, true)
	if lo < 0 || hi < 0 {
		return 0, widths // something cannot be priced: scan
	}
	return max(lo-1, 0), min(hi+1, widths)
}

// Neighbours is a kind of neighbourhood.
type Neighbours string

// Kinds of neighbourhood.
const (
	// NeighboursCanonical has one neighbour per layer and choice: M_{h,τ}(x; l, choice).
	NeighboursCanonical Neighbours = "canonical"
	// NeighboursAll has every width and precision of it that meets the bands: what
	// differs from x in one layer and costs the same (decision 0506).
	NeighboursAll Neighbours = "all"
	// NeighboursExchange has the canonical ones and, per layer and choice, the one whose
	// cost another layer makes up for (decision 0509).
	NeighboursExchange Neighbours = "exchange"
)

// Neighbourhood is every compensated single-layer change of x, in layer and
// choice order. A layer's present choice is part of it when its canonical
// compensation differs from what x has (the layer was set in other company);
// proposals equal to x are left out. NeighboursAll has all alternatives, the present
// choice's included; NeighboursExchange has exchanges after the canonical ones.
func (c *Compensator) Neighbourhood(x space.Arch) (feasible, infeasible []Proposal) {
	seen := map[string]bool{x.Key(): true}
	for l := range x.Layers {
		for _, choice := range c.Space.Choices(l) {
			var ps []Proposal
			switch {
			case c.Neighbours == NeighboursAll:
				ps = c.Alternatives(x, l, choice)
			case c.Neighbours == NeighboursExchange && choice != x.Layers[l].Choice:
				ps = []Proposal{c.Propose(x, l, choice), c.Exchange(x, l, choice)}
			default:
				ps = []Proposal{c.Propose(x, l, choice)}
			}
			for _, p := range ps {
				if p.Feasible && c.Neighbours == NeighboursAll {
					// Settings that say the same (the width of a skipped layer) are one.
					p.Arch = space.Canonical(c.Space, p.Arch)
					p.Key = p.Arch.Key()
				}
				switch {
				case !p.Feasible:
					infeasible = append(infeasible, p)
				case !seen[p.Key]:
					seen[p.Key] = true
					feasible = append(feasible, p)
				}
			}
		}
	}
	return feasible, infeasible
}

// Inside says whether x itself meets every band, with its costs and deviations.
func (c *Compensator) Inside(x space.Arch) (ok bool, costs []Bounds, dev []float64, err error) {
	ok = true
	for i := range c.Bands {
		cost, err := c.Bands[i].Cost.Cost(x)
		if err != nil {
			return false, nil, nil, err
		}
		costs = append(costs, cost)
		dev = append(dev, c.Bands[i].Deviation(cost))
		ok = ok && c.Bands[i].Holds(cost)
	}
	return ok, costs, dev, nil
}

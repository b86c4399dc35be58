package search

import (
	"math"

	"github.com/isocost/isocost/search/space"
)

// Recompensation is an architecture brought into bands it was not found under.
type Recompensation struct {
	Arch    space.Arch
	Inside  bool     // every band holds; otherwise Arch is the nearest that was found
	Costs   []Bounds // one per band
	Dev     []float64
	Changes int // layers whose width or precision differs from the transferred architecture's
}

// Recompensate restores the anchor's cost of an architecture found on another
// device: choices stay, widths and precisions move. One layer does where one can,
// the one whose width moves least (then the one of the smaller deviation, then the
// first); else the layer that comes nearest is set and the rest go on. Greedy: of
// several layers it need not find the smallest change, nor every way in.
//
// Errors are those of a cost that cannot price x.
func (c *Compensator) Recompensate(x space.Arch) (Recompensation, error) {
	at := x.Clone()
	done := make([]bool, len(x.Layers))
	for {
		inside, costs, dev, err := c.Inside(at)
		if err != nil {
			return Recompensation{}, err
		}
		r := Recompensation{Arch: at, Inside: inside, Costs: costs, Dev: dev}
		for l := range x.Layers {
			if at.Layers[l] != x.Layers[l] {
				r.Changes++
			}
		}
		if inside {
			return r, nil
		}
		next, layer := c.nearer(at, costs, done)
		if layer < 0 {
			return r, nil
		}
		at, done[layer] = next, true
	}
}

// nearer sets one layer not yet done again; -1 when none comes nearer to the bands.
func (c *Compensator) nearer(x space.Arch, costs []Bounds, done []bool) (space.Arch, int) {
	var best space.Arch
	layer, feasible, shift, dev := -1, false, math.Inf(1), math.Inf(1)
	miss := c.excess(costs)
	for l := range x.Layers {
		if done[l] {
			continue
		}
		p := c.Propose(x, l, x.Layers[l].Choice)
		if p.Arch.Layers == nil || feasible && !p.Feasible {
			continue
		}
		if !p.Feasible {
			if e := c.excess(p.Costs); e < miss-slack {
				best, layer, miss = p.Arch, l, e
			}
			continue
		}
		s := math.Abs(math.Log(c.Space.WidthRatio(l, p.Arch.Layers[l].Width) / c.Space.WidthRatio(l, x.Layers[l].Width)))
		d := 0.0
		for _, v := range p.Dev {
			d = max(d, math.Abs(v))
		}
		if !feasible || s < shift-slack || s < shift+slack && d < dev-slack {
			best, layer, feasible, shift, dev = p.Arch, l, true, s, d
		}
	}
	return best, layer
}

// excess is the largest of the bands' for these costs, one per band.
func (c *Compensator) excess(costs []Bounds) float64 {
	e := 0.0
	for i := range costs {
		e = max(e, c.Bands[i].excess(costs[i]))
	}
	return e
}

// Excess says how far outside the bands an architecture is, in log units: 0 inside,
// +Inf when it cannot be priced.
func (c *Compensator) Excess(x space.Arch) float64 {
	e := 0.0
	for i := range c.Bands {
		b := &c.Bands[i]
		cost, err := b.Cost.Cost(x)
		if err != nil {
			return math.Inf(1)
		}
		if !b.Holds(cost) { // outside by rounding alone must still count as outside
			e = max(e, b.excess(cost), math.SmallestNonzeroFloat64)
		}
	}
	return e
}

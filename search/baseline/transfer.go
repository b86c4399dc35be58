package baseline

import (
	"math"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// Recompensate carries an architecture to other bands: its choices are kept,
// widths and precisions are set anew, a layer at a time, until every band holds;
// of the layers that can restore it alone the one of least drift is taken, else
// the one that comes nearest. ok is false when the bands are not met.
func Recompensate(c *search.Compensator, x space.Arch) (y space.Arch, ok bool) {
	worst := func(a space.Arch) (float64, bool) {
		in, _, dev, err := c.Inside(a)
		if err != nil {
			return math.Inf(1), false
		}
		w := 0.0
		for _, d := range dev {
			w = max(w, math.Abs(d))
		}
		return w, in
	}
	y = x.Clone()
	for range 2 * len(x.Layers) {
		least, in := worst(y)
		if in {
			return y, true
		}
		var best *search.Proposal
		for l := range y.Layers {
			p := c.Propose(y, l, y.Layers[l].Choice)
			switch {
			case p.Feasible && (best == nil || !best.Feasible || p.Drift < best.Drift):
				best = &p
			case !p.Feasible && len(p.Arch.Layers) > 0 && (best == nil || !best.Feasible):
				if w, _ := worst(p.Arch); w < least {
					least, best = w, &p
				}
			}
		}
		if best == nil {
			return y, false
		}
		y = best.Arch
	}
	_, ok = worst(y)
	return y, ok
}

package search

import (
	"math"

	"github.com/isocost/isocost/search/space"
)

// Drifts of an exchange's other layer that widths do not measure, in the unit of
// |ln s|: narrower precisions come after all widths, other choices after those.
const (
	precisionDrift = 10
	choiceDrift    = 100
)

// Exchange is the mutation of x that gives layer l the choice at its present width
// and precision, with the cost made up for in another layer: more expensive here,
// cheaper there. Of all settings of all other layers that meet the bands it takes
// the one of least drift – another width, then another precision, then another
// choice –, ties to the smallest cost deviation, then to the first layer and setting.
// Feasible is false when there is none.
func (c *Compensator) Exchange(x space.Arch, l int, choice string) Proposal {
	base := x.Clone()
	base.Layers[l].Choice = choice
	var best candidate
	var pick space.Arch
	for m := range x.Layers {
		if m == l {
			continue
		}
		for _, other := range c.Space.Choices(m) {
			c.exchanges(base, m, other, func(cand candidate, y space.Arch) {
				if cand.before(best) {
					best, pick = cand, y
				}
			})
		}
	}
	if !best.set {
		return Proposal{Layer: l, Choice: choice, Reason: "no setting of another layer makes up for the cost"}
	}
	pick = space.Canonical(c.Space, pick)
	p := Proposal{Layer: l, Choice: choice, Feasible: true, Drift: best.drift, Arch: pick, Key: pick.Key()}
	_, p.Costs, p.Dev, _ = c.Inside(pick) // priced a moment ago
	return p
}

// exchanges visits the settings of layer m under a choice that bring a network into
// the bands.
func (c *Compensator) exchanges(a space.Arch, m int, choice string, visit func(candidate, space.Arch)) {
	was := a.Layers[m]
	widths, precisions := c.Space.Widths(m), c.precisions(m)
	for _, p := range precisions {
		for w := range widths {
			now := space.Layer{Choice: choice, Width: w, Precision: p}
			if now == was || c.Space.GlobalWidth() && w != was.Width {
				continue
			}
			c.trial.Layers = append(c.trial.Layers[:0], a.Layers...)
			c.trial.Layers[m] = now
			cand, err := c.price(m, w, p)
			if err != nil || cand.excess > 0 {
				continue
			}
			cand.drift = math.Abs(math.Log(c.Space.WidthRatio(m, w) / c.Space.WidthRatio(m, was.Width)))
			cand.drift += apart(p != was.Precision, precisionDrift) + apart(choice != was.Choice, choiceDrift)
			visit(cand, c.trial.Clone())
		}
	}
}

func apart(differs bool, drift float64) float64 {
	if differs {
		return drift
	}
	return 0
}

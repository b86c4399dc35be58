package analysis

import "math"

// Tie makes the costs of this group those of the time when another was measured: every sample
// is divided by what the drift reference takes here over what it takes there, both by the
// protocol's estimator. Within a round what slows the device slows all models and cancels;
// between groups, minutes apart, nothing else does it. Sum's intervals hold that ratio's own,
// which is the same for all cases of the group. It is called once, behind the last
// Extend; ok is false, and nothing happens, when either group has no interval for the
// reference.
func (a *Group) Tie(to *Group) (ratio float64, ok bool) {
	here, there := a.Model(a.reference), to.Model(to.reference)
	if !here.OK || !there.OK || !(here.US > 0 && there.US > 0) {
		return 1, false
	}
	half := func(e Estimate) float64 { return (e.Hi - e.Lo) / 2 / e.US }
	a.scale, a.apart = here.US/there.US, math.Hypot(half(here), half(there))
	a.step++
	a.same, a.halves = 0, [2]*Group{}
	return a.scale, true
}

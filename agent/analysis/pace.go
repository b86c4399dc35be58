package analysis

import (
	"slices"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/record"
)

// Pace says how fast the drift reference was in the rounds so far, void ones included:
// the evidence of throttling. The zero value has seen no round.
type Pace struct {
	next int     // visits of the group looked at
	best float64 // of the rounds before
}

// Ratio is the drift reference in a round over itself in the best round so far: how fast
// the device can be; the median would follow a throttled phase down. taken are the group's
// visits up to the round's, further the round's that are not among them yet.
func (p *Pace) Ratio(estimator agent.Estimator, reference string, taken []*record.Visit, further []*record.Visit, round int) (ratio float64, ok bool) {
	centre := stats.Median
	if estimator != agent.EstimatorMedian {
		centre = slices.Min[[]float64]
	}
	for p.next < len(taken) && taken[p.next].Round < round {
		one := taken[p.next].Round
		var us []float64
		for ; p.next < len(taken) && taken[p.next].Round == one; p.next++ {
			if taken[p.next].Model == reference {
				us = append(us, taken[p.next].US...)
			}
		}
		if len(us) > 0 && (p.best == 0 || centre(us) < p.best) {
			p.best = centre(us)
		}
	}
	var us []float64
	for _, list := range [][]*record.Visit{taken[p.next:], further} {
		for _, v := range list {
			if v.Model == reference {
				us = append(us, v.US...)
			}
		}
	}
	if len(us) == 0 {
		return 1, false
	}
	now := centre(us)
	if p.best == 0 {
		return 1, true
	}
	return now / min(p.best, now), true
}

package campaign

import (
	"fmt"

	"github.com/isocost/isocost/agent"
)

// driftLimit is the ratio of the drift reference, at the end over at the start, beyond which
// records say drift.
func (r *run) driftLimit() float64 {
	if !r.Protocol.Drift.Correct && r.Protocol.Estimator != agent.EstimatorMin {
		return 1 + r.Protocol.Drift.Allow
	}
	return 1 + r.Protocol.Drift.Limit
}

// noticeDrift says, while there is time to do something about it, that the device has become
// so much slower or faster that the group's records would be refused, and when it has come
// back.
func (r *run) noticeDrift(g int) {
	if r.Notice == nil || r.j.roundsClosed(g)-r.voids(g) < r.fewestRounds() {
		return
	}
	ratio, ok := r.analysis(g).ReferenceRatio()
	if !ok {
		return
	}
	limit := r.driftLimit()
	switch away := ratio > limit || ratio < 1/limit; {
	case away && !r.away:
		r.Notice(fmt.Sprintf("the drift reference takes %.2f of what it took at the start: beyond %.2f or below %.2f, as it is now, the records of this campaign would be refused as drift", ratio, limit, 1/limit),
			"stop other work on the device and let it cool: the campaign goes on, and the end counts; if it stays so, interrupt and measure again later with another -o")
		r.away = true
	case !away && r.away:
		r.Notice(fmt.Sprintf("the drift reference is back at %.2f of what it took at the start", ratio), "")
		r.away = false
	}
}

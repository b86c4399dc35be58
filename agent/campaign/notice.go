package campaign

import "github.com/isocost/isocost/agent"

// Notice says how the device has changed since a campaign began.
type Notice struct {
	Ratio float64 // the drift reference's time over what it took at the start
	Limit float64 // beyond it, or below 1/Limit, records say drift
	Back  bool    // it was away, and is within the limit again
}

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
		r.Notice(Notice{Ratio: ratio, Limit: limit})
		r.away = true
	case !away && r.away:
		r.Notice(Notice{Ratio: ratio, Limit: limit, Back: true})
		r.away = false
	}
}

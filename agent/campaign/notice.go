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

// settledS is the time a device must have changed before that is said, and how long it must be
// back: one at the limit would otherwise be told of in every round.
const settledS = 3

// noticeDrift says, while there is time to do something about it, that the device has become
// so much slower or faster that the group's records would be refused, and when it has come
// back.
func (r *run) noticeDrift(g int) {
	if r.Notice == nil {
		return
	}
	now, limit := r.talk.Now(), r.driftLimit()
	ratio, ok := r.analysis(g).ReferenceRatio()
	ok = ok && r.j.roundsClosed(g)-r.voids(g) >= r.fewestRounds()
	if away := ratio > limit || ratio < 1/limit; !ok || away == r.away {
		r.steadyS = now
		return
	}
	if now-r.steadyS < settledS {
		return
	}
	r.away, r.steadyS = !r.away, now
	r.Notice(Notice{Ratio: ratio, Limit: limit, Back: !r.away})
}

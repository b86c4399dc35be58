package campaign

import (
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/record"
)

// Progress says how far a campaign has come.
type Progress struct {
	Stage    string // opening, measuring, checking
	Group    int
	Round    int
	Done     float64 // share of the expected work, 0 to 1
	LeftS    float64 // device seconds left, an estimate; negative: not known yet
	DeviceS  float64 // device seconds used
	Cases    int
	Finished int // cases that need no more rounds
	Failed   int
	Open     int    // models open
	Case     string // name of a case that holds the model visited last, "" before the first; not the drift reference's
	State    *record.State
}

// tally counts cases; at is how many faults and stops there were.
type tally struct {
	at               [2]int
	failed, finished int
}

// show reports progress.
func (r *run) show(stage string, g int) {
	if r.Progress == nil {
		return
	}
	p := Progress{Stage: stage, Group: max(g, 0), DeviceS: max(r.talk.Now(), r.j.deviceS), Cases: len(r.Plan.Cases), Open: len(r.open)}
	if at := [2]int{len(r.j.faults), len(r.stops)}; r.tally.at != at {
		r.tally = tally{at: at}
		for _, k := range r.Plan.Cases {
			if !r.usable(k) {
				r.tally.failed++
			} else if _, ok := r.stops[k.ID]; ok {
				r.tally.finished++
			}
		}
	}
	p.Failed, p.Finished = r.tally.failed, r.tally.finished
	if g >= 0 {
		p.Round = r.j.roundsClosed(g)
		for _, v := range slices.Backward(r.j.visits[g]) {
			if v.Model != r.reference { // it closes every round, and says nothing
				p.Case = r.caseOf[v.Model]
				break
			}
		}
		if p.Round > 0 {
			p.State = r.j.rounds[[2]int{g, p.Round - 1}].State
		}
	}
	// Expected rounds: at least the fewest that can end a case; what is open after
	// them is taken to need as many again.
	least := float64(r.leastRounds())
	rounds := float64(p.Round)
	expect := max(least, rounds+1)
	if rounds >= least {
		expect = min(2*rounds, float64(r.Protocol.Stop.MaxRounds))
	}
	share := 0.0
	p.LeftS = -1
	if rounds > 0 {
		share = rounds / expect
		p.LeftS = p.DeviceS / rounds * (expect - rounds)
	}
	if n := float64(len(r.j.groups)); n > 1 && g >= 0 { // the groups take about as many rounds
		share = (float64(g) + share) / n
		if p.LeftS >= 0 && share > 0 {
			p.LeftS = p.DeviceS / share * (1 - share)
		}
	}
	if r.MaxSeconds > 0 {
		// Where time is bounded, the bound is what can be said: how many rounds the
		// intervals still want is a guess that doubles whenever it is missed.
		p.LeftS = max(0, r.most()-p.DeviceS)
		share = min(1, p.DeviceS/r.most())
		if most := float64(r.Protocol.Stop.MaxRounds); rounds > 0 && len(r.j.groups) == 1 {
			p.LeftS = min(p.LeftS, p.DeviceS/rounds*max(0, most-rounds))
			share = max(share, rounds/most)
		}
	}
	p.Done = share
	r.Progress(p)
}

// namesOfCases names each model for messages: the key or the name of the first case it
// is a term of.
func namesOfCases(cases []benchmarks.Case) map[string]string {
	out := map[string]string{}
	for _, k := range cases {
		for _, m := range modelsOf(k) {
			if _, named := out[m]; named {
				continue
			}
			if out[m] = k.Name; k.Key != nil {
				out[m] = k.Key.String()
			}
		}
	}
	return out
}

// leastRounds says how many rounds the quickest case takes.
func (r *run) leastRounds() int {
	return max(r.Protocol.Stop.MinRounds, (r.Protocol.Stop.MinSamples+r.Protocol.Sample.PerVisit-1)/r.Protocol.Sample.PerVisit)
}

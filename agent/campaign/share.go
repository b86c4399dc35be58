package campaign

import (
	"fmt"
	"math"
	"time"

	"github.com/isocost/isocost/agent/analysis"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/record"
)

// How the campaign's time is shared out among its groups. Every group gets as many rounds as
// any other, so that each case is known about as well, and none is begun that cannot have
// the fewest its cases need. All of it is a function of the journal.

// TooShort is the error of a campaign whose time cannot give every case an interval. NeedS
// device seconds would.
type TooShort struct {
	error
	NeedS float64
}

// openSeconds estimates what opening a model takes from how long it took the first time.
func (r *run) openSeconds(model string) float64 {
	if o := r.j.opens[model]; o != nil {
		return o.TookS
	}
	return 0
}

// visitSeconds returns the least time a visit to a model takes, by its fastest run.
func (r *run) visitSeconds(model string) float64 {
	o := r.j.opens[model]
	if o == nil {
		return 0
	}
	return o.RunUS / 1e6 * float64(o.Repeat*r.Protocol.Sample.PerVisit+r.Protocol.Sample.Discard)
}

// fewestRounds returns the number of rounds that an interval needs.
func (r *run) fewestRounds() int {
	return analysis.RoundsNeeded(r.Protocol.Estimator, r.Protocol.Stop.Level)
}

// most is the clock at which the campaign's time is over: it stands still while the program does not run.
func (r *run) most() float64 { return r.MaxSeconds + r.j.still.S }

// deadline is the device time at which the rounds of a group end: its part of what is left
// when the group before it ended, as large as gives all that follow as many rounds.
func (r *run) deadline(g int) float64 {
	if r.MaxSeconds <= 0 {
		return math.Inf(1)
	}
	most := r.most()
	if g == len(r.j.groups)-1 {
		return most
	}
	began := r.j.groups[g].AtS
	if g > 0 {
		began = max(began, r.j.closedIn[g-1])
	}
	left, round := most-began, 0.0
	for _, h := range r.j.groups[g:] {
		left -= h.OpenS
		round += h.RoundS
	}
	own := r.j.groups[g]
	if round <= 0 { // a file of before the groups told their cost
		return began + (most-began)/float64(len(r.j.groups)-g)
	}
	return min(most, began+own.OpenS+max(0, left)*own.RoundS/round)
}

// timeIsUp reports whether a group gets no further round: its share of the time would be
// over before the round is. Until a case has the fewest rounds of an interval, only the
// end of the campaign's time counts.
func (r *run) timeIsUp(g int) bool {
	switch {
	case r.MaxSeconds <= 0:
		return false
	case r.j.closedS >= r.most():
		return true
	case r.j.roundsClosed(g)-r.voids(g) < r.fewestRounds():
		return false
	}
	return r.j.closedS+r.j.lastRound[g] > r.deadline(g)
}

// wantsRounds reports whether a campaign that cannot have its rounds is to be refused: one
// whose time is bounded, that has measured nothing yet, and that measures nothing else.
// Memory and energy are a second pass, and may be all that is wanted.
func (r *run) wantsRounds() bool {
	return r.MaxSeconds > 0 && len(r.j.rounds) == 0 && len(r.Protocol.Metrics) == 1
}

// openingTakesTooLong is the error of a campaign whose time is over before its models are
// open. What the others take is guessed from those that are.
func (r *run) openingTakesTooLong(all []string, opened int) error {
	now := r.talk.Now()
	if !r.wantsRounds() || now <= r.MaxSeconds || opened == 0 {
		return nil
	}
	seconds := 0.0
	for _, m := range all[:opened] {
		seconds += 2*r.openSeconds(m) + 1.5*float64(r.fewestRounds())*r.visitSeconds(m)
	}
	err := fmt.Errorf("opening the models takes longer than the %.3g s of the campaign: %d of %d were open after %.3g s", r.MaxSeconds, opened, len(all), now)
	need := math.Ceil(now + seconds*float64(len(all))/float64(opened))
	return hint.Wrap(&TooShort{err, need}, "give --max-time %s or more, or plan less", wholeSeconds(need))
}

// affordable is the error of a campaign that cannot give every case its fewest rounds in
// the time it has, before it measures anything; cases and groups are those about to be
// measured, at the device time now.
func (r *run) affordable(cases []benchmarks.Case, groups []record.Line, now float64) error {
	if !r.wantsRounds() {
		return nil
	}
	need := float64(r.fewestRounds())
	open, round := 0.0, 0.0
	for _, l := range groups {
		open += l.Group.OpenS
		round += l.Group.RoundS
	}
	if now+open+need*round <= r.MaxSeconds {
		return nil
	}
	in := ""
	if n := len(groups); n > 1 {
		in = fmt.Sprintf(" in %d groups of what fits into %.3g GB", n, float64(r.MemoryBytes)/1e9)
	}
	err := fmt.Errorf("%.3g s are too little for %d cases%s: opening their models takes %.3g s, and the %.0f rounds that an interval needs %.3g s at least",
		r.MaxSeconds, len(cases), in, now+open, need, need*round)
	// Of a plan's first cases so many fit, opened once and measured in one group.
	fit, seconds := 0, 0.0
	seen := map[string]bool{}
	for _, k := range r.Plan.Cases {
		for _, m := range modelsOf(k) {
			if !seen[m] {
				seen[m] = true
				seconds += r.openSeconds(m) + need*r.visitSeconds(m)
			}
		}
		if seconds > r.MaxSeconds {
			break
		}
		fit++
	}
	// Half as much again: the machine was at its fastest when the models were opened.
	enough := math.Ceil(now + open + 1.5*need*round)
	if fit >= len(cases) {
		return hint.Wrap(&TooShort{err, enough}, "give --max-time %s", wholeSeconds(enough))
	}
	return hint.Wrap(&TooShort{err, enough}, "give --max-time %s, or plan less: about the first %d cases fit into %.3g s",
		wholeSeconds(enough), fit, r.MaxSeconds)
}

// wholeSeconds writes a duration of so many seconds, rounded up.
func wholeSeconds(s float64) string { return (time.Duration(math.Ceil(s)) * time.Second).String() }

func (e *TooShort) Unwrap() error { return e.error }

package campaign

import (
	"context"
	"fmt"
	"math"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/analysis"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/record"
)

// member is a case measured in a group, with its models.
type member struct {
	benchmarks.Case
	models []string
}

// casesIn lists the cases measured in a group that is formed.
func (r *run) casesIn(g int) []member {
	if list, ok := r.members[g]; ok {
		return list
	}
	list := []member{}
	for _, k := range r.Plan.Cases {
		if in, ok := groupOf(r.j, k); ok && in == g {
			list = append(list, member{k, modelsOf(k)})
		}
	}
	r.members[g] = list
	return list
}

// groupLog is one group's part of the journal.
type groupLog struct {
	*journal
	group int
}

func (l groupLog) Visits() []*record.Visit { return l.visits[l.group] }

func (l groupLog) Void(round int) bool {
	r := l.rounds[[2]int{l.group, round}]
	return r != nil && r.Void != ""
}

func (l groupLog) Repeat(model string) int { return l.repeat(model) }

// analysis returns a group's analysis as it was last extended.
func (r *run) analysis(g int) *analysis.Group {
	a := r.analyses[g]
	if a == nil {
		a = analysis.New(r.Protocol, groupLog{r.j, g}, r.reference)
		r.analyses[g] = a
	}
	return a
}

// active lists the models that the next round of a group visits: those of cases
// that are neither finished nor failed. It depends only on the journal.
func (r *run) active(g int) map[string]bool {
	if r.overdue {
		return nil
	}
	closed := r.j.roundsClosed(g)
	a := r.analysis(g).Extend(closed)
	good := closed - r.voids(g)
	out := map[string]bool{}
	for _, k := range r.casesIn(g) {
		if !r.usable(k.Case) {
			continue
		}
		if _, stopped := r.stops[k.ID]; stopped {
			continue
		}
		if good > 0 {
			if stop, done := a.Finished(k.Case, good); done {
				r.stops[k.ID] = stop
				continue
			}
		}
		for _, m := range k.models {
			if r.j.faults[m] == nil {
				out[m] = true
			}
		}
	}
	return out
}

// measureGroup takes interleaved rounds until every case of the group has
// stopped.
func (r *run) measureGroup(ctx context.Context, g int) error {
	for {
		round := r.j.roundsClosed(g)
		r.overdue = r.timeIsUp(g)
		active := r.active(g)
		if len(active) == 0 {
			return nil
		}
		r.noticeDrift(g)
		if err := r.waitForGate(ctx); err != nil {
			return err
		}
		reference := r.reference
		if r.j.faults[reference] != nil {
			reference = "" // the campaign goes on without: records carry no drift ratio
		}
		plan := roundOrder(r.Protocol.Seed, g, round, r.j.groups[g].Models, active, reference, r.Protocol.Drift.ReferenceVisits)
		for todo := r.left(g, round, plan); len(todo) > 0; {
			// All that the rest of the round needs, so that nothing is opened between two
			// visits; after a crash what the round has left behind stays closed.
			if err := r.openModels(ctx, modelsIn(todo)); err != nil {
				return err
			}
			for whole := true; whole && len(todo) > 0; {
				batch := todo[:r.batchLen(g, todo)]
				var err error
				if whole, err = r.measureBatch(ctx, g, round, batch, len(batch) == len(todo)); err != nil {
					return err
				}
				todo = todo[len(batch):]
				r.show("measuring", g)
			}
			todo = r.left(g, round, plan)
		}
		if r.j.roundsClosed(g) == round {
			// Every visit left was quarantined after the last batch: close the round.
			if err := r.j.write(r.closeRound(g, round)); err != nil {
				return err
			}
		}
	}
}

// batchLen says how many visits make about batchSeconds.
func (r *run) batchLen(g int, todo []visitPlan) int {
	total := 0.0
	for i, v := range todo {
		us := r.j.latest[modelInGroup{g, v.model}]
		if o := r.j.opens[v.model]; us == 0 && o != nil {
			us = o.FirstUS
		}
		total += us / 1e6 * float64(r.j.repeat(v.model)*r.Protocol.Sample.PerVisit+r.Protocol.Sample.Discard)
		if total >= batchSeconds {
			return i + 1
		}
	}
	return len(todo)
}

// left lists the visits of a round that have not been taken.
func (r *run) left(g, round int, plan []visitPlan) []visitPlan {
	if r.j.roundsClosed(g) > round {
		return nil
	}
	var todo []visitPlan
	taken := r.j.taken[[2]int{g, round}]
	for _, v := range plan {
		if !taken[v.seq] && r.j.faults[v.model] == nil {
			todo = append(todo, v)
		}
	}
	return todo
}

// measureBatch takes visits and journals them; last closes the round with them. whole is
// false when some were not taken or the child was lost: the caller plans anew.
func (r *run) measureBatch(ctx context.Context, g, round int, batch []visitPlan, last bool) (whole bool, err error) {
	ids := modelsIn(batch)
	if err := r.warmUp(ctx, batch); err != nil {
		return false, err
	}
	if err := r.checkChild(); err != nil {
		return false, err
	}
	if !r.allOpen(ids) {
		return false, nil // one of them was quarantined on the way
	}
	if err := r.j.write(record.Line{Start: &record.Start{What: record.Measuring, Group: g, Round: round, Models: ids, Boot: r.Boot}}); err != nil {
		return false, err
	}
	q := &child.Measure{}
	for _, v := range batch {
		q.Visits = append(q.Visits, child.Visit{Seq: v.seq, Model: v.model, Samples: r.Protocol.Sample.PerVisit})
	}
	var lines []record.Line
	var taken []*record.Visit
	var failed []*child.Failure
	_, err = r.talk.Ask(ctx, child.Request{Measure: q}, r.visitPatience(), func(rep child.Report) error {
		switch {
		case rep.Failed != nil:
			failed = append(failed, rep.Failed)
		case rep.Visit != nil:
			us := rep.Visit.US
			for i, v := range us {
				us[i] = max(record.RoundUS(v), 0.001)
			}
			v := &record.Visit{Group: g, Round: round, Seq: rep.Visit.Seq, Model: rep.Model,
				AtS: record.RoundS(r.talk.Began() + rep.Visit.AtS), US: us, Preempted: rep.Visit.Preempted}
			taken, lines = append(taken, v), append(lines, record.Line{Visit: v})
			r.deaths = 0
		}
		return nil
	})
	whole = err == nil && len(failed) == 0
	if whole && last {
		lines = append(lines, r.closeRound(g, round, taken...))
	}
	if werr := r.j.write(lines...); werr != nil {
		return false, werr
	}
	for _, f := range failed {
		if werr := r.strike(f); werr != nil {
			return false, werr
		}
	}
	if err != nil {
		return false, r.survive(ctx, err)
	}
	return whole, nil
}

// modelsIn lists the models of visits, each once.
func modelsIn(visits []visitPlan) []string {
	var ids []string
	seen := make(map[string]bool, len(visits))
	for _, v := range visits {
		if !seen[v.model] {
			seen[v.model] = true
			ids = append(ids, v.model)
		}
	}
	return ids
}

// checkChild looks at a child once, after its first warm-up: every thread that will
// compute exists by then.
func (r *run) checkChild() error {
	if r.looked {
		return nil
	}
	r.looked = true
	if err := r.talk.Look(); err != nil {
		return hint.Wrap(fmt.Errorf("the measuring child: %w", err), "a library moved its threads; measure without --cores, or with one thread")
	}
	return nil
}

func (r *run) allOpen(ids []string) bool {
	for _, id := range ids {
		if !r.open[id] {
			return false
		}
	}
	return true
}

// warmUp brings the device to its working clocks once a child, on the drift reference or
// else on the batch's first model.
func (r *run) warmUp(ctx context.Context, batch []visitPlan) error {
	if r.warm {
		return nil
	}
	on := r.reference
	if !r.open[on] {
		on = batch[0].model
	}
	if !r.open[on] {
		return nil
	}
	var failed *child.Failure
	// Where clocks never settle the protocol's longest time would be all of a short campaign.
	most := 0.0
	if r.MaxSeconds > 0 {
		most = max(r.Protocol.Warmup.Seconds, (r.MaxSeconds-r.talk.Now())/4)
	}
	_, err := r.talk.Ask(ctx, child.Request{Warm: &child.Warm{Model: on, AtMostS: most}}, r.visitPatience()+seconds(r.Protocol.Warmup.MaxSeconds), func(rep child.Report) error {
		if rep.Failed != nil {
			failed = rep.Failed
		}
		return nil
	})
	if err != nil {
		return r.survive(ctx, err)
	}
	if failed != nil {
		return r.strike(failed)
	}
	r.warm = true
	return nil
}

// gateStep says how long the device rests between two looks at the temperature:
// heat sinks of phones and boards have time constants of tens of seconds.
const gateStep = 1.0

// waitForGate waits until the device is cool enough for a round, for a bounded
// time; a round that begins too hot all the same says so.
func (r *run) waitForGate(ctx context.Context) error {
	th := r.Protocol.Thermal
	r.gateShut = false
	if r.Sense == nil || th.GateCelsius == 0 {
		return nil
	}
	for waited := 0.0; ; waited += gateStep {
		s := r.Sense()
		if s == nil || s.Celsius == nil || *s.Celsius <= th.GateCelsius {
			return nil
		}
		if waited >= th.GateSeconds {
			r.gateShut = true
			return nil
		}
		r.warm = false // clocks fall while the device rests
		if err := r.idle(ctx, gateStep); err != nil {
			return r.survive(ctx, err)
		}
		r.show("cooling", -1)
	}
}

// closeRound judges a round: its drift reference against the best so far. A round in
// which the device was slowed down is void – its visits are left out and the
// round is taken again – as long as the protocol allows. taken are its visits that are
// not journaled yet.
func (r *run) closeRound(g, round int, taken ...*record.Visit) record.Line {
	out := record.Round{Group: g, Index: round, DeviceS: record.RoundS(max(r.talk.Now(), r.j.deviceS))}
	if r.Sense != nil {
		out.State = r.Sense()
	}
	if r.gateShut {
		out.Gate = record.ThermalTimeout
	}
	pace := r.paces[g]
	if pace == nil {
		pace = &analysis.Pace{}
		r.paces[g] = pace
	}
	ratio, ok := pace.Ratio(r.Protocol.Estimator, r.reference, r.j.visits[g], taken, round)
	if ok {
		out.ReferenceRatio = math.Round(ratio*1e4) / 1e4
	}
	// For min and quantile a slow round does no harm: the fastest ones count.
	slow := ok && r.Protocol.Estimator == agent.EstimatorMedian && ratio > 1+r.Protocol.Thermal.Slowdown
	if slow && r.voids(g) < r.voidsAllowed() {
		out.Void = slowness(out.State)
	}
	return record.Line{Round: &out}
}

// slowness names the cause of a slow round: throttled by what the device itself reports – a clock
// held back, a thermal counter. A slow drift reference without it is drift: on a shared
// host somebody else's work.
func slowness(s *record.State) record.Validity {
	if s != nil && s.Throttled != "" {
		return record.Throttled
	}
	return record.Drift
}

// voids says how many of the closed rounds of a group are void.
func (r *run) voids(g int) int {
	n := 0
	for i := range r.j.roundsClosed(g) {
		if r.j.rounds[[2]int{g, i}].Void != "" {
			n++
		}
	}
	return n
}

// voidsAllowed says how many rounds of a group may be taken again: the protocol's
// redos, each as long as the fewest rounds a group can have.
func (r *run) voidsAllowed() int { return r.Protocol.Thermal.Redo * r.Protocol.Stop.MinRounds }

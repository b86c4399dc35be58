package agent

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/record"
)

// casesIn lists the cases measured in a group.
func (r *run) casesIn(g int) []benchmarks.Case {
	var out []benchmarks.Case
	for _, k := range r.Plan.Cases {
		if in, ok := groupOf(r.j, k); ok && in == g {
			out = append(out, k)
		}
	}
	return out
}

// active lists the models that the next round of a group visits: those of cases
// that are neither finished nor failed. It depends only on the journal.
func (r *run) active(g int) []string {
	if r.overdue {
		return nil
	}
	closed := r.j.roundsClosed(g)
	a := analyse(r.Protocol, r.j, g, closed, r.anchor)
	good := 0
	for i := range closed {
		if r.j.rounds[[2]int{g, i}].Void == "" {
			good++
		}
	}
	var out []string
	for _, k := range r.casesIn(g) {
		if !r.usable(k) {
			continue
		}
		if _, stopped := r.stops[k.ID]; stopped {
			continue
		}
		if good > 0 {
			if stop, done := a.finished(k, good); done {
				r.stops[k.ID] = stop
				continue
			}
		}
		for _, m := range modelsOf(k) {
			if !slices.Contains(out, m) && r.j.faults[m] == nil {
				out = append(out, m)
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
		r.overdue = r.MaxSeconds > 0 && r.j.closedS >= r.MaxSeconds
		active := r.active(g)
		if len(active) == 0 {
			return nil
		}
		if err := r.waitForGate(ctx); err != nil {
			return err
		}
		anchor := r.anchor
		if r.j.faults[anchor] != nil {
			anchor = "" // the campaign goes on without: records carry no anchor ratio
		}
		plan := roundOrder(r.Protocol.Seed, g, round, r.j.groups[g].Models, active, anchor, r.Protocol.Drift.AnchorVisits)
		for {
			var todo []visitPlan
			for _, v := range plan {
				if !r.j.taken[[3]int{g, round, v.seq}] && r.j.faults[v.model] == nil {
					todo = append(todo, v)
				}
			}
			if len(todo) == 0 {
				break
			}
			// All that the rest of the round needs, so that nothing is opened between two
			// visits; after a crash what the round has left behind stays closed.
			if err := r.openModels(ctx, modelsIn(todo)); err != nil {
				return err
			}
			batch := todo[:r.batchLen(g, todo)]
			if err := r.measureBatch(ctx, g, round, batch, len(batch) == len(todo)); err != nil {
				return err
			}
			r.show("measuring", g)
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
	perSample := map[string]float64{}
	for _, v := range r.j.visits[g] {
		perSample[v.Model] = v.US[len(v.US)-1]
	}
	total := 0.0
	for i, v := range todo {
		us := perSample[v.model]
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

func (r *run) measureBatch(ctx context.Context, g, round int, batch []visitPlan, last bool) error {
	ids := modelsIn(batch)
	if err := r.warmUp(ctx, batch); err != nil {
		return err
	}
	if err := r.checkChild(); err != nil {
		return err
	}
	if !r.allOpen(ids) {
		return nil // one of them was quarantined on the way: the caller plans anew
	}
	if err := r.j.write(record.Line{Start: &record.Start{What: "measure", Group: g, Round: round, Models: ids, Boot: r.Boot}}); err != nil {
		return err
	}
	q := &measureRequest{}
	for _, v := range batch {
		q.Visits = append(q.Visits, visitRequest{v.seq, v.model, r.Protocol.Sample.PerVisit})
	}
	var lines []record.Line
	var failed []*childFailure
	_, err := r.talk.ask(ctx, request{Measure: q}, r.visitPatience(), func(rep report) error {
		switch {
		case rep.Failed != nil:
			failed = append(failed, &childFailure{rep.Model, rep.Failed.Validity, rep.Failed.Detail})
		case rep.Visit != nil:
			us := make([]float64, len(rep.Visit.US))
			for i, v := range rep.Visit.US {
				us[i] = max(record.RoundUS(v), 0.001)
			}
			lines = append(lines, record.Line{Visit: &record.Visit{Group: g, Round: round, Seq: rep.Visit.Seq, Model: rep.Model,
				AtS: roundS(r.talk.base + rep.Visit.AtS), US: us, Preempted: rep.Visit.Preempted}})
			r.deaths = 0
		}
		return nil
	})
	if err == nil && last && len(failed) == 0 {
		for _, l := range lines {
			r.j.apply(l) // the round's ratio needs its own visits
		}
		closing := r.closeRound(g, round)
		for _, l := range lines {
			r.j.unapply(l.Visit)
		}
		lines = append(lines, closing)
	}
	if werr := r.j.write(lines...); werr != nil {
		return werr
	}
	for _, f := range failed {
		if werr := r.strike(f); werr != nil {
			return werr
		}
	}
	if err != nil {
		return r.survive(ctx, err)
	}
	return nil
}

// modelsIn lists the models of visits, each once.
func modelsIn(visits []visitPlan) []string {
	var ids []string
	for _, v := range visits {
		if !slices.Contains(ids, v.model) {
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
	p, ok := r.talk.process.(checked)
	if !ok {
		return nil
	}
	if err := p.check(); err != nil {
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

// warmUp brings the device to its working clocks once a child, on the anchor or
// else on the batch's first model.
func (r *run) warmUp(ctx context.Context, batch []visitPlan) error {
	if r.warm {
		return nil
	}
	on := r.anchor
	if !r.open[on] {
		on = batch[0].model
	}
	if !r.open[on] {
		return nil
	}
	var failed *childFailure
	_, err := r.talk.ask(ctx, request{Warm: &warmRequest{Model: on}}, r.visitPatience()+seconds(r.Protocol.Warmup.MaxSeconds), func(rep report) error {
		if rep.Failed != nil {
			failed = &childFailure{rep.Model, rep.Failed.Validity, rep.Failed.Detail}
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

// gateStep is how long the device rests between two looks at the temperature:
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

// closeRound judges a round: its anchor against the best so far. A round in
// which the device was slowed down is void – its visits are left out and the
// round is taken again – as long as the protocol allows.
func (r *run) closeRound(g, round int) record.Line {
	out := record.Round{Group: g, Index: round, DeviceS: roundS(max(r.talk.now, r.j.deviceS))}
	if r.Sense != nil {
		out.State = r.Sense()
	}
	if r.gateShut {
		out.Gate = record.ThermalTimeout
	}
	ratio, ok := roundRatio(r.Protocol, r.j, g, round, r.anchor)
	if ok {
		out.AnchorRatio = math.Round(ratio*1e4) / 1e4
	}
	voids := 0
	for i := range round {
		if c := r.j.rounds[[2]int{g, i}]; c != nil && c.Void != "" {
			voids++
		}
	}
	// For min and quantile a slow round does no harm: the fastest ones count.
	slow := ok && r.Protocol.Estimator == EstimatorMedian && ratio > 1+r.Protocol.Thermal.Slowdown
	if slow && voids < r.voidsAllowed() {
		out.Void = record.Throttled
	}
	return record.Line{Round: &out}
}

// voidsAllowed is how many rounds of a group may be taken again: the protocol's
// redos, each as long as the fewest rounds a group can have.
func (r *run) voidsAllowed() int { return r.Protocol.Thermal.Redo * r.Protocol.Stop.MinRounds }

func roundS(s float64) float64 { return math.Round(s*1e6) / 1e6 }

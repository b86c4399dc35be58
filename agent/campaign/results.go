package campaign

import (
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/analysis"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/record"
)

// writeRecords derives every case's record from the journal and appends those
// that are not there yet, then the end.
func (r *run) writeRecords() error {
	group, analyses := map[string]int{}, map[int]*analysis.Group{}
	ratios := map[int]float64{} // of the groups after the first
	for _, g := range r.j.groups {
		a := r.analysis(g.Index).Extend(math.MaxInt)
		if analyses[g.Index] = a; g.Index > 0 && r.j.faults[r.reference] == nil {
			if ratio, ok := a.Tie(analyses[0]); ok {
				ratios[g.Index] = math.Round(ratio*1e4) / 1e4
			}
		}
		for _, k := range r.casesIn(g.Index) {
			group[k.ID] = g.Index
		}
	}
	of := func(k benchmarks.Case) *analysis.Group {
		if g, ok := group[k.ID]; ok {
			return analyses[g]
		}
		return nil
	}
	contexts := analysis.Compare(r.Plan.Cases, of, r.failed)
	var lines []record.Line
	for _, k := range r.Plan.Cases {
		if r.j.recorded[k.ID] != nil {
			continue
		}
		rec := r.record(k, group[k.ID], of(k), contexts)
		if rec.EstimateUS != nil {
			r.tied(rec, ratios[group[k.ID]])
		}
		lines = append(lines, record.Line{Record: rec})
	}
	if err := r.j.write(lines...); err != nil {
		return err
	}
	end := record.End{Cases: len(r.Plan.Cases), DeviceS: r.j.deviceS}
	for _, rec := range r.j.recorded {
		switch {
		case rec.EstimateUS == nil:
			end.Failed++
		case !rec.IsOK():
			end.Flagged++
		}
	}
	for _, v := range r.j.visits {
		end.Visits += len(v)
	}
	return r.j.write(record.Line{End: &end})
}

// tied says by what a case's group was tied to the first, and flags a device that was another
// by then: a ratio of two moments corrects what slows all alike, and more than the limit
// hardly does.
func (r *run) tied(rec *record.Record, ratio float64) {
	rec.GroupRatio = ratio
	if limit := 1 + r.Protocol.Drift.Limit; ratio > limit || ratio > 0 && ratio < 1/limit {
		rec.Validity = append(rec.Validity, record.Drift)
		rec.Validity = slices.DeleteFunc(rec.Validity, func(v record.Validity) bool { return v == record.OK })
		slices.Sort(rec.Validity)
		rec.Validity = slices.Compact(rec.Validity)
	}
}

// failed reports whether a model is quarantined.
func (r *run) failed(model string) bool { return r.j.faults[model] != nil }

// record makes one case's record. a is nil when the case was in no group.
func (r *run) record(k benchmarks.Case, g int, a *analysis.Group, contexts analysis.Contexts) *record.Record {
	rec := &record.Record{Kind: k.Role, Case: k.ID, Name: k.Name, Set: k.Set, Key: k.Key, Ops: k.Ops}
	for _, t := range k.Terms {
		if f := r.j.faults[t.Model]; f != nil {
			rec.Stop, rec.Detail = record.StopFailed, f.Detail
			if !slices.Contains(rec.Validity, f.Validity) {
				rec.Validity = append(rec.Validity, f.Validity)
			}
		}
	}
	if rec.Validity != nil {
		return rec
	}
	rec.Stop = r.stops[k.ID]
	if rec.Stop == "" {
		rec.Stop = record.StopMaxTime
	}
	var e analysis.Estimate
	if a != nil {
		e = a.Sum(k.Terms)
	}
	if e.OK {
		e, rec.Context = contexts.Widen(k, e)
	}
	if !e.OK {
		rec.Validity = []record.Validity{record.Noisy}
		rec.Rounds = e.Rounds
		rec.Detail = r.tooShort(g, e.Rounds)
		r.addChecks(k, rec)
		return rec
	}
	ptr := func(v float64) *float64 { v = record.RoundUS(v); return &v }
	rec.EstimateUS = ptr(e.US)
	rec.CI95US = &record.Interval{min(record.RoundUS(e.Lo), *rec.EstimateUS), max(record.RoundUS(e.Hi), *rec.EstimateUS)}
	rec.N, rec.Rounds = e.N, e.Rounds
	d := a.PerRound(k.Terms)
	if len(d) == 0 { // no round held every term
		d = []float64{e.US}
	}
	rec.MedianUS, rec.MADUS = ptr(stats.Median(d)), ptr(stats.MAD(d))
	within, between := a.Spread(k.Terms)
	rec.WithinUS, rec.BetweenUS = ptr(within), ptr(between)
	for _, t := range k.Terms {
		te := a.Model(t.Model)
		preempted, outliers := a.Labelled(t.Model)
		us := max(record.RoundUS(te.US), 0.001)
		rec.Terms = append(rec.Terms, record.TermSamples{Coef: t.Coef, Model: t.Model, EstimateUS: us,
			CI95US: record.Interval{min(record.RoundUS(te.Lo), us), max(record.RoundUS(te.Hi), us)},
			N:      te.N, Preempted: preempted, Outliers: outliers})
	}
	if k.Isolated != "" && r.j.faults[k.Isolated] == nil {
		if ie := a.Model(k.Isolated); ie.N > 0 {
			rec.IsolatedUS = ptr(ie.US)
		}
	}
	if ee, ok := a.SecondContext(k, r.failed); ok {
		rec.SecondContextUS = ptr(ee.US)
	}
	rec.Validity = a.Validity(k, e)
	if ratio, ok := a.ReferenceRatio(); ok {
		ratio = float64(int(ratio*1e4+0.5)) / 1e4
		rec.ReferenceRatio = &ratio
		if limit := r.driftLimit(); ratio > limit || ratio < 1/limit {
			rec.Validity = append(rec.Validity, record.Drift)
		}
	}
	rec.Validity = append(rec.Validity, r.roundCodes(g)...)
	rec.Validity = append(rec.Validity, r.Validity...)
	for _, m := range modelsOf(k) {
		if o := r.j.opens[m]; o != nil && o.Execution == record.Emulated {
			rec.Execution = o.Execution
		}
	}
	if rec.Execution == "" {
		rec.Execution = record.Native
	}
	if len(k.Terms) == 1 && r.Backend.Provider == "cpu" {
		rec.Detail = r.caution(r.models[k.Terms[0].Model])
	}
	r.addChecks(k, rec)
	slices.Sort(rec.Validity)
	rec.Validity = slices.Compact(rec.Validity)
	if len(rec.Validity) == 0 {
		rec.Validity = []record.Validity{record.OK}
	}
	return rec
}

// tooShort says how much device time the rounds of an interval would have taken.
func (r *run) tooShort(g, rounds int) string {
	need := analysis.RoundsNeeded(r.Protocol.Estimator, r.Protocol.Stop.Level)
	if closed := r.j.roundsClosed(g); closed > 0 && rounds < need && len(r.j.visits[g]) > 0 {
		before := r.j.visits[g][0].AtS // opening and warming up, once
		return fmt.Sprintf("%d of the %d rounds that an interval needs; about %.0f s of device time would do",
			rounds, need, math.Ceil(before+(r.j.closedS-before)*float64(need)/float64(closed)))
	}
	return "too few undisturbed samples for an interval"
}

// roundCodes says what the rounds that count tell of the device: slow ones that outlasted
// every redo, with or without evidence of throttling, a gate that did not open, a battery
// near its end.
func (r *run) roundCodes(g int) []record.Validity {
	var codes []record.Validity
	slow, throttled, good := 0, 0, 0
	for i := range r.j.roundsClosed(g) {
		c := r.j.rounds[[2]int{g, i}]
		if c.Void != "" {
			continue
		}
		good++
		switch {
		case slowness(c.State) == record.Throttled:
			throttled++
		case c.ReferenceRatio > 1+r.Protocol.Thermal.Slowdown:
			slow++
		}
		if c.Gate != "" {
			codes = append(codes, c.Gate)
		}
		if c.State != nil && c.State.BatteryPc != nil && *c.State.BatteryPc < r.Protocol.Thermal.MinBattery {
			codes = append(codes, record.LowBattery)
		}
	}
	if allowed := r.slowAllowed(good); throttled > allowed || throttled > 0 && throttled+slow > allowed {
		codes = append(codes, record.Throttled)
	} else if slow > allowed {
		codes = append(codes, record.Drift)
	}
	return codes
}

// slowAllowed says how many of the rounds that count may be slow without hurting the
// estimate. A median is hurt from the first that was not redone; a minimum as soon as
// no other is left. A quantile q of all rounds is the quantile q/(1−s) of the quiet
// ones when a share s is slow: within their faster half as long as s ≤ 1 − 2q.
func (r *run) slowAllowed(rounds int) int {
	switch r.Protocol.Estimator {
	case agent.EstimatorMin:
		return max(0, rounds-1)
	case agent.EstimatorQuantile:
		return int(max(0, 1-2*r.Protocol.Quantile) * float64(rounds))
	}
	return 0
}

// addChecks adds what the second pass found.
func (r *run) addChecks(k benchmarks.Case, rec *record.Record) {
	rec.Energy = r.energyOf(k)
	if k.Role == role.Cell {
		if slices.Contains(r.Protocol.Metrics, "memory") {
			rec.Memory = r.cellMemory(k)
		}
		return
	}
	if len(k.Terms) != 1 {
		return
	}
	id := k.Terms[0].Model
	if o := r.j.opens[id]; o != nil {
		rec.Memory = r.memoryOf(o)
	}
	if c := r.j.checks[id]; c != nil && c.Memory != nil {
		rec.Memory = c.Memory
	}
}

// energyOf is Σ coef·E(model), like the case's latency: the joules of the frame
// cancel. The models were measured in windows of their own, so the squares of their
// standard errors add up. nil when a model's energy is not known.
func (r *run) energyOf(k benchmarks.Case) *record.Energy {
	var sum record.Energy
	var variance float64
	for i, t := range k.Terms {
		c := r.j.checks[t.Model]
		if c == nil || c.Energy == nil {
			return nil
		}
		e := c.Energy
		sum.GrossMJ += t.Coef * e.GrossMJ
		sum.IdleMJ += t.Coef * e.IdleMJ
		sum.NetMJ += t.Coef * e.NetMJ
		variance += t.Coef * t.Coef * e.StdErrMJ * e.StdErrMJ
		if i == 0 || e.WindowS < sum.WindowS {
			sum.WindowS = e.WindowS
		}
		sum.Source = e.Source
	}
	sum.StdErrMJ = math.Sqrt(variance)
	return &sum
}

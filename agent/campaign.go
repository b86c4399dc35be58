package agent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// Campaign measures a plan under a protocol. The parent – this – journals and
// decides; a child measures. See docs/decisions/0201.
type Campaign struct {
	Plan     *benchmarks.Plan
	PlanHash string // SHA-256 of the canonical plan
	Protocol Protocol
	Backend  BackendSpec
	Launch   Launcher
	Path     string // of the record file

	Agent  string        // version
	Device record.Device // what is measured on
	Flags  map[string]string
	// Boot identifies the kernel's current run; "" when unknown.
	Boot string

	// MaxSeconds bounds the device seconds of the whole campaign, resumed or not;
	// 0 leaves it to the protocol. The round under way is finished.
	MaxSeconds float64
	// MemoryBytes bounds what the open sessions of a group may take together; 0
	// leaves it open.
	MemoryBytes int64

	// Validity is added to every record: what is known of this machine beforehand,
	// such as emulated-cpu.
	Validity []string
	// Sense reads the device's state; it is called between rounds only. nil: unknown.
	Sense func() *record.State
	// Progress, when set, is called between batches.
	Progress func(Progress)
	// Now stamps the header.
	Now func() time.Time
}

// Progress is how far a campaign has come.
type Progress struct {
	Stage    string // opening, measuring, checking
	Group    int
	Round    int
	Done     float64 // share of the expected work, 0 to 1
	LeftS    float64 // device seconds left, an estimate
	DeviceS  float64 // device seconds used
	Cases    int
	Finished int // cases that need no more rounds
	Failed   int
	Open     int // models open
	State    *record.State
}

// Outcome is what a campaign ended with.
type Outcome struct {
	Header  record.Header
	Records []*record.Record         // in the plan's order
	Opens   map[string]*record.Open  // by model
	Checks  map[string]*record.Check // by model
	End     record.End
	Resumed bool // some of it was there already
	Info    Info
}

// ErrNothing is a plan without cases.
var ErrNothing = errors.New("the plan has no cases")

// batchSeconds is about how much is asked of the child at once: rarely enough
// that starting, journaling and syncing cost little, often enough that a kill
// loses little and progress moves.
const batchSeconds = 0.3

// run is a campaign under way.
type run struct {
	*Campaign
	j       *journal
	talk    *talk
	anchor  string
	models  map[string]benchmarks.Model
	names   map[string]string // model → a name for people
	open    map[string]bool   // in the present child
	stops   map[string]string // case → why it stopped
	deaths  int               // children lost in a row without an offender
	info    Info
	overdue bool // the campaign's time is over
	warm    bool // the device has been warmed up in this child
}

// Run measures what is not yet measured and returns every record of the plan.
// An interrupted or killed campaign goes on when Run is called again with the
// same file. The error is for what makes the campaign impossible; cases that
// fail are records.
func (c *Campaign) Run(ctx context.Context) (*Outcome, error) {
	if len(c.Plan.Cases) == 0 {
		return nil, ErrNothing
	}
	if err := c.Protocol.Validate(); err != nil {
		return nil, err
	}
	r := &run{Campaign: c, models: map[string]benchmarks.Model{}, names: map[string]string{}, open: map[string]bool{},
		stops: map[string]string{}, anchor: anchorOf(c.Plan)}
	for _, m := range c.Plan.Models {
		r.models[m.ID] = m
	}
	for _, k := range c.Plan.Cases {
		for _, m := range modelsOf(k) {
			if _, ok := r.models[m]; !ok {
				return nil, fmt.Errorf("plan: case %s needs model %s, which the plan does not list", k.ID, m)
			}
			if r.names[m] == "" && len(k.Terms) == 1 {
				r.names[m] = k.Name
			}
		}
	}
	defer r.end()
	if err := r.start(ctx); err != nil {
		return nil, err
	}
	if r.j.end == nil {
		if err := r.measureAll(ctx); err != nil {
			return nil, err
		}
		if err := r.writeRecords(); err != nil {
			return nil, err
		}
	}
	out := &Outcome{Header: r.j.header, Opens: r.j.opens, Checks: r.j.checks, End: *r.j.end, Resumed: r.j.resumed, Info: r.info}
	for _, k := range c.Plan.Cases {
		if rec := r.j.recorded[k.ID]; rec != nil {
			out.Records = append(out.Records, rec)
		}
	}
	return out, nil
}

func (r *run) end() {
	if r.talk != nil {
		r.talk.close()
	}
	if r.j != nil {
		r.j.Close()
	}
}

// start launches the first child, learns the library's identity and opens the
// record file.
func (r *run) start(ctx context.Context) error {
	// A simulated device's clock goes on where the campaign stands.
	if err := r.launch(ctx, elapsedIn(r.Path)); err != nil {
		return err
	}
	header := record.Header{
		Format: record.Format, Agent: r.Agent, Started: r.Now().UTC().Format(time.RFC3339), Plan: r.PlanHash,
		Protocol: record.Protocol{SHA256: r.Protocol.SHA256(), YAML: r.Protocol.Canonical()},
		Device:   r.Device, Flags: r.Flags,
		Runtime: record.Runtime{Backend: r.info.Backend, Version: r.info.Version, SHA256: r.info.SHA256,
			Provider: r.Backend.Provider, Threads: r.Protocol.Threads},
	}
	j, err := openJournal(r.Path, header)
	if err != nil {
		return err
	}
	r.j = j
	return r.blameReboot()
}

// launch starts a child that takes the campaign's time to be elapsed seconds.
func (r *run) launch(ctx context.Context, elapsed float64) error {
	p, err := r.Launch.Launch(ctx)
	if err != nil {
		return err
	}
	r.talk = newTalk(p, elapsed)
	clear(r.open)
	r.warm = false
	_, err = r.talk.ask(ctx, request{Hello: &helloRequest{Backend: r.Backend, Protocol: r.Protocol.Canonical(), ElapsedS: elapsed}},
		r.openPatience(), func(rep report) error {
			if rep.Info != nil {
				r.info = *rep.Info
			}
			return nil
		})
	var f *childFailure
	if errors.As(err, &f) {
		return hint.Wrap(fmt.Errorf("load backend %s: %w", r.Backend.Name, err), "agent runtimes says which libraries are found and whether they load")
	}
	return err
}

func (r *run) openPatience() time.Duration  { return seconds(r.Protocol.Limits.OpenSeconds) }
func (r *run) visitPatience() time.Duration { return seconds(r.Protocol.Limits.VisitSeconds) }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (r *run) idle(ctx context.Context, s float64) error {
	_, err := r.talk.ask(ctx, request{Idle: &idleRequest{Seconds: s}}, r.openPatience()+seconds(s), nil)
	return err
}

// blameReboot looks at what was in flight when the campaign last ended. If the
// machine itself went down since, and a single model was in flight, that model is
// the suspect: it gets a strike as if it had crashed the child.
func (r *run) blameReboot() error {
	s := r.j.open
	if s == nil || s.Boot == "" || r.Boot == "" || s.Boot == r.Boot || len(s.Models) != 1 {
		return nil
	}
	return r.strike(&childFailure{model: s.Models[0], validity: record.CrashedPrefix + "reboot",
		detail: "the machine went down while this model alone was in flight"})
}

// strike journals a failure of a model; enough of them quarantine it.
func (r *run) strike(f *childFailure) error {
	final := r.j.strikes[f.model]+1 >= r.Protocol.Limits.Attempts
	switch f.validity {
	case record.Unsupported, record.Fallback, record.NumericMismatch:
		final = true
	}
	return r.j.write(record.Line{Fault: &record.Fault{Model: f.model, Validity: f.validity, Detail: cleanDetail(f.detail), Final: final}})
}

// maxDeaths in a row without progress end the campaign: the machine or the
// runtime is broken, not a model.
const maxDeaths = 5

// survive takes a request's error: a child failure with an offender is a strike
// and a new child; anything else is returned.
func (r *run) survive(ctx context.Context, err error) error {
	var f *childFailure
	if !errors.As(err, &f) {
		return err
	}
	if f.model == "" {
		if r.deaths++; r.deaths >= maxDeaths {
			return hint.Wrap(fmt.Errorf("%d times in a row: %w", r.deaths, err), "the runtime fails without a model to blame; agent runtimes verify may say more")
		}
	} else {
		r.deaths = 0
		if err := r.strike(f); err != nil {
			return err
		}
	}
	elapsed := max(r.talk.now, r.j.deviceS)
	r.talk.close()
	r.talk = nil
	return r.launch(ctx, elapsed)
}

// usable says whether a case can still be measured.
func (r *run) usable(c benchmarks.Case) bool {
	for _, t := range c.Terms {
		if r.j.faults[t.Model] != nil {
			return false
		}
	}
	return true
}

// measureAll goes through the groups until every case has stopped or failed.
func (r *run) measureAll(ctx context.Context) error {
	for g := 0; ; g++ {
		if g == len(r.j.groups) {
			ok, err := r.formGroup(ctx, g)
			if err != nil {
				return err
			}
			if !ok {
				return nil
			}
		}
		if err := r.measureGroup(ctx, g); err != nil {
			return err
		}
	}
}

// formGroup opens models, case by case, until all that remain are open or the
// memory budget is reached, and journals the group. ok is false when no case
// remains.
func (r *run) formGroup(ctx context.Context, g int) (ok bool, err error) {
	var want []string
	add := func(models ...string) {
		for _, m := range models {
			if !slices.Contains(want, m) {
				want = append(want, m)
			}
		}
	}
	add(r.anchor)
	cases := 0
	if g > 0 {
		if err := r.closeAll(ctx); err != nil {
			return false, err
		}
	}
	base := r.talk.rss
	// Asked for a few at a time: the budget is looked at in between.
	const atOnce = 8
	var pending []string
	flush := func() error {
		err := r.openModels(ctx, pending)
		pending = nil
		return err
	}
	if r.j.faults[r.anchor] == nil {
		pending = []string{r.anchor}
	}
	for _, k := range r.Plan.Cases {
		if _, in := groupOf(r.j, k); in || !r.usable(k) {
			continue
		}
		cases++
		for _, m := range modelsOf(k) {
			if !slices.Contains(want, m) {
				add(m)
				pending = append(pending, m)
			}
		}
		if len(pending) < atOnce {
			continue
		}
		if err := flush(); err != nil {
			return false, err
		}
		if r.MemoryBytes > 0 && r.talk.rss-base > r.MemoryBytes {
			break
		}
	}
	if cases == 0 {
		return false, nil
	}
	if err := flush(); err != nil {
		return false, err
	}
	return true, r.j.write(record.Line{Group: &record.Group{Index: g, Models: want}})
}

// reducedPrecision is the one precision below fp32 in which a chain computes, ""
// when there is none or more than one: only then can "native" be asked.
func reducedPrecision(c benchmarks.Chain) lut.Precision {
	var p lut.Precision
	for _, op := range c {
		switch {
		case op.Precision == lut.FP32:
		case p == "":
			p = op.Precision
		case p != op.Precision:
			return ""
		}
	}
	return p
}

func (r *run) closeAll(ctx context.Context) error {
	_, err := r.talk.ask(ctx, request{Close: &closeRequest{}}, r.openPatience(), nil)
	clear(r.open)
	r.warm = false
	if err != nil {
		return r.survive(ctx, err)
	}
	return nil
}

// openModels opens what is not open and not quarantined, journaling the first
// opening of each; a model that kills the child is tried again until it is
// quarantined.
func (r *run) openModels(ctx context.Context, models []string) error {
	for {
		var todo []openModel
		var ids []string
		for _, id := range models {
			if r.open[id] || r.j.faults[id] != nil {
				continue
			}
			m := openModel{Model: r.models[id], Name: r.names[id]}
			if o := r.j.opens[id]; o != nil {
				m.Repeat = o.Repeat
			} else {
				m.Prove = r.Protocol.Check.Placement && r.Backend.Provider != "cpu"
				if r.Protocol.Check.Placement {
					m.Precision = reducedPrecision(m.Model.Chain)
				}
			}
			todo = append(todo, m)
			ids = append(ids, id)
		}
		if len(todo) == 0 {
			return nil
		}
		if err := r.j.write(record.Line{Start: &record.Start{What: "open", Group: len(r.j.groups), Models: ids, Boot: r.Boot}}); err != nil {
			return err
		}
		var lines []record.Line
		var failed []*childFailure
		_, err := r.talk.ask(ctx, request{Open: &openRequest{Models: todo}}, r.openPatience(), func(rep report) error {
			if rep.Failed != nil {
				failed = append(failed, &childFailure{rep.Model, rep.Failed.Validity, rep.Failed.Detail})
				return nil
			}
			if rep.Opened != nil {
				r.open[rep.Model] = true
				r.deaths = 0
				if r.j.opens[rep.Model] == nil {
					lines = append(lines, record.Line{Open: rep.Opened})
				}
			}
			r.show("opening", -1)
			return nil
		})
		if werr := r.j.write(lines...); werr != nil {
			return werr
		}
		for _, f := range failed {
			if werr := r.strike(f); werr != nil {
				return werr
			}
		}
		if err != nil {
			if err := r.survive(ctx, err); err != nil {
				return err
			}
			// The new child has nothing open: all of the group again.
			models = append(r.groupSoFar(), models...)
		}
	}
}

// groupSoFar lists what must be open again after a child was lost: the present
// group's models, or those opened while it was being formed.
func (r *run) groupSoFar() []string {
	if n := len(r.j.groups); n > 0 && !r.groupOver(n-1) {
		return r.j.groups[n-1].Models
	}
	done := map[string]bool{}
	for _, g := range r.j.groups {
		for _, m := range g.Models {
			done[m] = m != r.anchor
		}
	}
	var out []string
	for _, m := range r.Plan.Models {
		if r.j.opens[m.ID] != nil && !done[m.ID] {
			out = append(out, m.ID)
		}
	}
	return out
}

// groupOver says whether a group needs no more rounds.
func (r *run) groupOver(g int) bool { return len(r.active(g)) == 0 }

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
	a := analyse(r.Protocol, r.j, g, r.anchor)
	closed := r.j.roundsClosed(g)
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
		r.overdue = r.MaxSeconds > 0 && r.j.deviceS >= r.MaxSeconds
		active := r.active(g)
		if len(active) == 0 {
			return nil
		}
		anchor := r.anchor
		if r.j.faults[anchor] != nil {
			anchor = "" // the campaign goes on without: records carry no anchor ratio
		}
		plan := roundOrder(r.Protocol.Seed, g, round, active, anchor, r.Protocol.Drift.AnchorVisits)
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
	var ids []string
	for _, v := range batch {
		if !slices.Contains(ids, v.model) {
			ids = append(ids, v.model)
		}
	}
	if err := r.openModels(ctx, r.j.groups[g].Models); err != nil {
		return err
	}
	if err := r.warmUp(ctx, batch); err != nil {
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

// closeRound judges a round: its anchor against the best so far. A round in
// which the device was slowed down is void – its visits are left out and the
// round is taken again – as long as the protocol allows.
func (r *run) closeRound(g, round int) record.Line {
	out := record.Round{Group: g, Index: round, DeviceS: roundS(max(r.talk.now, r.j.deviceS))}
	if r.Sense != nil {
		out.State = r.Sense()
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
	// For min a slow round does no harm: the fastest one counts.
	slow := ok && r.Protocol.Estimator != EstimatorMin && ratio > 1+r.Protocol.Thermal.Slowdown
	if slow && voids < r.voidsAllowed() {
		out.Void = record.Throttled
	}
	return record.Line{Round: &out}
}

// voidsAllowed is how many rounds of a group may be taken again: the protocol's
// redos, each as long as the fewest rounds a group can have.
func (r *run) voidsAllowed() int { return r.Protocol.Thermal.Redo * r.Protocol.Stop.MinRounds }

func roundS(s float64) float64 { return math.Round(s*1e6) / 1e6 }

// show reports progress.
func (r *run) show(stage string, g int) {
	if r.Progress == nil {
		return
	}
	p := Progress{Stage: stage, Group: max(g, 0), DeviceS: max(r.talk.now, r.j.deviceS), Cases: len(r.Plan.Cases), Open: len(r.open)}
	for _, k := range r.Plan.Cases {
		if !r.usable(k) {
			p.Failed++
		} else if _, ok := r.stops[k.ID]; ok {
			p.Finished++
		}
	}
	if g >= 0 {
		p.Round = r.j.roundsClosed(g)
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
	if rounds > 0 {
		share = rounds / expect
		p.LeftS = p.DeviceS / rounds * (expect - rounds)
	}
	if r.MaxSeconds > 0 {
		p.LeftS = min(max(p.LeftS, 0), max(0, r.MaxSeconds-p.DeviceS))
		if rounds == 0 {
			p.LeftS = max(0, r.MaxSeconds-p.DeviceS)
		}
		share = max(share, min(1, p.DeviceS/r.MaxSeconds))
	}
	p.Done = share
	r.Progress(p)
}

// leastRounds is how many rounds the quickest case takes.
func (r *run) leastRounds() int {
	return max(r.Protocol.Stop.MinRounds, (r.Protocol.Stop.MinSamples+r.Protocol.Sample.PerVisit-1)/r.Protocol.Sample.PerVisit)
}

package campaign

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/analysis"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/agent/device"
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
	Protocol agent.Protocol
	Backend  agent.BackendSpec
	Launch   child.Launcher
	Path     string // of the record file; "" keeps it in memory, for simulations

	Agent  string     // version
	Device lut.Device // what is measured on
	Flags  map[string]string
	// Boot identifies the kernel's current run; "" when unknown.
	Boot string

	// Repeatable says that the device is simulated: what a power cut takes of the record
	// file the same command measures again, so the file is synced once, at its end.
	Repeatable bool
	// MaxSeconds bounds the device seconds of the whole campaign, resumed or not;
	// 0 leaves it to the protocol. The round under way is finished.
	MaxSeconds float64
	// MemoryBytes bounds what the open sessions of a group may take together; 0
	// leaves it open.
	MemoryBytes int64

	// Validity is added to every record: what is known of this machine beforehand,
	// such as emulated-cpu.
	Validity []record.Validity
	// Sense reads the device's state; it is called between rounds only. nil: unknown.
	Sense func() *record.State
	// Meter measures energy in the second pass; nil: MeterAbsent says why.
	Meter       device.EnergyMeter
	MeterAbsent string
	// Caution, when set, says why a model file's results on the cpu provider of this
	// device may be wrong although its times are right; "" where nothing is known. It is
	// the detail of a record with a cost, and explains a mismatch, which costs nothing then.
	Caution func(benchmarks.Model) string
	// Progress, when set, is called between batches.
	Progress func(Progress)
	// Notice, when set, is told when the device has changed so much that the records would be
	// refused, while something can be done about it, and when it is back.
	Notice func(Notice)
	// Now stamps the header.
	Now func() time.Time
}

// Outcome holds the results of a campaign.
type Outcome struct {
	Header  record.Header
	Records []*record.Record         // in the plan's order
	Opens   map[string]*record.Open  // by model
	Checks  map[string]*record.Check // by model
	End     record.End
	Groups  []Group
	Resumed bool // some of it was there already
	Info    agent.Info
}

// Group reports how a group of models was measured: rounds, void ones included, and the device
// seconds that the longest but the first took.
type Group struct {
	Models   int
	Rounds   int
	LongestS float64
}

// ErrNothing is a plan without cases.
var ErrNothing = errors.New("the plan has no cases")

// batchSeconds is roughly how much is asked of the child at once: enough that
// starting, journaling and syncing cost little, and so little that a kill loses
// little and progress moves.
const batchSeconds = 0.3

// run is a campaign under way.
type run struct {
	*Campaign
	j    *journal
	talk *child.Talk
	// reference is the model measured again through the campaign: it tells the device's
	// drift.
	reference string
	models    map[string]benchmarks.Model
	names     map[string]string // model → name in messages
	caseOf    map[string]string // model → what people call the first case it is a term of
	tally     tally
	open      map[string]bool  // in the present child
	members   map[int][]member // by group
	analyses  map[int]*analysis.Group
	paces     map[int]*analysis.Pace
	stops     map[string]record.Stop // case → why it stopped
	deaths    int                    // children lost in a row without an offender
	info      agent.Info
	overdue   bool    // the present group's share of the campaign's time is over
	away      bool    // the drift reference is beyond its limit, and Notice knows
	steadyS   float64 // when that was last seen to be so
	gateShut  bool    // the round began hotter than the thermal gate allows
	warm      bool    // the device has been warmed up in this child
	looked    bool    // this child has been checked
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
		stops: map[string]record.Stop{}, reference: referenceOf(c.Plan), members: map[int][]member{}, analyses: map[int]*analysis.Group{}, paces: map[int]*analysis.Pace{},
		caseOf: namesOfCases(c.Plan.Cases)}
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
	if at, err := os.Stat(c.Path); err == nil && !at.Mode().IsRegular() {
		return nil, hint.Wrap(fmt.Errorf("open records %s: not a regular file", c.Path), "records are appended and read back: give the path of a file")
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
	for _, g := range r.j.groups {
		out.Groups = append(out.Groups, Group{Models: len(g.Models), Rounds: r.j.closed[g.Index], LongestS: r.j.longest[g.Index]})
	}
	for _, k := range c.Plan.Cases {
		if rec := r.j.recorded[k.ID]; rec != nil {
			out.Records = append(out.Records, rec)
		}
	}
	return out, nil
}

func (r *run) end() {
	if r.talk != nil {
		r.talk.Close()
	}
	if r.j != nil {
		r.j.Close()
	}
}

// start launches the first child, learns the library's identity and opens the
// record file.
func (r *run) start(ctx context.Context) error {
	j, err := readJournal(r.Path)
	if err != nil {
		return err
	}
	r.j = j
	// A simulated device's clock goes on where the campaign stands.
	if err := r.launch(ctx, j.deviceS); err != nil {
		return err
	}
	header := record.Header{
		Format: record.Format, Agent: r.Agent, Started: r.Now().UTC().Format(time.RFC3339), Plan: r.PlanHash,
		Protocol: lut.Protocol{SHA256: r.Protocol.SHA256(), YAML: r.Protocol.Canonical()},
		Device:   r.Device, Flags: r.Flags,
		Runtime: lut.Runtime{Library: lut.Library{Backend: r.info.Backend, Version: r.info.Version, SHA256: r.info.SHA256, Provider: r.Backend.Provider},
			Threads: r.Protocol.Threads, Options: optionsText(r.Backend.ProviderOptions), Features: r.info.Features},
	}
	if err := j.begin(header); err != nil {
		return err
	}
	if j.log != nil {
		j.log.Relaxed = r.Repeatable
	}
	return r.blameReboot()
}

// launch starts a child; the campaign has taken elapsed seconds so far.
func (r *run) launch(ctx context.Context, elapsed float64) error {
	p, err := r.Launch.Launch(ctx)
	if err != nil {
		return err
	}
	r.talk = child.NewTalk(p, elapsed)
	clear(r.open)
	r.warm, r.looked = false, false
	_, err = r.talk.Ask(ctx, child.Request{Hello: &child.Hello{Backend: r.Backend, Protocol: r.Protocol.Canonical(), ElapsedS: elapsed}},
		r.openPatience(), func(rep child.Report) error {
			if rep.Info != nil {
				r.info = *rep.Info
			}
			return nil
		})
	var f *child.Failure
	if errors.As(err, &f) {
		return hint.Wrap(fmt.Errorf("load backend %s: %w", r.Backend.Name, err), "agent runtimes says which libraries are found and whether they load")
	}
	return err
}

func (r *run) openPatience() time.Duration  { return seconds(r.Protocol.Limits.OpenSeconds) }
func (r *run) visitPatience() time.Duration { return seconds(r.Protocol.Limits.VisitSeconds) }

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

func (r *run) idle(ctx context.Context, s float64) error {
	_, err := r.talk.Ask(ctx, child.Request{Idle: &child.Idle{Seconds: s}}, r.openPatience()+seconds(s), nil)
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
	return r.strike(&child.Failure{Model: s.Models[0], Validity: record.Crashed("reboot"),
		Detail: "the machine went down while this model alone was in flight"})
}

// strike journals a failure of a model; enough of them quarantine it.
func (r *run) strike(f *child.Failure) error {
	final := r.j.strikes[f.Model]+1 >= r.Protocol.Limits.Attempts
	switch f.Validity {
	case record.Unsupported, record.Fallback, record.NumericMismatch:
		final = true
	}
	return r.j.write(record.Line{Fault: &record.Fault{Model: f.Model, Validity: f.Validity, Detail: record.CleanDetail(f.Detail), Final: final}})
}

// maxDeaths in a row without progress end the campaign: the machine or the
// runtime is broken, not a model.
const maxDeaths = 5

// survive takes a request's error: a child failure with an offender is a strike
// and a new child; anything else is returned.
func (r *run) survive(ctx context.Context, err error) error {
	var f *child.Failure
	if !errors.As(err, &f) {
		return err
	}
	if f.Model == "" {
		if r.deaths++; r.deaths >= maxDeaths {
			return hint.Wrap(fmt.Errorf("%d times in a row: %w", r.deaths, err), "the runtime fails without a model to blame; agent runtimes verify may say more")
		}
	} else {
		r.deaths = 0
		if err := r.strike(f); err != nil {
			return err
		}
		if err := r.nothingOpens(f); err != nil {
			return err
		}
	}
	return r.relaunch(ctx)
}

// maxCrashes: so many models that take the child down as they are opened, all in the same way and none
// ever opened, are the library's fault – one that loads its parts when it is first used, say.
const maxCrashes = 3

// nothingOpens is the one error of a campaign all of whose models would be records of the
// same crash; last is the latest.
func (r *run) nothingOpens(last *child.Failure) error {
	alike := 0
	for _, f := range r.j.faults {
		if f.Validity == last.Validity && strings.HasPrefix(string(f.Validity), record.CrashedPrefix) {
			alike++
		}
	}
	if len(r.j.opens) > 0 || alike < maxCrashes || alike < len(r.j.faults) {
		return nil
	}
	return hint.Wrap(fmt.Errorf("backend %s opens no model: the first %d end its process alike: %s: %s", r.Backend.Name, alike, last.Validity, cmp.Or(last.Detail, "it says nothing")),
		"agent runtimes verify says whether the library runs at all; a part of it may be missing or built for another machine")
}

// relaunch replaces the child. The campaign's time goes on by a millisecond, less
// than any start of a process takes: on a simulated device, whose noise is a
// function of the moment, the new child would otherwise do exactly as the old.
func (r *run) relaunch(ctx context.Context) error {
	elapsed := max(r.talk.Now(), r.j.deviceS) + 1e-3
	r.talk.Close()
	r.talk = nil
	return r.launch(ctx, elapsed)
}

// usable reports whether a case can still be measured.
func (r *run) usable(c benchmarks.Case) bool {
	for _, t := range c.Terms {
		if r.j.faults[t.Model] != nil {
			return false
		}
	}
	return true
}

package study

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/baseline"
	"github.com/isocost/isocost/search/space"
)

// Names of the files of a study directory.
const (
	HeaderFile      = "study.json"
	EvaluationsFile = "evaluations.jsonl"
	UnitsDir        = "units"
	ResultsFile     = "results.json"
	TablesFile      = "results.md"
)

// Study runs a configuration in a directory.
type Study struct {
	Config  Config
	Dir     string
	Workers int // evaluations at a time; does not change the result
	// Open makes the evaluator of a specification. A table's draws depend on seed.
	Open func(ctx context.Context, spec string, sp space.Space, seed uint64) (search.Evaluator, error)
	// Progress is called before every unit and after the last.
	Progress func(Progress)
	Now      func() time.Time
	// Device makes the device of a table that Config.Measure names; nil without any.
	Device func(target, table string, sp space.Lowerer, t lut.File) (search.Measurer, error)
}

// Progress says how far a study is.
type Progress struct {
	Done, Units int
	Kept        int // of Done, found finished
	Now         string
	Left        time.Duration // −1 when unknown
}

// runner is one run of a study.
type runner struct {
	Study
	sp         space.Space
	anchors    []string
	header     Header
	problems   map[[2]string]*search.Opened // by anchor and table
	evaluators map[uint64]search.Evaluator
	state      json.RawMessage
	ledger     *ledger
	estimates  map[sampleID]*Estimate           // by architecture and run seed
	bands      map[[2]string]map[string]float64 // expected utilities by anchor and table
}

// Run runs what is not finished yet and writes results.json and results.md. On an
// error, an interruption included, finished units are kept.
func (s *Study) Run(ctx context.Context) (*Results, error) {
	r := &runner{Study: *s, problems: map[[2]string]*search.Opened{}, evaluators: map[uint64]search.Evaluator{}, estimates: map[sampleID]*Estimate{},
		bands: map[[2]string]map[string]float64{}}
	defer func() {
		for _, e := range r.evaluators {
			if c, ok := e.(interface{ Close() error }); ok {
				c.Close()
			}
		}
	}()
	if err := r.prepare(ctx); err != nil {
		return nil, err
	}
	defer r.ledger.close()
	units, err := r.units(ctx)
	if err != nil {
		return nil, err
	}
	if err := r.measure(ctx, units); err != nil {
		return nil, err
	}
	res := &Results{Header: r.header, Anchors: r.anchors, Units: units}
	if err := r.fidelity(ctx, res); err != nil {
		return nil, err
	}
	res.summarise()
	text, err := encodeJSON(res)
	if err != nil {
		return nil, err
	}
	if err := atomicfile.Write(filepath.Join(r.Dir, TablesFile), []byte(res.Markdown()), 0o644); err != nil {
		return nil, err
	}
	return res, atomicfile.Write(filepath.Join(r.Dir, ResultsFile), text, 0o644)
}

func (r *runner) settings(seed uint64) search.Settings {
	s := search.DefaultSettings()
	c := &r.Config
	s.Tau, s.Epsilon, s.Delta, s.Sigma, s.Seed = c.Tau, c.Epsilon, c.Delta, c.Sigma, seed
	s.Batch = 4
	return s
}

// prepare opens everything, so that a study does not fail at its last unit for
// what could be known at the first, and checks that the directory is of this
// study.
func (r *runner) prepare(ctx context.Context) error {
	c := &r.Config
	read, err := search.ReadSpace(c.Space)
	if err != nil {
		return err
	}
	sp := read.Space
	r.sp = sp
	r.anchors = slices.Clone(c.Anchors)
	for _, a := range space.Sample(sp, c.RandomAnchors, c.AnchorSeed) {
		if k := space.Canonical(sp, a).Key(); !slices.Contains(r.anchors, k) {
			r.anchors = append(r.anchors, k)
		}
	}
	if len(r.anchors) == 0 {
		r.anchors = []string{sp.Default().Key()}
	}
	r.header = Header{Format: Format, Space: search.FileRef{Name: sp.Name(), SHA256: sp.Hash()}, Budget: c.Budget, Samples: c.Samples,
		Fresh: c.Fresh, Tau: c.Tau, Epsilon: c.Epsilon, Delta: c.Delta, Sigma: c.Sigma, Fidelities: c.Fidelities}
	for i, anchor := range r.anchors {
		for n, t := range c.Tables {
			s := r.settings(1)
			if err := s.Complete(); err != nil {
				return err
			}
			o, err := search.OpenInputs(search.Inputs{Space: c.Space, Read: read, Tables: append([]string{t}, c.guards(n)...), Anchor: anchor}, s)
			if err != nil {
				return err
			}
			ref := together(o.Header.Tables)
			if i == 0 {
				if slices.ContainsFunc(r.header.Tables, func(x search.FileRef) bool { return x.Name == ref.Name }) {
					return fmt.Errorf("two tables are named %s", ref.Name)
				}
				r.header.Tables = append(r.header.Tables, ref)
			}
			r.problems[[2]string{anchor, ref.Name}] = o
			r.anchors[i] = o.Header.Anchor // canonical
			r.problems[[2]string{r.anchors[i], ref.Name}] = o
		}
	}
	for _, m := range c.Methods {
		if _, err := r.proxy(m); err != nil {
			return err
		}
		if m == Selector(search.MultiFidelity) && len(c.Fidelities) == 0 {
			return hint.Wrap(fmt.Errorf("method %s needs fidelities", m), "name them in the study file, as in fidelities: 0.1:0.5,0.3")
		}
	}
	ev, err := r.evaluator(ctx, c.Seeds[0])
	if err != nil {
		return err
	}
	r.header.Evaluator = ev.Identity()
	r.header.Evaluator.Spec = baseSpec(r.header.Evaluator.Spec)
	r.header.Curve = c.Curve
	if _, known := ev.(expecting); known && c.Curve == nil {
		r.header.Curve = checkpoints(c.Budget)
	}
	return r.directory()
}

// baseSpec drops the folder of a table, which depends on where a study is run
// from; its content is in the hash.
func baseSpec(spec string) string {
	if rest, ok := strings.CutPrefix(spec, "table:"); ok {
		return "table:" + filepath.Base(rest)
	}
	return spec
}

// directory makes or checks the study directory and opens its ledger.
func (r *runner) directory() error {
	if err := os.MkdirAll(filepath.Join(r.Dir, UnitsDir), 0o755); err != nil {
		return err
	}
	path := filepath.Join(r.Dir, HeaderFile)
	got, err := os.ReadFile(path)
	for _, format := range []string{formatV1, formatV2, formatV3} {
		if strings.Contains(string(got), format) { // it goes on as it began
			if r.header.Format = format; format != formatV3 {
				r.header.Curve = nil
			}
		}
	}
	want, werr := encodeJSON(r.header)
	if werr != nil {
		return werr
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		err = atomicfile.Write(path, want, 0o644)
	case err == nil && string(got) != string(want):
		err = hint.Wrap(fmt.Errorf("%s: the directory holds a study of other inputs or settings", path),
			"take another -o; only methods, seeds and anchors may be added")
	}
	if err != nil {
		return err
	}
	if strings.HasPrefix(r.Config.Evaluator, "table:") { // replaying is cheaper than keeping
		r.ledger = &ledger{known: map[sampleID]search.Outcome{}}
		return nil
	}
	r.ledger, err = openLedger(filepath.Join(r.Dir, EvaluationsFile))
	return err
}

// proxy is the cost a normalised baseline keeps, nil for other methods.
func (r *runner) proxy(method string) (search.Cost, error) {
	metric := map[string]string{baseline.Params: r.Config.Params, baseline.FLOPs: r.Config.FLOPs}[method]
	if method != baseline.Params && method != baseline.FLOPs {
		return nil, nil
	}
	switch sp := r.sp.(type) {
	case *space.Tabular:
		if metric == "" {
			metric = method
		}
		if !slices.Contains(sp.Metrics(), metric) {
			return nil, hint.Wrap(fmt.Errorf("method %s: the space %s has no metric %q", method, sp.Name(), metric),
				"name it (parameters:, flops:), or leave the method out; there are %s", strings.Join(sp.Metrics(), ", "))
		}
		return &search.RowCost{Space: sp, Metric: metric}, nil
	case space.Lowerer:
		return search.NewCountCost(sp, method)
	}
	return nil, fmt.Errorf("method %s: the space %s has neither networks nor metrics", method, r.sp.Name())
}

// evaluator opens the evaluator, once; a table once per seed.
func (r *runner) evaluator(ctx context.Context, seed uint64) (search.Evaluator, error) {
	if !strings.HasPrefix(r.Config.Evaluator, "table:") {
		seed = 0
	}
	if e, ok := r.evaluators[seed]; ok {
		return e, nil
	}
	e, err := r.Open(ctx, r.Config.Evaluator, r.sp, seed)
	if err == nil {
		r.evaluators[seed] = e
	}
	return e, err
}

// calibrate fixes a calibrated evaluator's scale once for the whole study, on the
// anchors, so that utilities are comparable across units.
func (r *runner) calibrate(ctx context.Context, e search.Evaluator) error {
	c, ok := e.(search.Calibrated)
	if !ok || r.state != nil {
		return nil
	}
	path := filepath.Join(r.Dir, "calibration.json")
	state, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		seen := map[string]bool{}
		var archs []space.Arch
		for _, anchor := range r.anchors {
			for _, t := range r.header.Tables {
				p := r.problems[[2]string{anchor, t.Name}].Problem
				feasible, _ := search.NewCompensator(p.Space, p.Bands).Neighbourhood(p.Anchor)
				for _, a := range append([]search.Proposal{{Arch: p.Anchor, Key: p.Anchor.Key()}}, feasible...) {
					if !seen[a.Key] {
						seen[a.Key] = true
						archs = append(archs, a.Arch)
					}
				}
			}
		}
		if state, err = c.Calibrate(ctx, archs, r.Config.Seeds[0]); err == nil {
			err = atomicfile.Write(path, state, 0o644)
		}
	}
	if err != nil {
		return fmt.Errorf("calibrate the evaluator: %w", err)
	}
	r.state = state
	return c.Restore(state)
}

// units runs or reads every unit.
func (r *runner) units(ctx context.Context) ([]Unit, error) {
	c := &r.Config
	var all []Unit
	for _, t := range r.header.Tables {
		for _, a := range r.anchors {
			for _, m := range c.Methods {
				for _, s := range c.Seeds {
					all = append(all, Unit{Method: m, Table: t.Name, Anchor: a, Seed: s})
				}
			}
		}
	}
	began, live := r.now(), 0
	p := Progress{Units: len(all), Left: -1}
	show := func(u *Unit) {
		if r.Progress == nil {
			return
		}
		if p.Now = ""; u != nil {
			p.Now = fmt.Sprintf("%s, %s, seed %d", u.Method, u.Table, u.Seed)
		}
		if live > 0 {
			p.Left = r.now().Sub(began) / time.Duration(live) * time.Duration(len(all)-p.Done)
		}
		r.Progress(p)
	}
	for i := range all {
		u := &all[i]
		show(u)
		path := filepath.Join(r.Dir, UnitsDir, u.file())
		data, err := os.ReadFile(path)
		if err == nil {
			want := *u
			if err := decodeJSON(path, data, u); err != nil {
				return nil, hint.Wrap(err, "delete the file: the unit is then run again")
			}
			if want.Method != u.Method || want.Table != u.Table || want.Anchor != u.Anchor || want.Seed != u.Seed {
				return nil, fmt.Errorf("%s: holds another unit", path)
			}
			p.Kept++
		} else {
			if err := r.unit(ctx, u); err != nil {
				return nil, fmt.Errorf("%s on %s, seed %d: %w", u.Method, u.Table, u.Seed, err)
			}
			if data, err = encodeJSON(u); err != nil {
				return nil, err
			}
			if err := atomicfile.Write(path, data, 0o644); err != nil {
				return nil, err
			}
			live++
		}
		p.Done++
	}
	show(nil)
	return all, nil
}

func (r *runner) now() time.Time {
	if r.Now == nil {
		return time.Time{}
	}
	return r.Now()
}

// unit runs one search and what is measured about its final.
func (r *runner) unit(ctx context.Context, u *Unit) error {
	ev, err := r.evaluator(ctx, u.Seed)
	if err != nil {
		return err
	}
	if err := r.calibrate(ctx, ev); err != nil {
		return err
	}
	o := *r.problems[[2]string{u.Anchor, u.Table}]
	o.Header.Settings = r.settings(u.Seed)
	if err := o.Attach(ev); err != nil {
		return err
	}
	var path trace
	final, err := r.search(ctx, u, &o, ev, &path)
	if err == nil {
		err = ctx.Err() // a search that was interrupted ends well, but is not the unit
	}
	if err != nil {
		return err
	}
	p := o.Problem
	comp := search.NewCompensator(p.Space, p.Bands)
	in, costs, dev, err := comp.Inside(final)
	if err != nil {
		return err
	}
	u.Final, u.Cost, u.Deviation, u.Inside = final.Key(), costs[0].Value, math.Expm1(dev[0]), in
	u.AnchorCost = p.Bands[0].Budget.Value
	if u.AnchorUtility, err = r.estimate(ctx, ev, p.Anchor, u.Seed, p.PoolSize); err != nil {
		return err
	}
	if u.Utility, err = r.estimate(ctx, ev, final, u.Seed, p.PoolSize); err != nil {
		return err
	}
	if r.header.Format != formatV1 && r.header.Format != formatV2 {
		u.Regret = r.regret(ev, u, p, u.Final)
	}
	for _, n := range r.header.Curve {
		point := CurvePoint{Samples: n, Arch: cmp.Or(path.at(n), u.Anchor)}
		a, err := space.ParseArch(point.Arch)
		if err != nil {
			return err
		}
		if point.Utility, err = r.estimate(ctx, ev, a, u.Seed, p.PoolSize); err != nil {
			return err
		}
		point.Regret = r.regret(ev, u, p, point.Arch)
		u.Curve = append(u.Curve, point)
	}
	if control, ok := baseline.Control(p.Space, p.Bands[0].Cost, p.Anchor, u.Cost); ok {
		c := &Control{Arch: control.Key()}
		got, err := p.Bands[0].Cost.Cost(control)
		if err != nil {
			return err
		}
		c.Cost = got.Value
		if c.Utility, err = r.estimate(ctx, ev, control, u.Seed, p.PoolSize); err != nil {
			return err
		}
		u.Control = c
	}
	for _, t := range r.header.Tables {
		if t.Name == u.Table {
			continue
		}
		other := r.problems[[2]string{u.Anchor, t.Name}].Problem
		there := search.NewCompensator(other.Space, other.Bands)
		tr := Transfer{Table: t.Name}
		var dev []float64
		if tr.Was, _, dev, err = there.Inside(final); err != nil {
			return err
		}
		tr.AsIs = math.Expm1(furthest(dev))
		moved, err := there.Recompensate(final)
		if err != nil {
			return err
		}
		tr.Inside, tr.Arch, tr.Deviation = moved.Inside, moved.Arch.Key(), math.Expm1(furthest(moved.Dev))
		if tr.Utility, err = r.estimate(ctx, ev, moved.Arch, u.Seed, p.PoolSize); err != nil {
			return err
		}
		u.Transfer = append(u.Transfer, tr)
	}
	return ctx.Err()
}

// search runs the unit's method and notes with what it would have ended on the way.
func (r *runner) search(ctx context.Context, u *Unit, o *search.Opened, ev search.Evaluator, path *trace) (space.Arch, error) {
	spent := 0.0 // in full samples: a low one costs its fidelity, as everywhere
	ask := func(ctx context.Context, reqs []search.Request) ([]search.Outcome, error) {
		cost := 0.0
		for _, q := range reqs {
			cost += q.Fidelity
		}
		if spent+cost > float64(r.Config.Budget) {
			return nil, fmt.Errorf("%w: the budget of %d evaluations is spent", search.ErrStop, r.Config.Budget)
		}
		spent += cost
		return r.ask(ctx, ev, reqs)
	}
	selector, certifying := SelectorOf(u.Method)
	explored, exploring := exploredBy(u.Method)
	if certifying || u.Method == All || exploring || u.Method == Published {
		s := o.Header.Settings
		if certifying {
			s.Selector = selector
		}
		if selector == search.MultiFidelity {
			s.Fidelities = r.Config.Fidelities
		}
		s.Published = u.Method == Published
		if s.Explore = explored; u.Method == All {
			s.Neighbours = search.NeighboursAll
		}
		res, err := search.Search(ctx, o.Problem, s, ask, func(e search.Event) {
			if e.To != "" && (e.Kind == search.EventExplore || e.Kind == search.EventStart || e.Kind == search.EventMove) {
				path.add(spent, e.To)
			}
		})
		if err != nil {
			return space.Arch{}, err
		}
		path.add(spent, res.Final.Key)
		u.Samples, u.Archs, u.Moves, u.Stop = res.Samples, res.Archs, len(res.Moves), string(res.Stop)
		u.Vacuous = res.Reached && res.Vacuous()
		u.Certified, u.Naive = res.Reached && !u.Vacuous, finite(res.Final.Mean)
		if len(s.Fidelities) > 0 {
			u.Spent = finite(res.Cost)
		}
		if !s.Published {
			u.EpsilonHat = finite(res.EpsilonHat)
		}
		return res.Final.Arch, nil
	}
	bp := baseline.Problem{Problem: o.Problem}
	var err error
	if bp.Params, err = r.proxyIf(u.Method, baseline.Params); err != nil {
		return space.Arch{}, err
	}
	if bp.FLOPs, err = r.proxyIf(u.Method, baseline.FLOPs); err != nil {
		return space.Arch{}, err
	}
	res, err := baseline.Run(ctx, u.Method, bp, baseline.Settings{Seed: u.Seed, Tau: r.Config.Tau, Budget: r.Config.Budget, Samples: r.Config.Samples, Sigma: r.Config.Sigma,
		Watch: func(spent int, key string) { path.add(float64(spent), key) }}, ask)
	if err != nil {
		return space.Arch{}, err
	}
	u.Samples, u.Archs, u.Moves, u.Lambda, u.Naive, u.Stop = res.Samples, res.Archs, res.Moves, res.Lambda, finite(res.Mean), "budget"
	return res.Final, nil
}

func (r *runner) proxyIf(method, want string) (search.Cost, error) {
	if method != want {
		return nil, nil
	}
	return r.proxy(method)
}

func finite(v float64) *float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	return &v
}

// ask answers from the ledger what it has and evaluates the rest on the workers.
func (r *runner) ask(ctx context.Context, ev search.Evaluator, reqs []search.Request) ([]search.Outcome, error) {
	out := make([]search.Outcome, len(reqs))
	var todo []int
	for i, q := range reqs {
		o, ok := r.ledger.find(q)
		if out[i] = o; !ok {
			todo = append(todo, i)
		}
	}
	var mu sync.Mutex
	var firstErr error
	one := func(i int) {
		err := ctx.Err()
		var a search.Answer
		if err == nil {
			a, err = ev.Evaluate(ctx, reqs[i])
		}
		o := search.Outcome{Answer: search.Answer{Utility: a.Utility}}
		var f *search.Failure
		if errors.As(err, &f) {
			o, err = search.Outcome{Failed: cmp.Or(f.Reason, "failed without a reason")}, nil
		}
		mu.Lock()
		defer mu.Unlock()
		if err == nil && r.ledger.f != nil {
			err = r.ledger.add(reqs[i], o)
		}
		if firstErr == nil {
			firstErr = err
		}
		out[i] = o
	}
	if r.Workers < 2 || len(todo) < 2 {
		for _, i := range todo {
			one(i)
		}
	} else {
		var wg sync.WaitGroup
		slots := make(chan bool, r.Workers)
		for _, i := range todo {
			slots <- true
			wg.Go(func() {
				one(i)
				<-slots
			})
		}
		wg.Wait()
	}
	if err := ctx.Err(); err != nil { // what failed, failed by it
		return out, err
	}
	return out, firstErr
}

// estimate is an architecture's utility on Fresh fresh samples, or over its whole
// pool where samples are finite; nil when fewer than two answer (one in a pool).
// It is outside the budget: every method is judged by the same samples.
func (r *runner) estimate(ctx context.Context, ev search.Evaluator, a space.Arch, seed uint64, poolSize func(space.Arch) int) (*Estimate, error) {
	id := sampleID{a.Key(), seed}
	if e, ok := r.estimates[id]; ok {
		return e, nil
	}
	stream, n, least := search.StreamFresh, r.Config.Fresh, 2
	if poolSize != nil {
		stream, n, least = search.StreamSearch, poolSize(a), 1
	}
	var reqs []search.Request
	for i := range n {
		reqs = append(reqs, search.Request{Arch: a, Key: id.arch, Stream: stream, Index: i,
			Seed: search.SampleSeed(seed, stream, id.arch, i), Fidelity: 1})
	}
	out, err := r.ask(ctx, ev, reqs)
	if err != nil {
		return nil, err
	}
	var values []float64
	for _, o := range out {
		if o.Failed == "" {
			values = append(values, o.Utility)
		}
	}
	var e *Estimate
	if len(values) >= least {
		e = &Estimate{N: len(values), Mean: stats.Mean(values)}
		if len(values) > 1 {
			e.SD = stats.StdDev(values)
		}
	}
	r.estimates[id] = e
	return e, nil
}

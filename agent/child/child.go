package child

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/record"
)

// Child is the measuring side of a campaign. It holds the open sessions and does
// what it is asked; it decides nothing, so that it may die at any moment.
type Child struct {
	NewBackend func(agent.BackendSpec) (agent.Backend, error)
	Build      func(benchmarks.Model, agent.BuildSpec) (agent.Model, error) // normally Build
	// OwnProcess says that the child is a process of its own: it then keeps its
	// goroutine on one OS thread and the garbage collector out of timed regions.
	OwnProcess bool
	// Orphaned, when set, is called when the campaign is gone while a request is
	// under way – perhaps for ever, if a driver hangs. It normally ends the process.
	Orphaned func()
}

type openSession struct {
	session agent.Session
	repeat  int
}

type server struct {
	Child
	w        io.Writer
	backend  agent.Backend
	spec     agent.BackendSpec
	protocol agent.Protocol
	options  agent.Options
	features string // of the library: see agent.Info
	clock    agent.Clock
	start    time.Time
	world    agent.World
	sampler  sampler
	sessions map[string]*openSession
	heap     uint64 // after the last collection
	hold     bool   // reports wait for the end of the request, or for holdBytes of them
	held     []byte
	payload  []byte // scratch
}

// Serve answers requests from r on w until r ends. It returns nil at a clean end
// and an error when the campaign's side is gone or talks nonsense.
func (c Child) Serve(ctx context.Context, r io.Reader, w io.Writer) error {
	s := &server{Child: c, w: w, sessions: map[string]*openSession{}, clock: agent.WallClock{}}
	s.start = s.clock.Now()
	if c.OwnProcess {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
	}
	defer s.close(nil)
	type incoming struct {
		q   Request
		err error
	}
	requests := make(chan incoming)
	served := make(chan struct{})
	var busy atomic.Bool
	defer close(served)
	go func() {
		for {
			var in incoming
			in.err = readFrame(r, &in.q)
			if in.err != nil && busy.Load() && s.Orphaned != nil {
				s.Orphaned()
			}
			select {
			case requests <- in:
			case <-served:
				return
			}
			if in.err != nil {
				return
			}
		}
	}()
	for {
		in := <-requests
		if in.err != nil {
			if errors.Is(in.err, io.EOF) || errors.Is(in.err, io.ErrClosedPipe) {
				return nil
			}
			return fmt.Errorf("read a request: %w", in.err)
		}
		busy.Store(true)
		err := s.answer(ctx, in.q)
		busy.Store(false)
		if err != nil {
			return err
		}
		s.collect()
	}
}

// answer does one request and closes it with Done. Its error means that the pipe
// is gone.
func (s *server) answer(ctx context.Context, q Request) error {
	var err error
	done := Report{Done: true}
	switch {
	case q.Hello != nil:
		err = s.hello(ctx, *q.Hello)
	case s.backend == nil:
		err = fmt.Errorf("the first request must be hello")
	case q.Open != nil:
		err = s.open(ctx, *q.Open)
	case q.Warm != nil:
		var rule record.WarmRule
		rule, err = s.warm(*q.Warm)
		done.Note = string(rule)
	case q.Measure != nil:
		err = s.measure(*q.Measure)
	case q.Check != nil:
		err = s.check(ctx, *q.Check)
	case q.Close != nil:
		err = s.close(q.Close.Models)
	case q.Loop != nil:
		done.Runs, err = s.loop(*q.Loop)
	case q.Memory != nil:
		err = s.countMemory(ctx, *q.Memory)
	case q.Idle != nil:
		s.clock.Sleep(time.Duration(q.Idle.Seconds * float64(time.Second)))
	default:
		err = fmt.Errorf("an empty request")
	}
	var broken pipeError
	if errors.As(err, &broken) {
		return broken.error
	}
	if err != nil {
		done.Fatal, done.Hint = err.Error(), hint.Of(err)
	}
	return s.send(done)
}

// pipeError marks that a report could not be delivered.
type pipeError struct{ error }

func (s *server) send(r Report) error {
	r.T = s.clock.Now().Sub(s.start).Seconds()
	if s.world != nil {
		r.RSS = s.world.ResidentBytes()
		r.HWM = r.RSS
	} else if r.Done || r.Opened != nil {
		r.RSS, r.HWM = residentBytes()
	}
	if p, ok := s.backend.(agent.Powered); ok && r.Done {
		if spent, known := p.Joules(); known {
			r.Joules = &spent
		}
	}
	r.Model = strings.ToValidUTF8(r.Model, "\uFFFD")
	if r.Visit != nil && r.Failed == nil && !r.Done {
		s.payload = appendVisit(s.payload[:0], r)
		s.held = appendFrame(s.held, visitMagic, s.payload)
	} else {
		var frame bytes.Buffer
		if err := writeFrame(&frame, r); err != nil {
			return pipeError{fmt.Errorf("write a report: %w", err)}
		}
		s.held = append(s.held, frame.Bytes()...)
	}
	if s.hold && !r.Done && len(s.held) < holdBytes {
		return nil
	}
	return s.flush()
}

// holdBytes is the capacity of a pipe (Linux: 64 KiB).
const holdBytes = 64 << 10

// flush hands over the reports that waited.
func (s *server) flush() error {
	_, err := s.w.Write(s.held)
	if s.held = s.held[:0]; err != nil {
		return pipeError{fmt.Errorf("write a report: %w", err)}
	}
	return nil
}

func (s *server) hello(ctx context.Context, h Hello) error {
	p, err := agent.ParseProtocol("protocol", []byte(h.Protocol))
	if err != nil {
		return err
	}
	inputs, err := readInputs(h.Backend.Inputs)
	if err != nil {
		return err
	}
	b, err := s.NewBackend(h.Backend)
	if err != nil {
		return err
	}
	info, err := b.Info()
	if err != nil {
		return err
	}
	s.backend, s.spec, s.protocol = b, h.Backend, p
	s.options = agent.Options{Provider: h.Backend.Provider, ProviderOptions: h.Backend.ProviderOptions,
		Threads: p.Threads, Transfers: p.Transfers, Seed: p.Seed, Inputs: inputs}
	// What fails for every model is said once, not by every case.
	if c, ok := b.(agent.ProviderChecker); ok {
		if err := c.CheckProvider(s.options); err != nil {
			return err
		}
	}
	if f, ok := b.(agent.FeatureTeller); ok {
		if text, err := f.Features(ctx, s.options); err == nil { // else nothing is stated
			info.Features = text
		}
	}
	s.sampler.switches = func() int64 { return involuntarySwitches(p.Threads) }
	if w, ok := b.(agent.World); ok {
		s.world, s.clock, s.sampler.switches = w, w.Clock(), w.Switches
		// A restarted child goes on where the campaign's time stands.
		s.clock.Sleep(time.Duration(h.ElapsedS * float64(time.Second)))
		s.start = s.clock.Now()
	}
	if f, ok := b.(agent.Foreteller); ok {
		s.hold = true
		f.BeforeFault(func() { s.flush() })
	}
	s.sampler.clock, s.features = s.clock, info.Features
	return s.send(Report{Info: &info})
}

func (s *server) open(ctx context.Context, q Open) error {
	info, err := s.backend.Info()
	if err != nil {
		return err
	}
	for _, m := range q.Models {
		if s.sessions[m.Model.ID] != nil {
			continue
		}
		if err := s.send(Report{Begin: true, Model: m.Model.ID}); err != nil {
			return err
		}
		opened, err := s.openOne(ctx, m, info.Format)
		r := Report{Model: m.Model.ID, Opened: opened}
		if err != nil {
			r.Failed = failure(r.Model, err)
		}
		if err := s.send(r); err != nil {
			return err
		}
	}
	return nil
}

// validityOf classifies a failure the child survived.
func validityOf(err error) record.Validity {
	switch {
	case errors.Is(err, agent.ErrFallback):
		return record.Fallback
	case errors.Is(err, agent.ErrUnsupported):
		return record.Unsupported
	}
	return record.Crashed("error")
}

// failure is a failure of a model that the child survived.
func failure(model string, err error) *Failure {
	return &Failure{model, validityOf(err), record.CleanDetail(err.Error())}
}

func (s *server) openOne(ctx context.Context, m OpenModel, format agent.Format) (*record.Open, error) {
	began := s.clock.Now()
	model, err := s.Build(m.Model, s.buildSpec(format))
	if err != nil {
		return nil, err
	}
	if model.Name == "" {
		model.Name = m.Name
	}
	o := &record.Open{Model: m.Model.ID, ModelBytes: int64(len(model.Bytes))}
	opt := s.options
	opt.Inputs = inputsFor(s.options.Inputs, model)
	if placer, ok := s.backend.(agent.Placer); ok && m.Prove {
		p, err := placer.Placement(ctx, model, opt)
		if err != nil {
			return nil, err
		}
		if o.Placement, err = provePlacement(p, opt.Provider); err != nil {
			return nil, err
		}
	}
	if prover, ok := s.backend.(agent.ExecutionProver); ok && m.Precision != "" {
		e, err := prover.Execution(ctx, model, opt, m.Precision)
		if err != nil {
			return nil, fmt.Errorf("execution: %w", err)
		}
		o.Execution, o.ExecutionWhy = e.Mode, record.CleanDetail(e.Why)
	}
	before := s.resident()
	t0 := s.clock.Now()
	session, err := s.backend.Open(ctx, model, opt)
	if err != nil {
		return nil, err
	}
	ok := false
	defer func() {
		if !ok {
			session.Close()
		}
	}()
	t1 := s.clock.Now()
	mem, _ := session.(agent.MemoryReporter)
	var idle agent.MemoryStats
	if mem != nil {
		if idle, err = mem.MemoryStats(); err != nil {
			mem = nil
		}
	}
	t2 := s.clock.Now()
	if err := session.Run(); err != nil {
		return nil, madeUp(fmt.Errorf("first run: %w", err), model, opt.Inputs)
	}
	t3 := s.clock.Now()
	if mem != nil {
		if after, err := mem.MemoryStats(); err == nil && after.MaxInUse >= idle.InUse {
			o.WeightsB, o.PeakActB = idle.InUse, after.MaxInUse-idle.InUse
			o.MemorySource = cmp.Or(after.Source, agent.FromAllocator)
		}
	}
	runs, rule, fastest, err := warmModel(session, s.clock, s.protocol.ModelWarmup)
	if err != nil {
		return nil, fmt.Errorf("warm-up: %w", err)
	}
	o.LoadUS = record.RoundUS(t1.Sub(t0).Seconds() * 1e6)
	o.FirstUS = record.RoundUS(t3.Sub(t2).Seconds() * 1e6)
	o.WarmRuns, o.WarmRule = runs, rule
	o.Repeat = m.Repeat
	if o.Repeat < 1 {
		o.Repeat = repeatFor(fastest, s.protocol.Sample.MinSeconds)
	}
	o.RunUS = record.RoundUS(fastest.Seconds() * 1e6)
	o.TookS = record.RoundS(s.clock.Now().Sub(began).Seconds())
	o.RSSBytes = max(0, s.resident()-before)
	s.sessions[m.Model.ID] = &openSession{session, o.Repeat}
	ok = true
	return o, nil
}

func (s *server) buildSpec(format agent.Format) agent.BuildSpec {
	return agent.BuildSpec{Dir: s.spec.PlanDir, Format: format, Batch: s.protocol.Batch, Seed: s.protocol.Seed}
}

func (s *server) resident() int64 {
	if s.world != nil {
		return s.world.ResidentBytes()
	}
	rss, _ := residentBytes()
	return rss
}

func (s *server) warm(q Warm) (rule record.WarmRule, err error) {
	o := s.sessions[q.Model]
	if o == nil {
		return "", fmt.Errorf("warm up model %s: it is not open", q.Model)
	}
	if err := s.send(Report{Begin: true, Model: q.Model}); err != nil {
		return "", err
	}
	w := s.protocol.Warmup
	if q.AtMostS > 0 {
		w.MaxSeconds = min(w.MaxSeconds, q.AtMostS)
	}
	_, rule, err = warmDevice(o.session, s.clock, w)
	if err != nil {
		return "", s.send(Report{Model: q.Model, Failed: failure(q.Model, err)})
	}
	return rule, nil
}

func (s *server) measure(q Measure) error {
	for i, v := range q.Visits {
		o := s.sessions[v.Model]
		if o == nil {
			return fmt.Errorf("measure model %s: it is not open", v.Model)
		}
		if i == 0 {
			if err := s.send(Report{Begin: true, Model: v.Model}); err != nil {
				return err
			}
		}
		at := s.clock.Now().Sub(s.start).Seconds()
		us, preempted, err := s.sampler.visit(o.session, v.Samples, o.repeat, s.protocol.Sample.Discard)
		r := Report{Model: v.Model}
		if err != nil {
			r.Failed = failure(r.Model, err)
		} else {
			r.Visit = &Taken{Seq: v.Seq, AtS: at, US: us, Preempted: preempted}
		}
		if i+1 < len(q.Visits) {
			r.Next = q.Visits[i+1].Model
		}
		if err := s.send(r); err != nil {
			return err
		}
	}
	return nil
}

// loop runs a model for a while, untimed.
func (s *server) loop(q Loop) (runs int, err error) {
	o := s.sessions[q.Model]
	if o == nil {
		return 0, fmt.Errorf("loop over model %s: it is not open", q.Model)
	}
	if err := s.send(Report{Begin: true, Model: q.Model}); err != nil {
		return 0, err
	}
	for start := s.clock.Now(); s.clock.Now().Sub(start).Seconds() < q.Seconds; runs++ {
		if err := o.session.Run(); err != nil {
			return runs, s.send(Report{Model: q.Model, Failed: failure(q.Model, err)})
		}
	}
	return runs, nil
}

// close closes the named sessions, or all for nil.
func (s *server) close(models []string) error {
	if models == nil {
		models = slices.Sorted(maps.Keys(s.sessions))
	}
	var errs []error
	for _, m := range models {
		if o := s.sessions[m]; o != nil {
			delete(s.sessions, m)
			errs = append(errs, o.session.Close())
		}
	}
	return errors.Join(errs...)
}

// heapBytes reads the size of Go's heap without stopping the program.
func heapBytes() uint64 {
	m := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(m)
	return m[0].Value.Uint64()
}

// collect runs the garbage collector between requests, when its work has piled
// up: in a timed region it never runs.
func (s *server) collect() {
	if !s.OwnProcess {
		return
	}
	if heapBytes() > s.heap+32<<20 { // 32 MiB: thousands of reports, a few models
		runtime.GC()
		s.heap = heapBytes()
	}
}

package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/search/space"
)

// Names of the files of a run directory.
const (
	JournalFile     = "journal.jsonl"
	CertificateFile = "certificate.json"
	BestFile        = "best.json"
	bestModel       = "best"    // .onnx, .tflite: of a space of modules
	InputsDir       = "inputs"  // copies of space and tables, for verify
	MeasureDir      = "measure" // plans and records of measurements, a folder per table
)

// Driver runs a search in a run directory: it evaluates, keeps the budget and
// the journal. Killed at any instant, the same call goes on and ends with the
// same certificate.
type Driver struct {
	Dir       string
	Problem   Problem
	Header    Header // Settings in it are the search's
	Evaluator Evaluator
	Final     Evaluator // of final utilities; nil where Header names none
	Workers   int       // evaluations at a time; does not change the result
	// Budget is the number of evaluations (samples and failures) after which the
	// search stops with what it has; 0 for none.
	Budget int
	// Measurers are the tables' devices, one per table; nil where Header says that the
	// table is not measured.
	Measurers []Measurer
	// Scale is a calibrated evaluator's, fixed in another search whose utilities are to
	// be compared with this one's; nil to calibrate. A journal that has one keeps it.
	Scale json.RawMessage
	// Progress is called after every step, from one goroutine.
	Progress func(Progress)
	Now      func() time.Time // nil: no times in Progress
}

// Progress says how far a search is.
type Progress struct {
	Event
	Elapsed  time.Duration
	Replayed int // of Samples, taken from the journal
	// Measured architectures so far, Outside of them outside the band, and the
	// largest relative error of a prediction among them.
	Measured, Outside int
	Eta               float64
	// Left is an estimate of the time still needed at this incumbent; -1 when
	// unknown.
	Left time.Duration
}

// Check says whether the run directory is new or was started with the same
// settings, space, tables and evaluator. It changes nothing, and of a journal reads the
// header alone: what stands below Run reads.
func (d *Driver) Check() error {
	s := d.Header.Settings
	if err := s.Complete(); err != nil {
		return err
	}
	d.Header.Settings = s
	if d.Header.Format == "" {
		d.Header.Format = JournalFormat
	}
	path := filepath.Join(d.Dir, JournalFile)
	began, err := readHeader(path)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, errNoHeader) {
		return nil
	} else if err != nil {
		return err
	}
	d.Header.Format = began.Format // as it began: what it claims is said as then
	if was := began.Settings.Explore; was != nil && s.Explore != nil {
		plan := *s.Explore
		plan.Rules = was.Rules
		if plan.Auto && was.Auto {
			plan.Evaluations = was.Evaluations // the most there was by those rules
		}
		d.Header.Settings.Explore = &plan
	}
	return sameRun(path, *began, d.Header)
}

// Run searches and writes the certificate. The certificate is returned whether or
// not the claim was reached; an error means there is none.
func (d *Driver) Run(ctx context.Context) (*Certificate, error) {
	if err := d.Check(); err != nil {
		return nil, err
	}
	path := filepath.Join(d.Dir, JournalFile)
	w, old, err := openJournal(path, d.Header)
	if err != nil {
		return nil, err
	}
	rec := &recorder{d: d, w: w, tape: newTape(old)}
	cert, err := rec.run(ctx)
	if cerr := w.close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, err
	}
	best, err := bestFiles(d.Problem.Space, cert)
	if err != nil {
		return nil, err
	}
	text, err := cert.Encode()
	if err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(best) {
		if err := atomicfile.Write(filepath.Join(d.Dir, name), best[name], 0o644); err != nil {
			return nil, err
		}
	}
	return cert, atomicfile.Write(filepath.Join(d.Dir, CertificateFile), text, 0o644)
}

// bestFiles are the final architecture by file name: best.json, of a space of modules the
// network itself, best.onnx and, where all of it has .tflite forms, best.tflite, and where
// layers have a precision per device one more of each per table, best-TABLE.json.
func bestFiles(s space.Space, c *Certificate) (map[string][]byte, error) {
	a, err := space.ParseArch(c.Final.Arch)
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	if out[BestFile], err = space.EncodeArch(s, a); err != nil {
		return nil, err
	}
	model := func(name string, s space.Space, a space.Arch) error {
		m, ok := s.(*space.Modules)
		if !ok {
			return nil
		}
		if out[name+".onnx"], err = m.Model(a); err != nil {
			return err
		}
		lite, err := m.TFLite(a)
		if lite != nil {
			out[name+".tflite"] = lite
		}
		return err
	}
	p, ok := s.(*space.PerDevice)
	if !ok {
		return out, model(bestModel, s, a)
	}
	for i, t := range c.Header.Tables {
		own := p.Project(a, i)
		if out["best-"+t.Name+".json"], err = space.EncodeArch(p.Base(), own); err != nil {
			return nil, err
		}
		if err := model("best-"+t.Name, p.Base(), own); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// recorder is one run of the driver: outcomes come from the journal where it has
// them and from the evaluator where not.
type recorder struct {
	d    *Driver
	w    *journalWriter
	tape *tape

	began    time.Time
	live     int // evaluations of this process
	replayed int
	last     Event

	seen, outside int // architectures measured
	eta           float64
}

func (r *recorder) now() time.Time {
	if r.d.Now == nil {
		return time.Time{}
	}
	return r.d.Now()
}

func (r *recorder) run(ctx context.Context) (*Certificate, error) {
	r.began = r.now()
	if r.tape.used {
		if err := r.w.append(Entry{Kind: EntryNote, Note: "resumed"}); err != nil {
			return nil, err
		}
	}
	if err := r.calibrate(ctx); err != nil {
		return nil, err
	}
	p := r.d.Problem
	if measured(r.d.Header) {
		p.Admit = r.admit
	}
	res, err := Search(ctx, p, r.d.Header.rules(), r.ask, r.event)
	if err == nil {
		err = r.tape.err
	}
	if err != nil {
		return nil, err
	}
	if err := r.measurePath(ctx, res.Path); err != nil {
		return nil, err
	}
	fidelity, err := audit(ctx, p, r.d.Header, res, r.tape, r.askFinal)
	if err != nil {
		return nil, err
	}
	cert := NewCertificate(r.d.Header, res, fidelity, r.tape.ledger(), r.tape.state, r.tape.measuredPath(res.Path, len(r.d.Header.Tables)))
	return cert, r.w.append(Entry{Kind: EntryEnd, Note: string(res.Stop)})
}

// calibrate fixes the scale of a calibrated evaluator before the first sample.
func (r *recorder) calibrate(ctx context.Context) error {
	c, ok := r.d.Evaluator.(Calibrated)
	if !ok {
		return nil
	}
	if r.tape.state == nil && len(r.d.Scale) > 0 {
		if err := r.keepScale(r.d.Scale); err != nil {
			return err
		}
	}
	if r.tape.state == nil {
		comp := NewCompensator(r.d.Problem.Space, r.d.Problem.Bands)
		comp.Neighbours = r.d.Header.Settings.Neighbours
		feasible, _ := comp.Neighbourhood(r.d.Problem.Anchor)
		archs := []space.Arch{r.d.Problem.Anchor}
		for _, p := range feasible {
			archs = append(archs, p.Arch)
		}
		state, err := c.Calibrate(ctx, archs, r.d.Header.Settings.Seed)
		if err != nil {
			return fmt.Errorf("calibrate the evaluator: %w", err)
		}
		if err := r.keepScale(state); err != nil {
			return err
		}
	}
	if err := c.Restore(r.tape.state); err != nil {
		return fmt.Errorf("restore the evaluator's scale: %w", err)
	}
	return nil
}

// keepScale writes the evaluator's scale down.
func (r *recorder) keepScale(state json.RawMessage) error {
	if err := r.w.append(Entry{Kind: EntryCalibrate, State: state}); err != nil {
		return err
	}
	r.tape.state = state
	return nil
}

// ask is the search's Ask. A batch is evaluated whole or not at all, so that the
// point at which a budget ends the search does not depend on the workers.
func (r *recorder) ask(ctx context.Context, reqs []Request) ([]Outcome, error) {
	if b := r.d.Budget; b > 0 && r.tape.taken+len(reqs) > b {
		if r.tape.taken == 0 {
			return nil, fmt.Errorf("%w: the budget of %d evaluations is less than the %d that a search begins with", ErrStop, b, len(reqs))
		}
		return nil, fmt.Errorf("%w: the budget of %d evaluations is spent", ErrStop, b)
	}
	out, err := r.answer(ctx, r.d.Evaluator, reqs)
	if err == nil && r.live == 0 { // nothing but what the journal holds, which is long where the search was
		err = ctx.Err()
	}
	return out, err
}

// askFinal is the audit's Ask; it is outside the budget, which is the search's.
func (r *recorder) askFinal(ctx context.Context, reqs []Request) ([]Outcome, error) {
	if r.d.Final == nil {
		return nil, errors.New("final utilities are asked for and there is no evaluator of them")
	}
	return r.answer(ctx, ownStream{r.d.Final}, reqs)
}

// ownStream asks an evaluator of final utilities for samples of its main stream:
// finite pools have no other.
type ownStream struct{ Evaluator }

func (o ownStream) Evaluate(ctx context.Context, r Request) (Answer, error) {
	r.Stream = StreamSearch
	return o.Evaluator.Evaluate(ctx, r)
}

// answer takes outcomes from the journal where it has them and else from e.
func (r *recorder) answer(ctx context.Context, e Evaluator, reqs []Request) ([]Outcome, error) {
	out := make([]Outcome, len(reqs))
	var todo []int
	for i, q := range reqs {
		o, ok, err := r.tape.find(q)
		if err != nil {
			return nil, err
		}
		if out[i] = o; !ok {
			todo = append(todo, i)
		} else {
			r.replayed++
		}
	}
	if len(todo) > 0 {
		if err := r.evaluate(ctx, e, reqs, todo, out); err != nil {
			return nil, err
		}
		r.live += len(todo)
	}
	for i, q := range reqs {
		r.tape.take(q, out[i])
	}
	r.progress()
	return out, nil
}

// evaluate runs the missing requests on the workers and writes every outcome
// down as it comes.
func (r *recorder) evaluate(ctx context.Context, e Evaluator, reqs []Request, todo []int, out []Outcome) error {
	workers := min(max(r.d.Workers, 1), len(todo))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	next := make(chan int)
	var mu sync.Mutex
	var firstErr error
	answered := 0
	one := func(i int) {
		a, err := e.Evaluate(ctx, reqs[i])
		o := Outcome{Answer: a}
		var f *Failure
		if errors.As(err, &f) {
			o, err = Outcome{Failed: f.Reason}, nil
			if o.Failed == "" {
				o.Failed = "failed without a reason"
			}
		}
		if err == nil {
			err = r.w.append(evalEntry(reqs[i], o))
		}
		mu.Lock()
		defer mu.Unlock()
		if err != nil && firstErr == nil {
			firstErr = err
			cancel()
		}
		if err == nil {
			answered++
		}
		out[i] = o
	}
	if workers == 1 {
		for _, i := range todo {
			if ctx.Err() != nil {
				break
			}
			one(i)
		}
	} else {
		var wg sync.WaitGroup
		for range workers {
			wg.Go(func() {
				for i := range next {
					one(i)
				}
			})
		}
		for _, i := range todo {
			if ctx.Err() != nil {
				break
			}
			select {
			case next <- i:
				continue
			case <-ctx.Done():
			}
			break
		}
		close(next)
		wg.Wait()
	}
	if answered == len(todo) { // a whole batch is used, or verify would go further than the search
		return nil
	}
	if firstErr == nil {
		firstErr = ctx.Err()
	}
	if errors.Is(firstErr, context.Canceled) || errors.Is(firstErr, context.DeadlineExceeded) {
		return fmt.Errorf("%w: interrupted", ErrStop)
	}
	return firstErr
}

func evalEntry(q Request, o Outcome) Entry {
	e := Entry{Kind: EntryEval, Arch: q.Key, Stream: q.Stream, Index: ptr(q.Index), Seed: ptr(q.Seed)}
	if q.Fidelity != 1 {
		e.Fidelity = ptr(q.Fidelity)
	}
	if o.Failed != "" {
		e.Kind, e.Note = EntryFail, o.Failed
		return e
	}
	e.Utility, e.Parts = ptr(o.Utility), o.Parts
	if o.Seconds > 0 {
		e.Seconds = ptr(o.Seconds)
	}
	return e
}

// event writes the search's steps down and passes them on.
func (r *recorder) event(e Event) {
	if e.Kind == EventExplore || e.Kind == EventLayer || e.Kind == EventStep || e.Kind == EventFresh || e.Kind == EventCalibrate { // the others do not say how far it is
		r.last = e
	}
	if entry, ok := eventEntry(e); ok {
		known, err := r.tape.decision(entry)
		if err == nil && !known {
			err = r.w.append(entry)
		}
		if err != nil && r.tape.err == nil {
			r.tape.err = err
		}
	}
	r.progress()
}

func (r *recorder) progress() {
	if r.d.Progress == nil {
		return
	}
	p := Progress{Event: r.last, Measured: r.seen, Outside: r.outside, Eta: r.eta, Replayed: r.replayed, Left: -1, Elapsed: r.now().Sub(r.began)}
	p.Samples = r.tape.taken
	if p.Kind == "" { // the noise is being calibrated
		p.Need, p.EpsHat = -1, math.Inf(1)
	}
	if r.live > 0 && p.Need >= 0 {
		p.Left = p.Elapsed / time.Duration(r.live) * time.Duration(p.Need)
	}
	r.d.Progress(p)
}

// eventEntry is an event as the journal has it; layers and ends are not written
// as decisions.
func eventEntry(e Event) (Entry, bool) {
	switch e.Kind {
	case EventSigma:
		return Entry{Kind: EntrySigma, D: finite(e.D), Upper: finite(e.Upper), Samples: ptr(e.Samples), Note: e.Note}, true
	case EventApart:
		return Entry{Kind: EntryApart, From: e.From, To: e.To, Samples: ptr(e.Samples), Note: e.Note}, true
	case EventStart:
		return Entry{Kind: EntryStart, From: e.From, To: e.To, D: finite(e.D), Samples: ptr(e.Samples), Note: e.Note}, true
	case EventLayer:
		return Entry{Kind: EntryLayer, Layer: ptr(e.Layer), From: e.From, Samples: ptr(e.Samples), Open: ptr(e.Open), EpsHat: finite(e.EpsHat)}, true
	case EventRefuse:
		return Entry{Kind: EntryRefuse, Layer: ptr(e.Layer), From: e.From, To: e.To, D: finite(e.D), Upper: finite(e.Upper), Lower: finite(e.Lower), Samples: ptr(e.Samples), Note: e.Note}, true
	case EventRetire, EventMove:
		return Entry{Kind: EntryKind(e.Kind), Layer: ptr(e.Layer), From: e.From, To: e.To, D: finite(e.D), Upper: finite(e.Upper), Lower: finite(e.Lower), Samples: ptr(e.Samples)}, true
	}
	return Entry{}, false
}

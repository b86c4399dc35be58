// Package sidebyside runs the same models on several runtimes: their times in one
// interleaved run (Time), and which operator in which precision each can run, and
// how (Support).
//
// It compares runtimes; it does not measure for a table: there is no journal, no
// crash isolation, no drift reference. A campaign (agent/campaign) does that.
package sidebyside

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// Lane is one runtime with the way to run on it.
type Lane struct {
	Name    string // for people: litert/xnnpack
	Backend agent.Backend
	Options agent.Options
}

// Case is one model, the same for every lane.
type Case struct {
	Name      string
	Chain     benchmarks.Chain
	Precision lut.Precision
}

// Outcomes of a case on a lane besides a time.
const (
	OK          = "ok"
	Unsupported = "unsupported" // the runtime has no form of it or refuses it
	Fallback    = "fallback"    // part of it would run elsewhere
	Mismatch    = "mismatch"    // it runs and computes something else
	Failed      = "failed"
)

// Result is a case on a lane.
type Result struct {
	Case      string           `json:"case"`
	Precision lut.Precision    `json:"precision"`
	Lane      string           `json:"lane"`
	Outcome   string           `json:"outcome"`
	Detail    string           `json:"detail,omitempty"`    // of anything but ok
	Execution record.Execution `json:"execution,omitempty"` // "" where the runtime cannot tell
	Why       string           `json:"why,omitempty"`
	// RelRMS is the error against what the caller compares with; see Time and Support.
	RelRMS *float64 `json:"rel_rms,omitempty"`
	// Times of one inference in microseconds, over N samples of all rounds; nil where
	// nothing was timed.
	MinUS    *float64    `json:"min_us,omitempty"`
	MedianUS *float64    `json:"median_us,omitempty"`
	CI95US   *[2]float64 `json:"ci95_us,omitempty"` // of the median, distribution-free
	N        int         `json:"n,omitempty"`
}

// Settings of a run.
type Settings struct {
	Rounds    int           // visits of each model, at least 3
	Samples   int           // a visit, at least 1
	Sample    time.Duration // the shortest sample: runs are repeated within it
	Seed      uint64        // of weights, inputs and the order
	Tolerance map[string]float64
	Clock     agent.Clock
	// Progress is told the share done and what is next; nil for none.
	Progress func(done float64, note string)
}

func (s Settings) tell(done float64, note string) {
	if s.Progress != nil {
		s.Progress(done, note)
	}
}

// outcome names an error's kind.
func outcome(err error) string {
	switch {
	case errors.Is(err, agent.ErrFallback):
		return Fallback
	case errors.Is(err, agent.ErrUnsupported):
		return Unsupported
	}
	return Failed
}

// build makes a case the model of a lane.
func (s Settings) build(c Case, l Lane) (agent.Model, error) {
	info, err := l.Backend.Info()
	if err != nil {
		return agent.Model{}, err
	}
	m, err := agent.Build(benchmarks.Model{Chain: c.Chain}, agent.BuildSpec{Format: info.Format, Batch: 1, Seed: s.Seed})
	m.Name = c.Name
	return m, err
}

// runner is an open case.
type runner struct {
	result  *Result
	session agent.Session
	repeat  int
	us      []float64
}

// Time opens every case on every lane, all at once, and visits them in random
// order round after round. RelRMS is against the first lane that ran the case.
// It fails only on cancellation or a library that does not load; what a runtime
// refuses is in the results, which come case by case in the lanes' order.
func Time(ctx context.Context, cases []Case, lanes []Lane, s Settings) ([]Result, error) {
	if s.Rounds < 3 || s.Samples < 1 {
		return nil, fmt.Errorf("side by side: %d rounds of %d samples; at least 3 of 1 are needed", s.Rounds, s.Samples)
	}
	results := make([]Result, len(cases)*len(lanes))
	var open []*runner
	defer func() {
		for _, r := range open {
			r.session.Close()
		}
	}()
	for i, c := range cases {
		var first []agent.Tensor
		for j, l := range lanes {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			r := &results[i*len(lanes)+j]
			*r = Result{Case: c.Name, Precision: c.Precision, Lane: l.Name}
			s.tell(0, "opening "+c.Name+" on "+l.Name)
			session, out, err := s.prepare(ctx, c, l, r)
			if err != nil {
				r.Outcome, r.Detail = outcome(err), err.Error()
				continue
			}
			open = append(open, &runner{result: r, session: session})
			if first == nil {
				first = out
			}
			n, err := agent.CompareTensors(out, first)
			if err != nil {
				r.Outcome, r.Detail = Mismatch, err.Error()
				continue
			}
			r.RelRMS, r.Outcome = &n.RelRMS, OK
			if limit := s.Tolerance[string(c.Precision)]; !(n.RelRMS <= limit) {
				r.Outcome, r.Detail = Mismatch, fmt.Sprintf("relative RMS error %.3g against %s, tolerance %.3g", n.RelRMS, results[i*len(lanes)].Lane, limit)
			}
		}
	}
	rng := rand.New(rand.NewPCG(s.Seed, uint64(len(results))))
	for round := range s.Rounds {
		rng.Shuffle(len(open), func(i, j int) { open[i], open[j] = open[j], open[i] })
		for k, r := range open {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			s.tell((float64(round)+float64(k)/float64(len(open)))/float64(s.Rounds), r.result.Case+" on "+r.result.Lane)
			if err := r.visit(s); err != nil {
				return nil, fmt.Errorf("run %s on %s: %w", r.result.Case, r.result.Lane, err)
			}
		}
	}
	for _, r := range open {
		r.summarise()
	}
	return results, nil
}

// prepare opens a session, runs it once and asks how it computed.
func (s Settings) prepare(ctx context.Context, c Case, l Lane, r *Result) (agent.Session, []agent.Tensor, error) {
	m, err := s.build(c, l)
	if err != nil {
		return nil, nil, err
	}
	opt := l.Options
	opt.Seed = s.Seed
	if p, ok := l.Backend.(agent.ExecutionProver); ok {
		e, err := p.Execution(ctx, m, opt, c.Precision)
		if err != nil {
			return nil, nil, err
		}
		r.Execution, r.Why = e.Mode, e.Why
	}
	session, err := l.Backend.Open(ctx, m, opt)
	if err != nil {
		return nil, nil, err
	}
	out, err := once(session)
	if err != nil {
		session.Close()
		return nil, nil, err
	}
	return session, out, nil
}

func once(session agent.Session) ([]agent.Tensor, error) {
	if err := session.Run(); err != nil {
		return nil, err
	}
	reader, ok := session.(agent.OutputReader)
	if !ok {
		return nil, fmt.Errorf("%w: outputs cannot be read back", agent.ErrUnsupported)
	}
	out, err := reader.Outputs()
	for i := range out {
		out[i].Data = slices.Clone(out[i].Data)
	}
	return out, err
}

// warmRuns are discarded at the start of a visit: caches hold another model's data.
const warmRuns = 2

// visit takes the round's samples.
func (r *runner) visit(s Settings) error {
	for range warmRuns {
		if err := r.session.Run(); err != nil {
			return err
		}
	}
	if r.repeat == 0 { // found once, then frozen
		start := s.Clock.Now()
		if err := r.session.Run(); err != nil {
			return err
		}
		took := max(s.Clock.Now().Sub(start), 1)
		r.repeat = min(int((s.Sample+took-1)/took), 1<<16)
		r.repeat = max(r.repeat, 1)
	}
	for range s.Samples {
		start := s.Clock.Now()
		for range r.repeat {
			if err := r.session.Run(); err != nil {
				return err
			}
		}
		r.us = append(r.us, float64(s.Clock.Now().Sub(start).Nanoseconds())/1e3/float64(r.repeat))
	}
	return nil
}

func (r *runner) summarise() {
	lowest, median := slices.Min(r.us), stats.Median(r.us)
	r.result.MinUS, r.result.MedianUS, r.result.N = &lowest, &median, len(r.us)
	if lo, hi, ok := stats.MedianInterval(r.us, 0.95); ok {
		r.result.CI95US = &[2]float64{lo, hi}
	}
}

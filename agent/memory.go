package agent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/record"
)

// wholeModel says whether some case's memory is this model's own.
func (r *run) wholeModel(id string) bool {
	return slices.ContainsFunc(r.Plan.Cases, func(k benchmarks.Case) bool {
		return k.Role != benchmarks.RoleCell && len(k.Terms) == 1 && k.Terms[0].Model == id && k.Terms[0].Coef == 1
	})
}

// framed says whether the memory of some cell is read off this model.
func (r *run) framed(id string) bool {
	return slices.ContainsFunc(r.Plan.Cases, func(k benchmarks.Case) bool { return frameOf(k) == id })
}

// frameOf is the model that holds a cell's operator, "" for a cell that is no
// difference of models: a slope.
func frameOf(k benchmarks.Case) string {
	if k.Role != benchmarks.RoleCell || len(k.Terms) == 0 || k.Terms[0].Coef != 1 {
		return ""
	}
	return k.Terms[0].Model
}

// checkMemory counts what a model takes in a child that times nothing, so that
// neither an arena's rounding is in the figure nor the counting in a latency. For a
// whole model the child is its own and also opens it as it is timed: what the process
// then grows by belongs to the model – weights, working set and the runtime's own share
// that its kernels pull in. Framed models share the child *counting.
func (r *run) checkMemory(ctx context.Context, c *record.Check, counting **talk) error {
	whole := r.wholeModel(c.Model)
	t := *counting
	if whole || t == nil {
		var err error
		if t, err = r.launchCounting(ctx); err != nil {
			return err
		}
		if whole {
			defer t.close()
		} else {
			*counting = t
		}
	}
	m := &record.Memory{}
	if whole {
		if o := r.j.opens[c.Model]; o != nil { // what the timed session said, if nobody can count
			if opened := r.memoryOf(o); opened != nil {
				m = opened
			}
		}
	}
	err := r.count(ctx, t, c.Model, m)
	if err == nil && whole {
		err = r.growth(ctx, t, c.Model, m)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		if !whole {
			*counting = nil // a child that failed is not asked again
			t.close()
		}
		c.Absent = join(c.Absent, fmt.Sprintf("memory: a child of its own could not open the model: %v", err))
		return nil
	}
	if m.LivenessBytes == nil {
		if n, ok := liveness(r.models[c.Model].Chain, r.Protocol.Batch); ok {
			m.LivenessBytes = &n
		}
	}
	c.Memory = m
	return nil
}

// launchCounting starts a child for the second pass.
func (r *run) launchCounting(ctx context.Context) (*talk, error) {
	p, err := r.Launch.Launch(ctx)
	if err != nil {
		return nil, err
	}
	t := newTalk(p, r.talk.now)
	if _, err := t.ask(ctx, request{Hello: &helloRequest{Backend: r.Backend, Protocol: r.Protocol.Canonical(), ElapsedS: r.talk.now}}, r.openPatience(), nil); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// count asks the child what the model takes; figures it cannot give stay.
func (r *run) count(ctx context.Context, t *talk, id string, m *record.Memory) error {
	_, err := t.ask(ctx, request{Memory: &memoryRequest{Model: r.models[id], Name: r.names[id]}}, r.openPatience(), func(rep report) error {
		if rep.Failed != nil {
			return fmt.Errorf("%s: %s", rep.Failed.Validity, rep.Failed.Detail)
		}
		if n := rep.Counted; n != nil {
			m.LivenessBytes = n.LivenessBytes
			if n.PeakActBytes != nil {
				weights := max(*n.WeightsBytes, r.constants(r.models[id]))
				m.WeightsBytes, m.PeakActBytes, m.Source = &weights, n.PeakActBytes, n.Source
			}
		}
		return nil
	})
	return err
}

// growth is what a process grows by when it opens the model as it is timed.
func (r *run) growth(ctx context.Context, t *talk, id string, m *record.Memory) error {
	before := t.rss
	done, err := t.ask(ctx, request{Open: &openRequest{Models: []openModel{{Model: r.models[id], Name: r.names[id], Repeat: 1}}}}, r.openPatience(), func(rep report) error {
		if rep.Failed != nil {
			return errors.New(rep.Failed.Detail)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if peak := done.HWM - before; peak > 0 {
		m.PeakRSSBytes = &peak
	}
	return nil
}

// cellMemory is a cell's memory: by what its framed model took where that was counted,
// else by the liveness of the operator's own graph.
func (r *run) cellMemory(k benchmarks.Case) *record.Memory {
	c := r.j.checks[frameOf(k)]
	if c == nil || c.Memory == nil || c.Memory.PeakActBytes == nil || c.Memory.Source != FromRequests {
		n, ok := liveness(benchmarks.Chain{*k.Key}, r.Protocol.Batch)
		if !ok {
			return nil
		}
		return &record.Memory{LivenessBytes: &n}
	}
	of := c.Memory
	return &record.Memory{PeakActBytes: of.PeakActBytes, LivenessBytes: of.LivenessBytes, Source: of.Source}
}

// countMemory opens the model on a counting allocator, runs it twice and closes it; and
// reads off the runtime's own graph what its plan keeps alive.
func (s *childState) countMemory(ctx context.Context, q memoryRequest) error {
	if err := s.send(report{Begin: true, Model: q.Model.ID}); err != nil {
		return err
	}
	m, err := s.counted(ctx, q)
	r := report{Model: q.Model.ID, Counted: m}
	if err != nil {
		r.Failed = &failReport{validityOf(err), cleanDetail(err.Error())}
	}
	return s.send(r)
}

func (s *childState) counted(ctx context.Context, q memoryRequest) (*record.Memory, error) {
	info, err := s.backend.Info()
	if err != nil {
		return nil, err
	}
	model, err := s.Build(q.Model, s.buildSpec(info.Format))
	if err != nil {
		return nil, err
	}
	if model.Name == "" {
		model.Name = q.Name
	}
	opt := s.options
	opt.Inputs = inputsFor(s.options.Inputs, model)
	m := &record.Memory{}
	if o, ok := s.backend.(Optimiser); ok && info.Format == "onnx" && opt.Provider == "cpu" {
		plan(ctx, o, model, opt, m)
	}
	opt.CountMemory = true
	session, err := s.backend.Open(ctx, model, opt)
	if errors.Is(err, ErrUnsupported) {
		return m, nil // it cannot be counted
	}
	if err != nil {
		return nil, err
	}
	defer session.Close()
	reporter, ok := session.(MemoryReporter)
	if !ok {
		return m, nil
	}
	idle, err := reporter.MemoryStats()
	if err != nil || idle.Source != FromRequests {
		return m, nil
	}
	if err := session.Run(); err != nil {
		return nil, err
	}
	after, err := reporter.MemoryStats()
	if err != nil {
		return nil, err
	}
	peak := max(0, after.MaxInUse-idle.InUse)
	weights := max(idle.InUse, constantBytes(info.Format, model.Bytes)) // it may use them where they lie
	m.WeightsBytes, m.PeakActBytes, m.Source = &weights, &peak, after.Source
	return m, nil
}

// plan reads the runtime's optimised graph for what is alive while each kernel runs. A
// graph that cannot be read leaves the figures out.
func plan(ctx context.Context, o Optimiser, model Model, opt Options, m *record.Memory) {
	data, err := o.Optimised(ctx, model, opt)
	if err != nil {
		return
	}
	read := onnxreader.Options{Dims: model.Dims, Lowered: true}
	if model.Path != "" {
		read.Root = os.DirFS(filepath.Dir(model.Path))
	}
	net, err := onnxreader.Read(data, read)
	if err != nil || net.PeakBytes == 0 {
		return
	}
	m.LivenessBytes = &net.PeakBytes
}

package campaign

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/record"
)

// wholeModel reports whether some case's memory is this model's own.
func (r *run) wholeModel(id string) bool {
	return slices.ContainsFunc(r.Plan.Cases, func(k benchmarks.Case) bool {
		return k.Role != role.Cell && len(k.Terms) == 1 && k.Terms[0].Model == id && k.Terms[0].Coef == 1
	})
}

// framed reports whether some cell's memory is read off this model.
func (r *run) framed(id string) bool {
	return slices.ContainsFunc(r.Plan.Cases, func(k benchmarks.Case) bool { return frameOf(k) == id })
}

// frameOf is the model that holds a cell's operator, "" for a cell that is not a
// difference of models: a slope.
func frameOf(k benchmarks.Case) string {
	if k.Role != role.Cell || len(k.Terms) == 0 || k.Terms[0].Coef != 1 {
		return ""
	}
	return k.Terms[0].Model
}

// checkMemory counts what a model takes in a child that times nothing, so that
// neither an arena's rounding is in the figure nor the counting in a latency. For a
// whole model the child is its own and also opens it as it is timed: what the process
// then grows by belongs to the model – weights, working set and the runtime's own share
// that its kernels pull in. Framed models share the child *counting.
func (r *run) checkMemory(ctx context.Context, c *record.Check, counting **child.Talk) error {
	whole := r.wholeModel(c.Model)
	t := *counting
	if whole || t == nil {
		var err error
		if t, err = r.launchCounting(ctx); err != nil {
			return err
		}
		if whole {
			defer t.Close()
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
			t.Close()
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
func (r *run) launchCounting(ctx context.Context) (*child.Talk, error) {
	p, err := r.Launch.Launch(ctx)
	if err != nil {
		return nil, err
	}
	t := child.NewTalk(p, r.talk.Now())
	if _, err := t.Ask(ctx, child.Request{Hello: &child.Hello{Backend: r.Backend, Protocol: r.Protocol.Canonical(), ElapsedS: r.talk.Now()}}, r.openPatience(), nil); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// count asks the child what the model takes; figures it cannot give stay.
func (r *run) count(ctx context.Context, t *child.Talk, id string, m *record.Memory) error {
	_, err := t.Ask(ctx, child.Request{Memory: &child.Memory{Model: r.models[id], Name: r.names[id]}}, r.openPatience(), func(rep child.Report) error {
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

// growth measures by how much a process grows when it opens the model as it is timed.
func (r *run) growth(ctx context.Context, t *child.Talk, id string, m *record.Memory) error {
	before := t.ResidentBytes()
	done, err := t.Ask(ctx, child.Request{Open: &child.Open{Models: []child.OpenModel{{Model: r.models[id], Name: r.names[id], Repeat: 1}}}}, r.openPatience(), func(rep child.Report) error {
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
	if c == nil || c.Memory == nil || c.Memory.PeakActBytes == nil || c.Memory.Source != agent.FromRequests {
		n, ok := liveness(benchmarks.Chain{*k.Key}, r.Protocol.Batch)
		if !ok {
			return nil
		}
		return &record.Memory{LivenessBytes: &n}
	}
	of := c.Memory
	return &record.Memory{PeakActBytes: of.PeakActBytes, LivenessBytes: of.LivenessBytes, Source: of.Source}
}

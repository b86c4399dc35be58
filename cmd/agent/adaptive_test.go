package main

import (
	"context"
	"math"
	"path/filepath"
	"testing"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/campaign"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/agent/sim"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// errorScale returns the cost that a case's error is relative to: as the protocol's interval, the
// larger of its value and stop.floor of its most expensive term.
func errorScale(p agent.Protocol, c benchmarks.Case, truth map[string]float64) (value, scale float64) {
	for _, t := range c.Terms {
		value += t.Coef * truth[t.Model]
		scale = max(scale, p.Stop.Floor*math.Abs(t.Coef)*truth[t.Model])
	}
	return value, max(scale, math.Abs(value))
}

// TestAdaptiveStoppingOnTheExamplePlan measures the plan of examples/mobile-cnn on
// the simulated device of examples/, which drifts and has bursts as devices do: by a
// fixed rule, one model after another, 50 runs and at least a second each – the
// defaults of TensorFlow Lite's benchmark_model (num_runs 50, min_secs 1) – and
// adaptively, under the default protocol and with a coarser target. What is compared
// is the interval that holds 95 % of the true errors, and the device seconds it took:
// at an interval no wider than the fixed rule's, adaptive stopping is ten times
// cheaper; for a ninth of the width it is still cheaper.
func TestAdaptiveStoppingOnTheExamplePlan(t *testing.T) {
	path := filepath.Join(t.TempDir(), "plan.jsonl")
	if code, _, talk := runAgent(t, "plan", "--space", "../../examples/mobile-cnn/space.yaml", "-o", path); code != 0 {
		t.Fatal(talk)
	}
	plan, err := benchmarks.OpenPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	d, err := sim.Read("../../examples/sim-device.yaml")
	if err != nil {
		t.Fatal(err)
	}
	truth := map[string]float64{}
	for _, m := range plan.Models {
		if truth[m.ID], err = d.ModelUS(m.Chain); err != nil {
			t.Fatal(err)
		}
	}
	newBackend := func(agent.BackendSpec) (agent.Backend, error) {
		return sim.New(d, func(kind string) { panic(child.Death(record.CrashedPrefix + kind)) }), nil
	}

	adaptive := func(target float64) (seconds, within float64) {
		protocol := agent.DefaultProtocol()
		protocol.Stop.Interval = target
		protocol.Check.Numeric = false // of latency alone
		c := &campaign.Campaign{Plan: plan, PlanHash: plan.SHA256(), Protocol: protocol, Backend: agent.BackendSpec{Name: "sim", Provider: "cpu"},
			Launch: child.InProcess{Child: child.Child{NewBackend: newBackend, Build: agent.Build}}, Agent: "test",
			Device: lut.Device{ID: "sim", Model: "sim"}, Now: func() time.Time { return time.Unix(0, 0) }}
		out, err := c.Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		var off []float64
		for i, k := range plan.Cases {
			r := out.Records[i]
			if r.EstimateUS == nil {
				t.Fatalf("%s: %v %s", r.Name, r.Validity, r.Detail)
			}
			value, scale := errorScale(protocol, k, truth)
			off = append(off, math.Abs(*r.EstimateUS-value)/scale)
		}
		return out.End.DeviceS, stats.Quantile(off, 0.95)
	}
	fineS, fine := adaptive(0.01)
	coarseS, coarse := adaptive(0.04)

	// The fixed rule, on the same device from the same moment.
	b, _ := newBackend(agent.BackendSpec{})
	clock := b.(agent.World).Clock()
	start := clock.Now()
	median := map[string]float64{}
	for _, m := range plan.Models {
		s, err := b.Open(context.Background(), agent.Model{ID: m.ID, Chain: m.Chain}, agent.Options{Provider: "cpu", Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(); err != nil { // benchmark_model warms up, too
			t.Fatal(err)
		}
		var us []float64
		for began := clock.Now(); len(us) < 50 || clock.Now().Sub(began) < time.Second; {
			t0 := clock.Now()
			if err := s.Run(); err != nil {
				t.Fatal(err)
			}
			us = append(us, float64(clock.Now().Sub(t0).Nanoseconds())/1e3)
		}
		median[m.ID] = stats.Median(us)
		s.Close()
	}
	fixedS := clock.Now().Sub(start).Seconds()
	protocol := agent.DefaultProtocol()
	var off []float64
	for _, k := range plan.Cases {
		value, scale := errorScale(protocol, k, truth)
		got := 0.0
		for _, term := range k.Terms {
			got += term.Coef * median[term.Model]
		}
		off = append(off, math.Abs(got-value)/scale)
	}
	fixed := stats.Quantile(off, 0.95)

	t.Logf("%d cases, %d models; the interval that holds 95 %% of the errors, and its device seconds:", len(plan.Cases), len(plan.Models))
	t.Logf("fixed rule        ±%.2f %%  %4.0f s", fixed*100, fixedS)
	t.Logf("adaptive, ±4 %%    ±%.2f %%  %4.0f s, %.1f times fewer", coarse*100, coarseS, fixedS/coarseS)
	t.Logf("adaptive, ±1 %%    ±%.2f %%  %4.0f s, %.1f times fewer", fine*100, fineS, fixedS/fineS)
	if coarse > fixed || fine > coarse {
		t.Errorf("the intervals are not in order: %.4f, %.4f, %.4f", fixed, coarse, fine)
	}
	if fixedS < 10*coarseS {
		t.Errorf("only %.1f times cheaper at the fixed rule's interval", fixedS/coarseS)
	}
	if fixedS < 3*fineS {
		t.Errorf("only %.1f times cheaper at the finer interval", fixedS/fineS)
	}
}

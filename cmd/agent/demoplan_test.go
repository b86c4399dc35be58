package main

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/campaign"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/agent/ort"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// TestDemoPlanIsRight opens and runs every model of the demo's plan, with 4 of its
// networks, and compares what is not fp32 with fp32, as a campaign does: no case fails. In
// an emulator, which is twenty times slower, it takes one cell of each int8 family and the
// networks. The child runs in this process, so that it is emulated too.
func TestDemoPlanIsRight(t *testing.T) {
	nativelib.Require(t, "onnxruntime")
	path := filepath.Join(t.TempDir(), "plan.jsonl")
	if _, talk, code := agentMain("", "plan", "--space", "../../examples/mobile-cnn/space.yaml", "--calibrate", "1", "--audit", "3", "--seed", "1", "-o", path); code != 0 {
		t.Fatalf("plan: %d %s", code, talk)
	}
	plan, err := benchmarks.OpenPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	least := 200
	if device.Emulated() != "" {
		oneOfEachInt8Family(plan)
		least = 20
	}
	p := agent.DefaultProtocol()
	p.Warmup.Seconds, p.Warmup.MaxSeconds = 0.01, 0.01
	p.ModelWarmup.Runs, p.ModelWarmup.MaxSeconds = 2, 0.001
	p.Sample.MinSeconds, p.Sample.PerVisit, p.Sample.Discard = 1e-6, 1, 0
	p.Stop.MinRounds, p.Stop.MaxRounds, p.Stop.MinSamples = 1, 1, 1
	c := &campaign.Campaign{
		Plan: plan, PlanHash: plan.SHA256(), Protocol: p, Agent: "test", Now: time.Now,
		Backend: agent.BackendSpec{Name: ort.Name, Provider: "cpu"}, Device: lut.Device{ID: "test"}, MemoryBytes: 2 << 30,
		Launch: child.InProcess{Child: child.Child{
			NewBackend: func(agent.BackendSpec) (agent.Backend, error) {
				return ort.New(ort.Config{Search: nativelib.Host()}), nil
			},
			Build: agent.Build,
		}},
	}
	out, err := c.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range out.Records {
		if slices.ContainsFunc(r.Validity, record.Failure) {
			t.Errorf("%s: %s: %s", firstOf(r.Name, r.Case), record.Join(r.Validity, ", "), r.Detail)
		}
	}
	compared := 0
	for _, m := range plan.Models {
		if !slices.ContainsFunc(m.Chain, func(op lut.Op) bool { return op.Precision == lut.INT8 }) {
			continue
		}
		n := out.Checks[m.ID]
		if n == nil || n.Numeric == nil {
			t.Errorf("%v: its results were not compared", m.Chain)
			continue
		}
		compared++
	}
	if compared < least {
		t.Errorf("only %d models were compared with fp32", compared)
	}
	t.Logf("%d cases, %d models, %d compared", len(plan.Cases), len(plan.Models), compared)
}

// oneOfEachInt8Family leaves of a plan its networks, the first cell of each int8 family,
// and what neither of these is.
func oneOfEachInt8Family(plan *benchmarks.Plan) {
	seen, used := map[string]bool{}, map[string]bool{}
	plan.Cases = slices.DeleteFunc(plan.Cases, func(c benchmarks.Case) bool {
		if c.Key == nil {
			return false
		}
		f := c.Key.Family()
		drop := c.Key.Precision != lut.INT8 || seen[f]
		seen[f] = true
		return drop
	})
	for i := range plan.Cases {
		c := &plan.Cases[i]
		c.SecondContext, c.Isolated = nil, ""
		for _, term := range c.Terms {
			used[term.Model] = true
		}
	}
	plan.Models = slices.DeleteFunc(plan.Models, func(m benchmarks.Model) bool { return !used[m.ID] })
}

package main

import (
	"context"
	"fmt"
	"os"
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

// demoPlan is the plan of the demo with as many of its networks.
func demoPlan(t *testing.T, networks int) *benchmarks.Plan {
	t.Helper()
	path := filepath.Join(t.TempDir(), "plan.jsonl")
	if _, talk, code := agentMain("", "plan", "--space", "../../examples/mobile-cnn/space.yaml", "--calibrate", "1", "--audit", fmt.Sprint(networks-1), "--seed", "1", "-o", path); code != 0 {
		t.Fatalf("plan: %d %s", code, talk)
	}
	plan, err := benchmarks.OpenPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// hasInt8 reports whether some operator of a model is quantised.
func hasInt8(m benchmarks.Model) bool {
	return slices.ContainsFunc(m.Chain, func(op lut.Op) bool { return op.Precision == lut.INT8 })
}

// here is ONNX Runtime in this process, so that it is emulated where the test is.
var here = child.InProcess{Child: child.Child{
	NewBackend: func(agent.BackendSpec) (agent.Backend, error) {
		return ort.New(ort.Config{Search: nativelib.Host()}), nil
	},
	Build: agent.Build,
}}

// TestDemoPlanIsRight opens and runs every model of the demo's plan, with 4 of its
// networks, and compares what is not fp32 with fp32, as a campaign does: no case fails.
func TestDemoPlanIsRight(t *testing.T) {
	if testing.Short() {
		t.Skip("runs every model of the demo's plan: make test")
	}
	nativelib.Require(t, "onnxruntime")
	plan := demoPlan(t, 4)
	p := agent.DefaultProtocol()
	p.Warmup.Seconds, p.Warmup.MaxSeconds = 0.01, 0.01
	p.ModelWarmup.Runs, p.ModelWarmup.MaxSeconds = 2, 0.001
	p.Sample.MinSeconds, p.Sample.PerVisit, p.Sample.Discard = 1e-6, 1, 0
	p.Stop.MinRounds, p.Stop.MaxRounds, p.Stop.MinSamples = 1, 1, 1
	c := &campaign.Campaign{
		Plan: plan, PlanHash: plan.SHA256(), Protocol: p, Agent: "test", Now: time.Now,
		Backend: agent.BackendSpec{Name: ort.Name, Provider: "cpu"}, Device: lut.Device{ID: "test"}, MemoryBytes: 2 << 30,
		Launch: here,
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
		if !hasInt8(m) {
			continue
		}
		n := out.Checks[m.ID]
		if n == nil || n.Numeric == nil {
			t.Errorf("%v: its results were not compared", m.Chain)
			continue
		}
		compared++
	}
	if compared < 200 {
		t.Errorf("only %d models were compared with fp32", compared)
	}
	t.Logf("%d cases, %d models, %d compared", len(plan.Cases), len(plan.Models), compared)
}

// oneOfEachInt8Family are the models of the first cell of each int8 family of a plan.
func oneOfEachInt8Family(plan *benchmarks.Plan) []benchmarks.Model {
	seen, used := map[string]bool{}, map[string]bool{}
	for _, c := range plan.Cases {
		if c.Key == nil || c.Key.Precision != lut.INT8 || seen[c.Key.Family()] {
			continue
		}
		seen[c.Key.Family()] = true
		for _, term := range c.Terms {
			used[term.Model] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(plan.Models), func(m benchmarks.Model) bool { return !used[m.ID] })
}

// TestDemoInt8IsRight makes of TestDemoPlanIsRight the comparison alone, of what holds int8:
// two runs of a model where the campaign makes ten. In an emulator, which is some eighty times
// slower, it takes one cell of each family, a family being one operator with one set of
// attributes, unless ISOCOST_EVERY_CELL asks for all (make test-avx2-whole).
func TestDemoInt8IsRight(t *testing.T) {
	nativelib.Require(t, "onnxruntime")
	plan := demoPlan(t, 2)
	ctx, p := context.Background(), agent.DefaultProtocol()
	process, err := here.Launch(ctx)
	if err != nil {
		t.Fatal(err)
	}
	talk := child.NewTalk(process, 0)
	defer talk.Close()
	const patience = 5 * time.Minute
	const tolerance = 0.1 // quantisation alone is off by 0.07 at most; saturation of 8-bit weights by up to 0.36
	hello := child.Hello{Backend: agent.BackendSpec{Name: ort.Name, Provider: "cpu"}, Protocol: p.Canonical()}
	if _, err := talk.Ask(ctx, child.Request{Hello: &hello}, patience, nil); err != nil {
		t.Fatal(err)
	}
	models, least := plan.Models, 190
	if device.Emulated() != "" && os.Getenv("ISOCOST_EVERY_CELL") == "" {
		models, least = oneOfEachInt8Family(plan), 20
	}
	compared, worst := 0, 0.0
	for _, m := range models {
		if !hasInt8(m) {
			continue
		}
		q := child.Check{Model: m, Reference: lut.FP32, Tolerance: tolerance}
		_, err := talk.Ask(ctx, child.Request{Check: &q}, patience, func(r child.Report) error {
			if r.Failed != nil {
				t.Errorf("%v: %s: %s", m.Chain, r.Failed.Validity, r.Failed.Detail)
			} else if r.Numeric != nil {
				compared++
				worst = max(worst, r.Numeric.RelRMS)
			}
			return nil
		})
		if err != nil {
			t.Fatalf("%v: %v", m.Chain, err)
		}
	}
	if compared < least {
		t.Errorf("only %d models agree with fp32", compared)
	}
	t.Logf("%d models agree, the worst by %.3g of its results' RMS", compared, worst)
}

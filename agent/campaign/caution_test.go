package campaign_test

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/campaign"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// twoAnswers is a runtime whose cpu provider computes 0.5 where its npu computes 1.
type twoAnswers struct{}

func (twoAnswers) Info() (agent.Info, error) {
	return agent.Info{Backend: "test", Version: "1", SHA256: strings.Repeat("0", 64), Providers: []string{"cpu", "npu"}, Format: "onnx"}, nil
}

func (twoAnswers) Open(_ context.Context, _ agent.Model, opt agent.Options) (agent.Session, error) {
	if opt.Provider == "cpu" {
		return answer(0.5), nil
	}
	return answer(1), nil
}

type answer float32

func (answer) Run() error   { time.Sleep(50 * time.Microsecond); return nil }
func (answer) Close() error { return nil }
func (a answer) Outputs() ([]agent.Tensor, error) {
	return []agent.Tensor{{Name: "y", DType: "float32", Shape: []int{1}, Data: binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(a)))}}, nil
}

// TestExplainedMismatchKeepsItsCost: where the campaign knows why a model file's results
// on the cpu are wrong, a mismatch is said and the cost stays; else the cost goes.
func TestExplainedMismatchKeepsItsCost(t *testing.T) {
	plan := &benchmarks.Plan{
		Models: []benchmarks.Model{{ID: "m1", File: "net.onnx", SHA256: strings.Repeat("0", 64)}},
		Cases:  []benchmarks.Case{{ID: "c1", Role: role.Network, Name: "net", Terms: []benchmarks.Term{{Coef: 1, Model: "m1"}}}},
	}
	for _, caution := range []string{"", "its products saturate"} {
		p := agent.DefaultProtocol()
		p.Warmup.Seconds, p.Warmup.MaxSeconds = 0.01, 0.05
		p.Stop.MinRounds, p.Stop.MaxRounds, p.Stop.MinSamples = 6, 6, 1
		p.Check.Placement = false
		c := &campaign.Campaign{
			Plan: plan, PlanHash: strings.Repeat("0", 64), Protocol: p, Agent: "test", Now: time.Now,
			Backend: agent.BackendSpec{Name: "test", Provider: "npu"}, Device: lut.Device{ID: "test"},
			Launch: child.InProcess{Child: child.Child{
				NewBackend: func(agent.BackendSpec) (agent.Backend, error) { return twoAnswers{}, nil },
				Build: func(m benchmarks.Model, _ agent.BuildSpec) (agent.Model, error) {
					return agent.Model{Name: m.ID, ID: m.ID}, nil
				},
			}},
			Caution: func(benchmarks.Model) string { return caution },
		}
		out, err := c.Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		rec := out.Records[0]
		if mismatch := slices.Contains(rec.Validity, record.NumericMismatch); mismatch != (caution == "") || mismatch != (rec.EstimateUS == nil) {
			t.Errorf("caution %q: validity %v, cost %v", caution, rec.Validity, rec.EstimateUS)
		}
		if caution == "" {
			continue
		}
		check := out.Checks["m1"]
		if check == nil || check.Numeric == nil || check.Numeric.RelRMS != 1 || !strings.Contains(check.Absent, caution) {
			t.Errorf("the journal says %+v; want the mismatch and what explains it", check)
		}
	}
}

package campaign_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/campaign"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/agent/sim"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// conv is an operator the simulated devices of these tests price.
func conv(p lut.Precision, cin, cout, side int) lut.Op {
	return lut.NewOp("conv", p, map[string]string{"k": "3"}, map[string]int{"cin": cin, "cout": cout, "h": side, "w": side})
}

// planOf makes a plan of sandwiched cells – (pre, op, post) − (pre, post) – with
// an anchor, and each op alone as the isolated column.
func planOf(ops ...lut.Op) *benchmarks.Plan {
	p := &benchmarks.Plan{Seed: 1, Source: "test"}
	add := func(c benchmarks.Chain) string {
		text, _ := json.Marshal(c)
		sum := sha256.Sum256(text)
		id := "m" + hex.EncodeToString(sum[:8])
		for _, m := range p.Models {
			if m.ID == id {
				return id
			}
		}
		p.Models = append(p.Models, benchmarks.Model{ID: id, Chain: c})
		return id
	}
	anchor := benchmarks.Chain{conv(lut.FP32, 32, 32, 14)}
	p.Cases = append(p.Cases, benchmarks.Case{ID: "anchor", Role: role.Reference, Name: "anchor",
		Terms: []benchmarks.Term{{Coef: 1, Model: add(anchor)}}})
	for i, op := range ops {
		pre := conv(op.Precision, 8, 8, 14)
		with, without := add(benchmarks.Chain{pre, op, pre}), add(benchmarks.Chain{pre, pre})
		p.Cases = append(p.Cases, benchmarks.Case{ID: fmt.Sprintf("cell%02d", i), Role: role.Cell, Name: op.String(), Key: &op,
			Terms: []benchmarks.Term{{Coef: 1, Model: with}, {Coef: -1, Model: without}}, Isolated: add(benchmarks.Chain{op})})
	}
	return p
}

func someOps(n int) []lut.Op {
	var out []lut.Op
	for i := range n {
		p := lut.FP32
		if i%3 == 2 {
			p = lut.INT8
		}
		out = append(out, conv(p, 16+8*(i%4), 16+8*i, 14))
	}
	return out
}

const deviceHead = `format: isocost/sim-device/v1
name: test
seed: 11
overhead_us: 20
boundary_us: 15
open_us: 2000
costs:
  - {match: 'conv.*/int8', us: 2 + 3e-4*h*w*cin*cout/9}
  - {match: 'conv', us: 3 + 6e-4*h*w*cin*cout/9}
`

func simDevice(t testing.TB, more string) *sim.Device {
	t.Helper()
	d, err := sim.Parse("device", []byte(deviceHead+more))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// inProcess runs the child as a goroutine; a fault that would end a process ends
// the goroutine.
func inProcess(d *sim.Device) child.Launcher {
	return child.InProcess{Child: child.Child{
		NewBackend: func(agent.BackendSpec) (agent.Backend, error) {
			return sim.New(d, func(kind string) { panic(child.Death(record.CrashedPrefix + kind)) }), nil
		},
		Build: agent.Build,
	}}
}

// featured is a library that states its features.
type featured struct {
	*sim.Backend
	features string
}

func (f featured) Info() (agent.Info, error) {
	info, err := f.Backend.Info()
	info.Features = f.features
	return info, err
}

// withFeatures is inProcess with a library that states these features.
func withFeatures(d *sim.Device, features string) child.Launcher {
	return child.InProcess{Child: child.Child{
		NewBackend: func(agent.BackendSpec) (agent.Backend, error) {
			return featured{sim.New(d, func(kind string) { panic(child.Death(record.CrashedPrefix + kind)) }), features}, nil
		},
		Build: agent.Build,
	}}
}

// newCampaign is a campaign on a simulated device, with rules that suit a test.
func newCampaign(t testing.TB, p *benchmarks.Plan, d *sim.Device, change func(*agent.Protocol)) *campaign.Campaign {
	t.Helper()
	protocol := agent.DefaultProtocol()
	protocol.Warmup = agent.Warmup{Runs: 10, Seconds: 0.01, FastEMA: 0.1, SlowEMA: 0.005, Within: 0.04, StableRuns: 10, MaxSeconds: 0.05}
	protocol.ModelWarmup.MaxSeconds = 0.005
	if change != nil {
		change(&protocol)
	}
	return &campaign.Campaign{
		Plan: p, PlanHash: planHash(p), Protocol: protocol, Backend: agent.BackendSpec{Name: "sim", Provider: "cpu"},
		Launch: inProcess(d), Path: filepath.Join(t.TempDir(), "rec.jsonl"), Agent: "test",
		Device: lut.Device{ID: "sim", Model: "sim"}, Now: func() time.Time { return time.Unix(0, 0) },
	}
}

func planHash(p *benchmarks.Plan) string {
	text, _ := json.Marshal(p)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// truth is a case's true value on a device, in microseconds.
func truth(t testing.TB, d *sim.Device, p *benchmarks.Plan, c benchmarks.Case) float64 {
	t.Helper()
	var us float64
	for _, term := range c.Terms {
		for _, m := range p.Models {
			if m.ID == term.Model {
				v, err := d.ModelUS(m.Chain)
				if err != nil {
					t.Fatal(err)
				}
				us += term.Coef * v
			}
		}
	}
	return us
}

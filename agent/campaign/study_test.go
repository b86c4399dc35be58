package campaign_test

import (
	"context"
	"math"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/campaign"
	"github.com/isocost/isocost/agent/sim"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// The demonstrations of what the sampling rules are worth, on devices whose true
// costs are known.

func runCampaign(t testing.TB, c *campaign.Campaign) *campaign.Outcome {
	t.Helper()
	out, err := c.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// worst is the largest relative error of a campaign's cells and networks.
func worst(t testing.TB, d *sim.Device, p *benchmarks.Plan, records []*record.Record) float64 {
	t.Helper()
	w := 0.0
	for i, r := range records {
		if r.EstimateUS == nil {
			t.Fatalf("%s: no estimate: %v %s", r.Name, r.Validity, r.Detail)
		}
		w = max(w, math.Abs(*r.EstimateUS/truth(t, d, p, p.Cases[i])-1))
	}
	return w
}

// sequential measures each case in a campaign of its own, one after another on
// the same device: what a benchmark does that does not interleave. Time goes on
// from one to the next.
func sequential(t testing.TB, d *sim.Device, p *benchmarks.Plan, change func(*agent.Protocol)) []*record.Record {
	var out []*record.Record
	now := 0.0
	for i := range p.Cases {
		k := p.Cases[i]
		k.Isolated = ""
		one := &benchmarks.Plan{Seed: p.Seed, Cases: []benchmarks.Case{k}}
		for _, m := range p.Models {
			for _, term := range k.Terms {
				if term.Model == m.ID {
					one.Models = append(one.Models, m)
				}
			}
		}
		later := *d
		shift(&later, now)
		c := newCampaign(t, one, &later, change)
		c.Launch = inProcess(&later)
		res := runCampaign(t, c)
		now += res.End.DeviceS
		out = append(out, res.Records[0])
	}
	return out
}

// shift moves a device's history so that it begins now seconds into it.
func shift(d *sim.Device, now float64) {
	phases := append([]sim.Phase{}, d.Throttle...)
	for i := range phases {
		phases[i].AfterS -= now
	}
	d.Throttle = phases
	d.Drift.StartS += now
}

func TestInterleavingSurvivesDriftAndThrottling(t *testing.T) {
	p := planOf(someOps(12)...)
	slow := func(q *agent.Protocol) {
		// Long enough that the device changes under way: about 20 s of samples.
		q.Sample.MinSeconds = 0.01
		q.Stop.MinRounds, q.Stop.MaxRounds = 20, 60
	}
	for _, c := range []struct{ name, more string }{
		{"drift", "noise: {jitter: 0.004}\ndrift: {per_hour: 12}\n"},
		{"throttling", "noise: {jitter: 0.004}\nthrottle: [{after_s: 8, for_s: 9, slowdown: 1.3}]\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := simDevice(t, c.more)
			out := runCampaign(t, newCampaign(t, p, d, slow))
			inter := worst(t, d, p, out.Records)
			// A harness that does not interleave has no anchor to see the change by.
			seq := worst(t, d, p, sequential(t, d, p, func(q *agent.Protocol) {
				slow(q)
				q.Drift.Correct, q.Thermal.Redo = false, 0
			}))
			t.Logf("worst error: interleaved %.2f %%, one after another %.2f %%; %.0f s of device time", inter*100, seq*100, out.End.DeviceS)
			if inter > 0.01 {
				t.Errorf("the interleaved campaign is off by %.2f %%, more than 1 %%", inter*100)
			}
			if seq <= 0.03 {
				t.Errorf("the sequential campaign is off by %.2f %% only: the test shows nothing", seq*100)
			}
		})
	}
}

func TestIntervalsCoverTheTruth(t *testing.T) {
	tier.Sequential(t, "a thousand simulated campaigns")
	const campaigns = 1000
	p := planOf(conv(lut.FP32, 64, 64, 14), conv(lut.FP32, 64, 96, 14), conv(lut.INT8, 96, 128, 14))
	for i := range p.Cases {
		p.Cases[i].Isolated = ""
	}
	for _, c := range []struct {
		estimator agent.Estimator
		more      string
	}{
		// Jitter of each run and wander between rounds, both with median 1.
		{agent.EstimatorMedian, "noise: {jitter: 0.01, wander: 0.005, wander_s: 0.001}\n"},
		// Interference that only adds: the truth is the endpoint.
		{agent.EstimatorMin, "noise: {interference: 0.03}\n"},
	} {
		t.Run(string(c.estimator), func(t *testing.T) {
			hit, total := 0, 0
			for i := range campaigns {
				d := simDevice(t, c.more)
				d.Seed = uint64(i + 1)
				k := newCampaign(t, p, d, func(q *agent.Protocol) {
					q.Estimator, q.Seed = c.estimator, uint64(i+1)
					q.Sample.MinSeconds, q.Warmup.MaxSeconds = 0, 0.001
					q.Warmup.Seconds, q.Drift.Allow = 0, 0.05
				})
				k.Path = ""
				for n, r := range runCampaign(t, k).Records {
					if r.CI95US == nil {
						t.Fatalf("no interval: %v", r.Validity)
					}
					total++
					if want := truth(t, d, p, p.Cases[n]); r.CI95US[0] <= want && want <= r.CI95US[1] {
						hit++
					}
				}
			}
			share := float64(hit) / float64(total)
			t.Logf("%d campaigns, %d intervals: %.2f %% hold the truth", campaigns, total, share*100)
			// A tenth of a point short is what 4,000 intervals cannot tell from 95 %.
			if share < 0.943 {
				t.Errorf("%.2f %% of the 95 %% intervals hold the truth", share*100)
			}
		})
	}
}

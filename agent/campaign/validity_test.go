package campaign_test

import (
	"math"
	"slices"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/campaign"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// Each code of a case that has a cost and yet may not enter a table, provoked.
// Those without a cost are in TestFaultsBecomeRecords.
func TestValidityCodes(t *testing.T) {
	hot, low := 80.0, 10.0
	p := planOf(conv(lut.FP32, 64, 64, 14), conv(lut.FP32, 64, 96, 14))
	for _, c := range []struct {
		want     record.Validity
		device   string
		protocol func(*agent.Protocol)
		change   func(*campaign.Campaign)
	}{
		{want: record.OK},
		{want: record.Drift, device: "drift: {per_hour: 2000}\n", protocol: func(q *agent.Protocol) { q.Stop.MinRounds = 40 }},
		{want: record.Drift, device: "drift: {per_hour: 400}\n", protocol: func(q *agent.Protocol) { q.Stop.MinRounds, q.Drift.Correct = 40, false }},
		{want: record.Drift, device: "throttle: [{after_s: 0.1, for_s: 1000, slowdown: 1.4}]\n", protocol: func(q *agent.Protocol) { q.Thermal.Redo, q.Stop.MinRounds = 0, 20 }},
		{want: record.Throttled, change: func(k *campaign.Campaign) {
			k.Sense = func() *record.State { return &record.State{Throttled: "policy0 is capped"} }
		}},
		{want: record.Noisy, device: "noise: {jitter: 0.8}\n", protocol: func(q *agent.Protocol) { q.Stop.MaxRounds, q.Sample.MinSeconds = 12, 0 }},
		{want: record.Preempted, device: "preempt: {per_s: 100000, us: 5}\n", protocol: func(q *agent.Protocol) { q.Stop.MaxRounds = 20 }},
		{want: record.LowBattery, change: func(k *campaign.Campaign) {
			k.Sense = func() *record.State { return &record.State{BatteryPc: &low} }
		}},
		{want: record.ThermalTimeout, protocol: func(q *agent.Protocol) { q.Thermal.GateCelsius, q.Thermal.GateSeconds = 60, 5 },
			change: func(k *campaign.Campaign) {
				k.Sense = func() *record.State { return &record.State{Celsius: &hot} }
			}},
		{want: record.EmulatedCPU, change: func(k *campaign.Campaign) { k.Validity = []record.Validity{record.EmulatedCPU} }},
	} {
		t.Run(string(c.want), func(t *testing.T) {
			k := newCampaign(t, p, simDevice(t, c.device), c.protocol)
			if c.change != nil {
				c.change(k)
			}
			for _, r := range runCampaign(t, k).Records {
				if !slices.Contains(r.Validity, c.want) {
					t.Errorf("%s: validity %v, want %s", r.Name, r.Validity, c.want)
				}
				if r.EstimateUS == nil || r.CI95US == nil {
					t.Errorf("%s: the number that was measured is lost", r.Name)
				}
				if k.Sense == nil && slices.Contains(r.Validity, record.Throttled) {
					t.Errorf("%s: throttled without evidence", r.Name)
				}
			}
		})
	}
}

// TestGateWaitsForTheTemperature: the gate waits in the device's own time until
// the device has cooled down, and the records are good.
func TestGateWaitsForTheTemperature(t *testing.T) {
	p := planOf(conv(lut.FP32, 64, 64, 14))
	looks := 0
	k := newCampaign(t, p, simDevice(t, ""), func(q *agent.Protocol) { q.Thermal.GateCelsius = 60 })
	k.Sense = func() *record.State {
		looks++
		c := math.Max(40, 90-float64(looks))
		return &record.State{Celsius: &c}
	}
	out := runCampaign(t, k)
	for _, r := range out.Records {
		if !r.IsOK() {
			t.Errorf("%s: %v", r.Name, r.Validity)
		}
	}
	if out.End.DeviceS < 29 {
		t.Errorf("the campaign took %.1f device seconds; it had to wait about 29 for 60 °C", out.End.DeviceS)
	}
}

func TestAbsentEnergyIsSaid(t *testing.T) {
	p := planOf(conv(lut.FP32, 64, 64, 14))
	k := newCampaign(t, p, simDevice(t, ""), func(q *agent.Protocol) { q.Metrics = []lut.Metric{"latency", "energy", "memory"} })
	k.MeterAbsent = "RAPL: permission denied"
	out := runCampaign(t, k)
	said := false
	for _, c := range out.Checks {
		said = said || c.Absent == "energy: RAPL: permission denied"
		if c.Energy != nil {
			t.Errorf("energy without a sensor: %+v", c.Energy)
		}
	}
	for _, r := range out.Records {
		if m := r.Memory; m == nil || m.LivenessBytes == nil || *m.LivenessBytes <= 0 {
			t.Errorf("%s: memory %+v lacks the static bound", r.Name, m)
		}
	}
	if !said {
		t.Errorf("the reason is lost: %+v", out.Checks)
	}
}

// TestAdaptiveStoppingIsTenTimesCheaper holds the device seconds that the
// protocol needs for intervals of ±1 % against what a fixed rule spends: 50 runs
// and one second of each model at least.
func TestAdaptiveStoppingIsTenTimesCheaper(t *testing.T) {
	p := planOf(someOps(24)...)
	d := simDevice(t, "noise: {jitter: 0.008, wander: 0.003, wander_s: 0.01}\n")
	out := runCampaign(t, newCampaign(t, p, d, nil))
	wide := 0
	for i, r := range out.Records {
		if r.Stop != record.StopTarget {
			t.Errorf("%s stopped for %s", r.Name, r.Stop)
		}
		if (r.CI95US[1]-r.CI95US[0])/2 > 0.0101**r.EstimateUS {
			wide++
		}
		if e := math.Abs(*r.EstimateUS/truth(t, d, p, p.Cases[i]) - 1); e > 0.03 {
			t.Errorf("%s is off by %.1f %%", r.Name, e*100)
		}
	}
	fixed := 0.0
	for _, m := range p.Models {
		us, err := d.ModelUS(m.Chain)
		if err != nil {
			t.Fatal(err)
		}
		fixed += math.Max(1, 50*us/1e6)
	}
	t.Logf("%d models: %.1f device seconds adaptively, %.1f by the fixed rule, %.1f times as many", len(p.Models), out.End.DeviceS, fixed, fixed/out.End.DeviceS)
	if wide > 0 {
		t.Errorf("%d intervals are wider than the target", wide)
	}
	if fixed < 10*out.End.DeviceS {
		t.Errorf("only %.1f times cheaper", fixed/out.End.DeviceS)
	}
}

// TestQuantileOutlastsThrottling: a lower quartile is not hurt by a throttled phase of
// up to half of the rounds, and says throttled when there are more.
func TestQuantileOutlastsThrottling(t *testing.T) {
	p := planOf(someOps(6)...)
	for _, c := range []struct {
		device string
		slow   record.Validity
		says   string
	}{
		{"noise: {jitter: 0.004}\nthrottle: [{after_s: 3, for_s: 3, slowdown: 1.3}]\n", "", ""},
		{"noise: {jitter: 0.004}\nthrottle: [{after_s: 3, for_s: 1000, slowdown: 1.3}]\n", record.Drift, ""},
		{"noise: {jitter: 0.004}\nthrottle: [{after_s: 3, for_s: 1000, slowdown: 1.3}]\n", record.Throttled, "policy0 is capped"},
	} {
		d := simDevice(t, c.device)
		k := newCampaign(t, p, d, func(q *agent.Protocol) {
			q.Estimator, q.Drift.Correct, q.Drift.Allow, q.Drift.Limit = agent.EstimatorQuantile, false, 1, 1
			q.Sample.MinSeconds = 0.01
			q.Stop.MinRounds, q.Stop.MaxRounds = 30, 30
		})
		if c.says != "" {
			k.Sense = func() *record.State { return &record.State{Throttled: c.says} }
		}
		out := runCampaign(t, k)
		if off := worst(t, d, p, out.Records); c.slow == "" && off > 0.01 {
			t.Errorf("throttled for 3 of %.0f s, the quantile is off by %.2f %%", out.End.DeviceS, off*100)
		}
		for _, r := range out.Records {
			if slices.Contains(r.Validity, record.Throttled) != (c.slow == record.Throttled) || slices.Contains(r.Validity, record.Drift) != (c.slow == record.Drift) {
				t.Errorf("%s on %q: validity %v", r.Name, c.device, r.Validity)
			}
		}
	}
}

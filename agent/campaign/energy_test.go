package campaign_test

import (
	"context"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/agent/sim"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// A device of 2 W at rest that spends what each run's model takes: its latency at
// 5 W more.
const idleW, runW = 2.0, 5.0

type powered struct {
	*sim.Backend
	device *sim.Device
	spent  *float64 // joules of runs
}

func (b powered) Open(ctx context.Context, m agent.Model, opt agent.Options) (agent.Session, error) {
	s, err := b.Backend.Open(ctx, m, opt)
	if err != nil {
		return nil, err
	}
	us, err := b.device.ModelUS(m.Chain)
	return &spending{s, us / 1e6, b.spent}, err
}

type spending struct {
	agent.Session
	seconds float64
	spent   *float64
}

func (s *spending) Run() error {
	time.Sleep(time.Duration(s.seconds * 1e9))
	*s.spent += s.seconds * runW
	return s.Session.Run()
}

// joules is the meter of that device, with a known error of each reading.
type joules struct {
	spent *float64
	since time.Time
	base  float64
}

const readingErr = 0.003 // J

func (m *joules) Unit() string { return "J" }
func (m *joules) Info() device.EnergySource {
	return device.EnergySource{Name: "mock", Scope: "device", Kind: device.KindCounter, Period: time.Millisecond}
}
func (m *joules) Start(context.Context) error { m.since, m.base = time.Now(), *m.spent; return nil }
func (m *joules) Stop() (device.Reading, error) {
	w := time.Since(m.since)
	return device.Reading{Value: idleW*w.Seconds() + *m.spent - m.base, StdErr: readingErr, Window: w, Updates: 1000}, nil
}

// TestEnergyOfFramedCells: the energy of a sandwiched cell is its operator's own,
// gross, idle and net, with the error of both windows.
func TestEnergyOfFramedCells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := planOf(conv(lut.FP32, 64, 64, 14), conv(lut.INT8, 96, 128, 14))
		d := simDevice(t, "")
		spent := 0.0
		c := newCampaign(t, p, d, func(q *agent.Protocol) {
			q.Metrics = []lut.Metric{"latency", "energy"}
			q.Energy.WindowSeconds = 5
			q.Stop.MinSamples, q.Sample.MinSeconds = 30, 0
		})
		c.Launch = child.InProcess{Child: child.Child{Build: agent.Build,
			NewBackend: func(agent.BackendSpec) (agent.Backend, error) {
				return powered{sim.New(d, nil), d, &spent}, nil
			}}}
		c.Meter = &joules{spent: &spent}
		out := runCampaign(t, c)
		cells := 0
		for i, r := range out.Records {
			if r.Energy == nil {
				t.Fatalf("%s (%s) has no energy: %+v", r.Name, r.Kind, out.Checks)
			}
			us := truth(t, d, p, p.Cases[i])
			if want := us / 1e3 * runW; math.Abs(r.Energy.NetMJ/want-1) > 0.01 {
				t.Errorf("%s: %.4f mJ net, the truth is %.4f", r.Name, r.Energy.NetMJ, want)
			}
			if math.Abs(r.Energy.GrossMJ-r.Energy.IdleMJ-r.Energy.NetMJ) > 1e-9 || r.Energy.Source != "mock" || r.Energy.WindowS < 5 {
				t.Errorf("%s: %+v", r.Name, r.Energy)
			}
			if r.Kind != role.Cell {
				continue
			}
			cells++
			se := 0.0
			for _, term := range p.Cases[i].Terms {
				se = math.Hypot(se, term.Coef*out.Checks[term.Model].Energy.StdErrMJ)
			}
			if se == 0 || math.Abs(r.Energy.StdErrMJ/se-1) > 1e-9 {
				t.Errorf("%s: standard error %v, want %v of both terms", r.Name, r.Energy.StdErrMJ, se)
			}
		}
		if cells != 2 {
			t.Errorf("%d cells", cells)
		}
		if files, err := record.Read(c.Path); err != nil || files[0].Records[1].Record.Energy == nil {
			t.Errorf("the file: %v", err)
		}
	})
}

// TestEnergyOfADriftingDevice: a device that slows down by more than 5 % while energy is
// measured moves no energy by more than 2 %: the slices of all models are interleaved.
// Windows one after another would differ by all of the drift.
func TestEnergyOfADriftingDevice(t *testing.T) {
	p := planOf(someOps(8)...)
	d := simDevice(t, "noise: {jitter: 0.01}\ndrift: {per_hour: 3}\npower: {idle_w: 2, run_w: 5}\n")
	c := newCampaign(t, p, d, func(q *agent.Protocol) { q.Metrics = []lut.Metric{"latency", "energy"} })
	const perHour, window = 3, 5 // of the device, and of the protocol, in seconds
	if drift := perHour / 3600.0 * window * float64(len(p.Models)); drift < 0.05 {
		t.Fatalf("the device drifts by %.1f %% only: the test shows nothing", 100*drift)
	}
	held, worst := 0, 0.0
	for i, r := range runCampaign(t, c).Records {
		if r.Energy == nil || r.Energy.Source != "sim" {
			t.Fatalf("%s: energy %+v", r.Name, r.Energy)
		}
		want := 0.0
		for _, term := range p.Cases[i].Terms {
			for _, m := range p.Models {
				if m.ID == term.Model {
					mj, err := d.ModelMJ(m.Chain)
					if err != nil {
						t.Fatal(err)
					}
					want += term.Coef * mj
				}
			}
		}
		if math.Abs(r.Energy.NetMJ-want) <= 1.96*r.Energy.StdErrMJ {
			held++
		}
		worst = max(worst, math.Abs(r.Energy.NetMJ/want-1))
		if r.Energy.WindowS < window {
			t.Errorf("%s: a window of %.2f s", r.Name, r.Energy.WindowS)
		}
	}
	if t.Logf("worst error %.2f %%", 100*worst); worst > 0.02 {
		t.Errorf("the energies are off by up to %.1f %%", worst*100)
	}
	if held < len(p.Cases)-1 {
		t.Errorf("%d of %d intervals hold the true energy", held, len(p.Cases))
	}
}

// TestEnergyThroughRAPLFiles: the same device, its joules in the files of a processor's
// energy counter that wraps every 60 J.
func TestEnergyThroughRAPLFiles(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := planOf(conv(lut.FP32, 64, 64, 14), conv(lut.INT8, 96, 128, 14))
		d := simDevice(t, "")
		spent, begun := 0.0, time.Now()
		root := t.TempDir()
		zone := filepath.Join(root, "sys/class/powercap/intel-rapl:0")
		if err := os.MkdirAll(zone, 0o755); err != nil {
			t.Fatal(err)
		}
		write := func(name, text string) {
			if err := os.WriteFile(filepath.Join(zone, name), []byte(text+"\n"), 0o644); err != nil {
				t.Error(err)
			}
		}
		tick := func() {
			uj := int64(1e6 * (idleW*time.Since(begun).Seconds() + spent))
			write("energy_uj", strconv.FormatInt(uj%60e6, 10))
		}
		write("name", "package-0")
		write("max_energy_range_uj", "60000000")
		tick()
		machine, err := device.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		meters, _ := machine.EnergyMeters()
		if len(meters) != 1 {
			t.Fatalf("%d meters", len(meters))
		}
		c := newCampaign(t, p, d, func(q *agent.Protocol) {
			q.Metrics = []lut.Metric{"latency", "energy"}
			q.Stop.MinSamples, q.Sample.MinSeconds = 30, 0
		})
		c.Launch = child.InProcess{Child: child.Child{Build: agent.Build,
			NewBackend: func(agent.BackendSpec) (agent.Backend, error) { return powered{sim.New(d, nil), d, &spent}, nil }}}
		c.Meter = ticking{meters[0], tick}
		for i, r := range runCampaign(t, c).Records {
			if r.Energy == nil {
				t.Fatalf("%s (%s) has no energy", r.Name, r.Kind)
			}
			want := truth(t, d, p, p.Cases[i]) / 1e3 * runW
			if math.Abs(r.Energy.NetMJ/want-1) > 0.02 || !strings.HasPrefix(r.Energy.Source, "rapl") {
				t.Errorf("%s: %.4f mJ net by %s, the truth is %.4f", r.Name, r.Energy.NetMJ, r.Energy.Source, want)
			}
		}
	})
}

// ticking brings the counter's file up to date before it is read.
type ticking struct {
	device.EnergyMeter
	tick func()
}

func (m ticking) Start(ctx context.Context) error { m.tick(); return m.EnergyMeter.Start(ctx) }
func (m ticking) Stop() (device.Reading, error)   { m.tick(); return m.EnergyMeter.Stop() }

// TestMemoryOfCells: a cell's memory is what lives while its operator runs, not a
// difference of models, and it scales with the batch.
func TestMemoryOfCells(t *testing.T) {
	p := planOf(conv(lut.FP32, 64, 32, 14), conv(lut.INT8, 96, 128, 14))
	for _, batch := range []int{1, 3} {
		c := newCampaign(t, p, simDevice(t, ""), func(q *agent.Protocol) {
			q.Metrics, q.Batch = []lut.Metric{"latency", "memory"}, batch
		})
		out := runCampaign(t, c)
		for i, want := range map[int]int64{1: 4 * (64 + 32) * 14 * 14} {
			m := out.Records[i].Memory
			if m == nil || m.LivenessBytes == nil || *m.LivenessBytes != want*int64(batch) || m.PeakActBytes != nil {
				t.Errorf("batch %d, %s: %+v, want %d bytes alive", batch, out.Records[i].Name, m, want*int64(batch))
			}
		}
		if m := out.Records[2].Memory; m == nil || m.LivenessBytes == nil || *m.LivenessBytes <= 0 {
			t.Errorf("the int8 cell has no memory: %+v", m)
		}
	}
}

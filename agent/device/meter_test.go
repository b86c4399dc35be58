package device

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func meter(t *testing.T, d *Device, name string) EnergyMeter {
	t.Helper()
	meters, absent := d.EnergyMeters()
	for _, m := range meters {
		if m.Info().Name == name {
			return m
		}
	}
	t.Fatalf("no meter %s; absent: %v", name, absent)
	return nil
}

func near(got, want, rel float64) bool { return math.Abs(got-want) <= rel*math.Abs(want) }

func TestRAPLWraps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := board(t, "x86-server")
		d, _ := Open(root)
		m := meter(t, d, "rapl")
		if err := m.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		// package 0: 262143.000 of 262143.32885 J, then 100 J more
		put(t, root, "sys/class/powercap/intel-rapl:0/energy_uj", "99671150")
		put(t, root, "sys/class/powercap/intel-rapl:1/energy_uj", "51200345")
		r, err := m.Stop()
		if err != nil {
			t.Fatal(err)
		}
		if !near(r.Parts["package-0"], 100, 1e-9) || !near(r.Parts["package-1"], 50, 1e-9) || r.Parts["dram-0"] != 0 {
			t.Errorf("parts %v", r.Parts)
		}
		if !near(r.Value, 150, 1e-9) || r.Window != 5*time.Second {
			t.Errorf("%g J in %v", r.Value, r.Window)
		}
		// 30 W over one update period, √(1/6) of it
		if !near(r.StdErr, 30*1e-3/math.Sqrt(6), 1e-9) {
			t.Errorf("standard error %g", r.StdErr)
		}
	})
}

// A counter of 65.7 kJ (DRAM's range) wraps more than once in an hour at 60 W:
// the meter must look in between.
func TestRAPLWrapsOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const wrap, watts = 65712.999613, 60.0
		start := time.Now()
		m := &counterMeter{
			info: EnergySource{Name: "rapl", Period: raplPeriod}, poll: 32 * time.Second, // wrap/2 at 1 kW, as rapl() sets it
			read: func() ([]count, error) {
				return []count{{part: "dram-0", joules: math.Mod(65000+watts*time.Since(start).Seconds(), wrap), wrap: wrap}}, nil
			},
		}
		if err := m.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		r, err := m.Stop()
		if err != nil {
			t.Fatal(err)
		}
		if !near(r.Value, watts*3600, 1e-9) {
			t.Errorf("%g J, want %g", r.Value, watts*3600)
		}
	})
}

func TestCounterThatRunsBackwardsIsNoReading(t *testing.T) {
	root := board(t, "x86-server")
	d, _ := Open(root)
	m := meter(t, d, "rapl")
	if err := m.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	// package 1 fell from 1.2 J to 1.1 J: a wrap would mean 262 kJ in no time.
	put(t, root, "sys/class/powercap/intel-rapl:1/energy_uj", "1100000")
	if r, err := m.Stop(); !errors.Is(err, ErrBackwards) {
		t.Errorf("reading %v, error %v; want ErrBackwards", r, err)
	}
	// The meter is usable again afterwards.
	if err := m.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Stop(); err != nil {
		t.Error(err)
	}
}

func TestODPMUsesTheSensorsClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := board(t, "pixel-6")
		d, _ := Open(root)
		m := meter(t, d, "odpm")
		if err := m.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		// The meter's snapshot is 8 s apart although 10 s passed: 16 J are 2 W.
		for i, dev := range []string{"sys/bus/iio/devices/iio:device0/energy_value", "sys/bus/iio/devices/iio:device1/energy_value"} {
			text, err := os.ReadFile(root + "/" + dev)
			if err != nil {
				t.Fatal(err)
			}
			s := strings.ReplaceAll(string(text), []string{"358356", "358360"}[i], []string{"366356", "366360"}[i])
			s = strings.Replace(s, "[S2M_VDD_CPUCL2], 81220417", "[S2M_VDD_CPUCL2], 97220417", 1)
			s = strings.Replace(s, "[VSYS_PWR_DISPLAY], 71204571", "[VSYS_PWR_DISPLAY], 99999999", 1)
			put(t, root, dev, s)
		}
		r, err := m.Stop()
		if err != nil {
			t.Fatal(err)
		}
		if !near(r.Value, 20, 1e-9) {
			t.Errorf("%g J, want 20 (2 W for 10 s, display left out)", r.Value)
		}
	})
}

func TestParseODPMRefusesWhatItDoesNotKnow(t *testing.T) {
	for _, bad := range []string{"CH0[X], 5", "CH0(T=1)[X], -5", "CH0(T=1)[X], 99999999999999999999999", "garbage"} {
		if c, err := parseODPM("t=1\n" + bad); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: %v, %v", bad, c, err)
		}
	}
}

func FuzzParseODPM(f *testing.F) {
	f.Add("t=358356\nCH0(T=358356)[S10M_VDD_TPU], 12345678\n")
	f.Fuzz(func(t *testing.T, s string) {
		counts, err := parseODPM(s)
		if err != nil {
			return
		}
		for _, c := range counts {
			if c.joules < 0 || c.at < 0 || c.part == "" || math.IsNaN(c.joules) {
				t.Errorf("%q gave %+v", s, c)
			}
		}
	})
}

func TestINAIntegratesAndSurvivesEAGAIN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		root := board(t, "jetson-orin-nano-jp6")
		d, _ := Open(root)
		m := meter(t, d, "ina3221")
		if err := m.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		r, err := m.Stop()
		if err != nil {
			t.Fatal(err)
		}
		want := 4.968 * 1.024 * 10 // VDD_IN only: the other rails are parts of it
		if !near(r.Value, want, 1e-6) || r.StdErr > 1e-9 || r.Updates < 190 {
			t.Errorf("%g J ± %g from %d readings, want %g", r.Value, r.StdErr, r.Updates, want)
		}
	})
}

func TestPowerMeterCountsFailuresAndGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		fails := func(n int) bool { return n%3 == 0 }
		m := &powerMeter{info: EnergySource{Name: "ina3221", Period: inaPeriod}, read: func() (map[string]float64, error) {
			if n++; fails(n) {
				return nil, errors.New("i2c does not answer")
			}
			return map[string]float64{"VDD_IN": 8}, nil
		}}
		m.Start(context.Background())
		time.Sleep(5 * time.Second)
		r, err := m.Stop()
		if err != nil || r.Missed == 0 || !near(r.Value, 40, 1e-6) {
			t.Errorf("%+v, %v; want 40 J with missed readings", r, err)
		}
		n, fails = 0, func(n int) bool { return n > 1 }
		if err := m.Start(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if r, err := m.Stop(); err == nil || !strings.Contains(err.Error(), "i2c does not answer") {
			t.Errorf("%+v, %v; want the driver's error", r, err)
		}
	})
}

// phases tells a simulated load which part of measureEnergy it is in: 1 idle
// before, 2 the runs, 3 idle after.
type phases struct {
	EnergyMeter
	n *int
}

func (p phases) Start(ctx context.Context) error {
	*p.n++
	return p.EnergyMeter.Start(ctx)
}

// energy holds what a window of repeated runs cost, in joules over all runs.
type energy struct {
	grossJ, idleJ, netJ, stdErrJ float64
	runs                         int
	window                       time.Duration
}

// measureEnergy measures idle power, a window of runs, and idle power again, as a
// campaign does around a model.
func measureEnergy(ctx context.Context, m EnergyMeter, window, idle time.Duration, run func() error) (energy, error) {
	window = max(window, m.Info().Window())
	idle = max(idle, m.Info().Window()/2)
	before, err := IdlePower(ctx, m, idle)
	if err != nil {
		return energy{}, err
	}
	gross, runs, err := EnergyWindow(ctx, m, window, run)
	if err != nil {
		return energy{}, err
	}
	after, err := IdlePower(ctx, m, idle)
	if err != nil {
		return energy{}, err
	}
	w, rest := gross.Window.Seconds(), Between(before, after)
	return energy{gross.Value, rest.W * w, gross.Value - rest.W*w, math.Hypot(gross.StdErr, rest.StdErrW*w), runs, gross.Window}, nil
}

// TestMeasureEnergy checks gross, idle and net against known powers: 2 W idle
// before, 2.2 W after (the chip is warm), 6 W while running, all with ripple.
func TestMeasureEnergy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(1, 2))
		phase := 0
		watts := map[int]float64{1: 2, 2: 6, 3: 2.2}
		m := phases{&powerMeter{info: EnergySource{Name: "ina3221", Parts: []string{"VDD_IN"}, Kind: KindSampled, Period: inaPeriod},
			read: func() (map[string]float64, error) {
				return map[string]float64{"VDD_IN": watts[phase] + rng.NormFloat64()*0.1}, nil
			}}, &phase}
		e, err := measureEnergy(context.Background(), m, 20*time.Second, 10*time.Second, func() error {
			time.Sleep(40 * time.Millisecond) // one inference, in virtual time
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		w := e.window.Seconds()
		if e.runs != 500 || w != 20 {
			t.Errorf("%d runs in %g s, want 500 in 20", e.runs, w)
		}
		if !near(e.grossJ, 6*w, 0.01) || !near(e.idleJ, 2.1*w, 0.02) || !near(e.netJ, 3.9*w, 0.02) {
			t.Errorf("gross %g idle %g net %g J; want 120, 42, 78", e.grossJ, e.idleJ, e.netJ)
		}
		// The idle power moved by 0.2 W: ±0.1 W for 20 s, and little else.
		if !near(e.stdErrJ, 0.1*w, 0.2) {
			t.Errorf("standard error %g J, want about 2", e.stdErrJ)
		}
	})
}

func TestMeasureEnergyPassesErrorsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &powerMeter{info: EnergySource{Name: "ina3221", Period: inaPeriod},
			read: func() (map[string]float64, error) { return map[string]float64{"r": 1}, nil }}
		crash := errors.New("the child crashed")
		n := 0
		_, err := measureEnergy(context.Background(), m, 0, 0, func() error {
			time.Sleep(time.Second)
			if n++; n == 2 {
				return crash
			}
			return nil
		})
		if !errors.Is(err, crash) {
			t.Errorf("error %v", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 7*time.Second) // in the middle of the runs
		defer cancel()
		if _, err := measureEnergy(ctx, m, 10*time.Second, 5*time.Second, func() error { time.Sleep(time.Second); return nil }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if err := m.Start(context.Background()); err != nil {
			t.Errorf("the meter was left running: %v", err)
		}
		m.Stop()
	})
}

// TestEnergyErrorBar measures a load of known net power on a counter that
// updates each 100 ms, at random phases, and checks that the error bar tells the
// truth: the net estimate is within two standard errors at least 95 times in 100.
func TestEnergyErrorBar(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(3, 4))
		const update = 100 * time.Millisecond
		const n = 150
		within := 0
		var ratio float64
		for range n {
			phase := 0
			watts := map[int]float64{0: 2, 1: 2, 2: 5, 3: 2}
			start, last, joules, shown := time.Now(), time.Now(), 0.0, 0.0
			m := phases{&counterMeter{info: EnergySource{Name: "nvml", Kind: KindCounter, Period: update},
				read: func() ([]count, error) { return []count{{part: "gpu", joules: shown}}, nil }}, &phase}
			done := make(chan struct{})
			go func() { // the hardware: integrates, shows every 100 ms
				for i := 0; ; i++ {
					select {
					case <-done:
						return
					case <-time.After(2 * time.Millisecond):
					}
					now := time.Now()
					joules += watts[phase] * now.Sub(last).Seconds()
					last = now
					if now.Sub(start)%update == 0 {
						shown = joules
					}
				}
			}()
			time.Sleep(time.Duration(rng.Int64N(int64(update))) + 500*time.Nanosecond)
			step := time.Duration(30e6+rng.IntN(20e6)) + 300*time.Nanosecond
			e, err := measureEnergy(context.Background(), m, 5*time.Second, 0, func() error {
				time.Sleep(step)
				return nil
			})
			close(done)
			if err != nil {
				t.Fatal(err)
			}
			z := (e.netJ - 3*e.window.Seconds()) / e.stdErrJ
			ratio += z * z
			if math.Abs(z) <= 2 {
				within++
			}
		}
		if within < n*95/100 {
			t.Errorf("the truth is within two standard errors %d times of %d", within, n)
		}
		// and the bound is not loose: the error is at least a third of it
		if rms := math.Sqrt(ratio / n); rms < 1.0/3 {
			t.Errorf("errors are only %.2f of the error bar", rms)
		}
	})
}

func TestWindowRules(t *testing.T) {
	for period, want := range map[time.Duration]time.Duration{
		raplPeriod: 5 * time.Second, 100 * time.Millisecond: 5 * time.Second,
		200 * time.Millisecond: 10 * time.Second, batteryPeriod: 50 * time.Second,
	} {
		if got := (EnergySource{Period: period}).Window(); got != want {
			t.Errorf("period %v: window %v, want %v", period, got, want)
		}
	}
}

func TestBatteryUnits(t *testing.T) {
	root := board(t, "snapdragon-888")
	put(t, root, "sys/class/power_supply/usb/online", "0")
	put(t, root, "sys/class/power_supply/battery/status", "Discharging")
	synctest.Test(t, func(t *testing.T) {
		d, _ := Open(root)
		m := meter(t, d, "battery")
		m.Start(context.Background())
		time.Sleep(30 * time.Second)
		r, err := m.Stop()
		if want := 0.312 * 4.402 * 30; err != nil || !near(r.Value, want, 1e-6) {
			t.Errorf("%g J, %v; want %g (current_now is in mA there)", r.Value, err, want)
		}
		// Plugged in half-way: no reading may come of it.
		m.Start(context.Background())
		put(t, root, "sys/class/power_supply/usb/online", "1")
		time.Sleep(30 * time.Second)
		if r, err := m.Stop(); err == nil || !strings.Contains(err.Error(), "plugged in") {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestMeterMisuse(t *testing.T) {
	d := openBoard(t, "jetson-nano-jp4")
	m := meter(t, d, "ina3221")
	if _, err := m.Stop(); err == nil {
		t.Error("stopped without a start")
	}
	if err := m.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
	if err := m.Start(context.Background()); err == nil {
		t.Error("started twice")
	}
	m.Stop()
}

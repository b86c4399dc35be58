//go:build cgo && linux && !android

package nvml

import (
	"context"
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock"

	"github.com/isocost/isocost/agent/device"
)

// gpu is a simulated board: watts over time, a counter that updates each 100 ms.
func gpu(counter bool) *mock.Device {
	start := time.Now()
	d := &mock.Device{
		GetNameFunc:      func() (string, nvml.Return) { return "NVIDIA L4", nvml.SUCCESS },
		GetClockInfoFunc: func(nvml.ClockType) (uint32, nvml.Return) { return 1500, nvml.SUCCESS },
		GetMaxClockInfoFunc: func(nvml.ClockType) (uint32, nvml.Return) {
			return 2040, nvml.SUCCESS
		},
		GetTemperatureFunc: func(nvml.TemperatureSensors) (uint32, nvml.Return) { return 62, nvml.SUCCESS },
		GetCurrentClocksEventReasonsFunc: func() (uint64, nvml.Return) {
			return nvml.ClocksEventReasonSwPowerCap | nvml.ClocksEventReasonGpuIdle, nvml.SUCCESS
		},
		GetPersistenceModeFunc: func() (nvml.EnableState, nvml.Return) { return nvml.FEATURE_ENABLED, nvml.SUCCESS },
		GetTotalEnergyConsumptionFunc: func() (uint64, nvml.Return) {
			if !counter {
				return 0, nvml.ERROR_NOT_SUPPORTED
			}
			t := time.Since(start).Truncate(100 * time.Millisecond).Seconds()
			return 7_000_000 + uint64(t*50e3), nvml.SUCCESS // 50 W
		},
		GetFieldValuesFunc: func(f []nvml.FieldValue) nvml.Return {
			f[0].ValueType = uint32(nvml.VALUE_TYPE_UNSIGNED_INT)
			f[0].NvmlReturn = uint32(nvml.SUCCESS)
			binary.NativeEndian.PutUint32(f[0].Value[:4], 45_500)
			return nvml.SUCCESS
		},
		GetPowerUsageFunc: func() (uint32, nvml.Return) { return 99_000, nvml.SUCCESS },
	}
	return d
}

func library(gpus ...nvml.Device) *mock.Interface {
	return &mock.Interface{
		InitFunc:                   func() nvml.Return { return nvml.SUCCESS },
		ShutdownFunc:               func() nvml.Return { return nvml.SUCCESS },
		ErrorStringFunc:            func(r nvml.Return) string { return r.Error() },
		SystemGetDriverVersionFunc: func() (string, nvml.Return) { return "570.86", nvml.SUCCESS },
		DeviceGetCountFunc:         func() (int, nvml.Return) { return len(gpus), nvml.SUCCESS },
		DeviceGetHandleByIndexFunc: func(i int) (nvml.Device, nvml.Return) {
			if i >= len(gpus) || gpus[i] == nil {
				return nil, nvml.ERROR_GPU_IS_LOST
			}
			return gpus[i], nvml.SUCCESS
		},
	}
}

func TestEnergyCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, absent := open(library(gpu(true)))
		if absent != nil {
			t.Fatal(absent)
		}
		m, absent := l.Meter(0)
		if absent != nil {
			t.Fatal(absent)
		}
		if m.Info().Kind != device.KindCounter || m.Info().Window() < 5*time.Second {
			t.Errorf("source %+v", m.Info())
		}
		time.Sleep(37 * time.Millisecond)
		m.Start(context.Background())
		time.Sleep(5 * time.Second)
		r, err := m.Stop()
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(r.Value-250) > 2*r.StdErr || r.StdErr > 3 {
			t.Errorf("%g ± %g J, want 250", r.Value, r.StdErr)
		}
	})
}

func TestPowerWhereThereIsNoCounter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, _ := open(library(gpu(false)))
		m, absent := l.Meter(0)
		if absent != nil {
			t.Fatal(absent)
		}
		m.Start(context.Background())
		time.Sleep(10 * time.Second)
		r, err := m.Stop()
		// the instant field, not the averaged power usage
		if err != nil || math.Abs(r.Value-455) > 0.01 || m.Info().Kind != device.KindSampled {
			t.Errorf("%+v, %v; want 455 J", r, err)
		}
	})
}

func TestLostGPUIsAnErrorNotAZero(t *testing.T) {
	d := gpu(true)
	l, _ := open(library(d, nil))
	gpus, err := l.GPUs()
	if len(gpus) != 1 || err == nil || !strings.Contains(err.Error(), "GPU 1") {
		t.Errorf("%v, %v", gpus, err)
	}
	if g := gpus[0]; g.GraphicsHz != 1.5e9 || g.Celsius != 62 || !slices.Equal(g.Throttling, []string{"the power cap is reached"}) || !g.Persistence {
		t.Errorf("%+v", g)
	}
	m, _ := l.Meter(0)
	m.Start(context.Background())
	d.GetTotalEnergyConsumptionFunc = func() (uint64, nvml.Return) { return 0, nvml.ERROR_GPU_IS_LOST }
	if r, err := m.Stop(); err == nil {
		t.Errorf("a lost GPU gave %+v", r)
	}
	if _, absent := l.Meter(1); absent == nil {
		t.Error("a lost GPU has a meter")
	}
}

func TestMissingNVMLHasAReasonAndACure(t *testing.T) {
	for _, r := range []nvml.Return{nvml.ERROR_LIBRARY_NOT_FOUND, nvml.ERROR_DRIVER_NOT_LOADED, nvml.ERROR_NO_PERMISSION, nvml.ERROR_UNKNOWN} {
		lib := library()
		lib.InitFunc = func() nvml.Return { return r }
		if l, a := open(lib); l != nil || a == nil || a.Reason == "" || a.Cure == "" {
			t.Errorf("%v: %v, %+v", r, l, a)
		}
	}
	// And the real loader on this machine: a library or a reason, never a panic.
	if l, a := Open(); l != nil {
		l.Close()
	} else if a.Cure == "" {
		t.Errorf("%+v", a)
	}
}

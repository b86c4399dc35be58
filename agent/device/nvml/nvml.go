//go:build cgo && linux && !android

// Package nvml measures energy, clocks and throttling of NVIDIA GPUs through
// NVML, loaded at run time from the driver's libnvidia-ml.so.1. It uses cgo and
// is imported only by cmd/agent.
package nvml

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/isocost/isocost/agent/device"
)

// The energy counter advances every 10 to 100 ms, depending on the GPU (measured
// on ten models by Yang, Adamek, Armour, “Part-time Power Measurements”, 2023);
// the longest is assumed.
const counterPeriod = 100 * time.Millisecond

// pollPeriod of instant power, for GPUs older than Volta without a counter.
const pollPeriod = 100 * time.Millisecond

// Lib is a loaded NVML.
type Lib struct{ lib nvml.Interface }

// Open loads NVML. An error is an Absence put into words, with its cure as hint.
func Open() (*Lib, *device.Absence) { return open(nvml.New()) }

func open(lib nvml.Interface) (*Lib, *device.Absence) {
	const what = "NVML (NVIDIA GPU energy)"
	switch r := lib.Init(); r {
	case nvml.SUCCESS:
		return &Lib{lib}, nil
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return nil, &device.Absence{What: what, Reason: "libnvidia-ml.so.1 is not installed",
			Cure: "only with an NVIDIA GPU: install its driver (in a container: the NVIDIA container toolkit)"}
	case nvml.ERROR_DRIVER_NOT_LOADED:
		return nil, &device.Absence{What: what, Reason: "the NVIDIA driver is not loaded", Cure: "modprobe nvidia, or reboot after an update"}
	case nvml.ERROR_NO_PERMISSION:
		return nil, &device.Absence{What: what, Reason: "no permission to talk to the driver", Cure: "give the user access to /dev/nvidiactl"}
	default:
		return nil, &device.Absence{What: what, Reason: "NVML does not start: " + lib.ErrorString(r), Cure: "nvidia-smi shows what is wrong"}
	}
}

// Close unloads NVML.
func (l *Lib) Close() { l.lib.Shutdown() }

// GPU is the state of one GPU.
type GPU struct {
	Name        string   `json:"name"`
	Driver      string   `json:"driver"`
	GraphicsHz  float64  `json:"graphics_hz"` // 0 unknown
	MaxHz       float64  `json:"max_hz"`
	Celsius     float64  `json:"celsius"`
	Throttling  []string `json:"throttling,omitempty"` // reasons active now
	Persistence bool     `json:"persistence"`
}

// GPUs reads the state of all GPUs; one broken GPU becomes an error beside the
// others' states.
func (l *Lib) GPUs() ([]GPU, error) {
	n, r := l.lib.DeviceGetCount()
	if r != nvml.SUCCESS {
		return nil, l.err("count GPUs", r)
	}
	driver, _ := l.lib.SystemGetDriverVersion()
	var out []GPU
	var errs []error
	for i := range n {
		d, r := l.lib.DeviceGetHandleByIndex(i)
		if r != nvml.SUCCESS {
			errs = append(errs, l.err(fmt.Sprintf("GPU %d", i), r))
			continue
		}
		g := GPU{Driver: driver}
		g.Name, _ = d.GetName()
		if mhz, r := d.GetClockInfo(nvml.CLOCK_GRAPHICS); r == nvml.SUCCESS {
			g.GraphicsHz = float64(mhz) * 1e6
		}
		if mhz, r := d.GetMaxClockInfo(nvml.CLOCK_GRAPHICS); r == nvml.SUCCESS {
			g.MaxHz = float64(mhz) * 1e6
		}
		if c, r := d.GetTemperature(nvml.TEMPERATURE_GPU); r == nvml.SUCCESS {
			g.Celsius = float64(c)
		}
		if mask, r := d.GetCurrentClocksEventReasons(); r == nvml.SUCCESS {
			g.Throttling = throttleReasons(mask)
		}
		if mode, r := d.GetPersistenceMode(); r == nvml.SUCCESS {
			g.Persistence = mode == nvml.FEATURE_ENABLED
		}
		out = append(out, g)
	}
	return out, errors.Join(errs...)
}

// throttleReasons puts into words what slows a GPU that has work. Idle, and
// clocks that the user set, are not throttling (nvml.h, nvmlClocksEventReasons).
func throttleReasons(mask uint64) []string {
	var out []string
	for _, b := range []struct {
		bit  uint64
		what string
	}{
		{nvml.ClocksEventReasonSwPowerCap, "the power cap is reached"},
		{nvml.ClocksThrottleReasonHwSlowdown, "hardware slowdown"},
		{nvml.ClocksEventReasonSwThermalSlowdown, "thermal slowdown by the driver"},
		{nvml.ClocksThrottleReasonHwThermalSlowdown, "thermal slowdown by the hardware"},
		{nvml.ClocksThrottleReasonHwPowerBrakeSlowdown, "power brake"},
	} {
		if mask&b.bit != 0 {
			out = append(out, b.what)
		}
	}
	return out
}

// Meter returns the energy meter of a GPU: the hardware's counter where it has
// one, else its power, sampled.
func (l *Lib) Meter(gpu int) (device.EnergyMeter, *device.Absence) {
	what := fmt.Sprintf("energy of GPU %d", gpu)
	d, r := l.lib.DeviceGetHandleByIndex(gpu)
	if r != nvml.SUCCESS {
		return nil, &device.Absence{What: what, Reason: l.lib.ErrorString(r)}
	}
	name, _ := d.GetName()
	src := device.EnergySource{Name: "nvml", Scope: "the whole GPU board: " + name, Parts: []string{fmt.Sprintf("gpu%d", gpu)}}
	if _, r := d.GetTotalEnergyConsumption(); r == nvml.SUCCESS {
		src.Kind, src.Period = device.KindCounter, counterPeriod
		return device.NewCounterMeter(src, func(context.Context) (map[string]float64, error) {
			mj, r := d.GetTotalEnergyConsumption()
			if r != nvml.SUCCESS {
				return nil, l.err("read the energy counter", r)
			}
			return map[string]float64{src.Parts[0]: float64(mj) / 1e3}, nil
		}), nil
	}
	read := func() (float64, nvml.Return) {
		// GetPowerUsage averages over a second on Ampere and later; the instant
		// value is a field.
		f := []nvml.FieldValue{{FieldId: nvml.FI_DEV_POWER_INSTANT}}
		if d.GetFieldValues(f) == nvml.SUCCESS && nvml.Return(f[0].NvmlReturn) == nvml.SUCCESS {
			return fieldNumber(f[0]) / 1e3, nvml.SUCCESS
		}
		mw, r := d.GetPowerUsage()
		return float64(mw) / 1e3, r
	}
	if _, r := read(); r != nvml.SUCCESS {
		return nil, &device.Absence{What: what, Reason: "the GPU has neither an energy counter nor a power sensor: " + l.lib.ErrorString(r)}
	}
	src.Kind, src.Period = device.KindSampled, pollPeriod
	return device.NewPowerMeter(src, func(context.Context) (map[string]float64, error) {
		w, r := read()
		if r != nvml.SUCCESS {
			return nil, l.err("read the power", r)
		}
		return map[string]float64{src.Parts[0]: w}, nil
	}), nil
}

// fieldNumber reads an NVML field of any numeric type.
func fieldNumber(f nvml.FieldValue) float64 {
	bits := binary.NativeEndian.Uint64(f.Value[:])
	switch nvml.ValueType(f.ValueType) {
	case nvml.VALUE_TYPE_DOUBLE:
		return math.Float64frombits(bits)
	case nvml.VALUE_TYPE_UNSIGNED_INT:
		return float64(uint32(binary.NativeEndian.Uint32(f.Value[:4])))
	case nvml.VALUE_TYPE_SIGNED_INT:
		return float64(int32(binary.NativeEndian.Uint32(f.Value[:4])))
	case nvml.VALUE_TYPE_SIGNED_LONG_LONG:
		return float64(int64(bits))
	}
	return float64(bits)
}

func (l *Lib) err(what string, r nvml.Return) error {
	return fmt.Errorf("nvml: %s: %s", what, l.lib.ErrorString(r))
}

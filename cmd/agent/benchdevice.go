package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/agent/device/nvml"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// thisDevice identifies the machine and the cores that are measured on.
func thisDevice(d *device.Device, cores string) (lut.Device, device.CoreSet, error) {
	id := d.Identity()
	if id.Incomplete != "" {
		return lut.Device{}, nil, hint.Wrap(fmt.Errorf("what this device is cannot be told: %s", id.Incomplete),
			"its records would go by another device's name: try again when it has started, or restart it")
	}
	set, err := id.Topology.Select(cores)
	if err != nil {
		return lut.Device{}, nil, err
	}
	caches, _ := d.Caches(set)
	return lut.Device{ID: id.ID(set), Model: orUnknown(id.Model), CPU: id.CPU, OS: id.OS, Arch: id.Arch, Cores: set.String(), Caches: lut.Caches(caches)}, set, nil
}

// crowded says that the threads of a model wait for each other's turn: there are more of
// them than cores, or than the quota of the control group (CPUs' worth of time; nil for
// none) lets run. "" where they do not.
func crowded(threads int, cores device.CoreSet, quota *float64) string {
	switch {
	case threads > len(cores):
		return fmt.Sprintf("%d threads share the %d CPUs %s that this process may use: they wait for each other, and the times say more of that than of the model",
			threads, len(cores), cores)
	case quota != nil && float64(threads) > *quota:
		return fmt.Sprintf("a quota lets this process have %.2g CPUs' worth of time, less than its %d threads need: it is paused in every period", *quota, threads)
	}
	return ""
}

func orUnknown(s string) string {
	if s == "" {
		return "unknown"
	}
	return s
}

// childCommand starts this program again as the measuring child, on the cores.
func childCommand(cores device.CoreSet, pinned bool) (child.Command, error) {
	self, err := os.Executable()
	if err != nil {
		return child.Command{}, err
	}
	c := child.Command{Path: self, Args: []string{childName}}
	if pinned {
		c.Start = func(cmd *exec.Cmd) error { return device.StartPinned(cmd, cores) }
		c.Check = func(pid int) error { return device.CheckPinned(pid, cores) }
	}
	return c, nil
}

// sense reads the device's state between rounds, and the evidence of throttling
// since the campaign began.
func sense(d *device.Device) func() *record.State {
	before := d.Snapshot()
	return func() *record.State {
		s := d.Snapshot()
		out := &record.State{Throttled: strings.Join(device.Throttling(before, s), "; ")}
		for _, c := range s.Clocks {
			out.MHz = append(out.MHz, c.Hz/1e6)
			out.MaxMHz = append(out.MaxMHz, c.MaxHz/1e6)
		}
		if c, ok := s.HottestCelsius(); ok {
			out.Celsius = &c
		}
		if s.Load != nil {
			out.Load = &s.Load.One
		}
		if s.Battery != nil && s.Battery.Percent >= 0 && !s.Battery.PluggedIn {
			pc := float64(s.Battery.Percent)
			out.BatteryPc = &pc
		}
		return out
	}
}

// bootID tells one run of the kernel from another; "" where it is not told.
func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// energyMeter picks the sensor for --metric energy: the GPU's own for a provider
// that runs there, else the device's first. Without one it says why.
func energyMeter(d *device.Device, provider string) (device.EnergyMeter, string) {
	switch provider {
	case "cuda", "tensorrt":
		lib, absent := nvml.Open()
		if absent != nil {
			return nil, absent.String()
		}
		m, absent := lib.Meter(0)
		if absent != nil {
			return nil, absent.String()
		}
		return m, ""
	}
	meters, absent := d.EnergyMeters()
	if len(meters) > 0 {
		return meters[0], ""
	}
	var why []string
	for _, a := range absent {
		why = append(why, a.String())
	}
	return nil, strings.Join(why, "; ")
}

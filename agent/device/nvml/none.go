//go:build !cgo || !linux || android

// Package nvml measures energy, clocks and throttling of NVIDIA GPUs. This build
// has no cgo (or is for a system without NVML): it only says so.
package nvml

import (
	"errors"

	"github.com/isocost/isocost/agent/device"
)

var errNone = errors.New("this agent was built without NVML")

// Lib is never loaded in this build.
type Lib struct{}

// GPU is the state of one GPU.
type GPU struct {
	Name       string   `json:"name"`
	Driver     string   `json:"driver"`
	GraphicsHz float64  `json:"graphics_hz"`
	MaxHz      float64  `json:"max_hz"`
	Celsius    float64  `json:"celsius"`
	Throttling []string `json:"throttling,omitempty"`
	// Persistence mode keeps the driver loaded between runs.
	Persistence bool `json:"persistence"`
}

// Open says that this build has no NVML.
func Open() (*Lib, *device.Absence) {
	return nil, &device.Absence{What: "NVML (NVIDIA GPU energy)", Reason: errNone.Error(),
		Cure: "build the agent with CGO_ENABLED=1 for linux"}
}

// Close does nothing.
func (*Lib) Close() {}

// GPUs fails.
func (*Lib) GPUs() ([]GPU, error) { return nil, errNone }

// Meter is absent.
func (*Lib) Meter(int) (device.EnergyMeter, *device.Absence) {
	return nil, &device.Absence{What: "GPU energy", Reason: errNone.Error()}
}

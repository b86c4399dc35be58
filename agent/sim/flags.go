package sim

import (
	"errors"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/probe"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
)

// Name is the backend's name in records and flags.
const Name = "sim"

// Flags hold what a command line says of the simulated device.
type Flags struct {
	Device string // its file
	// Die carries out a fault on the process; see New.
	Die func(kind string) `json:"-"`
}

// AddFlags declares them.
func (f *Flags) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&f.Device, "sim-device", "", "device `FILE` of the sim backend, for example examples/sim-device.yaml")
}

// ErrNoDevice is of a simulation without a device file: wrong use.
var ErrNoDevice = hint.Wrap(errors.New("--backend sim needs --sim-device FILE"), "examples/sim-device.yaml is one")

// Backend reads the device file and makes the backend.
func (f *Flags) Backend() (agent.Backend, error) {
	if f.Device == "" {
		return nil, ErrNoDevice
	}
	d, err := Read(f.Device)
	if err != nil {
		return nil, err
	}
	return New(d, f.Die), nil
}

// Probe is false: no native library is simulated.
func (f *Flags) Probe(nativelib.Runtime, string) (probe.Plan, bool) { return probe.Plan{}, false }

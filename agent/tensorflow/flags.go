//go:build tensorflow

package tensorflow

import (
	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/probe"
	"github.com/isocost/isocost/internal/nativelib"
)

// Flags holds TensorFlow's command-line flags: none, the library is linked.
type Flags struct{}

// AddFlags declares none.
func (*Flags) AddFlags(*pflag.FlagSet) {}

// Backend makes the backend.
func (*Flags) Backend() (agent.Backend, error) { return New(), nil }

// Probe tries the library that the program is linked with, wherever another lies.
func (*Flags) Probe(rt nativelib.Runtime, _ string) (probe.Plan, bool) {
	return probe.Plan{}, rt.Name == Name
}

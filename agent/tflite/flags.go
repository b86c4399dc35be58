package tflite

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/probe"
	"github.com/isocost/isocost/internal/nativelib"
)

// Flags holds TensorFlow Lite's command-line flags.
type Flags struct {
	Library    string
	Runtime    string // LiteRT or Classic; "" is the first that is found
	GPULibrary string
}

// AddFlags declares them.
func (f *Flags) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&f.Library, "tflite-lib", "", "load libLiteRt or libtensorflowlite_c from this `PATH` (default: ISOCOST_LITERT, ISOCOST_TFLITE, .native/, the system)")
	flags.StringVar(&f.Runtime, "tflite-runtime", "", "TensorFlow Lite to look for: litert, or tflite for the classic C library (default: litert where there is one)")
	f.AddGPUFlag(flags)
}

// AddGPUFlag declares the one of the GPU delegate alone, for a command that names the
// runtime otherwise.
func (f *Flags) AddGPUFlag(flags *pflag.FlagSet) {
	flags.StringVar(&f.GPULibrary, "tflite-gpu-lib", "", "load the classic library's GPU delegate from this `PATH`")
}

// Backend makes the backend that the flags describe. An error is of wrong use: a runtime
// that is neither of the two.
func (f *Flags) Backend() (agent.Backend, error) {
	switch f.Runtime {
	case "", LiteRT, Classic:
	default:
		return nil, fmt.Errorf("--tflite-runtime %q is neither %s nor %s", f.Runtime, LiteRT, Classic)
	}
	return New(Config{Library: f.Library, Prefer: f.Runtime, GPULibrary: f.GPULibrary, Search: nativelib.Host()}), nil
}

// Probe says how a child process tries an installed library.
func (f *Flags) Probe(rt nativelib.Runtime, path string) (probe.Plan, bool) {
	if rt.Name != LiteRT && rt.Name != Classic {
		return probe.Plan{}, false
	}
	return probe.Plan{Flags: []string{"--tflite-lib", path}}, true
}

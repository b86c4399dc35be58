package ort

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/probe"
	"github.com/isocost/isocost/internal/nativelib"
)

// Flags holds ONNX Runtime's command-line flags.
type Flags struct {
	Library     string
	EPLibraries []string // NAME=PATH each
}

// AddFlags declares them.
func (f *Flags) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&f.Library, "ort-lib", "", "load libonnxruntime from this `PATH` (default: ISOCOST_ONNXRUNTIME, .native/, the system)")
	flags.StringArrayVar(&f.EPLibraries, "ep-library", nil, "register the ONNX Runtime plugin execution provider `NAME=PATH`, asked for with --provider NAME; may be repeated")
}

// New makes the backend that the flags describe. An error is of wrong use: a plugin that
// is not NAME=PATH, or a name given twice.
func (f *Flags) New() (*Backend, error) {
	plugins := map[string]string{}
	for _, value := range f.EPLibraries {
		name, path, err := ParseEPLibrary(value)
		if err != nil {
			return nil, err
		}
		if _, twice := plugins[name]; twice {
			return nil, fmt.Errorf("--ep-library %s is given twice", name)
		}
		plugins[name] = path
	}
	return New(Config{Library: f.Library, EPLibraries: plugins, Search: nativelib.Host()}), nil
}

// Backend is New, as every runtime's flags have it.
func (f *Flags) Backend() (agent.Backend, error) {
	b, err := f.New()
	if err != nil {
		return nil, err
	}
	return b, nil
}

// builds of ONNX Runtime that are there for other providers than the CPU's, and these.
var builds = map[string][]string{"onnxruntime-cuda": {"cuda", "tensorrt"}, "onnxruntime-openvino": {"openvino"}}

// Probe says how a child process tries an installed library: of a plugin its own provider
// alone is in question, of a build for other providers these.
func (f *Flags) Probe(rt nativelib.Runtime, path string) (probe.Plan, bool) {
	switch {
	case rt.Plugin != "":
		return probe.Plan{Flags: []string{"--ep-library", rt.Plugin + "=" + path}, Providers: []string{rt.Plugin}, Plugin: true}, true
	case rt.Name == "onnxruntime" || builds[rt.Name] != nil:
		return probe.Plan{Flags: []string{"--ort-lib", path}, Providers: builds[rt.Name]}, true
	}
	return probe.Plan{}, false
}

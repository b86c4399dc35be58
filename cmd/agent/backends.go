package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/ort"
	"github.com/isocost/isocost/agent/tflite"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
)

// backendOptions are the flags that choose a runtime and what it runs on.
type backendOptions struct {
	Backend         string
	Provider        string
	ProviderOptions []string
	ORTLib          string
	EPLibraries     []string
	TFLiteLib       string
	TFLiteRuntime   string
	TFLiteGPULib    string
	SimDevice       string
}

func (o *backendOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Backend, "backend", "ort", "runtime: "+strings.Join(backendNames(), ", ")+"; of .tflite models tflite unless it is named")
	flags.StringVar(&o.Provider, "provider", "cpu", "what the runtime runs on: cpu, xnnpack, cuda, tensorrt, webgpu, nnapi, gpu…")
	flags.StringArrayVar(&o.ProviderOptions, "provider-option", nil, "`NAME=VALUE` handed to the provider, or to the session where NAME has a dot; may be repeated")
	flags.StringVar(&o.ORTLib, "ort-lib", "", "`PATH` of libonnxruntime (default: ISOCOST_ONNXRUNTIME, .native/, the system)")
	flags.StringArrayVar(&o.EPLibraries, "ep-library", nil, "`NAME=PATH` of an ONNX Runtime plugin execution provider, asked for with --provider NAME; may be repeated")
	flags.StringVar(&o.TFLiteLib, "tflite-lib", "", "`PATH` of libLiteRt or libtensorflowlite_c (default: ISOCOST_LITERT, ISOCOST_TFLITE, .native/, the system)")
	flags.StringVar(&o.TFLiteRuntime, "tflite-runtime", "", "which TensorFlow Lite to look for: litert, or tflite for the classic C library (default: litert where there is one)")
	flags.StringVar(&o.TFLiteGPULib, "tflite-gpu-lib", "", "`PATH` of the classic library's GPU delegate")
	flags.StringVar(&o.SimDevice, "sim-device", "", "device `FILE` of the sim backend, for example examples/sim-device.yaml")
	cli.Group(flags, "Runtime", "backend", "provider", "provider-option", "ort-lib", "ep-library", "tflite-lib", "tflite-runtime", "tflite-gpu-lib", "sim-device")
}

// backendMakers lists the backends, one line each.
var backendMakers = []struct {
	name string
	make func(o *backendOptions) (agent.Backend, error)
}{
	{ort.Name, func(o *backendOptions) (agent.Backend, error) { return o.ort() }},
	{tflite.Name, func(o *backendOptions) (agent.Backend, error) { return o.tflite() }},
	{"sim", func(o *backendOptions) (agent.Backend, error) { return o.sim() }},
}

func backendNames() []string {
	var names []string
	for _, m := range backendMakers {
		names = append(names, m.name)
	}
	return names
}

// chooseFor takes the runtime of the plan's model files, which lie in dir, where --backend
// names none.
func (o *backendOptions) chooseFor(plan *benchmarks.Plan, dir string, flags *pflag.FlagSet) error {
	if flags.Changed("backend") {
		return nil
	}
	var want []string
	for _, m := range plan.Models {
		if m.File == "" {
			continue
		}
		path := m.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(dir, path)
		}
		format, err := modelfile.Detect(path)
		if err != nil {
			return err
		}
		if b := format.Backend(); !slices.Contains(want, b) {
			want = append(want, b)
		}
	}
	if len(want) > 1 {
		return cli.Usage(hint.Wrap(errors.New("no runtime runs both .tflite models and others"), "measure them in two calls; records of both compile to two tables"))
	}
	if len(want) == 1 {
		o.Backend = want[0]
	}
	return nil
}

// open makes the chosen backend; its library is loaded when it is first used.
func (o *backendOptions) open() (agent.Backend, error) {
	for _, m := range backendMakers {
		if m.name == o.Backend {
			return m.make(o)
		}
	}
	return nil, cli.Usagef("--backend %q is none of %s", o.Backend, strings.Join(backendNames(), ", "))
}

// providerOptions reads --provider-option.
func (o *backendOptions) providerOptions() (map[string]string, error) {
	if len(o.ProviderOptions) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, pair := range o.ProviderOptions {
		name, value, ok := strings.Cut(pair, "=")
		if _, doubled := out[name]; !ok || name == "" || doubled {
			return nil, cli.Usagef("--provider-option %q is not NAME=VALUE, or is given twice", pair)
		}
		out[name] = value
	}
	return out, nil
}

func (o *backendOptions) ort() (*ort.Backend, error) {
	plugins := map[string]string{}
	for _, value := range o.EPLibraries {
		name, path, err := ort.ParseEPLibrary(value)
		if err != nil {
			return nil, cli.Usage(err)
		}
		if _, doubled := plugins[name]; doubled {
			return nil, cli.Usage(fmt.Errorf("--ep-library %s is given twice", name))
		}
		plugins[name] = path
	}
	return ort.New(ort.Config{Library: o.ORTLib, EPLibraries: plugins, Search: nativelib.Host()}), nil
}

func (o *backendOptions) tflite() (*tflite.Backend, error) {
	switch o.TFLiteRuntime {
	case "", tflite.LiteRT, tflite.Classic:
	default:
		return nil, cli.Usagef("--tflite-runtime %q is neither %s nor %s", o.TFLiteRuntime, tflite.LiteRT, tflite.Classic)
	}
	return tflite.New(tflite.Config{Library: o.TFLiteLib, Prefer: o.TFLiteRuntime, GPULibrary: o.TFLiteGPULib, Search: nativelib.Host()}), nil
}

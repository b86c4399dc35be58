package main

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/ort"
	"github.com/isocost/isocost/agent/probe"
	"github.com/isocost/isocost/agent/sim"
	"github.com/isocost/isocost/agent/tflite"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
)

// backendOptions are the flags that choose a runtime and what it runs on; each runtime
// declares its own.
type backendOptions struct {
	Backend         string
	Provider        string
	ProviderOptions []string
	ORT             ort.Flags
	TFLite          tflite.Flags
	Sim             sim.Flags
}

// runtimeFlags are the flags of one runtime, defined by its own package.
type runtimeFlags interface {
	AddFlags(flags *pflag.FlagSet)
	// Backend makes the backend; its library is loaded when it is first used.
	Backend() (agent.Backend, error)
	// Probe says how a child tries an installed native library, and whether it is one that
	// this backend drives.
	Probe(rt nativelib.Runtime, path string) (probe.Plan, bool)
}

// runtimeChoice is a backend by its name in flags and records.
type runtimeChoice struct {
	name  string
	flags runtimeFlags
}

// linked are the runtimes that only programs built with a tag have.
var linked []runtimeChoice

// runtimes lists the backends of this build, with what o says of each.
func (o *backendOptions) runtimes() []runtimeChoice {
	o.Sim.Die = die
	return append([]runtimeChoice{{ort.Name, &o.ORT}, {tflite.Name, &o.TFLite}, {sim.Name, &o.Sim}}, linked...)
}

func backendNames() []string {
	var names []string
	for _, r := range new(backendOptions).runtimes() {
		names = append(names, r.name)
	}
	return names
}

func (o *backendOptions) AddFlags(flags *pflag.FlagSet) {
	own := pflag.NewFlagSet("", pflag.ContinueOnError)
	own.SortFlags = false
	own.StringVar(&o.Backend, "backend", "ort", "runtime to measure: "+strings.Join(backendNames(), ", ")+"; for .tflite models the default is tflite")
	own.StringVar(&o.Provider, "provider", "cpu", "provider that the runtime runs on: cpu, xnnpack, cuda, tensorrt, webgpu, nnapi, gpu…")
	own.StringArrayVar(&o.ProviderOptions, "provider-option", nil, "hand `NAME=VALUE` to the provider, or to the session where NAME has a dot; may be repeated")
	for _, r := range o.runtimes() {
		r.flags.AddFlags(own)
	}
	flags.AddFlagSet(own)
	own.VisitAll(func(f *pflag.Flag) { cli.Group(flags, "Runtime", f.Name) })
}

// probePlan says which backend drives an installed library, and how a child tries it.
func probePlan(rt nativelib.Runtime, path string) (backend string, plan probe.Plan, ok bool) {
	for _, r := range new(backendOptions).runtimes() {
		if plan, ok := r.flags.Probe(rt, path); ok {
			return r.name, plan, true
		}
	}
	return "", probe.Plan{}, false
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

// open makes the chosen backend; its library is loaded when it is first used. What its
// flags say wrong is wrong use; a device file that cannot be read is a failure.
func (o *backendOptions) open() (agent.Backend, error) {
	for _, r := range o.runtimes() {
		if r.name != o.Backend {
			continue
		}
		b, err := r.flags.Backend()
		if err != nil && (r.name != sim.Name || errors.Is(err, sim.ErrNoDevice)) {
			return nil, cli.Usage(err)
		}
		return b, err
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
		if _, given := out[name]; !ok || name == "" || given {
			return nil, cli.Usagef("--provider-option %q is not NAME=VALUE, or is given twice", pair)
		}
		out[name] = value
	}
	return out, nil
}

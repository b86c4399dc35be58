package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/lut"
)

func runtimesCommand() cli.Command {
	return cli.Command{
		Name:  "runtimes",
		Args:  "[list|verify] [RUNTIME…]",
		Short: "tells which native runtimes are found, from where, and what really runs on them",
		Long: `
list looks only: each runtime's library, where its path comes from, its hash, licence and, where the hash is a pinned
one, version. verify also loads each in a process of its own and opens and runs a small convolution on every provider:
what it calls running has run and computed what the CPU does. A runtime that is missing says how to get it.`,
		Example: "agent runtimes verify onnxruntime",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o runtimesOptions
			o.AddFlags(flags)
			return func(ctx context.Context, env cli.Env, args []string) error { return o.run(ctx, env, args) }
		},
	}
}

type runtimesOptions struct {
	JSON    bool
	Timeout time.Duration
}

func (o *runtimesOptions) AddFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object a runtime")
	flags.DurationVar(&o.Timeout, "timeout", time.Minute, "of loading a library or trying a provider")
}

// nativeReport is what is known of one runtime.
type nativeReport struct {
	Name     string `json:"name"`
	Title    string `json:"title"`
	Licence  string `json:"licence"`
	Path     string `json:"path,omitempty"`
	From     string `json:"from,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
	Pinned   string `json:"pinned,omitempty"` // version, when the hash is a pinned one
	Version  string `json:"version,omitempty"`
	Error    string `json:"error,omitempty"`
	Hint     string `json:"hint,omitempty"`
	Verified bool   `json:"verified"`
	// Providers and Devices are known after verify.
	Providers []providerReport    `json:"providers,omitempty"`
	Devices   []agent.Accelerator `json:"devices,omitempty"`
}

type providerReport struct {
	Name  string `json:"name"`
	Runs  bool   `json:"runs"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
}

func (o *runtimesOptions) run(ctx context.Context, env cli.Env, args []string) error {
	verify := false
	if len(args) > 0 && (args[0] == "list" || args[0] == "verify") {
		verify = args[0] == "verify"
		args = args[1:]
	}
	known := nativelib.Known()
	for _, name := range args {
		if _, ok := known.Runtime(name); !ok {
			var names []string
			for _, r := range known.Runtimes {
				names = append(names, r.Name)
			}
			return hint.Wrap(cli.Usagef("no runtime is called %q", name), "the names are %s", strings.Join(names, ", "))
		}
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	failed := 0
	for _, rt := range known.Runtimes {
		if len(args) > 0 && !slices.Contains(args, rt.Name) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		r := describeRuntime(rt)
		if verify && r.Path != "" {
			o.verify(ctx, exe, rt, &r)
		}
		if r.Error != "" && (r.Path != "" || len(args) > 0) {
			failed++
		}
		if o.JSON {
			if err := json.NewEncoder(env.Stdout).Encode(r); err != nil {
				return err
			}
		} else {
			r.print(env.Stdout)
		}
	}
	if failed > 0 {
		return cli.Partial(hint.Wrap(fmt.Errorf("%d runtimes do not work", failed), "see the hints above"))
	}
	return nil
}

// describeRuntime looks for a runtime without loading it.
func describeRuntime(rt nativelib.Runtime) nativeReport {
	r := nativeReport{Name: rt.Name, Title: rt.Title, Licence: rt.Licence}
	lib, err := nativelib.Host().Find(rt.Name, "")
	if err == nil {
		r.Path, r.From = lib.Path, lib.From
		r.SHA256, err = filehash.SHA256(lib.Path)
	}
	if err != nil {
		r.Error, r.Hint = err.Error(), hint.Of(err)
		return r
	}
	r.Pinned = rt.Pinned(lib.Path, r.SHA256)
	return r
}

// verify loads the library and tries its providers, each in a process of its own:
// a driver that crashes takes that process along, not this one.
func (o *runtimesOptions) verify(ctx context.Context, exe string, rt nativelib.Runtime, r *nativeReport) {
	flags, ok := probeFlags(rt, r.Path)
	if !ok {
		return // no backend of this build drives it
	}
	first := probe(ctx, o.Timeout, exe, append([]string{"--provider", ""}, flags...))
	r.Version, r.Devices = first.Version, first.Devices
	if first.Error != "" {
		r.Error, r.Hint = first.Error, first.Hint
		return
	}
	providers := first.Providers
	if only := ortBuilds[rt.Name]; only != nil {
		// What it is for; that its CPU provider runs is no comfort.
		providers = slices.DeleteFunc(providers, func(p string) bool { return !slices.Contains(only, p) })
	}
	if rt.Plugin != "" {
		// Of a plugin only its own provider is in question, and its own devices.
		providers = []string{rt.Plugin}
		r.Devices = slices.DeleteFunc(r.Devices, func(d agent.Accelerator) bool { return d.Provider != rt.Plugin })
		r.Version = ""
		for _, d := range r.Devices {
			r.Version = d.Version
		}
	}
	running := 0
	for _, name := range providers {
		p := probe(ctx, o.Timeout, exe, append([]string{"--provider", name}, flags...))
		r.Providers = append(r.Providers, providerReport{name, p.Error == "", p.Error, p.Hint})
		if p.Error == "" {
			running++
		}
	}
	r.Verified = running > 0
	if !r.Verified {
		r.Error, r.Hint = "no provider runs", "see the providers' errors"
	}
}

func (r nativeReport) print(w io.Writer) {
	version := r.Version
	if version == "" {
		version = r.Pinned
	}
	fmt.Fprintf(w, "%s  %s %s (%s)\n", r.Name, r.Title, version, r.Licence)
	if r.Path == "" {
		fmt.Fprintf(w, "  not found: %s\n  hint: %s\n", r.Error, r.Hint)
		return
	}
	fmt.Fprintf(w, "  path    %s\n  from    %s\n  sha256  %s", r.Path, r.From, r.SHA256)
	if r.Pinned != "" {
		fmt.Fprintf(w, " (the pinned %s)", r.Pinned)
	}
	fmt.Fprintln(w)
	for _, d := range r.Devices {
		fmt.Fprintf(w, "  device  %s: %s %s %s", d.Provider, d.Type, d.Hardware, d.ID)
		if d.Software {
			fmt.Fprint(w, " (the CPU in a GPU's name: its times mean nothing)")
		}
		fmt.Fprintln(w)
	}
	for _, p := range r.Providers {
		if p.Runs {
			fmt.Fprintf(w, "  runs    %s\n", p.Name)
			continue
		}
		fmt.Fprintf(w, "  fails   %s: %s\n", p.Name, p.Error)
		if p.Hint != "" {
			fmt.Fprintf(w, "          hint: %s\n", p.Hint)
		}
	}
	if r.Error != "" && len(r.Providers) == 0 {
		fmt.Fprintf(w, "  error: %s\n", r.Error)
		if r.Hint != "" {
			fmt.Fprintf(w, "  hint: %s\n", r.Hint)
		}
	}
}

// ortBuilds are the builds of ONNX Runtime with other providers, and these.
var ortBuilds = map[string][]string{"onnxruntime-cuda": {"cuda", "tensorrt"}, "onnxruntime-openvino": {"openvino"}}

// probeFlags are the flags by which a probing child drives the library at path.
func probeFlags(rt nativelib.Runtime, path string) ([]string, bool) {
	switch {
	case rt.Plugin != "":
		return []string{"--backend", "ort", "--ep-library", rt.Plugin + "=" + path}, true
	case rt.Name == "onnxruntime" || ortBuilds[rt.Name] != nil:
		return []string{"--backend", "ort", "--ort-lib", path}, true
	case rt.Name == "litert" || rt.Name == "tflite":
		return []string{"--backend", "tflite", "--tflite-lib", path}, slices.Contains(backendNames(), "tflite")
	case rt.Name == "tensorflow":
		return []string{"--backend", "tensorflow"}, slices.Contains(backendNames(), "tensorflow")
	}
	return nil, false
}

// probeResult is a probing child's only line of output.
type probeResult struct {
	Version   string              `json:"version,omitempty"`
	Path      string              `json:"path,omitempty"`
	SHA256    string              `json:"sha256,omitempty"`
	Providers []string            `json:"providers,omitempty"`
	Devices   []agent.Accelerator `json:"devices,omitempty"`
	Error     string              `json:"error,omitempty"`
	Hint      string              `json:"hint,omitempty"`
}

const probeName = "runtime-probe"

// probe starts this program as a probing child.
func probe(ctx context.Context, timeout time.Duration, exe string, flags []string) probeResult {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, append([]string{probeName}, flags...)...)
	cmd.WaitDelay = time.Second
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	var r probeResult
	if jsonErr := json.Unmarshal(out.Bytes(), &r); jsonErr == nil {
		return r
	}
	var words string // the first line of Go's report of a signal, else the last line
	for line := range strings.Lines(talk.String()) {
		words = strings.TrimSpace(line)
		if strings.HasPrefix(words, "SIG") || strings.HasPrefix(words, "fatal error") {
			break
		}
	}
	how := fmt.Sprint(err)
	switch {
	case ctx.Err() != nil:
		how = fmt.Sprintf("no answer within %v", timeout)
	case err == nil:
		how = "exit status 0" // some drivers call exit(0)
	}
	return probeResult{Error: strings.TrimSuffix(fmt.Sprintf("the library ended its process (%s): %s", how, words), ": "),
		Hint: "the driver or library crashes; update it or take another"}
}

// runtimeProbeCommand is the child of agent runtimes verify and agent device.
func runtimeProbeCommand() cli.Command {
	return cli.Command{
		Name:    probeName,
		Short:   cli.Hidden,
		Example: "agent runtimes verify starts it",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o backendOptions
			o.AddFlags(flags)
			return func(ctx context.Context, env cli.Env, args []string) error {
				stdout, err := dataStream(env.Stdout)
				if err != nil {
					return err
				}
				r, err := o.probeOnce(ctx)
				if err != nil {
					r.Error, r.Hint = err.Error(), hint.Of(err)
				}
				return json.NewEncoder(stdout).Encode(r)
			}
		},
	}
}

// probeOnce loads the chosen backend and, when a provider is named, runs a small
// convolution on it and on the CPU.
func (o *backendOptions) probeOnce(ctx context.Context) (probeResult, error) {
	var r probeResult
	backend, err := o.open()
	if err != nil {
		return r, err
	}
	info, err := backend.Info()
	if err != nil {
		return r, err
	}
	r.Version, r.Path, r.SHA256, r.Providers = info.Version, info.Path, info.SHA256, info.Providers
	if lister, ok := backend.(agent.AcceleratorLister); ok {
		if r.Devices, err = lister.Accelerators(); err != nil {
			return r, err
		}
	}
	if o.Provider == "" {
		return r, nil
	}
	op := lut.NewOp("conv", lut.FP32, map[string]string{"k": "3", "s": "1", "act": "relu"}, map[string]int{"h": 8, "w": 8, "cin": 8, "cout": 8})
	model, err := agent.Build(benchmarks.Model{ID: "probe", Chain: benchmarks.Chain{op}}, agent.BuildSpec{Format: info.Format})
	if err != nil {
		return r, err
	}
	run := func(provider string) ([]agent.Tensor, error) {
		return runOnce(ctx, backend, model, agent.Options{Provider: provider, Threads: 1, Transfers: true, Seed: 1})
	}
	got, err := run(o.Provider)
	if err != nil {
		return r, err
	}
	want, err := run("cpu")
	if err != nil {
		return r, fmt.Errorf("reference on cpu: %w", err)
	}
	// Half-precision accumulation of 72 products is the worst a provider may do.
	const tolerance = 1e-2
	n, err := agent.CompareTensors(got, want)
	if err == nil && !(n.RelRMS <= tolerance) {
		err = fmt.Errorf("it computes something else than the CPU: relative RMS error %.2g", n.RelRMS)
	}
	return r, err
}

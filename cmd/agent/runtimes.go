package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/probe"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/nativelib"
)

func runtimesCommand() cli.Command {
	return cli.Command{
		Name:  "runtimes",
		Args:  "[list|verify] [RUNTIME…]",
		Short: "reports which native runtimes are found, from where, and what really runs on them",
		Long: `
list only looks: it reports each runtime's library, where its path comes from, its hash, licence and, where the hash is a pinned
one, version. verify also loads each in a process of its own and opens and runs a small convolution on every provider:
what it reports as running has run and computed the same as the CPU. For a missing runtime it says how to get it.
With --target it asks about the libraries of the bundle on another device.`,
		Example: "agent runtimes verify onnxruntime",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o runtimesOptions
			o.AddFlags(flags)
			return func(ctx context.Context, env cli.Env, args []string) error {
				if o.remote() {
					return o.runThere(ctx, env, append(remoteArgs("runtimes", flags), args...))
				}
				return o.run(ctx, env, args)
			}
		},
	}
}

type runtimesOptions struct {
	targetOptions
	JSON    bool
	Timeout time.Duration
}

func (o *runtimesOptions) AddFlags(flags *pflag.FlagSet) {
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object per runtime")
	flags.DurationVar(&o.Timeout, "timeout", time.Minute, "longest time to load a library or try a provider")
	o.targetOptions.AddFlags(flags)
}

// nativeReport holds what is known about one runtime.
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
	if o.Timeout <= 0 {
		return cli.Usagef("--timeout %v is not above 0", o.Timeout)
	}
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
	child, err := prober(o.Timeout)
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
			o.verify(ctx, child, rt, &r)
		}
		if err := ctx.Err(); err != nil { // a child that was stopped says nothing of its runtime
			return err
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
		r.SHA256, err = filehash.SHA256(context.Background(), lib.Path)
	}
	if err != nil {
		r.Error, r.Hint = err.Error(), hint.Of(err)
		return r
	}
	r.Pinned = rt.Pinned(lib.Path, r.SHA256)
	return r
}

// verify loads the library and tries its providers, each in a process of its own.
func (o *runtimesOptions) verify(ctx context.Context, child probe.Child, rt nativelib.Runtime, r *nativeReport) {
	backend, plan, ok := probePlan(rt, r.Path)
	if !ok {
		return // no backend of this build drives it
	}
	first := child.Ask(ctx, backend, "", plan.Flags)
	r.Version, r.Devices = first.Version, first.Devices
	if first.Error != "" {
		r.Error, r.Hint = first.Error, first.Hint
		return
	}
	providers := first.Providers
	switch {
	case plan.Plugin:
		providers = plan.Providers
		r.Devices = slices.DeleteFunc(r.Devices, func(d agent.Accelerator) bool { return !slices.Contains(providers, d.Provider) })
		r.Version = ""
		for _, d := range r.Devices {
			r.Version = d.Version
		}
	case plan.Providers != nil: // its own providers count; that its CPU provider runs proves nothing
		providers = slices.DeleteFunc(providers, func(p string) bool { return !slices.Contains(plan.Providers, p) })
	}
	running := 0
	for _, name := range providers {
		p := child.Ask(ctx, backend, name, plan.Flags)
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

const probeName = "runtime-probe"

// prober is this program as a probing child.
func prober(patience time.Duration) (probe.Child, error) {
	self, err := os.Executable()
	return probe.Child{Path: self, Args: []string{probeName}, Patience: patience}, err
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
				var r probe.Result
				backend, err := o.open()
				if err == nil {
					r, err = probe.Once(ctx, backend, o.Provider)
				}
				if err != nil {
					r.Error, r.Hint = err.Error(), hint.Of(err)
				}
				return json.NewEncoder(stdout).Encode(r)
			}
		},
	}
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/costgen/build"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/evaluator"
)

type buildOptions struct {
	targets                             []string
	minutes, err                        float64
	census, unseen, protocol, prior     string
	precisions                          []string
	agent, dir, out                     string
	backend, provider, simDevice, cores string
	threads                             int
	benchArgs                           []string
	seed                                uint64
	json                                bool
}

func buildCommand() cli.Command {
	return cli.Command{
		Name:  "build",
		Short: "makes the table of a device: plans, measures, fits and decides what to measure next",
		Long: `
In campaigns, each longer than the one before, the agent program measures what is
expected to teach most about the networks of a census per second of device time:
kernels, and chains of kernels in the order networks have them. After each campaign a
model of the device is fitted, and the error it expects of a network is printed. The
build ends when the time is spent, or when that error is small enough. The table prices
networks that nobody has measured (costgen predict).

Interrupted, it writes the table so far. The same command goes on, also after a kill, and
ends with the table it would have made undisturbed: plans and records are kept in a folder
beside the table. Several targets are measured side by side, each with a table of its own;
-o names their folder then: --target ssh:pi@raspberrypi --target adb:39111FDJG -o boards/.`,
		Example:  "costgen build --backend sim --sim-device examples/sim-device.yaml --minutes 1 -o sim.lut.json",
		Finishes: true,
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o buildOptions
			f.StringArrayVar(&o.targets, "target", []string{"local"}, "device to measure: local, adb:SERIAL, ssh:USER@HOST; may be repeated")
			f.Float64Var(&o.minutes, "minutes", 10, "device time to spend")
			f.Float64Var(&o.err, "error", 0, "end earlier, when the standard deviation expected of a network's cost is this fraction of it")
			f.StringVarP(&o.out, "output", "o", "", "table to write; for several targets the folder of their tables")
			f.StringVar(&o.dir, "run", "", "keep plans and records in this folder (default: the table's name with .run)")
			f.StringSliceVar(&o.precisions, "precision", []string{string(lut.FP32)}, "`precisions` of the networks to price")
			f.StringVar(&o.census, "census", "", "price networks like those of this census `FILE` (default: the built-in one of public networks)")
			f.StringVar(&o.unseen, "unseen", "", "measure no kernel of the networks in this census `FILE` and nothing of their families: they will judge the table")
			f.StringVar(&o.prior, "prior", "", "start from the model of another device's table `FILE`, where it fits: a second device takes less time")
			f.Uint64Var(&o.seed, "seed", 1, "seed of the chains that are drawn and of orders")
			f.BoolVar(&o.json, "json", false, "print each campaign as one JSON object")
			f.StringVar(&o.backend, "backend", "", "runtime to measure: ort, tflite, sim (default: agent's)")
			f.StringVar(&o.provider, "provider", "", "provider that the runtime runs on (default: agent's)")
			f.IntVar(&o.threads, "threads", 0, "number of intra-op threads (default: the protocol's)")
			f.StringVar(&o.cores, "cores", "", "measure on this cluster (little, mid, big, prime) or these CPUs")
			f.StringVar(&o.simDevice, "sim-device", "", "device file of --backend sim")
			f.StringVar(&o.protocol, "protocol", "", "measure by this protocol `FILE` (default: one for many models and little time)")
			f.StringVar(&o.agent, "agent", "", "agent program to run (default: beside this one, else in the path)")
			f.StringArrayVar(&o.benchArgs, "bench-arg", nil, "hand this `ARGUMENT` to agent bench too; may be repeated")
			cli.Group(f, "Networks", "precision", "census", "unseen", "prior")
			cli.Group(f, "Device", "target", "backend", "provider", "threads", "cores", "sim-device", "protocol", "agent", "bench-arg")
			return o.run
		},
	}
}

func (o *buildOptions) validate(args []string) error {
	var problems []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	add(len(args) > 0, "build takes no arguments, got %q", args)
	add(o.out == "" || o.out == "-", "-o names no file: say where the table is to go")
	add(!(o.minutes > 0 && o.minutes <= 1440), "--minutes %v is not above 0 and at most 1440", o.minutes)
	add(!(o.err >= 0 && o.err < 1), "--error %v is not a fraction: 0.05 is 5 %%", o.err)
	add(len(o.targets) == 0, "no --target")
	add(o.simDevice != "" && o.backend != "sim", "--sim-device goes with --backend sim")
	add(o.backend == "sim" && o.simDevice == "", "--backend sim needs --sim-device FILE")
	sorted := slices.Sorted(slices.Values(o.targets))
	add(len(slices.Compact(sorted)) < len(o.targets), "a --target is named twice")
	for _, p := range o.precisions {
		add(!slices.Contains(lut.Precisions, lut.Precision(p)), "unknown precision %q; there are %v", p, lut.Precisions)
	}
	if len(problems) > 0 {
		return cli.Usagef("%s", strings.Join(problems, "; "))
	}
	return nil
}

func (o *buildOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if err := o.validate(args); err != nil {
		return err
	}
	base, err := o.options()
	if err != nil {
		return err
	}
	tables := make([]string, len(o.targets))
	for i, t := range o.targets {
		tables[i] = o.out
		if len(o.targets) > 1 {
			tables[i] = filepath.Join(o.out, fileOf(t)+".lut.json")
		}
		if err := cli.NewOutput("-o", tables[i], o.census, o.unseen, o.protocol, o.prior); err != nil && len(o.targets) == 1 {
			return err
		}
	}
	if len(o.targets) > 1 {
		if err := os.MkdirAll(o.out, 0o777); err != nil {
			return err
		}
	}
	say := &talk{env: env, json: o.json}
	errs := make([]error, len(o.targets))
	var wg sync.WaitGroup
	for i, target := range o.targets {
		b := base
		b.Target, b.Dir = target, o.folder(tables[i], target)
		name := ""
		if len(o.targets) > 1 {
			name = target
		}
		b.Stderr = say.lines(name)
		b.Tell = func(p build.Progress) { say.progress(name, p) }
		wg.Go(func() { errs[i] = o.one(ctx, env, b, tables[i], name, say) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// options are those that all targets share.
func (o *buildOptions) options() (b build.Options, err error) {
	b = build.Options{Seconds: 60 * o.minutes, Error: o.err, Seed: o.seed}
	c, err := census.Default()
	if o.census != "" {
		c, err = census.Open(o.census)
	}
	if err != nil {
		return b, err
	}
	var precisions []lut.Precision
	for _, p := range o.precisions {
		precisions = append(precisions, lut.Precision(p))
	}
	if b.Census = c.Of(precisions); len(b.Census.Networks) == 0 {
		return b, hint.Wrap(fmt.Errorf("the census has no network in %v", o.precisions), "costgen census says which precisions it has")
	}
	if o.unseen != "" {
		if b.Unseen, err = census.Open(o.unseen); err != nil {
			return b, err
		}
	}
	if o.prior != "" {
		if b.Compile.Prior, err = readTable(o.prior); err != nil {
			return b, err
		}
	}
	if o.protocol != "" {
		text, err := os.ReadFile(o.protocol)
		if err != nil {
			return b, err
		}
		b.Protocol = string(text)
	}
	for flag, value := range map[string]string{"backend": o.backend, "provider": o.provider, "sim-device": o.simDevice, "cores": o.cores} {
		if value != "" {
			b.Args = append(b.Args, "--"+flag+"="+value)
		}
	}
	slices.Sort(b.Args)
	if o.threads > 0 {
		b.Args = append(b.Args, "--threads="+strconv.Itoa(o.threads))
	}
	b.Args = append(b.Args, o.benchArgs...)
	b.Program, err = evaluator.FindAgent(o.agent)
	return b, err
}

// folder returns the folder of a target's plans and records.
func (o *buildOptions) folder(table, target string) string {
	if o.dir == "" {
		return strings.TrimSuffix(table, ".lut.json") + ".run"
	}
	if len(o.targets) > 1 {
		return filepath.Join(o.dir, fileOf(target))
	}
	return o.dir
}

var notInFiles = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// fileOf is a target as the name of a file.
func fileOf(target string) string { return notInFiles.ReplaceAllString(target, "-") }

// one builds the table of one target.
func (o *buildOptions) one(ctx context.Context, env cli.Env, b build.Options, table, name string, say *talk) error {
	fail := func(err error) error {
		if name == "" {
			return err
		}
		return hint.Wrap(fmt.Errorf("%s: %w", name, err), "%s", hint.Of(err))
	}
	out, err := build.Run(ctx, b)
	if err != nil {
		return fail(err)
	}
	if err := writeOut(env, table, out.Table.Encode()); err != nil {
		return fail(err)
	}
	say.wrote(name, table)
	if out.Interrupted {
		return fail(hint.Wrap(context.Canceled, "the table is of what was measured so far; the same command goes on"))
	}
	return nil
}

// talk prints what several builds say, a line at a time.
type talk struct {
	mu   sync.Mutex
	env  cli.Env
	json bool
}

func (t *talk) prefix(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}

func (t *talk) progress(name string, p build.Progress) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.json {
		line := map[string]any{"target": name, "campaign": p.Campaign, "campaigns": p.Campaigns, "device_s": p.Spent, "of_s": p.Seconds,
			"kernels": p.Kernels, "chains": p.Chains, "priced": p.Priced, "next": p.Next}
		if !math.IsNaN(p.Error) {
			line["error"] = p.Error
		}
		writeJSON(t.env.Stdout, line)
		return
	}
	head := fmt.Sprintf("%scampaign %d of %d", t.prefix(name), min(p.Campaign+1, p.Campaigns), p.Campaigns)
	if p.Next == "" {
		head = t.prefix(name) + "done"
	}
	var parts []string
	if p.Next != "" {
		parts = append(parts, p.Next)
	}
	if p.Campaign > 0 {
		parts = append(parts, fmt.Sprintf("%d kernels and %d chains measured", p.Kernels, p.Chains))
	}
	if !math.IsNaN(p.Error) {
		parts = append(parts, fmt.Sprintf("error expected %.1f %%, %.0f %% of the census priced", 100*p.Error, 100*p.Priced))
	}
	if p.Next != "" {
		parts = append(parts, fmt.Sprintf("%v left", (time.Duration(max(0, p.Seconds-p.Spent)*float64(time.Second))).Round(time.Second)))
	}
	fmt.Fprintf(t.env.Stderr, "costgen: %s: %s\n", head, strings.Join(parts, "; "))
}

func (t *talk) wrote(name, table string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.env.Stderr, "costgen: %swrote %s\n", t.prefix(name), table)
}

// lines hands on what an agent says: as it is where there is one, so that a terminal gets its
// progress bar, else whole lines with the target before each.
func (t *talk) lines(name string) io.Writer {
	if name == "" {
		return t.env.Stderr
	}
	return &lineWriter{t: t, name: name}
}

type lineWriter struct {
	t    *talk
	name string
	rest []byte
}

func (w *lineWriter) Write(p []byte) (int, error) {
	w.rest = append(w.rest, p...)
	for {
		i := slices.Index(w.rest, '\n')
		if i < 0 {
			return len(p), nil
		}
		w.t.mu.Lock()
		_, err := fmt.Fprintf(w.t.env.Stderr, "%s: %s\n", w.name, w.rest[:i])
		w.t.mu.Unlock()
		w.rest = w.rest[i+1:]
		if err != nil {
			return 0, err
		}
	}
}

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/sidebyside"
	"github.com/isocost/isocost/agent/tflite"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/lut"
)

func compareCommand() cli.Command {
	return cli.Command{
		Name:  "compare",
		Short: "runs the same models on several runtimes, interleaved, or tells what each supports",
		Long: `
Times the same models (two networks and some operators, or the chain given by --op) on several runtimes in one
interleaved run: a round visits every model on every lane once, in random order. A lane is a runtime and a provider,
RUNTIME:PROVIDER with options after commas; runtimes are ort, litert, tflite (the classic library) and those --backend
knows. Results are also compared with the first lane's.

With --support nothing is timed: every operator of the catalogue in every precision is run once on every lane and
compared with a reference interpreter; the table says native, emulated, or why not.

It compares runtimes; for a cost table use agent bench.`,
		Example: `agent compare --lane ort:cpu --lane litert:xnnpack --precision fp32 --op 'conv[k=3]/P@cin=16,cout=16,h=28,w=28'`,
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o compareOptions
			o.AddFlags(flags)
			return func(ctx context.Context, env cli.Env, args []string) error { return o.run(ctx, env, args) }
		},
	}
}

type compareOptions struct {
	backendOptions
	Lanes      []string
	Precisions []string
	Ops        []string
	Support    bool
	Threads    int
	Rounds     int
	Seed       uint64
	JSON       bool
}

func (o *compareOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringArrayVar(&o.Lanes, "lane", []string{"ort:cpu", "litert:cpu", "tflite:cpu"}, "`RUNTIME:PROVIDER[,NAME=VALUE…]`; may be repeated")
	flags.StringSliceVar(&o.Precisions, "precision", nil, "precisions (default: fp32,int8; with --support all)")
	flags.StringArrayVar(&o.Ops, "op", nil, "operator `KEY` to time instead of the default models, with P for the precision; may be repeated: each is a model")
	flags.BoolVar(&o.Support, "support", false, "tell what each lane supports instead of timing")
	flags.IntVar(&o.Threads, "threads", 1, "threads a model runs on")
	flags.IntVar(&o.Rounds, "rounds", 15, "rounds")
	flags.Uint64Var(&o.Seed, "seed", 1, "of weights, inputs and the order")
	flags.BoolVar(&o.JSON, "json", false, "one JSON object a line instead of the table")
	flags.StringVar(&o.ORTLib, "ort-lib", "", "`PATH` of libonnxruntime")
	flags.StringArrayVar(&o.EPLibraries, "ep-library", nil, "`NAME=PATH` of an ONNX Runtime plugin execution provider")
	flags.StringVar(&o.TFLiteGPULib, "tflite-gpu-lib", "", "`PATH` of the classic library's GPU delegate")
}

func (o *compareOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if len(args) > 0 {
		return cli.Usagef("compare takes no arguments")
	}
	if o.Threads < 1 || o.Rounds < 3 {
		return cli.Usagef("--threads must be at least 1 and --rounds at least 3")
	}
	lanes, err := o.lanes()
	if err != nil {
		return err
	}
	cases, err := o.cases()
	if err != nil {
		return err
	}
	progress := cli.NewProgress(env.Stderr, env.Getenv)
	settings := sidebyside.Settings{Rounds: o.Rounds, Samples: 4, Sample: time.Millisecond, Seed: o.Seed, Clock: agent.WallClock{},
		Tolerance: agent.DefaultProtocol().Check.Tolerance,
		Progress: func(done float64, note string) {
			progress.Show(cli.State{Label: "comparing", Done: done, Left: -1, Note: note})
		}}
	measure := sidebyside.Time
	if o.Support {
		measure = sidebyside.Support
	}
	results, err := measure(ctx, cases, lanes, settings)
	progress.Done()
	if err != nil {
		return err
	}
	switch {
	case o.JSON:
		enc := json.NewEncoder(env.Stdout)
		for _, r := range results {
			if err := enc.Encode(r); err != nil {
				return err
			}
		}
	case o.Support:
		printSupport(env.Stdout, results, lanes)
	default:
		printTimes(env.Stdout, results, lanes)
	}
	if slices.ContainsFunc(results, func(r sidebyside.Result) bool {
		return r.Outcome == sidebyside.Mismatch || r.Outcome == sidebyside.Failed
	}) {
		return cli.Partial(errors.New("a lane failed or computed something else; --json tells the details"))
	}
	return nil
}

// lanes opens the runtimes. One that is not installed is an error: it was asked for.
func (o *compareOptions) lanes() ([]sidebyside.Lane, error) {
	var lanes []sidebyside.Lane
	for _, text := range o.Lanes {
		name, options, _ := strings.Cut(text, ",")
		runtime, provider, ok := strings.Cut(name, ":")
		if !ok || provider == "" {
			return nil, cli.Usagef("--lane %q is not RUNTIME:PROVIDER", text)
		}
		b := o.backendOptions
		b.Backend = runtime
		if runtime == tflite.LiteRT || runtime == tflite.Classic {
			b.Backend, b.TFLiteRuntime = tflite.Name, runtime
		}
		b.ProviderOptions = nil
		if options != "" {
			b.ProviderOptions = strings.Split(options, ",")
		}
		parsed, err := b.providerOptions()
		if err != nil {
			return nil, err
		}
		backend, err := b.open()
		if err != nil {
			return nil, err
		}
		if _, err := backend.Info(); err != nil {
			return nil, fmt.Errorf("lane %s: %w", text, err)
		}
		lanes = append(lanes, sidebyside.Lane{Name: text, Backend: backend,
			Options: agent.Options{Provider: provider, ProviderOptions: parsed, Threads: o.Threads, Transfers: true}})
	}
	return lanes, nil
}

func (o *compareOptions) cases() ([]sidebyside.Case, error) {
	names := o.Precisions
	if len(names) == 0 {
		names = []string{"fp32", "int8"}
		if o.Support {
			names = nil
			for _, p := range lut.Precisions {
				names = append(names, string(p))
			}
		}
	}
	var precisions []lut.Precision
	for _, n := range names {
		if !slices.Contains(lut.Precisions, lut.Precision(n)) {
			return nil, cli.Usagef("--precision %q is none of %v", n, lut.Precisions)
		}
		precisions = append(precisions, lut.Precision(n))
	}
	switch {
	case o.Support && len(o.Ops) > 0:
		return nil, cli.Usagef("--support tries the whole catalogue; leave --op out")
	case o.Support:
		return sidebyside.SupportCases(precisions)
	case len(o.Ops) == 0:
		return sidebyside.DefaultCases(precisions)
	}
	var cases []sidebyside.Case
	for _, p := range precisions {
		for _, key := range o.Ops {
			op, err := lut.ParseOp(strings.ReplaceAll(key, "/P@", "/"+string(p)+"@"))
			if err != nil {
				return nil, cli.Usage(err)
			}
			cases = append(cases, sidebyside.Case{Name: op.Kind, Chain: benchmarks.Chain{op}, Precision: op.Precision})
		}
	}
	return cases, nil
}

// rows groups results by case and precision, in order.
func rows(results []sidebyside.Result, lanes int) [][]sidebyside.Result {
	return slices.Collect(slices.Chunk(results, lanes))
}

func printTimes(w io.Writer, results []sidebyside.Result, lanes []sidebyside.Lane) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(tw, "model\tprecision")
	for _, l := range lanes {
		fmt.Fprintf(tw, "\t%s µs", l.Name)
	}
	fmt.Fprintln(tw)
	for _, row := range rows(results, len(lanes)) {
		fmt.Fprintf(tw, "%s\t%s", row[0].Case, row[0].Precision)
		for _, r := range row {
			cell := r.Outcome
			if r.MinUS != nil && r.Outcome == sidebyside.OK {
				cell = fmt.Sprintf("%.1f (%.1f)", *r.MinUS, *r.MedianUS)
				if r.Execution == agent.Emulated {
					cell += " emulated"
				}
			}
			fmt.Fprintf(tw, "\t%s", cell)
		}
		fmt.Fprintln(tw)
	}
	tw.Flush()
	fmt.Fprintf(w, "\nsmallest (median) of %d samples\n", samples(results))
}

func samples(results []sidebyside.Result) int {
	n := 0
	for _, r := range results {
		n = max(n, r.N)
	}
	return n
}

func printSupport(w io.Writer, results []sidebyside.Result, lanes []sidebyside.Lane) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(tw, "operator\tprecision")
	for _, l := range lanes {
		fmt.Fprintf(tw, "\t%s", l.Name)
	}
	fmt.Fprintln(tw)
	for _, row := range rows(results, len(lanes)) {
		fmt.Fprintf(tw, "%s\t%s", row[0].Case, row[0].Precision)
		for _, r := range row {
			cell := r.Outcome
			if r.Outcome == sidebyside.OK {
				cell = r.Execution
			}
			fmt.Fprintf(tw, "\t%s", cell)
		}
		fmt.Fprintln(tw)
	}
	tw.Flush()
}

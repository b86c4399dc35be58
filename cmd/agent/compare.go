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
	"github.com/isocost/isocost/record"
)

func compareCommand() cli.Command {
	return cli.Command{
		Name:  "compare",
		Short: "runs the same models on several runtimes, interleaved, or reports what each supports",
		Long: `
Times the same models (two networks and some operators, or the chains given by --op) on several runtimes in one
interleaved run: a round visits every model on every lane once, in random order. A lane is a runtime and a provider,
RUNTIME:PROVIDER with options after commas; runtimes are ort, litert, tflite (the classic library) and those --backend
knows. Every lane's results are compared with the first one's.

With --support nothing is timed: every operator of the catalogue in every precision is run once on every lane and
compared with a reference interpreter; the table reports native, emulated, or why not.

This compares runtimes; for a cost table use agent bench.`,
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
	Markdown   bool
}

func (o *compareOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringArrayVar(&o.Lanes, "lane", []string{"ort:cpu", "litert:cpu", "tflite:cpu"}, "compare this `RUNTIME:PROVIDER[,NAME=VALUE…]`; may be repeated")
	flags.StringSliceVar(&o.Precisions, "precision", nil, "precisions to compare (default: fp32,int8; with --support all)")
	flags.StringArrayVar(&o.Ops, "op", nil, "time this operator `KEY`, with P for the precision, as a model of its own instead of the default models; may be repeated")
	flags.BoolVar(&o.Support, "support", false, "report what each lane supports, instead of timing")
	flags.IntVar(&o.Threads, "threads", 1, "number of threads per model")
	flags.IntVar(&o.Rounds, "rounds", 15, "number of rounds; each times every model once on every lane")
	flags.Uint64Var(&o.Seed, "seed", 1, "seed of weights, inputs and order")
	flags.BoolVar(&o.JSON, "json", false, "print one JSON object per line instead of the table")
	flags.BoolVar(&o.Markdown, "markdown", false, "print the table as Markdown; with --support one letter per precision")
	o.ORT.AddFlags(flags)
	o.TFLite.AddGPUFlag(flags)
	cli.Group(flags, "Runtimes", "lane", "ort-lib", "ep-library", "tflite-gpu-lib")
	cli.Group(flags, "Output", "json", "markdown")
}

func (o *compareOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if len(args) > 0 {
		return cli.Usagef("compare takes no arguments")
	}
	if o.Threads < 1 || o.Rounds < 3 {
		return cli.Usagef("--threads must be at least 1 and --rounds at least 3")
	}
	var err error
	if env.Stdout, err = dataStream(env.Stdout); err != nil {
		return err
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
	case o.Support && o.Markdown:
		markdownSupport(env.Stdout, results, lanes)
	case o.Support:
		printTable(env.Stdout, supportTable(results, lanes))
	case o.Markdown:
		printMarkdown(env.Stdout, timesTable(results, lanes))
	default:
		printTable(env.Stdout, timesTable(results, lanes))
	}
	if !o.JSON && !o.Support {
		fmt.Fprintf(env.Stdout, "\nmicroseconds, smallest (median) of %d samples\n", samples(results))
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
			b.Backend, b.TFLite.Runtime = tflite.Name, runtime
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

// header is the first row of a table with one column per lane.
func header(lanes []sidebyside.Lane, first ...string) []string {
	for _, l := range lanes {
		first = append(first, l.Name)
	}
	return first
}

func timesTable(results []sidebyside.Result, lanes []sidebyside.Lane) [][]string {
	table := [][]string{header(lanes, "model", "precision")}
	for _, row := range rows(results, len(lanes)) {
		line := []string{row[0].Case, string(row[0].Precision)}
		for _, r := range row {
			cell := r.Outcome
			if r.MinUS != nil && r.Outcome == sidebyside.OK {
				cell = fmt.Sprintf("%.1f (%.1f)", *r.MinUS, *r.MedianUS)
				if r.Execution == agent.Emulated {
					cell += " emulated"
				}
			}
			line = append(line, cell)
		}
		table = append(table, line)
	}
	return table
}

func supportTable(results []sidebyside.Result, lanes []sidebyside.Lane) [][]string {
	table := [][]string{header(lanes, "operator", "precision")}
	for _, row := range rows(results, len(lanes)) {
		line := []string{row[0].Case, string(row[0].Precision)}
		for _, r := range row {
			line = append(line, verdict(r))
		}
		table = append(table, line)
	}
	return table
}

// verdict is native, emulated or the outcome that prevented it; "ok" where the
// runtime cannot tell which.
func verdict(r sidebyside.Result) string {
	if r.Outcome == sidebyside.OK && r.Execution != "" {
		return string(r.Execution)
	}
	return r.Outcome
}

// letters stand for verdicts in the short table.
var letters = map[string]string{string(record.Native): "N", string(record.Emulated): "e", sidebyside.Unsupported: "–", sidebyside.Fallback: "f",
	sidebyside.Mismatch: "!", sidebyside.Failed: "x", sidebyside.OK: "?"}

// markdownSupport prints one row per operator and, for each lane, one letter per precision.
func markdownSupport(w io.Writer, results []sidebyside.Result, lanes []sidebyside.Lane) {
	var precisions []lut.Precision
	cells := map[string]string{} // by operator, lane and precision
	table := [][]string{header(lanes, "operator")}
	for _, r := range results {
		if !slices.Contains(precisions, r.Precision) {
			precisions = append(precisions, r.Precision)
		}
		cells[r.Case+" "+r.Lane+" "+string(r.Precision)] = letters[verdict(r)]
		if last := table[len(table)-1]; last[0] != r.Case {
			table = append(table, []string{r.Case})
		}
	}
	slices.SortFunc(precisions, func(a, b lut.Precision) int {
		return slices.Index(lut.Precisions, a) - slices.Index(lut.Precisions, b)
	})
	for i := range table[1:] {
		line := &table[i+1]
		for _, l := range lanes {
			var list []string
			for _, p := range precisions {
				cell, ok := cells[(*line)[0]+" "+l.Name+" "+string(p)]
				if !ok {
					cell = "·"
				}
				list = append(list, cell)
			}
			*line = append(*line, strings.Join(list, " "))
		}
	}
	printMarkdown(w, table)
	fmt.Fprintf(w, "\nIn each cell %v: N native, e emulated, ? right but the runtime does not tell, f fallback (part of it runs elsewhere), – unsupported, ! wrong results, · not in the catalogue.\n", precisions)
}

func printTable(w io.Writer, table [][]string) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, line := range table {
		fmt.Fprintln(tw, strings.Join(line, "\t"))
	}
	tw.Flush()
}

func printMarkdown(w io.Writer, table [][]string) {
	for i, line := range table {
		fmt.Fprintf(w, "| %s |\n", strings.Join(line, " | "))
		if i == 0 {
			fmt.Fprintln(w, strings.Repeat("|---", len(line))+"|")
		}
	}
}

func samples(results []sidebyside.Result) int {
	n := 0
	for _, r := range results {
		n = max(n, r.N)
	}
	return n
}

package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/kernelfile"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/benchmarks/tflitereader"
	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

type predictOptions struct {
	lut         string
	dims        []string
	emitPlan    string
	seed        uint64
	extrapolate bool
	json        bool
	all         bool
}

func predictCommand() cli.Command {
	return cli.Command{
		Name:  "predict",
		Args:  "net.onnx…|net.tflite…|net.kernels.json…",
		Short: "says what a model costs on the table's device, kernel by kernel",
		Long: `
The model is read as the kernels a runtime makes of it: shapes inferred, constants
folded, nodes fused by rules; or its kernels are taken from what agent lower wrote,
which had the runtime itself do it. A .tflite model, whose converter has folded and
fused, is read as LiteRT runs it. Each kernel is looked up; the sum is calibrated. What
the table lacks is listed, never counted as nothing: a model with a missing kernel
has no total, and --emit-plan writes the plan that would measure what is missing.
By a memory table the total is the peak of an ONNX model's own schedule, its buffers
shared and freed as the runtime plans them; of the kernels that agent lower wrote it
is exact.

With --json one object a model is printed:
{"model","total_us","lo_us","hi_us","kernels":[{"name","key","us","lo_us","hi_us"}],"missing":[…]}`,
		Example: "costgen predict --lut device.lut.json net.onnx --emit-plan missing.plan.jsonl",
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o predictOptions
			f.StringVar(&o.lut, "lut", "", "the table")
			f.StringArrayVarP(&o.dims, "dim", "f", nil, "value of a symbolic dimension, `NAME=N`; may be repeated")
			f.StringVar(&o.emitPlan, "emit-plan", "", "write the plan that measures what is missing to this `FILE`")
			f.Uint64Var(&o.seed, "seed", 1, "of the order of that plan")
			f.BoolVar(&o.extrapolate, "extrapolate", false, "guess, and mark, keys outside the measured range")
			f.BoolVar(&o.all, "all", false, "print every kernel, not only the dearest")
			f.BoolVar(&o.json, "json", false, "print one JSON object a model")
			return o.run
		},
	}
}

func parseDims(list []string) (map[string]int, error) {
	dims := map[string]int{}
	for _, d := range list {
		name, v, ok := strings.Cut(d, "=")
		n, err := strconv.Atoi(v)
		if !ok || name == "" || err != nil || n < 1 {
			return nil, cli.Usagef("--dim %q is not NAME=N with N at least 1", d)
		}
		dims[name] = n
	}
	return dims, nil
}

func (o *predictOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if len(args) == 0 {
		return cli.Usagef("no model to predict")
	}
	if err := cli.NewOutput("--emit-plan", o.emitPlan, append(args, o.lut)...); err != nil {
		return err
	}
	dims, err := parseDims(o.dims)
	if err != nil {
		return err
	}
	t, err := readTable(o.lut)
	if err != nil {
		return err
	}
	var lacking []costgen.Missing
	incomplete := 0
	for i, path := range args {
		if err := ctx.Err(); err != nil {
			return err
		}
		net, err := readNetwork(t, env, path, dims)
		if err != nil {
			return err
		}
		p, err := predictNetwork(t, path, net, o.extrapolate)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if len(p.Missing) > 0 {
			incomplete++
			lacking = append(lacking, p.Missing...)
		}
		if o.json {
			err = writeJSON(env.Stdout, predictionJSON(t, p, net))
		} else {
			if i > 0 {
				fmt.Fprintln(env.Stdout)
			}
			err = writePrediction(env.Stdout, t, p, net, o.all)
		}
		if err != nil {
			return err
		}
	}
	if o.emitPlan != "" {
		if err := o.writePlan(env, t, lacking); err != nil {
			return err
		}
	}
	if incomplete > 0 {
		h := "--emit-plan FILE writes the plan that would measure what is missing; compile its records together with the table's"
		if o.emitPlan != "" {
			h = fmt.Sprintf("agent bench --plan %s -o more.jsonl, then compile it together with the table's records", o.emitPlan)
		}
		return cli.Partial(hint.Wrap(fmt.Errorf("%d of %d models have kernels the table lacks", incomplete, len(args)), "%s", h))
	}
	return nil
}

// readNetwork reads a model by the rules of its runtime, or the kernels that agent
// lower wrote. Another runtime than the table's may fuse otherwise: said on stderr.
func readNetwork(t *lut.Table, env cli.Env, path string, dims map[string]int) (*network.Network, error) {
	warn := func(backend, runs string) {
		if b := t.File().Runtime.Backend; b != "" && b != backend {
			fmt.Fprintf(env.Stderr, "costgen: warning: %s is read as %s runs it; the table is of %s\n", path, runs, b)
		}
	}
	if tflitereader.Named(path) {
		if len(dims) > 0 {
			return nil, cli.Usagef("%s is a .tflite model, whose sizes are fixed: --dim is of ONNX", path)
		}
		warn("tflite", "LiteRT")
		return tflitereader.ReadFile(path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var first [1]byte
	_, err = f.Read(first[:])
	f.Close()
	// An ONNX file is protobuf, whose first byte is a field's tag, never a brace.
	if err != nil || first[0] != '{' {
		warn("ort", "ONNX Runtime")
		return onnxreader.ReadFile(path, onnxreader.Options{Dims: dims})
	}
	if len(dims) > 0 {
		return nil, cli.Usagef("%s is lowered already: --dim belongs to agent lower", path)
	}
	k, err := kernelfile.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if r := t.File().Runtime; r.SHA256 != "" && (r.SHA256 != k.Runtime.SHA256 || r.Provider != k.Runtime.Provider) {
		fmt.Fprintf(env.Stderr, "costgen: warning: %s was lowered by %s %s, %s; the table is of %s %s, %s\n", path,
			k.Runtime.Backend, k.Runtime.Version, k.Runtime.Provider, r.Backend, r.Version, r.Provider)
	}
	net := k.Network
	net.Lowered = true
	return &net, nil
}

// predictNetwork prices what the reader found.
func predictNetwork(t *lut.Table, path string, net *network.Network, extrapolate bool) (*costgen.Prediction, error) {
	if t.File().Metric == lut.Memory {
		alive := make([]costgen.Alive, len(net.Kernels))
		for i, k := range net.Kernels {
			alive[i] = costgen.Alive{Name: k.Name, Op: k.Op, Bytes: k.LiveBytes}
		}
		return costgen.PredictMemory(t, filepath.Base(path), net.PeakBytes, alive)
	}
	kernels := make([]costgen.Kernel, len(net.Kernels))
	for i, k := range net.Kernels {
		kernels[i] = costgen.Kernel{Name: k.Name, Op: k.Op}
	}
	var unpriced []costgen.Unpriced
	for _, u := range net.Unpriced {
		unpriced = append(unpriced, costgen.Unpriced{Name: u.Name, Reason: u.Op + ": " + u.Reason})
	}
	return costgen.Predict(t, filepath.Base(path), kernels, unpriced, extrapolate)
}

// predictionJSON spells a prediction with its unit in the field names.
func predictionJSON(t *lut.Table, p *costgen.Prediction, net *network.Network) map[string]any {
	unit := "_" + p.Unit
	var kernels []map[string]any
	for _, k := range p.Kernels {
		m := map[string]any{"name": k.Name, "key": k.Key, p.Unit: k.Cost, "lo" + unit: k.Lo, "hi" + unit: k.Hi}
		if k.Extrapolated {
			m["extrapolated"] = true
		}
		kernels = append(kernels, m)
	}
	if kernels == nil {
		kernels = []map[string]any{}
	}
	how := "rules"
	if net.Lowered {
		how = "runtime"
	}
	return map[string]any{
		"model": p.Model, "total" + unit: p.Total, "lo" + unit: p.Lo, "hi" + unit: p.Hi, "known" + unit: p.Known,
		"extrapolated": p.Extrapolated, "kernels": kernels, "missing": p.Missing, "lowered_by": how, "table": t.Hash(),
		"warnings": net.Warnings,
	}
}

// kernelsShown is how many kernels are printed without --all.
const kernelsShown = 12

// writePrediction prints the total, where it comes from and what is missing.
func writePrediction(w io.Writer, t *lut.Table, p *costgen.Prediction, net *network.Network, all bool) error {
	var b strings.Builder
	how := "fusion rules"
	if net.Lowered {
		how = "the runtime's optimised graph"
	}
	if p.Total != nil {
		mark := ""
		if p.Extrapolated {
			// Without a guessed kernel it is the sum that lies outside.
			mark = "\n  extrapolated: the calibration was fitted on networks of other sizes"
			if slices.ContainsFunc(p.Kernels, func(k costgen.PricedKernel) bool { return k.Extrapolated }) {
				mark = "\n  extrapolated: kernels outside the measured range are guessed"
			}
		}
		fmt.Fprintf(&b, "%s: %.5g %s, 95 %% between %.5g and %.5g%s\n", p.Model, *p.Total, p.Unit, *p.Lo, *p.Hi, mark)
	} else {
		fmt.Fprintf(&b, "%s: no total, %d kernels are missing; the others sum to %.5g %s\n", p.Model, len(p.Missing), p.Known, p.Unit)
	}
	fmt.Fprintf(&b, "  %d kernels by %s, %d nodes free\n", len(net.Kernels), how, len(net.Free))
	peak := t.File().Metric == lut.Memory
	byKind := map[string]*[2]float64{}
	for _, k := range p.Kernels {
		name := k.Key.Kind + " " + string(k.Key.Precision)
		if byKind[name] == nil {
			byKind[name] = &[2]float64{}
		}
		byKind[name][0] += k.Cost
		byKind[name][1]++
	}
	var kinds []string
	for k := range byKind {
		kinds = append(kinds, k)
	}
	slices.SortFunc(kinds, func(x, y string) int {
		return cmp.Or(cmp.Compare(byKind[y][0], byKind[x][0]), cmp.Compare(x, y))
	})
	if peak { // which kinds do not add up to
		fmt.Fprintf(&b, "  %.4g %s in use at once by the plan; below, what is alive while each kernel runs\n", p.Known, p.Unit)
		kinds = nil
	}
	for _, k := range kinds {
		fmt.Fprintf(&b, "  %10.4g %s  %5.1f %%  %3.0f × %s\n", byKind[k][0], p.Unit, 100*byKind[k][0]/p.Known, byKind[k][1], k)
	}
	show := slices.Clone(p.Kernels)
	if !all {
		slices.SortStableFunc(show, func(x, y costgen.PricedKernel) int { return cmp.Compare(y.Cost, x.Cost) })
		show = show[:min(kernelsShown, len(show))]
		if len(show) > 0 {
			fmt.Fprintf(&b, "\n  the %d dearest of %d kernels (--all prints every one)\n", len(show), len(p.Kernels))
		}
	} else {
		b.WriteByte('\n')
	}
	for _, k := range show {
		mark := ""
		if k.Extrapolated {
			mark = " extrapolated"
		}
		fmt.Fprintf(&b, "  %10.4g %s  ±%.3g%s  %s  %s\n", k.Cost, p.Unit, (k.Hi-k.Lo)/2, mark, k.Name, k.Key)
	}
	if len(p.Missing) > 0 {
		writeMissing(&b, p.Missing, all)
	}
	for _, x := range net.Warnings {
		fmt.Fprintf(&b, "  note: %s\n", x)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeMissing lists each reason once, with how many kernels share it and the
// first of them.
func writeMissing(b *strings.Builder, missing []costgen.Missing, all bool) {
	var reasons []string
	names := map[string][]string{}
	for _, m := range missing {
		if names[m.Reason] == nil {
			reasons = append(reasons, m.Reason)
		}
		names[m.Reason] = append(names[m.Reason], m.Name)
	}
	fmt.Fprintf(b, "\n  missing\n")
	for i, why := range reasons {
		if i == kernelsShown && !all {
			fmt.Fprintf(b, "  … and %d more reasons (--all prints every one)\n", len(reasons)-i)
			break
		}
		times := ""
		if n := len(names[why]); n > 1 {
			times = fmt.Sprintf(" and %d more", n-1)
		}
		fmt.Fprintf(b, "  %s%s: %s\n", names[why][0], times, why)
	}
}

// writePlan writes a plan of the missing keys. What the catalogue cannot build is
// named on stderr.
func (o *predictOptions) writePlan(env cli.Env, t *lut.Table, lacking []costgen.Missing) error {
	planner := benchmarks.Planner{Seed: o.seed, Source: "missing from table " + t.Hash(), Cold: true} // as agent plan --model
	planned, cannot := map[string]bool{}, 0
	for _, m := range lacking {
		if m.Key == nil {
			cannot++
			continue
		}
		key := m.Key.String()
		if planned[key] {
			continue
		}
		if err := planner.Cell(*m.Key); err != nil {
			fmt.Fprintf(env.Stderr, "costgen: warning: cannot plan %s: %v\n", key, err)
			cannot++
			continue
		}
		planned[key] = true
	}
	if cannot > 0 {
		fmt.Fprintf(env.Stderr, "costgen: warning: %d missing kernels cannot be measured by a plan of the catalogue\n", cannot)
	}
	if len(planned) == 0 {
		fmt.Fprintf(env.Stderr, "costgen: nothing is missing that a plan could measure: wrote no plan\n")
		return nil
	}
	if err := writeOut(env, o.emitPlan, planner.Plan().Encode()); err != nil {
		return err
	}
	fmt.Fprintf(env.Stderr, "costgen: wrote %s: %d cells\n", o.emitPlan, len(planned))
	return nil
}

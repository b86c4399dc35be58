package main

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

type predictOptions struct {
	lut         string
	dims        modelfile.Dims
	signature   string
	emitPlan    string
	minutes     float64
	seed        uint64
	extrapolate bool
	scaleBatch  bool
	json        bool
	all         bool
	trace       bool
}

func predictCommand() cli.Command {
	return cli.Command{
		Name:  "predict",
		Args:  "net.onnx…|net.tflite…|net.kernels.json…",
		Short: "predicts what a model costs on the table's device, kernel by kernel",
		Long: `
The model is read as the kernels a runtime makes of it: shapes inferred, constants
folded, nodes fused by rules; or its kernels are taken from what agent lower wrote,
which had the runtime itself do it. A .tflite model, whose converter has folded and
fused, is read as LiteRT runs it. Each kernel is looked up; the sum is calibrated. What
the table lacks is listed, never counted as nothing: a model with a missing kernel
has no total, and --emit-plan writes the plan that would measure what is missing. By a
table with a model of the device (costgen compile --model) each kernel is measured,
interpolated or extrapolated, and --minutes fills the plan with what would narrow the
predictions most.
By a memory table the total is the peak of an ONNX model's own schedule, its buffers
shared and freed as the runtime plans them; of the kernels that agent lower wrote it
is exact.

With --trace it says instead what each stage of reading made of the model – loaded,
inferred, folded, fused, laid out, planned, priced – which is where a wrong prediction
is looked for.

The lengths of open dimensions are printed with the total: a batch without --dim is 1.

With --json one object per model is printed:
  {"model","total_us","lo_us","hi_us","kernels":[{"name","key","us","lo_us","hi_us"}],"missing":[…]}`,
		Example: "costgen predict --lut device.lut.json net.onnx --emit-plan missing.plan.jsonl",
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o predictOptions
			f.StringVar(&o.lut, "lut", "", "table to predict with")
			f.VarP(&o.dims, "dim", "f", modelfile.DimHelp)
			f.StringVar(&o.signature, "signature", "", modelfile.SignatureHelp)
			f.StringVar(&o.emitPlan, "emit-plan", "", "write the plan that measures what is missing to this `FILE`")
			f.Float64Var(&o.minutes, "minutes", 0, "fill that plan up to so many `MINUTES` of device time with the kernels that would narrow the predictions most; for tables with a model of the device (0: only what is missing)")
			f.Uint64Var(&o.seed, "seed", 1, "seed of that plan's order")
			f.BoolVar(&o.extrapolate, "extrapolate", false, "extrapolate keys outside the measured range, and mark them")
			f.BoolVar(&o.scaleBatch, "scale-batch", false, "price a model of several times the table's batch as so many inferences, and mark it")
			f.BoolVar(&o.all, "all", false, "print every kernel, not only the most expensive")
			f.BoolVar(&o.trace, "trace", false, "print what each stage of reading made of the model instead of a prediction, on the device of a table if one is given")
			f.BoolVar(&o.json, "json", false, "print one JSON object per model")
			return o.run
		},
	}
}

func (o *predictOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if len(args) == 0 {
		return cli.Usagef("no model to predict")
	}
	if err := cli.NewOutput("--emit-plan", o.emitPlan, append(args, o.lut)...); err != nil {
		return err
	}
	if o.minutes < 0 || o.minutes > 0 && o.emitPlan == "" {
		return cli.Usagef("--minutes %v is not a length of time for a plan: say how many minutes, and where with --emit-plan", o.minutes)
	}
	if o.trace {
		return o.traceModels(ctx, env, args)
	}
	t, err := readTable(o.lut)
	if err != nil {
		return err
	}
	if err := o.checkDims(args); err != nil {
		return err
	}
	by, err := costgen.NewPredictor(t)
	if err != nil {
		return fmt.Errorf("%s: %w", o.lut, err)
	}
	var made []*costgen.Prediction
	incomplete, unreadable, printed := 0, 0, 0
	for _, path := range args {
		if err := ctx.Err(); err != nil {
			return err
		}
		p, net, err := o.predict(env, by, path)
		if err != nil {
			if len(args) == 1 {
				return err
			}
			env.Complain("costgen", err) // the other models may be sound
			unreadable++
			continue
		}
		if len(p.Missing) > 0 {
			incomplete++
		}
		made = append(made, p)
		if o.json {
			err = writeJSON(env.Stdout, costgen.PredictionFields(t, p, net))
		} else {
			if printed > 0 {
				fmt.Fprintln(env.Stdout)
			}
			err = costgen.WritePrediction(env.Stdout, t, p, net, o.all)
		}
		if err != nil {
			return err
		}
		printed++
	}
	if o.emitPlan != "" && printed > 0 {
		if err := o.writePlan(env, by, made); err != nil {
			return err
		}
	}
	if unreadable > 0 {
		return hint.Wrap(fmt.Errorf("%d of %d models have no prediction", unreadable, len(args)), "see the errors above")
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

// traceModels prints the stages of reading each model: loaded, inferred, folded, fused, laid
// out, planned, priced, as far as its format has them.
func (o *predictOptions) traceModels(ctx context.Context, env cli.Env, paths []string) error {
	if o.json || o.emitPlan != "" {
		return cli.Usagef("--trace prints no prediction: leave --json and --emit-plan out")
	}
	use := modelfile.Use{Dims: o.dims}
	if o.lut != "" {
		t, err := readTable(o.lut)
		if err != nil {
			return err
		}
		use = o.use(t)
	}
	if err := o.checkDims(paths); err != nil {
		return err
	}
	for _, path := range paths {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := modelfile.OpenSignature(path, o.signature)
		if err != nil {
			return err
		}
		var broken error
		use.Trace = func(stage string, value fmt.Stringer) {
			if _, err := fmt.Fprintf(env.Stdout, "== %s: %s\n%s\n", path, stage, value); broken == nil {
				broken = err
			}
		}
		if _, err = f.Kernels(use); err != nil {
			return err
		}
		if broken != nil {
			return broken
		}
	}
	return nil
}

// checkDims refuses a --dim that no model has, before anything is printed.
func (o *predictOptions) checkDims(paths []string) error {
	if len(o.dims) == 0 {
		return nil
	}
	var files []*modelfile.File
	for _, path := range paths {
		f, err := modelfile.OpenSignature(path, o.signature)
		if err != nil {
			return nil // its turn comes; the dimension may be of this one
		}
		files = append(files, f)
	}
	return cli.Usage(modelfile.CheckDims(o.dims, files))
}

// use says that a model runs where the table's costs are of.
func (o *predictOptions) use(t *lut.Table) modelfile.Use {
	f := t.File()
	batch, _ := f.Protocol.Batch()
	return modelfile.Use{Dims: o.dims, Batch: batch, On: ortmodel.On(f.Device, f.Runtime)}
}

// predict reads a model and prices it, or says that another runtime than the table's may run other
// kernels.
func (o *predictOptions) predict(env cli.Env, by *costgen.Predictor, path string) (*costgen.Prediction, *network.Network, error) {
	f, err := modelfile.OpenSignature(path, o.signature)
	if err != nil {
		return nil, nil, err
	}
	if note := f.Entrance(); note != "" && o.signature == "" {
		fmt.Fprintf(env.Stderr, "costgen: note: %s\n", note)
	}
	use := o.use(by.Table())
	net, err := f.Kernels(use)
	if err != nil {
		return nil, nil, err
	}
	// What makes a number doubtful goes with it, into JSON as well.
	warn := func(text string) {
		fmt.Fprintf(env.Stderr, "costgen: warning: %s\n", text)
		if o.json {
			net.Warnings = append(slices.Clone(net.Warnings), text)
		}
	}
	if w := f.Unlike(by.Table().File().Runtime); w != "" {
		warn(w)
	}
	if net.Batch == 0 {
		warn(fmt.Sprintf("%s does not say its batch; it is taken for %d, the table's", path, use.Batch))
	}
	p, err := by.Network(filepath.Base(path), net, costgen.PredictOptions{Extrapolate: o.extrapolate, ScaleBatch: o.scaleBatch})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return p, net, nil
}

// writePlan writes a plan of the missing keys, and with --minutes of what would narrow the predictions.
// What the catalogue cannot build is named on stderr.
func (o *predictOptions) writePlan(env cli.Env, by *costgen.Predictor, made []*costgen.Prediction) error {
	var plan *benchmarks.Plan
	var cannot []costgen.Missing
	var keyless int
	if o.minutes > 0 {
		var chosen []costgen.Narrowing
		var err error
		if plan, chosen, cannot, keyless, err = by.PlanNarrowing(made, 60*o.minutes, o.seed); err != nil {
			return err
		}
		for i, n := range chosen[:min(5, len(chosen))] {
			if i == 0 {
				fmt.Fprintf(env.Stderr, "costgen: %d kernels would narrow the predictions most, first\n", len(chosen))
			}
			fmt.Fprintf(env.Stderr, "  %s\n", n.Op)
		}
	} else {
		var lacking []costgen.Missing
		for _, p := range made {
			lacking = append(lacking, p.Missing...)
		}
		plan, cannot, keyless = costgen.PlanMissing(by.Table(), lacking, o.seed)
	}
	for _, m := range cannot {
		fmt.Fprintf(env.Stderr, "costgen: warning: cannot plan %s: %s\n", m.Key, m.Reason)
	}
	if n := len(cannot) + keyless; n > 0 {
		fmt.Fprintf(env.Stderr, "costgen: warning: %d missing kernels cannot be measured by a plan of the catalogue\n", n)
	}
	cells := plan.Counts()[role.Cell]
	if cells == 0 {
		fmt.Fprintf(env.Stderr, "costgen: nothing is missing that a plan could measure: wrote no plan\n")
		return nil
	}
	if err := writeOut(env, o.emitPlan, plan.Encode()); err != nil {
		return err
	}
	fmt.Fprintf(env.Stderr, "costgen: wrote %s: %d cells\n", o.emitPlan, cells)
	return nil
}

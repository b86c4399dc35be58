package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/record"
)

type compileOptions struct {
	costgen.Options
	calibrate, audit []string
	accept           []string // validity codes
	prior            string
	out              string
	json             bool
}

func (o *compileOptions) addJudging(f *pflag.FlagSet) {
	d := costgen.Defaults
	f.Float64Var(&o.Delta, "delta", d.Delta, "share of networks whose error eta does not bound, a fraction")
	f.Float64Var(&o.Beta, "beta", d.Beta, "largest probability that eta is wrong")
	f.Float64Var(&o.Tau, "tau", d.Tau, "half-width of the iso-cost band for ranks and feasibility, a fraction")
	f.StringSliceVar(&o.accept, "accept", nil, "use records of these validity codes too, e.g. noisy")
	f.BoolVar(&o.json, "json", false, "print the summary as JSON")
}

// options are those of the compiler, with what the flags said as text.
func (o *compileOptions) options() costgen.Options {
	for _, code := range o.accept {
		o.Accept = append(o.Accept, record.Validity(code))
	}
	return o.Options
}

func compileCommand() cli.Command {
	return cli.Command{
		Name:  "compile",
		Args:  "rec.jsonl…",
		Short: "turns records into a monotone, calibrated, audited table",
		Long: `
Cells become the table. End-to-end records of the set "calibrate" fit the
calibration, those of the set "audit" judge the result; one campaign file may
hold all three. The same records in any order give the same bytes.`,
		Example: "costgen compile rec.jsonl -o device.lut.json",
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o compileOptions
			f.StringVarP(&o.out, "output", "o", "", "table to write")
			f.StringSliceVar(&o.calibrate, "calibrate", nil, "further record files, whose networks calibrate")
			f.StringSliceVar(&o.audit, "audit", nil, "further record files, whose networks audit")
			f.StringSliceVar(&o.Judge, "judge", nil, "names of calibrating `networks` that audit instead")
			f.BoolVar(&o.Traffic, "traffic", false, "also try calibrations that price the bytes a network moves, for predicting exported models (isosearch prices without)")
			f.BoolVar(&o.Level, "level", false, "bring all record files to the speed of the earliest: by the networks that they share, else by the drift reference and the model")
			f.BoolVar(&o.Model, "model", false, "also fit a model of the device, by which costgen predict prices kernels that were not measured")
			f.StringVar(&o.prior, "prior", "", "start the model from that of another device's table `FILE`, where it fits")
			cli.Group(f, "Networks", "calibrate", "audit", "judge", "traffic")
			f.StringVar((*string)(&o.Policy), "policy", string(costgen.Defaults.Policy), "how families are made monotone: isotonic (smooths noise, keeps significant falls), regime (splits the axis there), strict (smooths all) or raw")
			f.StringVar((*string)(&o.Metric), "metric", string(costgen.Defaults.Metric), "metric to compile: latency, energy or memory")
			f.BoolVar(&o.Slopes, "slopes", false, "interpolate along plain slopes, without looking for staircases")
			o.addJudging(f)
			cli.Group(f, "Audit", "audit", "judge", "delta", "beta", "tau")
			return o.run
		},
	}
}

func (o *compileOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if len(args) == 0 {
		return cli.Usagef("no record files")
	}
	if o.out == "" {
		return cli.Usagef("no -o: say which table to write")
	}
	o.Options = o.options()
	if err := o.Validate(); err != nil {
		return cli.Usage(err)
	}
	if err := cli.NewOutput("-o", o.out, slices.Concat(args, o.calibrate, o.audit, []string{o.prior})...); err != nil {
		return err
	}
	if o.prior != "" {
		if !o.Model {
			return cli.Usagef("--prior goes with --model")
		}
		var err error
		if o.Prior, err = readTable(o.prior); err != nil {
			return err
		}
	}
	sources, err := openSources(ctx, args)
	if err != nil {
		return err
	}
	if o.Calibrate, err = openSources(ctx, o.calibrate); err != nil {
		return err
	}
	if o.Audit, err = openSources(ctx, o.audit); err != nil {
		return err
	}
	t, err := costgen.Compile(ctx, sources, o.Options)
	if err != nil {
		return err
	}
	if err := writeOut(env, o.out, t.Encode()); err != nil {
		return err
	}
	if o.out == "-" {
		return costgen.WriteWarnings(warnWriter{env.Stderr}, t, warningsShown)
	}
	if err := show(env, t, o.json); err != nil {
		return err
	}
	fmt.Fprintf(env.Stderr, "costgen: wrote %s\n", o.out)
	return nil
}

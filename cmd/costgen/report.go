package main

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/benchmarks/gpudelegate"
	"github.com/isocost/isocost/costgen/build"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
	"github.com/isocost/isocost/report"
)

type reportOptions struct {
	table, run, census, out string
	records                 []string
}

func reportCommand() cli.Command {
	return cli.Command{
		Name:  "report",
		Short: "draws a table as one self-contained HTML page",
		Long: `
The page opens from disk without a network. With --records it also shows the campaign:
drift, clocks, temperatures, validity codes. Of a table with a model of the device it
shows the error by kind of kernel, slices of the model, and how well the kernels of a
census are known; with --run, the folder of costgen build, the learning curve and the
campaigns, too.`,
		Example: "costgen report --lut device.lut.json --records rec.jsonl -o lut.html",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o reportOptions
			flags.StringVar(&o.table, "lut", "", "table `file` to report on")
			flags.StringSliceVar(&o.records, "records", nil, "record `files` that the table was compiled from")
			flags.StringVar(&o.run, "run", "", "`folder` of the costgen build that made the table")
			flags.StringVar(&o.census, "census", "", "census `file` of the networks that the table is to price (default: the built-in one)")
			flags.StringVarP(&o.out, "output", "o", "", "HTML `file` to write")
			return o.report
		},
	}
}

func (o *reportOptions) report(ctx context.Context, env cli.Env, args []string) error {
	if o.table == "" || o.out == "" || len(args) > 0 {
		return cli.Usagef("report takes --lut FILE and -o FILE, and no arguments")
	}
	if err := cli.NewOutput("-o", o.out, append(o.records, o.table, o.census)...); err != nil {
		return err
	}
	t, err := readTable(o.table)
	if err != nil {
		return err
	}
	if t.File().Model == nil && (o.run != "" || o.census != "") {
		return hint.Wrap(fmt.Errorf("%s has no model of the device, which --run and --census are about", o.table), "costgen build and costgen compile --model make tables with one")
	}
	var about report.Learned
	if o.run != "" {
		if about.Stages, err = stagesOf(o.run); err != nil {
			return err
		}
		if len(o.records) == 0 {
			if o.records, err = filepath.Glob(filepath.Join(o.run, "*.rec.jsonl")); err != nil {
				return err
			}
		}
	}
	if t.File().Model != nil {
		if about.Census, err = censusOf(o.census, t); err != nil {
			return err
		}
	}
	files, err := record.ReadContext(ctx, o.records...)
	if err != nil {
		return err
	}
	var page bytes.Buffer
	if err := report.Table(&page, t, files, about); err != nil {
		return err
	}
	if err := writeOut(env, o.out, page.Bytes()); err != nil {
		return err
	}
	fmt.Fprintf(env.Stderr, "costgen: wrote %s, %d kB\n", o.out, (page.Len()+1023)/1024)
	return nil
}

func stagesOf(run string) ([]report.Stage, error) {
	curve, err := build.Stages(run)
	if err != nil {
		return nil, err
	}
	out := make([]report.Stage, len(curve))
	for i, p := range curve {
		out[i] = report.Stage{Seconds: p.Spent, Kernels: p.Kernels, Chains: p.Chains, Error: p.Error, Priced: p.Priced}
	}
	return out, nil
}

// censusOf is a census's kernels in the precisions that the table has cells of, by the names
// that these have.
func censusOf(path string, t *lut.Table) ([]report.Kernel, error) {
	c, err := census.Default()
	if path != "" {
		c, err = census.Open(path)
	}
	if err != nil {
		return nil, err
	}
	var has []lut.Precision
	for _, fam := range t.File().Families {
		has = append(has, fam.Op.Precision)
	}
	if c = c.Of(has); len(c.Networks) == 0 && path != "" {
		return nil, hint.Wrap(fmt.Errorf("%s has no network in a precision of %v", path, has), "costgen census says which precisions it has")
	}
	var out []report.Kernel
	linked := gpudelegate.Linked(t.File().Runtime)
	for _, k := range c.Kernels() {
		if linked {
			k.Op = gpudelegate.Alone(k.Op)
		}
		out = append(out, report.Kernel{Op: k.Op, Share: k.Share})
	}
	return out, nil
}

package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/costgen/exchange"
	"github.com/isocost/isocost/internal/cli"
)

type exportOptions struct{ lut, to, out string }

func exportCommand() cli.Command {
	return cli.Command{
		Name:    "export",
		Short:   "writes a table's cells in other programs' formats",
		Long:    "\nFormats: ofa (once-for-all YAML; only what it can name), csv, json, c (a header).\nOnly the cells are written: calibration and audit are left out.",
		Example: "costgen export --lut device.lut.json --to csv -o cells.csv",
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o exportOptions
			f.StringVar(&o.lut, "lut", "", "table to export")
			f.StringVar(&o.to, "to", "csv", "format to write: "+strings.Join(exchange.Exports, ", "))
			f.StringVarP(&o.out, "output", "o", "-", "file to write, - for standard output")
			return o.run
		},
	}
}

func (o *exportOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if len(args) > 0 {
		return cli.Usagef("export takes no arguments; --lut names the table")
	}
	if !slices.Contains(exchange.Exports, o.to) {
		return cli.Usagef("--to %q is none of %s", o.to, strings.Join(exchange.Exports, ", "))
	}
	if err := cli.NewOutput("-o", o.out, o.lut); err != nil {
		return err
	}
	t, err := readTable(o.lut)
	if err != nil {
		return err
	}
	data, skipped, err := exchange.Export(o.to, t)
	if err != nil {
		return err
	}
	if err := writeOut(env, o.out, data); err != nil {
		return err
	}
	if len(skipped) > 0 {
		fmt.Fprintf(env.Stderr, "costgen: warning: %d cells have no name in the format %s and were left out, e.g. %s\n", len(skipped), o.to, skipped[0])
	}
	return nil
}

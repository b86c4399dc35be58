package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/internal/cli"
)

type diffOptions struct{ cells, json bool }

func diffCommand() cli.Command {
	return cli.Command{
		Name:    "diff",
		Args:    "old.lut.json new.lut.json",
		Short:   "compares two tables, ~ where the difference is not significant",
		Long:    "\nRaw costs of the cells both tables hold: geometric means per family, or with --cells\nevery cell.",
		Example: "costgen diff monday.lut.json friday.lut.json",
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o diffOptions
			f.BoolVar(&o.cells, "cells", false, "print a row for every cell")
			f.BoolVar(&o.json, "json", false, "print as JSON, cells included")
			return o.run
		},
	}
}

func (o *diffOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if len(args) != 2 {
		return cli.Usagef("diff takes two tables, got %d", len(args))
	}
	a, err := readTable(args[0])
	if err != nil {
		return err
	}
	b, err := readTable(args[1])
	if err != nil {
		return err
	}
	d, err := costgen.Diff(a, b)
	if err != nil {
		return err
	}
	if o.json {
		return writeJSON(env.Stdout, d)
	}
	return costgen.WriteDiff(env.Stdout, d, o.cells)
}

package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/lut"
)

type inspectOptions struct {
	lut   string
	cells string
	json  bool
	warn  bool
}

func inspectCommand() cli.Command {
	return cli.Command{
		Name:    "inspect",
		Args:    "device.lut.json",
		Short:   "shows what a table holds, or what it knows about some cells",
		Long:    "\nWith --cells only the cells whose key contains the text are printed, each with\nits raw and corrected value, interval, samples, reason and the cases it came from.",
		Example: "costgen inspect device.lut.json --cells mbconv",
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o inspectOptions
			f.StringVar(&o.lut, "lut", "", "table to inspect, unless given as an argument")
			f.StringVar(&o.cells, "cells", "", "print the cells whose key contains this text")
			f.BoolVar(&o.warn, "warnings", false, "print all warnings of the table's compilation")
			f.BoolVar(&o.json, "json", false, "print as JSON")
			return o.run
		},
	}
}

// cellLine is one cell as inspect prints it.
type cellLine struct {
	Key       string     `json:"key"`
	Raw       float64    `json:"raw"`
	Corrected float64    `json:"corrected"`
	Lo        *float64   `json:"lo"` // null of a cell that was published without its spread
	Hi        *float64   `json:"hi"`
	N         int        `json:"n"`
	Reason    lut.Reason `json:"reason"`
	Records   []string   `json:"records"`
}

func (o *inspectOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if o.lut == "" && len(args) == 1 {
		o.lut = args[0]
	} else if len(args) > 0 {
		return cli.Usagef("inspect takes one table, got %d arguments", len(args))
	}
	t, err := readTable(o.lut)
	if err != nil {
		return err
	}
	if o.warn && !o.json {
		return costgen.WriteWarnings(env.Stdout, t, 0)
	}
	if o.cells == "" {
		return show(env, t, o.json)
	}
	var found []cellLine
	for _, fam := range t.File().Families {
		for _, k := range fam.Knots {
			if key := fam.Member(k.At).String(); strings.Contains(key, o.cells) {
				line := cellLine{key, k.Raw, k.Corrected, &k.Lo, &k.Hi, k.N, k.Reason, k.Records}
				if k.Bare() {
					line.Lo, line.Hi = nil, nil
				}
				found = append(found, line)
			}
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("no cell of %s contains %q", o.lut, o.cells)
	}
	if o.json {
		return writeJSON(env.Stdout, found)
	}
	for _, c := range found {
		interval := "no interval"
		if c.Lo != nil {
			interval = fmt.Sprintf("%.5g to %.5g", *c.Lo, *c.Hi)
		}
		fmt.Fprintf(env.Stdout, "%s\n  %.5g %s (raw %.5g, %s, %s, n=%d) from %s\n", c.Key, c.Corrected, t.File().Unit, c.Raw, interval, c.Reason, c.N, strings.Join(c.Records, " "))
	}
	return nil
}

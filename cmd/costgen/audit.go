package main

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/internal/cli"
)

type auditOptions struct {
	compileOptions
	lut     string
	records []string
}

func auditCommand() cli.Command {
	return cli.Command{
		Name:  "audit",
		Short: "judges a table by networks it never saw",
		Long: `
The records must be of the table's own device, runtime and protocol. Networks
that calibrated the table are left out. Without -o the judgement is printed only;
with it, the table is written with this audit in place of its old one.`,
		Example: "costgen audit --lut device.lut.json --records audit.jsonl",
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o auditOptions
			f.StringVar(&o.lut, "lut", "", "table to audit")
			f.StringSliceVar(&o.records, "records", nil, "record files that hold end-to-end networks")
			f.StringVarP(&o.out, "output", "o", "", "write the table with the new audit to this file")
			o.addJudging(f)
			return o.run
		},
	}
}

func (o *auditOptions) run(ctx context.Context, env cli.Env, args []string) error {
	records := append(o.records, args...)
	if len(records) == 0 {
		return cli.Usagef("no records to audit by: --records names none")
	}
	if err := cli.NewOutput("-o", o.out, records...); err != nil {
		return err
	}
	t, err := readTable(o.lut)
	if err != nil {
		return err
	}
	sources, err := openSources(ctx, records)
	if err != nil {
		return err
	}
	judged, err := costgen.Audit(ctx, t, sources, o.options())
	if err != nil {
		return err
	}
	if o.out != "" {
		if err := writeOut(env, o.out, judged.Encode()); err != nil {
			return err
		}
		if o.out == "-" {
			return nil
		}
		fmt.Fprintf(env.Stderr, "costgen: wrote %s\n", o.out)
	}
	return show(env, judged, o.json)
}

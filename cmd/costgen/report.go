package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/record"
	"github.com/isocost/isocost/report"
)

func reportCommand() cli.Command {
	return cli.Command{
		Name:    "report",
		Short:   "draws a table as one self-contained HTML page",
		Long:    "The page opens from disk without a network. With --records it also shows the campaign: drift, clocks, temperatures, validity codes.",
		Example: "costgen report --lut device.lut.json --records rec.jsonl -o lut.html",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			table := flags.String("lut", "", "table `file` to report on")
			records := flags.StringSlice("records", nil, "record `files` that the table was compiled from")
			out := flags.StringP("output", "o", "", "HTML `file` to write")
			return func(_ context.Context, env cli.Env, args []string) error {
				if *table == "" || *out == "" || len(args) > 0 {
					return cli.Usagef("report takes --lut FILE and -o FILE, and no arguments")
				}
				if err := cli.NewOutput("-o", *out, append(*records, *table)...); err != nil {
					return err
				}
				t, err := readTable(*table)
				if err != nil {
					return err
				}
				files, err := record.Read(*records...)
				if err != nil {
					return err
				}
				var page bytes.Buffer
				if err := report.Table(&page, t, files); err != nil {
					return err
				}
				if err := writeOut(env, *out, page.Bytes()); err != nil {
					return err
				}
				fmt.Fprintf(env.Stderr, "costgen: wrote %s, %d kB\n", *out, (page.Len()+1023)/1024)
				return nil
			}
		},
	}
}

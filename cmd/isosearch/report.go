package main

import (
	"bytes"
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/report"
)

func reportCommand() cli.Command {
	return cli.Command{
		Name:    "report",
		Args:    "RUN…",
		Short:   "draws one or several runs as a self-contained HTML page",
		Long:    "The page opens from disk without a network. Several runs, from several anchors, add a Pareto view.",
		Example: "isosearch report run/ -o report.html",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			out := flags.StringP("output", "o", "", "the HTML `file` to write")
			return func(_ context.Context, env cli.Env, args []string) error {
				if *out == "" || len(args) == 0 {
					return cli.Usagef("report takes run directories and -o FILE")
				}
				var runs []report.Run
				for _, dir := range args {
					r, err := report.OpenRun(dir)
					if err != nil {
						return err
					}
					runs = append(runs, r)
				}
				var page bytes.Buffer
				if err := report.Search(&page, runs); err != nil {
					return err
				}
				if err := atomicfile.Write(*out, page.Bytes(), 0o644); err != nil {
					return err
				}
				fmt.Fprintf(env.Stderr, "isosearch: wrote %s, %d kB\n", *out, (page.Len()+1023)/1024)
				return nil
			}
		},
	}
}

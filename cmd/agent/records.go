package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/record"
)

func recordsCommand() cli.Command {
	return cli.Command{
		Name:  "records",
		Args:  "rec.jsonl…",
		Short: "checks record files, and keeps what is whole of a damaged one",
		Long: `
Each line of a record file carries a sum of itself and of the line before, so that a line which was changed, cut,
dropped or moved is told from one as it was written. Without --recover the files are checked: what they hold is
printed, and what is wrong with a damaged one, line by line, is the error. With --recover the whole lines of one file
go into another, which says in its header how much was lost; agent bench continues it, or costgen compiles it.`,
		Example: "agent records rec.jsonl",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var recover bool
			var output string
			flags.BoolVar(&recover, "recover", false, "write the lines that are whole to the file of -o")
			flags.StringVarP(&output, "output", "o", "", "write what is whole to this `FILE`")
			return func(ctx context.Context, env cli.Env, args []string) error {
				switch {
				case len(args) == 0:
					return cli.Usagef("no record file is named")
				case recover && (len(args) != 1 || output == ""):
					return cli.Usage(hint.Wrap(errors.New("--recover takes one file and writes another"), "agent records --recover rec.jsonl -o whole.jsonl"))
				case !recover && output != "":
					return cli.Usagef("-o goes with --recover")
				}
				if err := cli.NewOutput("-o", output, args...); err != nil {
					return err
				}
				var errs []error
				for _, path := range args {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					if err := checkRecords(env, path, output); err != nil {
						errs = append(errs, err)
					}
				}
				return errors.Join(errs...)
			}
		},
	}
}

// knownKeys is the error of a record of an operator that the catalogue does not have.
func knownKeys(r *record.Record) error {
	ops := r.Ops
	if r.Key != nil {
		ops = append(ops[:len(ops):len(ops)], *r.Key)
	}
	for _, op := range ops {
		if err := benchmarks.Check(op); err != nil {
			return fmt.Errorf("record of case %s: %w", r.Case, err)
		}
	}
	return nil
}

// lostShown is the largest number of damaged lines that are named.
const lostShown = 10

// checkRecords prints what a record file holds and, where output is a path, writes what is
// whole of it there.
func checkRecords(env cli.Env, path, output string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return hint.Wrap(fmt.Errorf("read records: %w", err), "agent bench -o %s writes them", path)
	}
	r, err := record.Recover(path, data, knownKeys)
	if err != nil {
		return err
	}
	if len(r.Lost) == 0 {
		sums := ""
		if !r.Sums {
			sums = "; of an older format, whose lines have no sums: a changed digit does not show"
		}
		fmt.Fprintf(env.Stdout, "%s: whole: %s, %s%s\n", path, plural(r.Lines, "line"), plural(r.Records, "record"), sums)
		if output != "" {
			return cli.Usage(hint.Wrap(fmt.Errorf("%s: nothing is damaged", path), "use it as it is"))
		}
		return nil
	}
	for i, d := range r.Lost {
		if i == lostShown {
			fmt.Fprintf(env.Stderr, "agent: … and %d more\n", len(r.Lost)-lostShown)
			break
		}
		fmt.Fprintf(env.Stderr, "agent: %s:%d: %s\n", path, d.Row, d.Why)
	}
	if output == "" {
		return hint.Wrap(fmt.Errorf("%s: %d of %d lines are damaged", path, len(r.Lost), r.Lines),
			"agent records --recover %s -o FILE keeps the others, %s among them", path, plural(r.Records, "record"))
	}
	if err := atomicfile.Write(output, r.Text, 0o666); err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.Stdout, "%s: %d of %d lines lost, %s kept: %s\n", path, len(r.Lost), r.Lines, plural(r.Records, "record"), output)
	return err
}

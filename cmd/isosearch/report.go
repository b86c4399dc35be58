package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/report"
	"github.com/isocost/isocost/search/anchors"
)

func reportCommand() cli.Command {
	return cli.Command{
		Name:  "report",
		Args:  "RUN…|STUDY",
		Short: "draws one or several runs, or a study, as a self-contained HTML page",
		Long: "The page opens from disk without a network. Several runs, or one directory of several anchors, add a Pareto\nview. A study's page " +
			"compares its methods: gain over cost deviation, fronts, transfer, fidelity.",
		Example: "isosearch report run/ -o report.html",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			out := flags.StringP("output", "o", "", "HTML `file` to write")
			return func(_ context.Context, env cli.Env, args []string) error {
				if *out == "" || len(args) == 0 {
					return cli.Usagef("report takes run directories and -o FILE")
				}
				if err := cli.NewOutput("-o", *out, filesOf(args)...); err != nil {
					return err
				}
				var page bytes.Buffer
				draw := drawRuns
				if report.IsStudy(args[0]) {
					draw = drawStudy
				}
				if err := draw(&page, args); err != nil {
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

// filesOf lists what runs and studies consist of: all files of their folders but pages,
// which an earlier report may have left there.
func filesOf(dirs []string) (files []string) {
	for _, dir := range dirs {
		filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.Type().IsRegular() && filepath.Ext(path) != ".html" {
				files = append(files, path)
			}
			return nil // what cannot be read, drawing says
		})
	}
	return files
}

func drawRuns(w io.Writer, dirs []string) error {
	var runs []report.Run
	for _, dir := range dirs {
		members := []string{dir}
		if anchors.IsSet(dir) {
			names, err := anchors.Names(dir)
			if err != nil {
				return err
			}
			members = nil
			for _, name := range names {
				members = append(members, filepath.Join(dir, name))
			}
		}
		for _, m := range members {
			r, err := report.OpenRun(m)
			if err != nil {
				return err
			}
			runs = append(runs, r)
		}
	}
	return report.Search(w, runs)
}

func drawStudy(w io.Writer, dirs []string) error {
	if len(dirs) > 1 {
		return cli.Usagef("%s is a study; report draws one study, or runs", dirs[0])
	}
	results, err := report.OpenStudy(dirs[0])
	if err != nil {
		return err
	}
	return report.Study(w, results)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evaluator"
	"github.com/isocost/isocost/search/measure"
	"github.com/isocost/isocost/search/space"
	"github.com/isocost/isocost/search/study"
)

func studyCommand() cli.Command {
	return cli.Command{
		Name:  "study",
		Short: "compares searches: methods × seeds × anchors × tables at the same budget",
		Long: `
Runs the certifying search, the plain one as published and the baselines in the same space with the same evaluator, and
writes results.json and results.md: improvement with cost and deviation, regret where the best network of a cost is
known, both against evaluations, hypervolume and dominated fraction, transfer to the other tables. With measure: in the
file the finals are measured on the tables' devices. Gains are on fresh seeds. Killed or interrupted, the same command
goes on; methods, selectors, seeds and anchors may be added.`,
		Example:  "isosearch study --config examples/study/study.yaml -o study/",
		Finishes: true,
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o studyOptions
			flags.StringVar(&o.config, "config", "", "study `file` to run")
			flags.StringVarP(&o.out, "output", "o", "", "directory to write the study to")
			flags.StringSliceVar(&o.selectors, "selectors", nil, "also run the certifying search with these selectors, and compare them: "+search.SelectorNames())
			flags.IntVar(&o.workers, "workers", 1, "number of evaluations at a time; does not change the result")
			flags.DurationVar(&o.timeout, "timeout", 0, "longest time per evaluation (default: no limit)")
			flags.IntVar(&o.retries, "retries", 2, "number of further attempts after a failed evaluation")
			flags.StringVar(&o.agent, "agent", "", "agent program to run (default: beside this one, else in the path)")
			flags.StringVar(&o.ortLib, "ort-lib", "", "ONNX Runtime library to hand on to agent")
			flags.StringArrayVar(&o.benchArgs, "measure-arg", nil, "hand this `ARGUMENT` to agent bench too where the study measures, such as --max-time=60s; may be repeated")
			flags.BoolVar(&o.json, "json", false, "print results.json")
			return o.run
		},
	}
}

type studyOptions struct {
	config, out, agent, ortLib string
	benchArgs, selectors       []string
	workers, retries           int
	timeout                    time.Duration
	json                       bool
}

func (o *studyOptions) run(ctx context.Context, env cli.Env, args []string) error {
	var problems []error
	if o.config == "" || o.out == "" || len(args) > 0 {
		problems = append(problems, errors.New("study takes --config FILE and -o DIRECTORY"))
	}
	if o.workers < 1 || o.retries < 0 || o.timeout < 0 {
		problems = append(problems, errors.New("--workers is at least 1, --retries and --timeout cannot be negative"))
	}
	if err := errors.Join(problems...); err != nil {
		return cli.Usage(err)
	}
	config, err := study.OpenConfig(o.config)
	if err != nil {
		return err
	}
	if err := config.AddSelectors(o.selectors); err != nil {
		return cli.Usage(err)
	}
	bar := cli.NewProgress(env.Stderr, env.Getenv)
	s := &study.Study{
		Config: *config, Dir: o.out, Workers: o.workers, Now: time.Now,
		Open: func(ctx context.Context, spec string, sp space.Space, seed uint64) (search.Evaluator, error) {
			return evaluator.Open(ctx, spec, evaluator.Options{Space: sp, Seed: seed, Workers: o.workers, Timeout: o.timeout, Retries: o.retries,
				Agent: o.agent, ORTLib: o.ortLib, Stderr: env.Stderr, Note: func(s string) { fmt.Fprintf(env.Stderr, "isosearch: note: %s\n", s) }})
		},
		Device: func(target, table string, sp space.Lowerer, t lut.File) (search.Measurer, error) {
			program, err := evaluator.FindAgent(o.agent)
			if err != nil {
				return nil, err
			}
			args := o.benchArgs
			if o.ortLib != "" {
				args = append([]string{"--ort-lib", o.ortLib}, args...)
			}
			return &measure.Agent{Space: sp, Program: program, Args: args, Target: target, Table: t,
				Dir: filepath.Join(o.out, "measure", table), Stderr: cli.Behind(env.Stderr)}, nil
		},
		Progress: func(p study.Progress) {
			bar.Show(cli.State{Label: "studying", Done: float64(p.Done) / float64(max(p.Units, 1)), Left: p.Left, Valid: p.Done,
				Note: fmt.Sprintf("%d of %d searches; %s", p.Done, p.Units, p.Now)})
		},
	}
	res, err := s.Run(ctx)
	bar.Done()
	if err != nil {
		return err
	}
	if o.json {
		text, err := res.Encode()
		if err != nil {
			return err
		}
		_, err = cli.Raw(env.Stdout).Write(text)
		return err
	}
	fmt.Fprint(env.Stdout, res.Markdown())
	fmt.Fprintf(env.Stderr, "isosearch: wrote %s and %s\n", filepath.Join(o.out, study.ResultsFile), filepath.Join(o.out, study.TablesFile))
	return nil
}

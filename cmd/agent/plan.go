package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/benchmarks/modelplan"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

func planCommand() cli.Command {
	return cli.Command{
		Name:  "plan",
		Short: "plans what a campaign measures: cells, frames, whole networks",
		Long: `
From a space: every cell that one of its architectures can ask for, and whole networks drawn from it that calibrate
and audit the table. From ONNX and .tflite models: the kernels that they run as, and the models themselves as networks. From
families: their standard grids (docs/catalogue.md). For a table that prices networks nobody has measured (--device):
kernels and chains of kernels that cover what public networks are made of, in the time given. Cells and models asked for twice are in the plan once; the order
of the cases is shuffled by the seed. Kernels that the catalogue cannot measure are listed, with exit code 3.`,
		Example: `agent plan --space examples/mobile-cnn/space.yaml -o plan.jsonl`,
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o planOptions
			o.AddFlags(flags)
			return func(ctx context.Context, env cli.Env, args []string) error { return o.run(ctx, env, args) }
		},
	}
}

type planOptions struct {
	Space          string
	Families       []string
	Precisions     []string
	Calibrate      int
	Audit          int
	Knots          int
	Copies         int
	SecondContexts int
	Isolated       bool
	Seed           uint64
	Output         string
	JSON           bool
	Models         []string
	Dims           modelfile.Dims
	Signature      string
	Table          string // whose device the models are planned for
	Set            role.Set
	// Calibrators are models whose networks calibrate, whatever Set says of the others.
	Calibrators []string
	Warm        bool
	Protocol    string

	Device  bool
	Census  string
	Unseen  string
	Minutes float64

	kernels  modelplan.Kernels
	cautions []string // of the space
}

func (o *planOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.Space, "space", "", "plan the cells of this space file")
	flags.StringSliceVar(&o.Models, "model", nil, "plan the kernels of these ONNX or .tflite `files` (further ones may follow as arguments)")
	flags.StringSliceVar(&o.Calibrators, "calibrate-model", nil, "plan the kernels of these `files` too, as networks that calibrate the table")
	flags.VarP(&o.Dims, "dim", "f", modelfile.DimHelp+"; a batch without a length is 1")
	flags.StringVar(&o.Signature, "signature", "", modelfile.SignatureHelp)
	flags.StringVar(&o.Table, "lut", "", "plan models as the device of this table `FILE` runs them (default: as this machine does)")
	flags.BoolVar(&o.Warm, "warm", false, "measure a model's kernels with their weights in the nearest cache, as in a network under 1 MB")
	flags.StringVar((*string)(&o.Set), "set", string(role.Audit), "use of the models themselves: audit, calibrate, or none to plan the kernels alone")
	flags.StringSliceVar(&o.Families, "family", nil, "plan the standard grids of these `kinds`; docs/catalogue.md lists those that have one")
	flags.StringSliceVar(&o.Precisions, "precision", []string{"fp32"}, "`precisions` of --family and --device; a space names its own")
	flags.BoolVar(&o.Device, "device", false, "plan what covers the kernels of public networks")
	flags.StringVar(&o.Census, "census", "", "cover the networks of this census `FILE` instead (costgen census)")
	flags.StringVar(&o.Unseen, "unseen", "", "plan no kernel of the networks in this census `FILE` and nothing of their families: they will judge the table")
	flags.Float64Var(&o.Minutes, "minutes", 10, "device time that the plan of --device is to take")
	flags.IntVar(&o.Calibrate, "calibrate", 16, "number of the space's networks that calibrate the table")
	flags.IntVar(&o.Audit, "audit", 59, "number of the space's networks that audit the table; 59 is the fewest that bound the error's 95 % quantile at 95 % confidence")
	flags.IntVar(&o.Knots, "knots", 0, "most widths to keep per block; 0 keeps all")
	flags.IntVar(&o.Copies, "copies", 0, "measure marginal costs as the slope over this many copies where the shape allows; 0 uses frames")
	flags.IntVar(&o.SecondContexts, "elsewhere", 40, "number of blocks, at most a quarter of all, to measure in a second context too, which shows how far a cost depends on its context")
	flags.BoolVar(&o.Isolated, "isolated", false, "measure each operator alone as well")
	flags.StringVar(&o.Protocol, "protocol", "", "estimate the duration for bench with this protocol `file` (default: the built-in one)")
	flags.Uint64Var(&o.Seed, "seed", 1, "seed of the drawn networks and of the order")
	flags.StringVarP(&o.Output, "output", "o", "", "write the plan to this `file` (default: standard output)")
	flags.BoolVar(&o.JSON, "json", false, "print the summary as JSON (needs -o)")
	cli.Group(flags, "From a space", "space", "calibrate", "audit", "knots")
	cli.Group(flags, "From models", "model", "calibrate-model", "dim", "signature", "lut", "warm", "set")
	cli.Group(flags, "From families", "family", "precision")
	cli.Group(flags, "For a device", "device", "census", "unseen", "minutes")
}

// maxNetworks bounds the networks of one set: the strictest audit there is
// (δ_g = 0.01) needs 299.
const maxNetworks = 10000

func (o *planOptions) validate(args []string) error {
	var problems []string
	add := func(bad bool, format string, args ...any) {
		if bad {
			problems = append(problems, fmt.Sprintf(format, args...))
		}
	}
	if len(o.Models) > 0 { // --model a.onnx b.onnx, as a shell writes out --model *.onnx
		o.Models, args = append(o.Models, args...), nil
	}
	sources := 0
	for _, given := range []bool{o.Space != "", len(o.Families) > 0, len(o.Models) > 0, o.Device} {
		if given {
			sources++
		}
	}
	add(len(args) > 0, "plan takes no arguments but further models, got %q", args)
	add(sources == 0, "nothing to plan: give --space, --model, --family or --device")
	add(sources > 1, "--space, --model, --family and --device are plans of their own: make a file for each")
	add(!o.Device && (o.Census != "" || o.Unseen != ""), "--census and --unseen go with --device")
	add(!(o.Minutes > 0 && o.Minutes <= 1440), "--minutes %v is not above 0 and at most 1440", o.Minutes)
	if o.Set == "none" {
		o.Set = ""
	}
	add(o.Set != "" && o.Set != role.Audit && o.Set != role.Calibrate, "--set %q is none of audit, calibrate, none", o.Set)
	add(len(o.Calibrators) > 0 && len(o.Models) == 0, "--calibrate-model goes with --model")
	add(o.Warm && len(o.Models) == 0, "--warm needs --model: other plans are warm")
	add(len(o.Dims) > 0 && len(o.Models) == 0, "--dim needs --model")
	add(o.Signature != "" && len(o.Models) == 0, "--signature needs --model")
	add(o.Table != "" && len(o.Models) == 0, "--lut needs --model")
	add(o.Calibrate < 0, "--calibrate %d is negative", o.Calibrate)
	add(o.Audit < 0, "--audit %d is negative", o.Audit)
	add(o.Calibrate > maxNetworks || o.Audit > maxNetworks, "--calibrate and --audit are at most %d: each is a network to measure", maxNetworks)
	add(o.Knots < 0 || o.Knots == 1, "--knots %d: at least 2, or 0 for all", o.Knots)
	add(o.Copies < 0 || o.Copies == 1, "--copies %d: at least 2, or 0 for frames", o.Copies)
	add(o.SecondContexts < 0, "--elsewhere %d is negative", o.SecondContexts)
	add(o.JSON && o.Output == "", "--json prints the summary where the plan would go: give -o too")
	for _, p := range o.Precisions {
		add(!slices.Contains(lut.Precisions, lut.Precision(p)), "unknown precision %q; there are %v", p, lut.Precisions)
	}
	if len(problems) > 0 {
		return cli.Usagef("%s", strings.Join(problems, "; "))
	}
	return nil
}

func (o *planOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if err := o.validate(args); err != nil {
		return err
	}
	if err := cli.NewOutput("-o", o.Output, slices.Concat(o.Models, o.Calibrators, space.Files(o.Space), []string{o.Protocol, o.Census, o.Unseen, o.Table})...); err != nil {
		return err
	}
	p := &benchmarks.Planner{Seed: o.Seed, Isolated: o.Isolated, Copies: o.Copies, SecondContexts: o.SecondContexts}
	var err error
	switch {
	case o.Space != "":
		err = o.fromSpace(p)
	case len(o.Models) > 0:
		err = o.fromModels(ctx, env, p)
	case len(o.Families) > 0:
		err = o.fromFamilies(p)
	}
	if err != nil {
		return err
	}
	plan := p.Plan()
	if o.Device {
		if plan, err = o.forDevice(); err != nil {
			return err
		}
	}
	data := plan.Encode()
	if o.Output == "" {
		if _, err := cli.Raw(env.Stdout).Write(data); err != nil {
			return err
		}
	} else if err := atomicfile.Write(o.Output, data, 0o644); err != nil {
		return fmt.Errorf("write plan: %w", err)
	}
	if err := o.summarise(env, plan, p.Modules); err != nil {
		return err
	}
	lines := append(o.kernels.Talk(), o.cautions...)
	if d, err := device.Open("/"); err == nil { // a plan may be for another machine: this one's absence is not an error
		lines = append(lines, cautions(plan, d.Identity(), filepath.Dir(o.Output))...)
	}
	for _, line := range lines {
		fmt.Fprintf(env.Stderr, "agent: %s\n", line)
	}
	if k := len(o.kernels.Unplanned); k > 0 {
		return cli.Partial(fmt.Errorf("%d kernels of the models are not in the plan", k))
	}
	return nil
}

func (o *planOptions) fromSpace(p *benchmarks.Planner) error {
	s, err := space.Open(o.Space)
	if err != nil {
		return err
	}
	net, ok := s.(space.Lowerer)
	if !ok {
		return hint.Wrap(fmt.Errorf("%s: space %q is tabular: its costs are in the table, there is nothing to measure", o.Space, s.Name()),
			"isosearch run takes it as it is")
	}
	p.Source = fmt.Sprintf("space %s sha256:%s", s.Name(), s.Hash())
	if p.Modules, err = space.ModulesOf(s).Beside(o.Output); err != nil {
		return err
	}
	if m, ok := s.(*space.Modules); ok {
		o.cautions = m.Cautions()
	}
	cells := net.Cells()
	if o.Knots > 0 {
		for _, axis := range []string{"mid", "width"} {
			cells = benchmarks.Thin(cells, axis, o.Knots)
		}
	}
	for _, op := range cells {
		if err := p.Cell(op); err != nil {
			return fmt.Errorf("%s: %w", o.Space, err)
		}
	}
	// One draw for both sets, so that none is in both.
	archs := space.Sample(s, o.Calibrate+o.Audit, o.Seed)
	if len(archs) < o.Calibrate+o.Audit {
		return hint.Wrap(fmt.Errorf("%s: the space has only %d different architectures to draw, %d wanted", o.Space, len(archs), o.Calibrate+o.Audit),
			"lower --calibrate or --audit")
	}
	for i, a := range archs {
		chain, err := net.Lower(a)
		if err != nil {
			return fmt.Errorf("%s: lower network %d: %w", o.Space, i, err)
		}
		set, k := role.Calibrate, i
		if i >= o.Calibrate {
			set, k = role.Audit, i-o.Calibrate
		}
		if err := p.Network(set, fmt.Sprintf("%s-%03d", set, k), chain); err != nil {
			return fmt.Errorf("%s: %w", o.Space, err)
		}
	}
	return nil
}

func (o *planOptions) fromFamilies(p *benchmarks.Planner) error {
	p.Source = fmt.Sprintf("families %s %s", strings.Join(o.Families, ","), strings.Join(o.Precisions, ","))
	for _, family := range o.Families {
		for _, prec := range o.Precisions {
			ops, err := benchmarks.Grid(family, lut.Precision(prec))
			if err != nil {
				return cli.Usage(err)
			}
			if o.Knots > 0 {
				for _, axis := range []string{"mid", "cout", "c"} {
					ops = benchmarks.Thin(ops, axis, o.Knots)
				}
			}
			for _, op := range ops {
				if err := p.Cell(op); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (o *planOptions) summarise(env cli.Env, plan *benchmarks.Plan, modules *benchmarks.Library) error {
	about, most, err := o.estimate(plan, modules)
	if err != nil {
		return err
	}
	n := plan.Counts()
	if o.JSON {
		out, err := json.Marshal(map[string]any{"plan": o.Output, "sha256": plan.SHA256(), "source": plan.Source, "seed": plan.Seed,
			"models": len(plan.Models), "cases": len(plan.Cases), "cells": n[role.Cell], "networks": n[role.Network],
			"estimate_s": about.Seconds(), "longest_s": most.Seconds(), "unplanned": append([]modelplan.Unplanned{}, o.kernels.Unplanned...)})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.Stdout, "%s\n", out)
		return err
	}
	fmt.Fprintf(env.Stderr, "%d cells and %d networks: %d models to measure, about %v on one core at the fewest rounds, up to %v where intervals stay wide\n",
		n[role.Cell], n[role.Network], len(plan.Models), about.Round(time.Second), most.Round(10*time.Second))
	return nil
}

// estimate says how long a campaign takes under the protocol: with the fewest rounds in
// which a model can reach the samples wanted, and with the most.
func (o *planOptions) estimate(plan *benchmarks.Plan, modules *benchmarks.Library) (about, most time.Duration, err error) {
	s, mostRounds, err := o.schedule()
	if err != nil {
		return 0, 0, err
	}
	if about, err = plan.Estimate(s, modules); err != nil {
		return 0, 0, err
	}
	s.Rounds = mostRounds
	most, err = plan.Estimate(s, modules)
	return about, most, err
}

// schedule holds what the protocol says of a campaign's time, at the fewest rounds, and the
// most rounds there can be.
func (o *planOptions) schedule() (s benchmarks.Schedule, mostRounds int, err error) {
	p := agent.DefaultProtocol()
	if o.Protocol != "" {
		if p, err = agent.ReadProtocol(o.Protocol); err != nil {
			return s, 0, err
		}
	}
	s = benchmarks.Schedule{
		PerVisit: p.Sample.PerVisit, MinSample: p.Sample.MinSeconds, Discard: p.Sample.Discard, ReferenceVisits: p.Drift.ReferenceVisits,
		WarmRuns: p.ModelWarmup.Runs, WarmSeconds: p.ModelWarmup.MaxSeconds, MaxModel: p.Stop.MaxSeconds, Device: p.Warmup.Seconds,
	}
	s.Rounds = min(p.Stop.MaxRounds, max(p.Stop.MinRounds, (p.Stop.MinSamples+p.Sample.PerVisit-1)/p.Sample.PerVisit))
	return s, p.Stop.MaxRounds, nil
}

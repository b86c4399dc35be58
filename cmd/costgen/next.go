package main

import (
	"context"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/costgen/next"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/search/space"
)

type nextOptions struct {
	lut, space, out string
	n, archs        int
	seed            uint64
	json            bool
}

func nextCommand() cli.Command {
	return cli.Command{
		Name:  "next",
		Short: "proposes the measurements that would reduce a table's uncertainty most",
		Long: `
What the space can ask for and the table cannot answer comes first, then where
interval × use is widest: a step between two knots is bisected, a slope that has
shown itself straight is left alone. Measure the plan, compile all records again,
ask again.`,
		Example: "costgen next --lut device.lut.json --space examples/mobile-cnn/space.yaml -n 40 -o more.plan.jsonl",
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o nextOptions
			f.StringVar(&o.lut, "lut", "", "table to improve")
			f.StringVar(&o.space, "space", "", "search space that the table prices")
			f.IntVarP(&o.n, "number", "n", 40, "most cells to propose")
			f.IntVar(&o.archs, "archs", 2000, "number of architectures to draw, to see how often the space uses each cell")
			f.Uint64Var(&o.seed, "seed", 1, "seed of the draw and of the plan's order")
			f.StringVarP(&o.out, "output", "o", "", "plan to write")
			f.BoolVar(&o.json, "json", false, "print the proposals as JSON")
			return o.run
		},
	}
}

func (o *nextOptions) run(ctx context.Context, env cli.Env, args []string) error {
	switch {
	case len(args) > 0:
		return cli.Usagef("next takes no arguments; --lut and --space name its files")
	case o.space == "":
		return cli.Usagef("no --space: which cells matter depends on who asks")
	case o.n < 1 || o.archs < 1:
		return cli.Usagef("-n %d and --archs %d must be at least 1", o.n, o.archs)
	}
	if err := cli.NewOutput("-o", o.out, append(space.Files(o.space), o.lut)...); err != nil {
		return err
	}
	t, err := readTable(o.lut)
	if err != nil {
		return err
	}
	sp, err := space.Open(o.space)
	if err != nil {
		return err
	}
	low, ok := sp.(space.Lowerer)
	if !ok {
		return hint.Wrap(fmt.Errorf("%s: its architectures are rows of a table, not networks: nothing to measure", o.space),
			"name a space file of kind measured, such as examples/mobile-cnn/space.yaml")
	}
	// Every cell of the space counts a little, those of the drawn networks by use.
	var uses []next.Use
	for _, op := range low.Cells() {
		uses = append(uses, next.Use{Op: op, Weight: 1 / float64(o.archs)})
	}
	archs := space.Sample(sp, o.archs, o.seed)
	for _, a := range archs {
		ops, err := low.Lower(a)
		if err != nil {
			return err
		}
		for _, op := range ops {
			uses = append(uses, next.Use{Op: op, Weight: 1 / float64(len(archs))})
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	ps, err := next.Propose(t, uses, o.n)
	if err != nil {
		return err
	}
	if o.json {
		if ps == nil {
			ps = []next.Proposal{}
		}
		if err := writeJSON(env.Stdout, ps); err != nil {
			return err
		}
	} else {
		for _, p := range ps {
			line := fmt.Sprintf("%-8s %s", p.Why, p.Op)
			if p.Cut > 0 {
				line += fmt.Sprintf("  −%.3g %s per network", p.Cut, t.File().Unit)
			}
			fmt.Fprintln(env.Stdout, line)
		}
	}
	if len(ps) == 0 {
		fmt.Fprintln(env.Stderr, "costgen: the table knows every cell the space asks for: nothing to measure")
		return nil
	}
	if o.out == "" {
		return nil
	}
	planner := benchmarks.Planner{Seed: o.seed, Source: "next for table " + t.Hash() + " and space " + sp.Hash()}
	planner.Batch, _ = t.File().Protocol.Batch()
	if planner.Modules, err = space.ModulesOf(sp).Beside(o.out); err != nil {
		return err
	}
	for _, p := range ps {
		if err := planner.Cell(p.Op); err != nil {
			return fmt.Errorf("plan %s: %w", p.Op, err)
		}
	}
	if err := writeOut(env, o.out, planner.Plan().Encode()); err != nil {
		return err
	}
	fmt.Fprintf(env.Stderr, "costgen: wrote %s: %d cells\n", o.out, len(ps))
	return nil
}

package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evaluator"
	"github.com/isocost/isocost/search/space"
	"github.com/isocost/isocost/search/trial"
)

func checkCommand() cli.Command {
	return cli.Command{
		Name:  "check",
		Short: "tries an evaluator, and says what a search with it would cost",
		Long: `
Asks the evaluator about the space's default and random architectures at several seeds, and about some of it again of
a process that was started anew: whether it keeps to the protocol, whether it answers the same when asked the same,
how far its seeds spread, how long it takes. From that it says how many evaluations certify a result at --epsilon.`,
		Example:  "isosearch check --space examples/study/space.yaml --evaluator table:examples/study/toy.jsonl,noise=gaussian --epsilon 0.5",
		Finishes: true,
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o checkOptions
			f.StringVar(&o.space, "space", "", "search space of the architectures")
			f.StringSliceVar(&o.tables, "lut", nil, "cost tables, to count the neighbours of equal cost (default: every other choice of every layer)")
			f.StringVar(&o.evaluator, "evaluator", "", "evaluator to try: exec:CMD or table:FILE")
			f.IntVar(&o.archs, "archs", 3, "number of architectures to ask about")
			f.IntVar(&o.seeds, "seeds", 4, "number of seeds per architecture")
			f.Float64Var(&o.epsilon, "epsilon", search.DefaultSettings().Epsilon, "gain in utility that no single change may exceed, in the evaluator's unit")
			f.Float64Var(&o.tau, "tau", search.DefaultSettings().Tau, "half-width of the band around x0's cost, a fraction")
			f.Float64Var(&o.delta, "delta", search.DefaultSettings().Delta, "largest probability that the claim is false")
			f.Uint64Var(&o.seed, "seed", 1, "seed of the architectures and seeds")
			f.IntVar(&o.workers, "workers", 1, "number of evaluations at a time")
			f.DurationVar(&o.timeout, "timeout", 0, "longest time per evaluation (default: no limit)")
			f.BoolVar(&o.json, "json", false, "print as JSON")
			return o.run
		},
	}
}

type checkOptions struct {
	space, evaluator      string
	tables                []string
	archs, seeds, workers int
	epsilon, tau, delta   float64
	seed                  uint64
	timeout               time.Duration
	json                  bool
}

// checkReport holds what --json prints.
type checkReport struct {
	Protocol string `json:"protocol,omitempty"` // of an outside program
	*trial.Report
	Cost *trial.Cost `json:"cost,omitempty"` // absent where the noise is not known
}

func (o *checkOptions) run(ctx context.Context, env cli.Env, args []string) error {
	switch {
	case len(args) > 0:
		return cli.Usagef("unexpected argument %q", args[0])
	case o.space == "" || o.evaluator == "":
		return cli.Usagef("--space and --evaluator are needed")
	case o.archs < 1 || o.seeds < 2 || o.workers < 1 || o.timeout < 0:
		return cli.Usagef("--archs and --workers are at least 1, --seeds at least 2, --timeout is not negative")
	case !(o.epsilon > 0) || !(o.delta > 0 && o.delta < 1) || !(o.tau > 0 && o.tau < 1):
		return cli.Usagef("--epsilon is above 0, --delta and --tau are between 0 and 1")
	}
	sp, neighbours, err := o.neighbourhood()
	if err != nil {
		return err
	}
	var opened []search.Evaluator
	defer func() {
		for _, e := range opened {
			evaluators{proxy: e}.close()
		}
	}()
	// A failure is reported as it is, not tried again.
	open := func() (search.Evaluator, error) {
		for _, e := range opened {
			evaluators{proxy: e}.close()
		}
		e, err := evaluator.Open(ctx, o.evaluator, evaluator.Options{Space: sp, Seed: o.seed, Workers: o.workers, Timeout: o.timeout, Stderr: env.Stderr})
		if err != nil {
			return nil, err
		}
		if _, ok := e.(search.Calibrated); ok {
			return nil, hint.Wrap(fmt.Errorf("evaluator %s fixes its scale in a search", o.evaluator), "it needs no check: isosearch run has it tried")
		}
		opened = append(opened, e)
		return e, nil
	}
	archs := distinct(append([]space.Arch{sp.Default()}, space.Sample(sp, 8*o.archs, o.seed)...), o.archs)
	r := checkReport{}
	if r.Report, err = trial.Run(ctx, trial.Options{Open: open, Archs: archs, Seeds: o.seeds, Seed: o.seed, Workers: o.workers}); err != nil {
		return err
	}
	if e, ok := opened[0].(*evaluator.Exec); ok {
		r.Protocol = e.Protocol()
	}
	if r.Upper != nil && *r.Upper > 0 {
		c := trial.Estimate(*r.Upper, neighbours, o.epsilon, o.delta)
		r.Cost = &c
	}
	if o.json {
		var text []byte
		if text, err = strictjson.Text(r, "  "); err == nil {
			_, err = env.Stdout.Write(text)
		}
	} else {
		err = r.write(env.Stdout, o)
	}
	if err != nil {
		return err
	}
	if err := r.Sound(); err != nil {
		return hint.Wrap(cli.Partial(fmt.Errorf("a search cannot rest on this evaluator: %w", err)), "%s", o.cure(r.Report))
	}
	return nil
}

// distinct are the first n different architectures; fewer if there are no more.
func distinct(archs []space.Arch, n int) []space.Arch {
	var out []space.Arch
	seen := map[string]bool{}
	for _, a := range archs {
		if key := a.Key(); !seen[key] && len(out) < n {
			seen[key] = true
			out = append(out, a)
		}
	}
	return out
}

// cure says what to do about the first thing that is wrong.
func (o *checkOptions) cure(r *trial.Report) string {
	switch {
	case len(r.Failures) > 0:
		return "what the program said of its failures is above"
	case len(r.Differing) > 0:
		return "take all randomness from the seed: the order of the data, the weights, dropout, the workers of a loader; torch.use_deterministic_algorithms(True) finds kernels that have their own"
	}
	return "take the initial weights and the order of the data from the seed, or declare the evaluator exact: isosearch run --sigma 0"
}

// neighbourhood is the space and the number of neighbours that a search compares.
func (o *checkOptions) neighbourhood() (space.Space, int, error) {
	if len(o.tables) == 0 {
		sp, err := space.Open(o.space)
		if err != nil {
			return nil, 0, err
		}
		n := 0
		for l := range sp.Layers() {
			n += len(sp.Choices(l)) - 1
		}
		return sp, n, nil
	}
	settings := search.DefaultSettings()
	settings.Tau = o.tau
	in, err := search.OpenInputs(search.Inputs{Space: o.space, Tables: o.tables}, settings)
	if err != nil {
		return nil, 0, err
	}
	c := search.NewCompensator(in.Problem.Space, in.Problem.Bands)
	feasible, _ := c.Neighbourhood(in.Problem.Anchor)
	return in.Problem.Space, len(feasible), nil
}

func (r *checkReport) write(w io.Writer, o *checkOptions) error {
	var broken error
	line := func(name, format string, args ...any) {
		if _, err := fmt.Fprintf(w, "%-12s "+format+"\n", append([]any{name}, args...)...); broken == nil {
			broken = err
		}
	}
	if r.Protocol != "" {
		line("protocol", "%s", r.Protocol)
	}
	line("answers", "%d of %d requests have a utility", r.Asked-len(r.Failures), r.Asked)
	for i, f := range r.Failures {
		if i == 3 {
			line("", "and %d more", len(r.Failures)-i)
			break
		}
		line("  failed", "%s at seed %d: %s", f.Arch, f.Seed, f.Reason)
	}
	line("repeated", "%d of %d asked again of a new process are the same", r.Repeated-len(r.Differing), r.Repeated)
	for i, d := range r.Differing {
		if i == 3 {
			line("", "and %d more", len(r.Differing)-i)
			break
		}
		line("  differs", "%s at seed %d: %.10g, then %.10g", d.Arch, d.Seed, d.First, d.Second)
	}
	if r.S != nil {
		line("seeds", "standard deviation %.4g, at most %.4g with %g %% confidence (%d degrees of freedom)", *r.S, *r.Upper, 100*(1-r.Beta), r.Nu)
	} else {
		line("seeds", "no architecture has two utilities")
	}
	if r.Between != nil {
		line("networks", "standard deviation %.4g between architectures", *r.Between)
	}
	line("time", "%s per evaluation (the first %s)", span(r.Seconds), span(r.First))
	if c := r.Cost; c != nil && c.Neighbours == 0 {
		line("search", "the default has no neighbour of its cost: a larger --tau has more of them")
	} else if c != nil {
		line("search", "at ε %g, δ %g and %d neighbours about %.3g evaluations where all are as good as the final,", c.Epsilon, c.Delta, c.Neighbours, c.Samples)
		line("", "%s with --workers %d; no procedure needs fewer than %.3g", span(c.Samples*r.Seconds/float64(o.workers)), o.workers, c.LowerBound)
	}
	return broken
}

// span is a time in the unit that suits it.
func span(seconds float64) string {
	switch {
	case seconds < 120:
		return fmt.Sprintf("%.3g s", seconds)
	case seconds < 2*3600:
		return fmt.Sprintf("%.3g min", seconds/60)
	case seconds < 48*3600:
		return fmt.Sprintf("%.3g h", seconds/3600)
	}
	return fmt.Sprintf("%.3g days", seconds/86400)
}

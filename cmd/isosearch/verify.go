package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/anchors"
	"github.com/isocost/isocost/search/evaluator"
	"github.com/isocost/isocost/search/space"
)

func verifyCommand() cli.Command {
	return cli.Command{
		Name:  "verify",
		Args:  "RUN",
		Short: "recomputes every number of a run from its journal",
		Long: `
Checks the journal's chain of check sums and the hashes of space, tables and measurement records, repeats every
decision and every bound from the journalled evaluations, and compares the certificate byte for byte. A table of
utilities is asked again for every sample; any other evaluator only with --ask. Of a directory of several anchors
every search is verified, and pareto.json recomputed. docs/formats/verify.md says how to verify without this program.`,
		Example: "isosearch verify run/ --ask 20",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o verifyOptions
			flags.BoolVar(&o.json, "json", false, "print the findings as JSON")
			flags.IntVar(&o.ask, "ask", 0, "number of samples, drawn at random, to ask the evaluator for again")
			flags.StringVar(&o.evaluator, "evaluator", "", "evaluator to ask, where its files lie elsewhere now (default: the journal's)")
			flags.StringVar(&o.agent, "agent", "", "agent program to run (default: beside this one, else in the path)")
			flags.StringVar(&o.ortLib, "ort-lib", "", "ONNX Runtime library to hand on to agent")
			return o.run
		},
	}
}

type verifyOptions struct {
	json                     bool
	ask                      int
	evaluator, agent, ortLib string
}

func (o *verifyOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if len(args) != 1 {
		return cli.Usagef("name one run directory, not %d", len(args))
	}
	if o.ask < 0 {
		return cli.Usagef("--ask %d: a number of samples is not negative", o.ask)
	}
	dir := args[0]
	if anchors.IsSet(dir) {
		return o.several(ctx, dir, env)
	}
	v, err := search.Verify(dir, func(h search.Header) (search.Problem, error) { return search.OpenRun(dir, h) })
	if err != nil {
		return err
	}
	asked, err := o.again(ctx, dir, v.Certificate.Header, env)
	if err != nil {
		return err
	}
	if o.json {
		return json.NewEncoder(env.Stdout).Encode(findings(v, asked))
	}
	fmt.Fprintf(env.Stdout, "verified     %d journal entries, %d evaluations, %d neighbours:\n             every number recomputed\n", v.Entries, v.Outcomes, len(v.Certificate.Neighbours))
	if asked > 0 {
		fmt.Fprintf(env.Stdout, "asked again  %d samples, all as in the journal\n", asked)
	}
	if v.Records > 0 {
		fmt.Fprintf(env.Stdout, "records      of %d measurements, all as they were measured\n", v.Records)
	}
	c := v.Certificate
	fmt.Fprintf(env.Stdout, "claim        %s\n", wrap(strings.ReplaceAll(c.Claim.Text, c.Final.Arch, "the final"), 13))
	return nil
}

// again asks a run's evaluator for samples again: a table of whose content the run has a
// copy for all of them, any other for as many as are wanted. It returns how many.
func (o *verifyOptions) again(ctx context.Context, dir string, h search.Header, env cli.Env) (int, error) {
	spec, n := h.Evaluator.Spec, o.ask
	if rest, ok := strings.CutPrefix(spec, "table:"); ok && o.evaluator == "" {
		path, options, _ := strings.Cut(rest, ",")
		if copied := search.EvaluatorTable(dir); exists(copied) {
			path, n = copied, -1
		}
		spec = "table:" + path
		if options != "" {
			spec += "," + options
		}
	}
	if n == 0 {
		return 0, nil
	}
	if name, _, ok := strings.Cut(spec, " (ort "); ok && strings.HasPrefix(spec, "onnx") { // the library's version is not an option
		spec = name
	}
	if o.evaluator != "" {
		spec = o.evaluator
	}
	p, err := search.OpenRun(dir, h)
	if err != nil {
		return 0, err
	}
	networks := p.Space
	per, _ := networks.(*space.PerDevice)
	if per != nil {
		networks = per.Base()
	}
	ev, err := evaluator.Open(ctx, spec, evaluator.Options{Space: networks, Seed: h.Settings.Seed, Workers: 1, Agent: o.agent, ORTLib: o.ortLib, Stderr: env.Stderr})
	if err != nil {
		return 0, err
	}
	if c, ok := ev.(evaluator.Closer); ok {
		defer c.Close()
	}
	if per != nil {
		ev = evaluator.PerDevice(ev, per)
	}
	return search.Reask(ctx, dir, ev, n, h.Settings.Seed)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// findings return what verifying one search found, for programs.
func findings(v *search.Verification, asked int) map[string]any {
	return map[string]any{
		"verified": true, "entries": v.Entries, "evaluations": v.Outcomes, "unused": v.Unused, "asked_again": asked, "records": v.Records,
		"neighbours": len(v.Certificate.Neighbours), "reached": v.Certificate.Claim.Reached, "claim": v.Certificate.Claim.Text,
	}
}

// several verifies a directory of several anchors.
func (o *verifyOptions) several(ctx context.Context, dir string, env cli.Env) error {
	v, err := anchors.Verify(dir)
	if err != nil {
		return err
	}
	asked := make([]int, len(v.Runs))
	for i, a := range v.Set.Anchors {
		if asked[i], err = o.again(ctx, filepath.Join(dir, a.Run), v.Runs[i].Certificate.Header, env); err != nil {
			return err
		}
	}
	if o.json {
		runs := map[string]any{}
		for i, a := range v.Set.Anchors {
			runs[a.Run] = findings(v.Runs[i], asked[i])
		}
		return json.NewEncoder(env.Stdout).Encode(map[string]any{"verified": true, "runs": runs})
	}
	o.print(env.Stdout, v, asked)
	return nil
}

func (o *verifyOptions) print(w io.Writer, v *anchors.Verification, asked []int) {
	total := 0
	for i, a := range v.Set.Anchors {
		one := v.Runs[i]
		total += asked[i]
		fmt.Fprintf(w, "%-12s %d journal entries, %d evaluations, %d neighbours:\n             every number recomputed; claim %s\n",
			a.Run, one.Entries, one.Outcomes, len(one.Certificate.Neighbours), reached(a.Reached))
	}
	fmt.Fprintf(w, "verified     %d searches, and %s recomputed from them\n", len(v.Runs), anchors.ParetoFile)
	if total > 0 {
		fmt.Fprintf(w, "asked again  %d samples, all as in the journals\n", total)
	}
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/anchors"
)

func verifyCommand() cli.Command {
	return cli.Command{
		Name:  "verify",
		Args:  "RUN",
		Short: "recomputes every number of a run from its journal",
		Long: `
Checks the journal's chain of check sums and the hashes of space and tables, repeats every decision and every bound
from the journalled evaluations, and compares the certificate byte for byte. Nothing is evaluated. Of a directory of
several anchors every search is verified, and pareto.json recomputed.`,
		Example: "isosearch verify run/",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			asJSON := flags.Bool("json", false, "print the findings as JSON")
			return func(ctx context.Context, env cli.Env, args []string) error {
				if len(args) != 1 {
					return cli.Usagef("name one run directory, not %d", len(args))
				}
				if anchors.IsSet(args[0]) {
					return verifySeveral(args[0], *asJSON, env.Stdout)
				}
				v, err := search.Verify(args[0], func(h search.Header) (search.Problem, error) { return search.OpenRun(args[0], h) })
				if err != nil {
					return err
				}
				if *asJSON {
					return json.NewEncoder(env.Stdout).Encode(findings(v))
				}
				fmt.Fprintf(env.Stdout, "verified     %d journal entries, %d evaluations, %d neighbours:\n             every number recomputed\n", v.Entries, v.Outcomes, len(v.Certificate.Neighbours))
				c := v.Certificate
				fmt.Fprintf(env.Stdout, "claim        %s\n", wrap(strings.ReplaceAll(c.Claim.Text, c.Final.Arch, "the final"), 13))
				return nil
			}
		},
	}
}

// findings return what verifying one search found, for programs.
func findings(v *search.Verification) map[string]any {
	return map[string]any{
		"verified": true, "entries": v.Entries, "evaluations": v.Outcomes, "unused": v.Unused,
		"neighbours": len(v.Certificate.Neighbours), "reached": v.Certificate.Claim.Reached, "claim": v.Certificate.Claim.Text,
	}
}

// verifySeveral verifies a directory of several anchors.
func verifySeveral(dir string, asJSON bool, w io.Writer) error {
	v, err := anchors.Verify(dir)
	if err != nil {
		return err
	}
	if asJSON {
		runs := map[string]any{}
		for i, a := range v.Set.Anchors {
			runs[a.Run] = findings(v.Runs[i])
		}
		return json.NewEncoder(w).Encode(map[string]any{"verified": true, "runs": runs})
	}
	for i, a := range v.Set.Anchors {
		one := v.Runs[i]
		fmt.Fprintf(w, "%-12s %d journal entries, %d evaluations, %d neighbours:\n             every number recomputed; claim %s\n",
			a.Run, one.Entries, one.Outcomes, len(one.Certificate.Neighbours), reached(a.Reached))
	}
	fmt.Fprintf(w, "verified     %d searches, and %s recomputed from them\n", len(v.Runs), anchors.ParetoFile)
	return nil
}

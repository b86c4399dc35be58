package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/anchors"
	"github.com/isocost/isocost/search/space"
)

// runSeveral searches from several anchors, one after another, each in a run
// directory of its own, and compares where they ended.
func (o *runOptions) runSeveral(ctx context.Context, env cli.Env) error {
	sp, err := space.Open(o.Space)
	if err != nil {
		return err
	}
	keys, err := anchors.List(sp, o.Anchors, o.Settings.Seed)
	if err != nil {
		return err
	}
	if err := anchors.CheckSeveral(o.Out, len(keys)); err != nil {
		return err
	}
	if err := cli.NewOutput("--report", o.Report, o.files()...); err != nil {
		return err
	}
	// What is wrong with the last anchor is said before the first is searched from.
	o.goOn(filepath.Join(o.Out, anchors.RunName(0)))
	var inputs []*search.Opened
	for _, key := range keys {
		in, err := o.openInputs(key)
		if err != nil {
			return err
		}
		inputs = append(inputs, in)
	}
	ev, err := o.openEvaluators(ctx, env, inputs[0])
	if err != nil {
		return err
	}
	defer ev.close()
	bar := cli.NewProgress(env.Stderr, env.Getenv)
	var drivers []*search.Driver
	for i, in := range inputs {
		show := func(s cli.State) {
			s.Label, s.Left = fmt.Sprintf("anchor %d of %d", i+1, len(keys)), -1 // of all, by the bar
			s.Done = (float64(i) + s.Done) / float64(len(keys))
			bar.Show(s)
		}
		dir := filepath.Join(o.Out, anchors.RunName(i))
		d, err := o.driver(in, ev, dir, env, o.newLive(dir, env), show)
		if err != nil {
			return err
		}
		if err := d.Check(); err != nil {
			return err
		}
		drivers = append(drivers, d)
	}
	var ended []*search.Certificate
	for i, d := range drivers {
		if err := inputs[i].Save(d.Dir); err != nil {
			return err
		}
		if i > 0 { // so that utilities can be compared
			d.Scale = ended[0].State
		}
		cert, err := d.Run(ctx)
		if err != nil {
			bar.Done()
			return fmt.Errorf("%s: %w", anchors.RunName(i), err)
		}
		if ctx.Err() != nil {
			bar.Done()
			return ctx.Err()
		}
		ended = append(ended, cert)
	}
	bar.Done()
	set, err := anchors.Write(o.Out)
	if err != nil {
		return err
	}
	if err := o.report(); err != nil {
		return err
	}
	if o.JSON {
		text, err := set.Encode()
		if err != nil {
			return err
		}
		cli.Raw(env.Stdout).Write(text)
	} else {
		printSet(env.Stdout, set, ended)
		fmt.Fprintf(env.Stdout, "certificates %s\n", filepath.Join(o.Out, "anchor-*", search.CertificateFile))
		fmt.Fprintf(env.Stdout, "compared     %s\n", filepath.Join(o.Out, anchors.ParetoFile))
	}
	var missed []string
	for i, c := range ended {
		if !c.Claim.Reached {
			missed = append(missed, fmt.Sprintf("%s (%s)", anchors.RunName(i), unreached(c)))
		}
	}
	if len(missed) > 0 && !o.Settings.Published {
		return cli.Partial(fmt.Errorf("the claim was not reached from %d of %d anchors: %s", len(missed), len(ended), strings.Join(missed, ", ")))
	}
	return nil
}

// printSet prints, a table of costs after another, the finals that no other
// dominates, by cost, and names the others.
func printSet(w io.Writer, s *anchors.Set, ended []*search.Certificate) {
	for i, c := range ended {
		for _, alarm := range c.Alarms {
			fmt.Fprintf(w, "%-12s alarm: %s\n", s.Anchors[i].Run, wrap(alarm, 13))
		}
	}
	for _, f := range s.Fronts {
		how := "predicted by the table"
		if f.Measured {
			how = "measured"
		}
		fmt.Fprintf(w, "%s: cost in %s, %s\n", f.Table, f.Unit, how)
		fmt.Fprintf(w, "%-12s %10s %10s %10s %10s  %s\n", "", "anchor's", "cost", "anchor's", "utility", "claim")
		order := make([]int, len(f.Finals))
		for i := range order {
			order[i] = i
		}
		slices.SortStableFunc(order, func(a, b int) int {
			x, _ := f.Cost(f.Finals[a])
			y, _ := f.Cost(f.Finals[b])
			return cmp.Compare(x, y)
		})
		var beaten []string
		for _, i := range order {
			e, a := f.Finals[i], s.Anchors[i]
			if e.Dominated {
				beaten = append(beaten, e.Run)
				continue
			}
			cost, anchor := f.Cost(e)
			fmt.Fprintf(w, "%-12s %10.5g %10.5g %10s %10s  %s\n", e.Run, anchor, cost, mean(a.AnchorUtility), mean(a.Utility), reached(a.Reached))
		}
		fmt.Fprintf(w, "dominated    %s\n", wrap(cmp.Or(strings.Join(beaten, ", "), "none"), 13))
		fmt.Fprintf(w, "hypervolume  %.3g of the box that holds anchors and finals\n", f.Hypervolume)
	}
	claims, level := 0, 0.0
	for _, c := range ended {
		if c.Claim.Reached {
			claims++
			level += c.Header.Settings.Delta
		}
	}
	if claims > 1 {
		fmt.Fprintf(w, "confidence   %s\n", wrap(fmt.Sprintf("all %d claims that were reached hold together with probability at least %.4g", claims, max(0, 1-level)), 13))
	}
}

func mean(u *anchors.Utility) string {
	if u == nil {
		return "–"
	}
	return fmt.Sprintf("%.5g", u.Mean)
}

func reached(b bool) string {
	if b {
		return "reached"
	}
	return "NOT REACHED"
}

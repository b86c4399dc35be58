//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/explore"
)

// driver is a search of a made-up space that its budget of evaluations ends.
func driver(dir string, m *madeUp, budget, workers int) (*search.Driver, error) {
	p, err := m.problem()
	if err != nil {
		return nil, err
	}
	s := search.DefaultSettings()
	s.Epsilon, s.Batch = 0.01, 64 // never reached
	return &search.Driver{Dir: dir, Problem: p, Evaluator: m, Budget: budget, Workers: workers, Now: time.Now,
		Header: search.Header{Settings: s, Anchor: p.Anchor.Key(), Tables: []search.TableRef{{Budget: p.Bands[0].Budget}}}}, nil
}

// run runs a search and says what that took.
func run(dir string, m *madeUp, budget, workers int) (answer, error) {
	d, err := driver(dir, m, budget, workers)
	if err != nil {
		return nil, err
	}
	before := resident()
	forget()
	began := time.Now()
	var c *search.Certificate
	s, err := spent(func() (err error) {
		c, err = d.Run(context.Background())
		return err
	})
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(filepath.Join(dir, search.JournalFile))
	if err != nil {
		return nil, err
	}
	return answer{"s": s, "wall_s": time.Since(began).Seconds(), "evaluations": c.Samples + c.Failures, "stop": c.Claim.Stop, "bytes": peak() - before, "journal_bytes": info.Size()}, nil
}

// drive is a search of so many evaluations by so many workers, of an evaluator that takes no time.
func drive(args []string) (answer, error) {
	n, err := number(args, 0)
	if err != nil {
		return nil, err
	}
	workers, err := number(args, 1)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return run(dir, newMadeUp(6, 4), n, workers)
}

// continued runs a search of so many evaluations in a directory; called again, it goes on from
// the journal, which has all of them.
func continued(args []string) (answer, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("want a directory and how many evaluations, not %q", args)
	}
	n, err := number(args, 1)
	if err != nil {
		return nil, err
	}
	return run(args[0], newMadeUp(6, 4), n, 1)
}

// largeSpace is a search of a space of so many layers and choices, of so many evaluations.
func largeSpace(args []string) (answer, error) {
	var of [3]int
	for i := range of {
		n, err := number(args, i)
		if err != nil {
			return nil, err
		}
		of[i] = n
	}
	dir, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	return run(dir, newMadeUp(of[0], of[1]), of[2], 1)
}

// explorer is the own time of an exploration: args are the method and how many evaluations, of
// networks of 20 layers with 7 choices.
func explorer(args []string) (answer, error) {
	n, err := number(args, 1)
	if err != nil {
		return nil, err
	}
	m := explored()
	p, err := m.problem()
	if err != nil {
		return nil, err
	}
	plan := &explore.Plan{Method: explore.Method(args[0]), Evaluations: n, Rules: explore.Rules}
	if err := plan.Check(); err != nil {
		return nil, err
	}
	sigma := 1.0
	best, evaluated := 0.0, 0
	s, err := spent(func() error {
		e := explore.New(plan, &explore.Band{Space: m, Excess: search.NewCompensator(m, p.Bands).Excess, Whole: 1000, Start: p.Anchor}, &sigma, 1)
		for evaluated < n {
			archs := e.Propose(min(8, n-evaluated))
			if len(archs) == 0 {
				return fmt.Errorf("no more than %d proposals", evaluated)
			}
			var told []explore.Evaluation
			for _, a := range archs {
				x, err := m.Evaluate(context.Background(), search.Request{Arch: a, Key: a.Key(), Seed: uint64(evaluated)})
				if err != nil {
					return err
				}
				best = max(best, x.Utility)
				told = append(told, explore.Evaluation{Arch: a, Utility: x.Utility})
				evaluated++
			}
			e.Tell(told)
		}
		return nil
	})
	return answer{"s": s, "best": best, "evaluations": evaluated}, err
}

// explored is the space that explorers are measured on.
func explored() *madeUp { return newMadeUp(20, 7) }

// writeUtilities writes, for the other side, what each choice of each layer of the explored
// space costs and is worth.
func writeUtilities(args []string) (answer, error) {
	if len(args) != 1 {
		return nil, fmt.Errorf("want the file to write, not %q", args)
	}
	m := explored()
	text, err := json.Marshal(map[string]any{"choices": m.names, "cost": m.cost, "worth": m.worth})
	if err != nil {
		return nil, err
	}
	return answer{}, os.WriteFile(args[0], text, 0o644)
}

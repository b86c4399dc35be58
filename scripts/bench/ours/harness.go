//go:build unix

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/child"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
)

// measuring is the agent's measuring child, driven as a campaign drives it.
var measuring *child.Talk

// patience is the time the child may be silent.
const patience = time.Minute

// startHarness starts the agent program's measuring child: args are the program and the backend.
func startHarness(args []string) (answer, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("want the agent program and a backend, not %q", args)
	}
	if measuring != nil {
		measuring.Close()
	}
	ctx := context.Background()
	p, err := child.Command{Path: args[0], Args: []string{"measuring-child"}}.Launch(ctx)
	if err != nil {
		return nil, err
	}
	measuring = child.NewTalk(p, 0)
	protocol := agent.DefaultProtocol()
	protocol.Threads = 1
	spec := agent.BackendSpec{Name: args[1], Provider: "cpu", Config: map[string]string{"flags": fmt.Sprintf(`{"Backend":%q,"Provider":"cpu"}`, args[1])}}
	library := ""
	_, err = measuring.Ask(ctx, child.Request{Hello: &child.Hello{Backend: spec, Protocol: protocol.Canonical()}}, patience, func(r child.Report) error {
		if r.Info != nil {
			library = r.Info.Path
		}
		return nil
	})
	return answer{"library": library}, err
}

// openInHarness opens a model file in the child.
func openInHarness(args []string) (answer, error) {
	if len(args) != 1 || measuring == nil {
		return nil, errors.New("want a model file, and a child to open it")
	}
	sum, err := filehash.SHA256(context.Background(), args[0])
	if err != nil {
		return nil, err
	}
	m := child.OpenModel{Model: benchmarks.Model{ID: args[0], File: args[0], SHA256: sum}, Repeat: 1}
	_, err = measuring.Ask(context.Background(), child.Request{Open: &child.Open{Models: []child.OpenModel{m}}}, patience, failed)
	return answer{}, err
}

// visitInHarness takes so many samples of a model that is open, as a visit of a campaign.
func visitInHarness(args []string) (answer, error) {
	n, err := number(args, 1)
	if err != nil {
		return nil, err
	}
	var us []float64
	q := child.Request{Measure: &child.Measure{Visits: []child.Visit{{Model: args[0], Samples: n}}}}
	_, err = measuring.Ask(context.Background(), q, patience, func(r child.Report) error {
		if r.Visit != nil {
			us = r.Visit.US
		}
		return failed(r)
	})
	if err != nil {
		return nil, err
	}
	return answer{"median_us": stats.Median(us), "least_us": slices.Min(us)}, nil
}

// failed is the failure that a report tells, as an error.
func failed(r child.Report) error {
	if r.Failed != nil {
		return r.Failed
	}
	return nil
}

// writeModel writes a chain of the catalogue as a model file: args are the file, its format and
// the operators' keys.
func writeModel(args []string) (answer, error) {
	if len(args) < 3 {
		return nil, fmt.Errorf("want a file, a format and keys, not %q", args)
	}
	var chain benchmarks.Chain
	for _, key := range args[2:] {
		op, err := lut.ParseOp(key)
		if err != nil {
			return nil, err
		}
		chain = append(chain, op)
	}
	m, err := agent.Build(benchmarks.Model{ID: "model", Chain: chain}, agent.BuildSpec{Format: agent.Format(args[1]), Seed: 1})
	if err != nil {
		return nil, err
	}
	return answer{}, os.WriteFile(args[0], m.Bytes, 0o644)
}

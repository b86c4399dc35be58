//go:build unix

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"

	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// looked holds what lookups are measured on: a space of 20 mutable layers, a table of all its
// cells, and sampled architectures as keys.
var looked struct {
	table   *lut.Table
	cost    *search.FastCost
	archs   []space.Arch
	changed []space.Arch // each differs from the one before in one layer
	chains  [][]lut.Op
	cells   []lut.Op
}

// prepareLookups reads the space and writes, for the other side, the same cells and
// architectures: args are the space's file and the file to write.
func prepareLookups(args []string) (answer, error) {
	if len(args) != 2 {
		return nil, fmt.Errorf("want the space's file and the one to write, not %q", args)
	}
	s, err := space.OpenMeasured(args[0])
	if err != nil {
		return nil, err
	}
	looked.cells = s.Cells()
	compiled, err := costgen.Compile(context.Background(), []costgen.Source{records(looked.cells, 1)}, costgen.Options{})
	if err != nil {
		return nil, err
	}
	if looked.table, err = lut.Decode(compiled.Encode()); err != nil { // as it is read from a file
		return nil, err
	}
	if looked.cost, err = search.FastLUTCost(s, looked.table); err != nil {
		return nil, err
	}
	looked.archs = space.Sample(s, 200, 1)
	one := looked.archs[0].Clone()
	for i := range 1000 {
		l := i * 7 % s.Layers()
		choices := s.Choices(l)
		one.Layers[l].Choice = choices[(i/s.Layers())%len(choices)]
		one.Layers[l].Width = i % s.Widths(l)
		if s.Validate(one) == nil {
			looked.changed = append(looked.changed, one.Clone())
		}
	}
	costs, chains, totals := map[string]float64{}, [][]string{}, []float64{}
	for _, op := range looked.cells {
		c, err := looked.table.Cost(op)
		if err != nil {
			return nil, err
		}
		costs[op.String()] = c.Value
	}
	for _, a := range looked.archs {
		chain, err := s.Lower(a)
		if err != nil {
			return nil, err
		}
		var keys []string
		for _, op := range chain {
			keys = append(keys, op.String())
		}
		total, err := looked.table.Network(chain)
		if err != nil {
			return nil, err
		}
		looked.chains, chains, totals = append(looked.chains, chain), append(chains, keys), append(totals, total.Value)
	}
	text, err := json.Marshal(map[string]any{"costs": costs, "chains": chains, "totals": totals})
	if err != nil {
		return nil, err
	}
	return answer{"layers": s.Layers(), "cells": len(looked.cells)}, os.WriteFile(args[1], text, 0o644)
}

// oneLookup is a cell's cost by its key.
func oneLookup([]string) (answer, error) {
	return each(func(i int) error {
		_, err := looked.table.Cost(looked.cells[i%len(looked.cells)])
		return err
	})
}

// oneArchitecture is a network's cost, by its kernels and as a search asks for it.
func oneArchitecture([]string) (answer, error) {
	a, err := each(func(i int) error {
		_, err := looked.cost.Cost(looked.archs[i%len(looked.archs)])
		return err
	})
	if err != nil {
		return nil, err
	}
	worst := 0.0
	for i, arch := range looked.archs {
		b, err := looked.cost.Cost(arch)
		if err != nil {
			return nil, err
		}
		c, err := looked.table.Network(looked.chains[i])
		if err != nil {
			return nil, err
		}
		worst = max(worst, math.Abs(b.Value/c.Value-1))
	}
	a["differs"] = worst
	chain, err := each(func(i int) error {
		_, err := looked.table.Network(looked.chains[i%len(looked.chains)])
		return err
	})
	a["kernels_s"] = chain["s"]
	return a, err
}

// changedLayer is the cost of an architecture that differs from the last in one layer.
func changedLayer([]string) (answer, error) {
	return each(func(i int) error {
		_, err := looked.cost.Cost(looked.changed[i%len(looked.changed)])
		return err
	})
}

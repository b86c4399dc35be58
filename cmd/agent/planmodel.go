package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/benchmarks/tflitereader"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/filehash"
)

// unplanned is a kernel or node of a model that no cell is planned for.
type unplanned struct {
	Model  string `json:"model"`
	Name   string `json:"name"`
	What   string `json:"what"` // its key, or its operator
	Reason string `json:"reason"`
}

// fromModels plans the kernels of models as cells, once each, and (with a set)
// the models themselves as networks whose cost is their kernels' sum.
func (o *planOptions) fromModels(p *benchmarks.Planner) error {
	dims, err := parseDims(o.Dims)
	if err != nil {
		return err
	}
	p.Cold = !o.Warm
	var names []string
	for i, path := range slices.Concat(o.Models, o.Calibrators) {
		set := o.Set
		if i >= len(o.Models) {
			set = benchmarks.SetCalibrate
		}
		net, err := readModel(path, dims)
		if err != nil {
			return err
		}
		names = append(names, net.Name)
		for _, w := range net.Warnings {
			o.warnings = append(o.warnings, net.Name+": "+w)
		}
		for _, u := range net.Unpriced {
			o.unplanned = append(o.unplanned, unplanned{net.Name, u.Name, u.Op, u.Reason})
		}
		whole := len(net.Unpriced) == 0
		for _, k := range net.Kernels {
			if err := p.Cell(k.Op); err != nil {
				whole = false
				o.unplanned = append(o.unplanned, unplanned{net.Name, k.Name, k.Op.String(), err.Error()})
			}
		}
		if set == "" {
			continue
		}
		file, err := o.besidePlan(path)
		if err != nil {
			return err
		}
		sum, err := filehash.SHA256(path)
		if err != nil {
			return err
		}
		ops := benchmarks.Chain(net.Ops())
		if !whole { // a sum that lacks kernels judges no table
			ops = nil
		}
		p.File(set, net.Name, file, sum, net.Dims, ops)
	}
	p.Source = "models " + strings.Join(names, ",")
	return nil
}

// readModel reads a model as the kernels its runtime makes of it: LiteRT of a .tflite
// file, ONNX Runtime of any other.
func readModel(path string, dims map[string]int) (*network.Network, error) {
	if tflitereader.Named(path) {
		if len(dims) > 0 {
			return nil, cli.Usagef("%s is a .tflite model, whose sizes are fixed: --dim is of ONNX", path)
		}
		return tflitereader.ReadFile(path)
	}
	return onnxreader.ReadFile(path, onnxreader.Options{Dims: dims})
}

// besidePlan is the path of a model as the plan names it: relative to the plan's
// folder.
func (o *planOptions) besidePlan(path string) (string, error) {
	dir := "."
	if o.Output != "" {
		dir = filepath.Dir(o.Output)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(dir, abs)
	if err != nil {
		return "", err
	}
	return filepath.ToSlash(rel), nil
}

// modelTalk lists what could not be planned, most frequent first.
func (o *planOptions) modelTalk() []string {
	var lines []string
	for _, w := range o.warnings {
		lines = append(lines, "warning: "+w)
	}
	type group struct {
		what, reason string
		n            int
		first        string
	}
	var groups []group
	for _, u := range o.unplanned {
		i := slices.IndexFunc(groups, func(g group) bool { return g.what == u.What && g.reason == u.Reason })
		if i < 0 {
			groups = append(groups, group{u.What, u.Reason, 1, u.Model + ": " + u.Name})
			continue
		}
		groups[i].n++
	}
	slices.SortStableFunc(groups, func(a, b group) int { return b.n - a.n })
	for _, g := range groups {
		lines = append(lines, fmt.Sprintf("not planned ×%d: %s: %s (first: %s)", g.n, g.what, g.reason, g.first))
	}
	return lines
}

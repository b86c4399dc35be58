package modelplan

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/hint"
)

// Unplanned is a kernel or node of a model that no cell is planned for.
type Unplanned struct {
	Model  string `json:"model"`
	Name   string `json:"name"`
	What   string `json:"what"` // its key, or its operator
	Reason string `json:"reason"`
}

// Kernels plans the kernels of models as cells, once each, and the models themselves as
// networks whose cost is their kernels' sum.
type Kernels struct {
	Planner *benchmarks.Planner
	Folder  string // that the plan will lie in: it names the files from there
	Dims    modelfile.Dims
	On      ortmodel.Target // the machine that ONNX Runtime is to run the models on

	Unplanned []Unplanned
	Warnings  []string // of the readers
	names     []string
	first     string // the first model, whose batch is the plan's
}

// Add plans a model. set says what the network itself is for, "" that it is not measured.
// All models must take as many items at once as the first: cells are measured at one batch.
func (k *Kernels) Add(ctx context.Context, f *modelfile.File, set role.Set) error {
	net, err := f.Kernels(modelfile.Use{Dims: k.Dims, Batch: k.Planner.Batch, On: k.On})
	if err != nil {
		return err
	}
	switch batch := k.Planner.Batch; {
	case net.Batch == 0:
		k.Warnings = append(k.Warnings, net.Name+": it does not say at which batch its kernels run: agent lower writes it again")
	case batch == 0:
		k.Planner.Batch, k.first = net.Batch, f.Path
	case batch != net.Batch:
		return hint.Wrap(fmt.Errorf("%s takes %d items at once, %s takes %d: a plan is of one batch", k.first, batch, f.Path, net.Batch),
			"make a plan for each, or give both the same batch with --dim")
	}
	k.names = append(k.names, net.Name)
	for _, w := range net.Warnings {
		k.Warnings = append(k.Warnings, net.Name+": "+w)
	}
	for _, u := range net.Unpriced {
		k.Unplanned = append(k.Unplanned, Unplanned{net.Name, u.Name, u.Op, u.Reason})
	}
	whole := len(net.Unpriced) == 0
	for _, c := range net.Kernels {
		if err := k.Planner.Cell(c.Op); err != nil {
			whole = false
			k.Unplanned = append(k.Unplanned, Unplanned{net.Name, c.Name, c.Op.String(), err.Error()})
		}
	}
	if set == "" {
		return nil
	}
	file, err := from(k.Folder, f.Path)
	if err != nil {
		return err
	}
	sum, err := modelfile.SHA256(ctx, f.Path)
	if err != nil {
		return err
	}
	ops := benchmarks.Chain(net.Ops())
	if !whole { // a sum that lacks kernels judges no table
		ops = nil
	}
	k.Planner.File(set, net.Name, benchmarks.Model{File: file, SHA256: sum, Dims: net.Dims, Signature: f.Chosen()}, ops)
	return nil
}

// Source names the models, for the plan's header.
func (k *Kernels) Source() string { return "models " + strings.Join(k.names, ",") }

// from is the path of a file as seen from a folder, with slashes.
func from(folder, path string) (string, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return "", err
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", err
	}
	rel, err := filepath.Rel(folder, path)
	if err != nil {
		return "", err
	}
	return filepath.ToSlash(rel), nil
}

// Talk lists what could not be planned, most frequent first, after the readers' warnings.
func (k *Kernels) Talk() []string {
	var lines []string
	for _, w := range k.Warnings {
		lines = append(lines, "warning: "+w)
	}
	type group struct {
		what, reason string
		n            int
		first        string
	}
	var groups []group
	for _, u := range k.Unplanned {
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

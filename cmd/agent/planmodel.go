package main

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/benchmarks/modelplan"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/cli"
)

// fromModels plans the kernels of models and (with a set) the models themselves.
func (o *planOptions) fromModels(ctx context.Context, env cli.Env, p *benchmarks.Planner) error {
	files, err := openModels(env, slices.Concat(o.Models, o.Calibrators), o.Signature)
	if err != nil {
		return err
	}
	if err := modelfile.CheckDims(o.Dims, files); err != nil {
		return cli.Usage(err)
	}
	p.Cold = !o.Warm
	on, caches, err := o.machine(ctx, files)
	if err != nil {
		return err
	}
	p.Caches = caches
	o.kernels = modelplan.Kernels{Planner: p, Folder: filepath.Dir(o.Output), Dims: o.Dims, On: on}
	for i, f := range files {
		set := o.Set
		if i >= len(o.Models) {
			set = role.Calibrate
		}
		if err := o.kernels.Add(ctx, f, set); err != nil {
			return err
		}
	}
	p.Source = o.kernels.Source()
	return nil
}

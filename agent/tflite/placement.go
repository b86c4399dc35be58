//go:build cgo

package tflite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/isocost/isocost/agent"
)

// Placement opens a second session and reads back where every node runs: from the
// execution plan with the classic library, from a profiled run with LiteRT. For
// the provider cpu every node is on the CPU, and the operator's name says whether
// XNNPACK or the library's own kernel has it.
func (b *Backend) Placement(ctx context.Context, model agent.Model, opt agent.Options) (agent.Placement, error) {
	if _, err := b.load(); err != nil {
		return agent.Placement{}, err
	}
	var p agent.Placement
	err := b.second(ctx, model, opt, b.lib.kind == LiteRT, func(s native) error {
		if c, ok := s.(*classicSession); ok {
			p.Nodes = c.placement()
			return nil
		}
		runs, err := s.(*litertSession).profile(1)
		if err != nil {
			return err
		}
		for i, e := range runs[0] {
			p.Nodes = append(p.Nodes, agent.PlacedNode{Name: fmt.Sprintf("node %d", i), Op: e.tag, Provider: e.owner(opt.Provider)})
		}
		return nil
	})
	if opt.Provider == CPU || opt.Provider == "" {
		for i, n := range p.Nodes {
			p.Nodes[i].Op, p.Nodes[i].Provider = n.Provider+": "+n.Op, CPU
		}
	}
	return p, err
}

// owner is who ran a profiled operator.
func (e event) owner(provider string) string {
	switch {
	case !e.delegate:
		return Builtin
	case provider == GPU:
		return GPU
	}
	return XNNPACK
}

// Profile runs the model in a session of its own and returns the median time of
// each kernel. Only LiteRT can profile.
func (b *Backend) Profile(ctx context.Context, model agent.Model, opt agent.Options, runs int) ([]agent.KernelTime, error) {
	if _, err := b.load(); err != nil {
		return nil, err
	}
	if b.lib.kind != LiteRT {
		return nil, fmt.Errorf("profile %s: %w: TensorFlow Lite's C API has no profiler; LiteRT has", model.Name, errors.ErrUnsupported)
	}
	var kernels []agent.KernelTime
	err := b.second(ctx, model, opt, true, func(s native) error {
		all, err := s.(*litertSession).profile(max(runs, 1))
		if err != nil {
			return err
		}
		first := all[0]
		for i, e := range first {
			var us []float64
			for _, run := range all {
				if len(run) != len(first) {
					return fmt.Errorf("profile %s: %d kernels in one run, %d in another", model.Name, len(first), len(run))
				}
				us = append(us, run[i].us)
			}
			kernels = append(kernels, agent.KernelTime{Name: fmt.Sprintf("node %d", i), Op: e.tag, US: median(us)})
		}
		return nil
	})
	return kernels, err
}

// second opens a session beside the timed one, feeds it and hands it to f.
func (b *Backend) second(ctx context.Context, model agent.Model, opt agent.Options, profile bool, f func(native) error) error {
	file, err := b.prepare(ctx, model, &opt)
	if err != nil {
		return err
	}
	t := newThread()
	defer t.stop()
	return t.do(func() error {
		s, err := b.openNative(file, model, opt, profile)
		if err != nil {
			return fmt.Errorf("open %s with %s on %s: %w", model.Name, b.lib.kind, opt.Provider, err)
		}
		defer s.close()
		in, _ := s.infos()
		data, err := inputData(in, opt, model.Graph != nil)
		if err != nil {
			return err
		}
		for i := range data {
			if err := s.write(i, data[i]); err != nil {
				return err
			}
		}
		return f(s)
	})
}

func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

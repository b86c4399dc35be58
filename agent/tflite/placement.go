//go:build cgo

package tflite

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

// Placement opens a second session and reads back where every node runs; see
// kernels. For the provider cpu every node is on the CPU, and the operator's name
// says whether XNNPACK or the library's own kernel has it.
func (b *Backend) Placement(ctx context.Context, model agent.Model, opt agent.Options) (agent.Placement, error) {
	nodes, err := b.kernels(ctx, model, opt)
	if err != nil {
		return agent.Placement{}, fmt.Errorf("placement of %s: %w", model.Name, err)
	}
	if opt.Provider == CPU || opt.Provider == "" {
		for i, n := range nodes {
			nodes[i].Op, nodes[i].Provider = n.Provider+": "+n.Op, CPU
		}
	}
	return agent.Placement{Nodes: nodes}, nil
}

// Execution judges a precision by the kernels that run; see judge.
func (b *Backend) Execution(ctx context.Context, model agent.Model, opt agent.Options, precision lut.Precision) (agent.Execution, error) {
	nodes, err := b.kernels(ctx, model, opt)
	if err != nil {
		return agent.Execution{}, fmt.Errorf("precision of %s: %w", model.Name, err)
	}
	file, err := b.prepare(ctx, model, &opt)
	if err != nil {
		return agent.Execution{}, err
	}
	m, err := tflitefb.Decode(file)
	if err != nil {
		return agent.Execution{}, err
	}
	half, _ := boolOption(opt, "fp16")
	half = half || opt.Provider == GPU && opt.ProviderOptions["precision"] == "fp16"
	return judge(m, nodes, opt.Provider, precision, half, noHalfArithmetic()), nil
}

// kernels opens a second session and lists what runs where: from the execution
// plan with the classic library, from a profiled run with LiteRT, whose kernels
// name themselves. LiteRT's GPU cannot be profiled; it takes a model whole or not
// at all, so the operators of the file are the nodes.
func (b *Backend) kernels(ctx context.Context, model agent.Model, opt agent.Options) ([]agent.PlacedNode, error) {
	if _, err := b.load(); err != nil {
		return nil, err
	}
	var nodes []agent.PlacedNode
	profile := b.lib.kind == LiteRT && opt.Provider != GPU
	err := b.second(ctx, model, opt, profile, func(s native, file []byte) error {
		if c, ok := s.(*classicSession); ok {
			nodes = c.placement()
			return nil
		}
		if !profile {
			m, err := tflitefb.Decode(file)
			if err != nil {
				return err
			}
			for i, op := range m.Operators {
				nodes = append(nodes, agent.PlacedNode{Name: fmt.Sprintf("node %d", i), Op: op.Code.String(), Provider: GPU})
			}
			return nil
		}
		runs, err := s.(*litertSession).profile(1)
		if err != nil {
			return err
		}
		for i, e := range runs[0] {
			nodes = append(nodes, agent.PlacedNode{Name: fmt.Sprintf("node %d", i), Op: e.tag, Provider: e.owner()})
		}
		return nil
	})
	return nodes, err
}

// owner names who ran a profiled operator.
func (e event) owner() string {
	if e.delegate {
		return XNNPACK
	}
	return Builtin
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
	err := b.second(ctx, model, opt, true, func(s native, _ []byte) error {
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
			kernels = append(kernels, agent.KernelTime{Name: fmt.Sprintf("node %d", i), Op: e.tag, Provider: e.owner(), US: median(us)})
		}
		return nil
	})
	return kernels, err
}

// second opens a session beside the timed one, feeds it and hands it to f.
func (b *Backend) second(ctx context.Context, model agent.Model, opt agent.Options, profile bool, f func(s native, file []byte) error) error {
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
		return f(s, file)
	})
}

func median(v []float64) float64 {
	slices.Sort(v)
	n := len(v)
	return (v[(n-1)/2] + v[n/2]) / 2
}

//go:build cgo

package ort

/*
#include <stdlib.h>
#include "shim.h"
*/
import "C"

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"unsafe"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/lut"
)

// secondPass holds what a session that is not timed does besides running.
type secondPass struct {
	config    map[string]string // session configuration entries
	profile   string            // prefix of the profile's file
	optimised string            // where to write the optimised model
	counted   bool              // memory comes from the counting allocator, block by block
}

// plain reports whether a session is a timed one.
func (s secondPass) plain() bool {
	return len(s.config) == 0 && s.profile == "" && s.optimised == "" && !s.counted
}

// Placement tells which provider owns each node of the model, as the runtime
// partitioned it. Unlike Open it does not refuse a fallback but shows it.
func (b *Backend) Placement(ctx context.Context, model agent.Model, opt agent.Options) (agent.Placement, error) {
	l, err := b.load()
	if err != nil {
		return agent.Placement{}, err
	}
	fail := func(err error) (agent.Placement, error) {
		return agent.Placement{}, fmt.Errorf("placement of %s: %w", describe(model), err)
	}
	s, err := l.open(ctx, model, opt, secondPass{config: map[string]string{
		"session.record_ep_graph_assignment_info": "1",
		"session.disable_cpu_ep_fallback":         "0",
	}})
	if err != nil {
		return fail(err)
	}
	defer s.Close()
	var subgraphs *unsafe.Pointer
	var n C.size_t
	if err := l.check(C.iso_assignment(l.api, s.raw, &subgraphs, &n)); err != nil {
		return fail(err)
	}
	var p agent.Placement
	for _, sub := range unsafe.Slice(subgraphs, int(n)) {
		var ep *C.char
		var nodes *unsafe.Pointer
		var count C.size_t
		if err := l.check(C.iso_subgraph(l.api, sub, &ep, &nodes, &count)); err != nil {
			return fail(err)
		}
		for _, node := range unsafe.Slice(nodes, int(count)) {
			var name, domain, op *C.char
			if err := l.check(C.iso_node(l.api, node, &name, &domain, &op)); err != nil {
				return fail(err)
			}
			p.Nodes = append(p.Nodes, agent.PlacedNode{
				Name: C.GoString(name), Op: qualified(C.GoString(domain), C.GoString(op)), Provider: l.provider(C.GoString(ep)),
			})
		}
	}
	return p, nil
}

// provider is the user's name for the provider the runtime calls long.
func (l *library) provider(long string) string {
	for name, p := range l.plugins {
		if len(p.devices) > 0 && C.GoString(C.iso_ep_name(l.api, p.devices[0])) == long {
			return name
		}
	}
	return shortProvider(long)
}

// qualified is an operator's name with its domain, where that is not ONNX's own.
func qualified(domain, op string) string {
	if domain == "" || domain == "ai.onnx" {
		return op
	}
	return domain + "." + op
}

// Profile runs the model runs times in a profiling session and returns the
// kernels of the optimised graph with the median of their times.
func (b *Backend) Profile(ctx context.Context, model agent.Model, opt agent.Options, runs int) ([]agent.KernelTime, error) {
	l, err := b.load()
	if err != nil {
		return nil, err
	}
	kernels, err := l.profile(ctx, model, opt, runs)
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", describe(model), err)
	}
	return kernels, nil
}

func (l *library) profile(ctx context.Context, model agent.Model, opt agent.Options, runs int) ([]agent.KernelTime, error) {
	if runs < 1 {
		return nil, fmt.Errorf("%d runs are none", runs)
	}
	dir, err := os.MkdirTemp("", "isocost-profile-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	s, err := l.open(ctx, model, opt, secondPass{profile: filepath.Join(dir, "ort")})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	for range runs {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.Run(); err != nil {
			return nil, err
		}
	}
	var file *C.char
	if err := l.check(C.iso_end_profiling(l.api, s.raw, &file)); err != nil {
		return nil, err
	}
	path := C.GoString(file)
	C.iso_free(l.api, unsafe.Pointer(file))
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	kernels, err := parseProfile(data)
	if err != nil {
		return nil, err
	}
	for i := range kernels {
		kernels[i].Provider = l.provider(kernels[i].Provider)
	}
	return kernels, nil
}

// Execution judges a precision by the kernels that ran; see judge.
func (b *Backend) Execution(ctx context.Context, model agent.Model, opt agent.Options, precision lut.Precision) (agent.Execution, error) {
	l, err := b.load()
	if err != nil {
		return agent.Execution{}, err
	}
	kernels, err := l.profile(ctx, model, opt, 1)
	if err != nil {
		return agent.Execution{}, fmt.Errorf("precision of %s: %w", describe(model), err)
	}
	if precision == lut.FP32 && opt.ProviderOptions[fastMath] == "1" {
		by, err := l.fastMathChanges(ctx, model, opt)
		if err != nil {
			return agent.Execution{}, fmt.Errorf("precision of %s: %w", describe(model), err)
		}
		// Between the rounding of float32 (6e-8) and of bfloat16 (4e-3): kernels that add in another order differ by the former.
		if by > 1e-5 {
			return agent.Execution{Mode: agent.Emulated,
				Why: fmt.Sprintf("matrix products ran in bfloat16: without %s the outputs differ by %.1e (relative RMS)", fastMath, by)}, nil
		}
	}
	return judge(kernels, precision), nil
}

// fastMath is the session option by which ONNX Runtime's CPU kernels multiply
// float32 matrices in bfloat16, on ARM processors that can. The kernels still read
// and write float32: only the outputs show it.
const fastMath = "mlas.enable_gemm_fastmath_arm64_bfloat16"

// fastMathChanges is by how much the option changes a model's outputs (relative
// RMS); 0 where it does nothing.
func (l *library) fastMathChanges(ctx context.Context, model agent.Model, opt agent.Options) (float64, error) {
	run := func(opt agent.Options) ([]agent.Tensor, error) {
		s, err := l.open(ctx, model, opt, secondPass{})
		if err != nil {
			return nil, err
		}
		defer s.Close()
		if err := s.Run(); err != nil {
			return nil, err
		}
		return s.Outputs()
	}
	with, err := run(opt)
	if err != nil {
		return 0, err
	}
	opt.ProviderOptions = maps.Clone(opt.ProviderOptions)
	delete(opt.ProviderOptions, fastMath)
	without, err := run(opt)
	if err != nil {
		return 0, err
	}
	diff, err := agent.CompareTensors(with, without)
	return diff.RelRMS, err
}

// Optimised returns the model as the runtime runs it here: fused, constants
// folded, in this CPU's layouts. It is an ONNX file with operators of the
// runtime's own, good for reading; another version or machine may not run it.
func (b *Backend) Optimised(ctx context.Context, model agent.Model, opt agent.Options) ([]byte, error) {
	l, err := b.load()
	if err != nil {
		return nil, err
	}
	fail := func(err error) ([]byte, error) {
		return nil, fmt.Errorf("optimise %s: %w", describe(model), err)
	}
	dir, err := os.MkdirTemp("", "isocost-optimised-")
	if err != nil {
		return fail(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "model.onnx")
	s, err := l.open(ctx, model, opt, secondPass{optimised: path})
	if err != nil {
		return fail(err)
	}
	s.Close()
	data, err := os.ReadFile(path)
	if err != nil {
		return fail(err)
	}
	return data, nil
}

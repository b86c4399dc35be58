package probe

import (
	"context"
	"errors"
	"fmt"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// Once loads a backend's library and, when a provider is named, runs a small convolution
// on it and on the CPU. Errors: the library cannot be loaded, the provider cannot run the
// model or computes something else than the CPU; the result holds what was found before.
func Once(ctx context.Context, backend agent.Backend, provider string) (Result, error) {
	var r Result
	info, err := backend.Info()
	if err != nil {
		return r, err
	}
	r.Version, r.Path, r.SHA256, r.Providers = info.Version, info.Path, info.SHA256, info.Providers
	if lister, ok := backend.(agent.AcceleratorLister); ok {
		if r.Devices, err = lister.Accelerators(); err != nil {
			return r, err
		}
	}
	if provider == "" {
		return r, nil
	}
	op := lut.NewOp("conv", lut.FP32, map[string]string{"k": "3", "s": "1", "act": "relu"}, map[string]int{"h": 8, "w": 8, "cin": 8, "cout": 8})
	model, err := agent.Build(benchmarks.Model{ID: "probe", Chain: benchmarks.Chain{op}}, agent.BuildSpec{Format: info.Format})
	if err != nil {
		return r, err
	}
	run := func(provider string) ([]agent.Tensor, error) {
		return Run(ctx, backend, model, agent.Options{Provider: provider, Threads: 1, Transfers: true, Seed: 1})
	}
	got, err := run(provider)
	if err != nil {
		return r, err
	}
	want, err := run("cpu")
	if err != nil {
		return r, fmt.Errorf("reference on cpu: %w", err)
	}
	// Half-precision accumulation of 72 products is the worst a provider may do.
	const tolerance = 1e-2
	n, err := agent.CompareTensors(got, want)
	if err == nil && !(n.RelRMS <= tolerance) {
		err = fmt.Errorf("it computes something else than the CPU: relative RMS error %.2g", n.RelRMS)
	}
	return r, err
}

// Run opens a model, runs it once, hands back its outputs and closes it.
func Run(ctx context.Context, backend agent.Backend, m agent.Model, opt agent.Options) ([]agent.Tensor, error) {
	session, err := backend.Open(ctx, m, opt)
	if err != nil {
		return nil, err
	}
	defer session.Close()
	if err := session.Run(); err != nil {
		return nil, err
	}
	reader, ok := session.(agent.OutputReader)
	if !ok {
		return nil, errors.New("the backend does not hand back outputs")
	}
	return reader.Outputs()
}

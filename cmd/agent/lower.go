package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/ort"
	"github.com/isocost/isocost/benchmarks/kernelfile"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/filehash"
	"github.com/isocost/isocost/internal/hint"
)

func lowerCommand() cli.Command {
	return cli.Command{
		Name:  "lower",
		Args:  "net.onnx…",
		Short: "writes the kernels of a model as the runtime here runs them",
		Long: `
A model as exported says little of what runs: the runtime fuses, folds and quantises. lower has ONNX Runtime optimise
the model for this machine and provider and writes its kernels as keys, which costgen predict takes instead of the
model. A node that no key describes is listed with the reason, never left out.`,
		Example: "agent lower net.onnx --dim batch=1 -o net.kernels.json",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o lowerOptions
			o.AddFlags(flags)
			return func(ctx context.Context, env cli.Env, args []string) error { return o.run(ctx, env, args) }
		},
	}
}

type lowerOptions struct {
	backendOptions
	Dims   modelfile.Dims
	Output string
}

func (o *lowerOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.Output, "output", "o", "", "`FILE` to write, or for several models a folder (default: standard output)")
	flags.VarP(&o.Dims, "dim", "f", modelfile.DimHelp)
	o.backendOptions.AddFlags(flags)
}

func (o *lowerOptions) run(ctx context.Context, env cli.Env, models []string) error {
	if len(models) == 0 {
		return cli.Usagef("no model is named")
	}
	if o.Backend != ort.Name {
		return cli.Usagef("lower reads the graph ONNX Runtime optimised; --backend %s has none", o.Backend)
	}
	isDir := false
	if info, err := os.Stat(o.Output); err == nil {
		isDir = info.IsDir()
	}
	if len(models) > 1 && !isDir {
		return cli.Usage(hint.Wrap(fmt.Errorf("%d models need a folder to be written to", len(models)), "name an existing folder with -o"))
	}
	if err := cli.NewOutput("-o", o.Output, models...); err != nil {
		return err
	}
	files, err := openModels(models)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Format != modelfile.ONNX {
			return cli.Usage(hint.Wrap(fmt.Errorf("%s is not an ONNX model: lower reads the graph ONNX Runtime optimised", f.Path),
				"costgen predict and agent plan read .tflite models as they are"))
		}
	}
	if err := modelfile.CheckDims(o.Dims, files); err != nil {
		return cli.Usage(err)
	}
	options, err := o.providerOptions()
	if err != nil {
		return err
	}
	backend, err := o.ort()
	if err != nil {
		return err
	}
	info, err := backend.Info()
	if err != nil {
		return err
	}
	for _, f := range files {
		data, err := o.lower(ctx, backend, info, options, f)
		if err != nil {
			return err
		}
		switch {
		case o.Output == "":
			_, err = env.Stdout.Write(data)
		case isDir:
			err = atomicfile.Write(filepath.Join(o.Output, f.Name+".kernels.json"), data, 0o644)
		default:
			err = atomicfile.Write(o.Output, data, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lower has the runtime optimise one model and returns its kernel file.
func (o *lowerOptions) lower(ctx context.Context, backend *ort.Backend, info agent.Info, options map[string]string, f *modelfile.File) ([]byte, error) {
	sum, err := filehash.SHA256(f.Path)
	if err != nil {
		return nil, err
	}
	dims := f.Own(o.Dims)
	optimised, err := backend.Optimised(ctx, agent.Model{Name: f.Path, Path: f.Path, Dims: dims},
		agent.Options{Provider: o.Provider, ProviderOptions: options, Threads: 1, Transfers: true, Seed: 1})
	if err != nil {
		return nil, err
	}
	net, err := f.Optimised(optimised, o.Dims)
	if err != nil {
		return nil, err
	}
	return kernelfile.Encode(&kernelfile.File{
		Format: kernelfile.Format, Model: filepath.Base(f.Path), SHA256: sum, Dims: dims,
		Runtime: kernelfile.Runtime{Backend: info.Backend, Version: info.Version, SHA256: info.SHA256, Provider: o.Provider},
		Network: *net,
	})
}

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/ort"
	"github.com/isocost/isocost/benchmarks/kernelfile"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/cli"
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
	Dims   map[string]int
	Output string
}

func (o *lowerOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.Output, "output", "o", "", "`FILE` to write, or for several models a folder (default: standard output)")
	flags.StringToIntVarP(&o.Dims, "dim", "f", nil, "`NAME=N`, the value of a symbolic dimension; may be repeated")
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
	for name, n := range o.Dims {
		if n < 1 {
			return cli.Usagef("--dim %s=%d is not at least 1", name, n)
		}
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
	for _, path := range models {
		data, err := o.lower(ctx, backend, info, options, path)
		if err != nil {
			return err
		}
		switch {
		case o.Output == "":
			_, err = env.Stdout.Write(data)
		case isDir:
			name := strings.TrimSuffix(filepath.Base(path), ".onnx") + ".kernels.json"
			err = atomicfile.Write(filepath.Join(o.Output, name), data, 0o644)
		default:
			err = atomicfile.Write(o.Output, data, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// lower reads one model and returns its kernel file.
func (o *lowerOptions) lower(ctx context.Context, backend *ort.Backend, info agent.Info, options map[string]string, path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	optimised, err := backend.Optimised(ctx, agent.Model{Name: path, Path: path, Dims: o.Dims},
		agent.Options{Provider: o.Provider, ProviderOptions: options, Threads: 1, Transfers: true, Seed: 1})
	if err != nil {
		return nil, err
	}
	network, err := onnxreader.Read(optimised, onnxreader.Options{
		Dims: o.Dims, Name: strings.TrimSuffix(filepath.Base(path), ".onnx"), Root: os.DirFS(filepath.Dir(path)),
	})
	if err != nil {
		return nil, fmt.Errorf("read the optimised form of %s: %w", path, err)
	}
	f := &kernelfile.File{
		Format: kernelfile.Format, Model: filepath.Base(path), SHA256: hex.EncodeToString(sum[:]), Dims: maps.Clone(o.Dims),
		Runtime: kernelfile.Runtime{Backend: info.Backend, Version: info.Version, SHA256: info.SHA256, Provider: o.Provider},
		Network: *network,
	}
	return kernelfile.Encode(f)
}

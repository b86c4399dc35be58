package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/ort"
	"github.com/isocost/isocost/benchmarks/kernelfile"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

func lowerCommand() cli.Command {
	return cli.Command{
		Name:  "lower",
		Args:  "net.onnx…",
		Short: "writes the kernels of a model as the runtime here runs them",
		Long: `
A model as exported says little of what runs: the runtime fuses, folds and quantises. lower has ONNX Runtime optimise
the model for this machine and provider and writes its kernels as keys, which costgen predict takes instead of the
model. A node that no key describes is listed with the reason, never left out.

With --against-rules nothing is written: it reports where those kernels differ from the ones that costgen predict takes
from the model itself by rules; "-" marks what only the rules have, "+" what only the runtime has. That is where to mend
a wrong prediction. Transpositions are not compared.`,
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
	Dims         modelfile.Dims
	Output       string
	AgainstRules bool
}

func (o *lowerOptions) AddFlags(flags *pflag.FlagSet) {
	flags.StringVarP(&o.Output, "output", "o", "", "write to this `FILE`, or for several models into this folder (default: standard output)")
	flags.VarP(&o.Dims, "dim", "f", modelfile.DimHelp+"; a batch without a length is 1")
	flags.BoolVar(&o.AgainstRules, "against-rules", false, "report where the runtime's kernels differ from those by rules, instead of writing them")
	o.backendOptions.AddFlags(flags)
}

// replacesPart is the error of an output that is a file in which one of the models keeps its
// tensors.
func (o *lowerOptions) replacesPart(models []string) error {
	for _, m := range models {
		parts, err := modelfile.Parts(m)
		if err != nil {
			return err
		}
		for i, p := range parts {
			parts[i] = filepath.Join(filepath.Dir(m), p)
		}
		if err := cli.NewOutput("-o", o.Output, parts...); err != nil {
			return err
		}
	}
	return nil
}

func (o *lowerOptions) run(ctx context.Context, env cli.Env, models []string) error {
	if len(models) == 0 {
		return cli.Usagef("no model is named")
	}
	if o.Backend != ort.Name {
		return cli.Usagef("lower reads the graph ONNX Runtime optimised; --backend %s has none", o.Backend)
	}
	if o.AgainstRules && o.Output != "" {
		return cli.Usagef("--against-rules writes no kernels: leave -o out")
	}
	isDir := false
	if info, err := os.Stat(o.Output); err == nil {
		isDir = info.IsDir()
	}
	if len(models) > 1 && !isDir && !o.AgainstRules {
		return cli.Usage(hint.Wrap(fmt.Errorf("%d models need a folder to be written to", len(models)), "name an existing folder with -o"))
	}
	if err := cli.NewOutput("-o", o.Output, models...); err != nil {
		return err
	}
	files, err := openModels(env, models, "")
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
	if err := o.replacesPart(models); err != nil {
		return err
	}
	options, err := o.providerOptions()
	if err != nil {
		return err
	}
	backend, err := o.ORT.New()
	if err != nil {
		return cli.Usage(err)
	}
	info, err := backend.Info()
	if err != nil {
		return err
	}
	on, err := layoutHere(ctx, backend, o.Provider)
	if err != nil {
		fmt.Fprintf(env.Stderr, "agent: how maps lie here is not known (%v): the models are read as %s\n", err, on)
	}
	apart := 0
	for _, f := range files {
		lowered, err := o.lower(ctx, backend, info, options, f, on)
		if err != nil {
			return err
		}
		if o.AgainstRules {
			rules, err := f.Kernels(modelfile.Use{Dims: o.Dims, On: on})
			if err != nil {
				return err
			}
			diff := network.Differences(rules, &lowered.Network, ortmodel.Work)
			if err := printDifferences(env.Stdout, f.Path, rules, lowered, diff); err != nil {
				return err
			}
			if len(diff) > 0 {
				apart++
			}
			continue
		}
		data, err := kernelfile.Encode(lowered)
		if err != nil {
			return err
		}
		switch {
		case o.Output == "":
			_, err = cli.Raw(env.Stdout).Write(data)
		case isDir:
			err = atomicfile.Write(filepath.Join(o.Output, f.Name+".kernels.json"), data, 0o644)
		default:
			err = atomicfile.Write(o.Output, data, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if apart > 0 {
		return cli.Partial(hint.Wrap(fmt.Errorf("the rules and the runtime differ for %d of %d models", apart, len(files)),
			"lower the model and predict from what that writes"))
	}
	return nil
}

// printDifferences says how the rules' kernels of a model and the runtime's compare.
func printDifferences(w io.Writer, path string, rules *network.Network, lowered *kernelfile.File, diff []network.Difference) error {
	var b strings.Builder
	verdict := "they agree"
	if len(diff) > 0 {
		verdict = "they differ:"
	}
	fmt.Fprintf(&b, "%s: %d kernels by rules, %d by %s %s; %s\n", path, len(rules.Kernels), len(lowered.Network.Kernels), lowered.Runtime.Backend, lowered.Runtime.Version, verdict)
	for _, d := range diff {
		fmt.Fprintf(&b, "  %s\n", d)
		for _, side := range []struct {
			name    string
			kernels []string
		}{{"rules", d.Rules}, {"runtime", d.Runtime}} {
			if len(side.kernels) > 0 {
				fmt.Fprintf(&b, "       %s: %s\n", side.name, strings.Join(side.kernels, ", "))
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// lower has the runtime optimise one model and reads what it made of it.
func (o *lowerOptions) lower(ctx context.Context, backend *ort.Backend, info agent.Info, options map[string]string, f *modelfile.File, on ortmodel.Target) (*kernelfile.File, error) {
	sum, err := modelfile.SHA256(ctx, f.Path)
	if err != nil {
		return nil, err
	}
	dims := f.WithBatch(o.Dims)
	optimised, err := backend.Optimised(ctx, agent.Model{Name: f.Path, Path: f.Path, Dims: dims},
		agent.Options{Provider: o.Provider, ProviderOptions: options, Threads: 1, Transfers: true, Seed: 1})
	if err != nil {
		return nil, err
	}
	net, err := f.Optimised(optimised, modelfile.Use{Dims: dims, On: on})
	if err != nil {
		return nil, err
	}
	return &kernelfile.File{
		Format: kernelfile.Format, Model: filepath.Base(f.Path), SHA256: sum, Dims: dims,
		Runtime: lut.Library{Backend: info.Backend, Version: info.Version, SHA256: info.SHA256, Provider: o.Provider},
		Network: *net,
	}, nil
}

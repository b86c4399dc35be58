package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/search/space"
)

func exportCommand() cli.Command {
	return cli.Command{
		Name:  "export",
		Args:  "[ARCH]",
		Short: "writes an architecture as a model",
		Long: `
ARCH is a run directory (its final), an arch.json or a key; without one it is the space's default x0. A network of a
space of modules is made of its files and computes what they compute; any other has random weights, drawn from
--seed: it is there to be measured or looked at.`,
		Example: "isosearch export --space examples/tiny-cnn/space.yaml -o x0.onnx",
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o exportOptions
			f.StringVar(&o.space, "space", "", "search space of the architecture")
			f.StringVarP(&o.out, "output", "o", "", "`FILE` to write, of the format that its name says: .onnx or .tflite")
			f.Uint64Var(&o.seed, "seed", 1, "seed of the weights of a space without modules")
			return o.run
		},
	}
}

type exportOptions struct {
	space, out string
	seed       uint64
}

func (o *exportOptions) run(_ context.Context, env cli.Env, args []string) error {
	if o.space == "" || o.out == "" || len(args) > 1 {
		return cli.Usagef("--space and -o are needed, and one architecture at most")
	}
	write := onnxwriter.Write
	switch ext := filepath.Ext(o.out); ext {
	case ".onnx":
	case ".tflite":
		write = tflitewriter.Write
	default:
		return cli.Usagef("-o %s: a model's name ends in .onnx or .tflite", o.out)
	}
	if err := cli.NewOutput("-o", o.out, append(filesRead(o.space, nil), args...)...); err != nil {
		return err
	}
	sp, err := space.Open(o.space)
	if err != nil {
		return err
	}
	low, ok := sp.(space.Lowerer)
	if !ok {
		return cli.Usagef("%s is not a space of networks: there is nothing to export", o.space)
	}
	arch := sp.Default()
	if len(args) == 1 {
		if _, arch, err = readArch(sp, args[0]); err != nil {
			return err
		}
	}
	chain, err := low.Lower(arch)
	if err != nil {
		return err
	}
	g, err := benchmarks.Build(chain, benchmarks.BuildOptions{Seed: o.seed, Modules: space.ModulesOf(sp), LiteRT: filepath.Ext(o.out) == ".tflite"})
	if err != nil {
		return err
	}
	data, err := write(g)
	if err != nil {
		return fmt.Errorf("%s as %s: %w", arch.Key(), filepath.Ext(o.out)[1:], err)
	}
	if err := atomicfile.Write(o.out, data, 0o644); err != nil {
		return err
	}
	_, err = fmt.Fprintln(env.Stdout, arch.Key())
	return err
}

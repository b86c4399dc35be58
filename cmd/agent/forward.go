package main

import (
	"context"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/probe"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/forward"
)

func forwardCommand() cli.Command {
	return cli.Command{
		Name:  "forward",
		Short: "runs models once each for another program, by JSON lines",
		Long: `
Reads one request per line on standard input and answers each with one line on standard output:

  {"id":"a","model":"net.onnx","seed":1}
  {"id":"a","outputs":[{"name":"score","dtype":"float32","shape":[1],"data":"AACAPw=="}]}

Inputs that a request does not give are drawn from its seed. A request that cannot be understood or run is
answered by {"id":…,"error":…,"hint":…}; the next one is taken all the same. The first line written names the
runtime. Data are base64 of row-major little-endian elements. This is not a measurement: nothing is timed.`,
		Example: `echo '{"id":"a","model":"net.onnx","seed":1}' | agent forward`,
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			var o forwardOptions
			o.AddFlags(flags)
			return func(ctx context.Context, env cli.Env, args []string) error { return o.run(ctx, env, args) }
		},
	}
}

type forwardOptions struct {
	backendOptions
	Threads int
}

func (o *forwardOptions) AddFlags(flags *pflag.FlagSet) {
	o.backendOptions.AddFlags(flags)
	flags.IntVar(&o.Threads, "threads", 1, "number of threads per model")
}

func (o *forwardOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if len(args) > 0 {
		return cli.Usagef("forward takes no arguments; requests come on standard input")
	}
	if o.Threads < 1 {
		return cli.Usagef("--threads %d is not at least 1", o.Threads)
	}
	options, err := o.providerOptions()
	if err != nil {
		return err
	}
	stdout, err := dataStream(env.Stdout)
	if err != nil {
		return err
	}
	backend, err := o.open()
	if err != nil {
		return err
	}
	info, err := backend.Info()
	if err != nil {
		return err
	}
	return forward.Serve(ctx, env.Stdin, stdout, forward.Hello{Backend: info.Backend, Version: info.Version, SHA256: info.SHA256},
		func(ctx context.Context, r forward.Request) ([]forward.Tensor, error) {
			return answer(ctx, backend, r, agent.Options{Provider: o.Provider, ProviderOptions: options, Threads: o.Threads, Transfers: true, Seed: r.Seed})
		})
}

// answer runs the requested model once.
func answer(ctx context.Context, backend agent.Backend, r forward.Request, opt agent.Options) ([]forward.Tensor, error) {
	if len(r.Inputs) > 0 {
		opt.Inputs = map[string]agent.Tensor{}
		for _, in := range r.Inputs {
			opt.Inputs[in.Name] = agent.Tensor(in)
		}
	}
	f, err := modelfile.OpenSignature(r.Model, r.Signature)
	if err != nil {
		return nil, err
	}
	if err := modelfile.CheckDims(r.Dims, []*modelfile.File{f}); err != nil {
		return nil, err
	}
	outputs, err := probe.Run(ctx, backend, agent.Model{Name: r.Model, Path: r.Model, Dims: f.Own(r.Dims), Signature: f.Chosen()}, opt)
	if err != nil {
		return nil, err
	}
	var list []forward.Tensor
	for _, out := range outputs {
		list = append(list, forward.Tensor(out))
	}
	return list, nil
}

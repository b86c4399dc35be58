package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

type censusOptions struct {
	family, precision string
	with, out         string
	dims              modelfile.Dims
}

func censusCommand() cli.Command {
	return cli.Command{
		Name:  "census",
		Args:  "[net.onnx…|net.tflite…]",
		Short: "lists what networks are made of, for the plan of a device's table",
		Long: `
A census holds, for each network, its kernels as keys, first to last. agent plan
--device and costgen build choose from it what to measure; without one they take the
built-in census of public networks. The models given are added, as one family, to the
census that --with names, or make one of their own. Without models the census is
summarised: of --with, else the built-in one.`,
		Example: "costgen census net.onnx other.onnx --family mine --dim batch=1 -o mine.census.jsonl.gz",
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o censusOptions
			f.StringVar(&o.family, "family", "", "name of the family that the models are of")
			f.StringVar(&o.precision, "precision", string(lut.FP32), "precision that the models were exported in")
			f.StringVar(&o.with, "with", "", "add to the networks of this census `FILE`")
			f.VarP(&o.dims, "dim", "f", modelfile.DimHelp)
			f.StringVarP(&o.out, "output", "o", "", "census to write")
			return o.run
		},
	}
}

func (o *censusOptions) run(ctx context.Context, env cli.Env, args []string) error {
	switch {
	case len(args) > 0 && o.family == "":
		return cli.Usagef("no --family: networks of one family share blocks, and are left out together when a table is judged")
	case len(args) > 0 && o.out == "":
		return cli.Usagef("no -o: say which census to write")
	case len(args) == 0 && o.out != "":
		return cli.Usagef("no models to add")
	case !slices.Contains(lut.Precisions, lut.Precision(o.precision)):
		return cli.Usagef("unknown precision %q; there are %v", o.precision, lut.Precisions)
	}
	c := &census.Census{}
	var err error
	switch {
	case o.with != "":
		c, err = census.Open(o.with)
	case len(args) == 0:
		c, err = census.Default()
	}
	if err != nil {
		return err
	}
	if len(args) == 0 {
		return summariseCensus(env, c)
	}
	if o.out != o.with { // to add to a census in its place is the common case
		if err := cli.NewOutput("-o", o.out, args...); err != nil {
			return err
		}
	}
	unread := 0
	for _, path := range args {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := o.network(path)
		if err != nil {
			if len(args) == 1 {
				return err
			}
			env.Complain("costgen", err) // the other models may be sound
			unread++
			continue
		}
		if n.Unpriced > 0 {
			fmt.Fprintf(env.Stderr, "costgen: warning: %s: %d nodes have no key and are left out\n", path, n.Unpriced)
		}
		c.Add(n)
	}
	if unread == len(args) {
		return errors.New("no model could be read: nothing was written")
	}
	data, err := c.Encode()
	if err != nil {
		return err
	}
	if err := writeOut(env, o.out, data); err != nil {
		return err
	}
	fmt.Fprintf(env.Stderr, "costgen: wrote %s: %d networks\n", o.out, len(c.Networks))
	if unread > 0 {
		return cli.Partial(hint.Wrap(fmt.Errorf("%d of %d models are not in the census", unread, len(args)), "see the errors above"))
	}
	return nil
}

// network reads a model as one of the family.
func (o *censusOptions) network(path string) (census.Network, error) {
	f, err := modelfile.Open(path)
	if err != nil {
		return census.Network{}, err
	}
	net, err := f.Kernels(modelfile.Use{Dims: o.dims})
	if err != nil {
		return census.Network{}, err
	}
	if len(net.Kernels) == 0 {
		return census.Network{}, fmt.Errorf("%s: nothing in it has a key", path)
	}
	name, _, _ := strings.Cut(net.Name, ".") // NAME.FORM.onnx, as exporters of many forms write
	return census.Network{Name: name, Family: o.family, Precision: lut.Precision(o.precision), Kernels: net.Ops(), Unpriced: len(net.Unpriced)}, nil
}

// summariseCensus prints the families and the kinds of a census.
func summariseCensus(env cli.Env, c *census.Census) error {
	for _, p := range lut.Precisions {
		part := c.Of([]lut.Precision{p})
		if len(part.Networks) == 0 {
			continue
		}
		kernels := part.Kernels()
		if _, err := fmt.Fprintf(env.Stdout, "%s: %d networks of %d families, %d different kernels\n", p, len(part.Networks), len(part.Families()), len(kernels)); err != nil {
			return err
		}
		kinds := map[string]*kindShare{}
		var order []*kindShare
		for _, k := range kernels {
			s := kinds[k.Op.Kind]
			if s == nil {
				s = &kindShare{kind: k.Op.Kind}
				kinds[k.Op.Kind] = s
				order = append(order, s)
			}
			s.kernels++
			s.share += k.Share
		}
		slices.SortStableFunc(order, func(a, b *kindShare) int { return cmp.Compare(b.share, a.share) })
		for _, s := range order {
			if _, err := fmt.Fprintf(env.Stdout, "  %-14s %5d kernels  %5.1f %% of the time, by roofline\n", s.kind, s.kernels, 100*s.share); err != nil {
				return err
			}
		}
	}
	return nil
}

type kindShare struct {
	kind    string
	kernels int
	share   float64
}

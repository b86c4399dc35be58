package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/isocost/isocost/costgen/exchange"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/strictjson"
	"github.com/isocost/isocost/lut"
)

type importOptions struct {
	exchange.Options
	from, out, precision string
	json                 bool
}

// importFormats are those of a file, and that of a folder.
var importFormats = append(slices.Clone(exchange.Formats), exchange.MobileML)

func importCommand() cli.Command {
	return cli.Command{
		Name:  "import",
		Args:  "FILE|FOLDER",
		Short: "reads a published table and reports its defects",
		Long: `
Formats: ofa (once-for-all, ProxylessNAS YAML), fbnet (mobile-vision JSON), tfnas
(TF-NAS JSON), csv (columns key,us[,lo_us,hi_us,n]), json (what export writes).
mobile-ml-benchmark takes the published folder of kernels and networks on phones' GPUs
and writes a table per phone into the folder -o, with a model of the device that prices
other networks, or the one that --device names to the file -o.
Cells that are not positive are refused by name.`,
		Example: "costgen import --from tfnas latency_cpu.json -o xeon.lut.json --drop-bad",
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o importOptions
			f.StringVar(&o.from, "from", "", "format to read: "+strings.Join(importFormats, ", "))
			f.StringVarP(&o.out, "output", "o", "", "table to write")
			f.StringVar(&o.Device, "device", "", "name of the device that was measured; of several in a folder, the one to import")
			f.StringVar(&o.precision, "precision", "fp32", "precision of keys that do not name one")
			f.BoolVar(&o.DropBad, "drop-bad", false, "leave out cells that are not positive")
			f.BoolVar(&o.json, "json", false, "print the summary as JSON")
			return o.run
		},
	}
}

func (o *importOptions) run(ctx context.Context, env cli.Env, args []string) error {
	if len(args) != 1 {
		return cli.Usagef("import takes one file, got %d", len(args))
	}
	if o.out == "" {
		return cli.Usagef("no -o: say which table to write")
	}
	if o.from == "" {
		return cli.Usagef("no --from: say the format, one of %s", strings.Join(importFormats, ", "))
	}
	if !slices.Contains(importFormats, o.from) {
		return cli.Usagef("--from %q is none of %s", o.from, strings.Join(importFormats, ", "))
	}
	o.Precision = lut.Precision(o.precision)
	if o.from == exchange.MobileML {
		return o.phones(ctx, env, args[0])
	}
	if err := cli.NewOutput("-o", o.out, args[0]); err != nil {
		return err
	}
	data, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	t, err := exchange.Import(o.from, data, o.Options)
	if err != nil {
		return strictjson.In(args[0], err)
	}
	if err := writeOut(env, o.out, t.Encode()); err != nil {
		return err
	}
	if o.out == "-" {
		return nil
	}
	return show(env, t, o.json)
}

// phones imports a folder: a table per phone, or one.
func (o *importOptions) phones(ctx context.Context, env cli.Env, folder string) error {
	if !slices.Contains(lut.Precisions, o.Precision) {
		return cli.Usagef("--precision %q is none of %v", o.precision, lut.Precisions)
	}
	if o.Device == "" && (o.out == "-" || filepath.Ext(o.out) == ".json") {
		return cli.Usagef("-o %s is a file: name a folder for a table per phone, or one phone with --device", o.out)
	}
	if o.Device != "" {
		if err := cli.NewOutput("-o", o.out); err != nil {
			return err
		}
	}
	made, err := exchange.ImportPhones(ctx, folder, o.Options)
	if err != nil {
		return err
	}
	for i, p := range made {
		path := o.out
		if o.Device == "" {
			if err := os.MkdirAll(o.out, 0o777); err != nil {
				return err
			}
			path = filepath.Join(o.out, p.Name+".lut.json")
		}
		if err := writeOut(env, path, p.Table.Encode()); err != nil || path == "-" {
			return err
		}
		fmt.Fprintf(env.Stderr, "costgen: wrote %s\n", path)
		if i > 0 && !o.json {
			fmt.Fprintln(env.Stdout)
		}
		if err := show(env, p.Table, o.json); err != nil {
			return err
		}
	}
	return nil
}

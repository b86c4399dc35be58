package main

import (
	"context"
	"os"
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

func importCommand() cli.Command {
	return cli.Command{
		Name:  "import",
		Args:  "FILE",
		Short: "reads a published table and reports its defects",
		Long: `
Formats: ofa (once-for-all, ProxylessNAS YAML), fbnet (mobile-vision JSON), tfnas
(TF-NAS JSON), csv (columns key,us[,lo_us,hi_us,n]), json (what export writes).
Cells that are not positive are refused by name.`,
		Example: "costgen import --from tfnas latency_cpu.json -o xeon.lut.json --drop-bad",
		Setup: func(f *pflag.FlagSet) cli.RunFunc {
			var o importOptions
			f.StringVar(&o.from, "from", "", "format to read: "+strings.Join(exchange.Formats, ", "))
			f.StringVarP(&o.out, "output", "o", "", "table to write")
			f.StringVar(&o.Device, "device", "", "name of the device that was measured")
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
		return cli.Usagef("no --from: say the format, one of %s", strings.Join(exchange.Formats, ", "))
	}
	if !slices.Contains(exchange.Formats, o.from) {
		return cli.Usagef("--from %q is none of %s", o.from, strings.Join(exchange.Formats, ", "))
	}
	if err := cli.NewOutput("-o", o.out, args[0]); err != nil {
		return err
	}
	o.Precision = lut.Precision(o.precision)
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

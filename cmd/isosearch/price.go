package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/pflag"

	_ "github.com/isocost/isocost/costgen/pricer" // tables price by their models of the device
	"github.com/isocost/isocost/internal/atomicfile"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/evaluator"
	"github.com/isocost/isocost/search/measure"
	"github.com/isocost/isocost/search/space"
)

func priceCommand() cli.Command {
	return cli.Command{
		Name:  "price",
		Args:  "[NAME=]ARCH…",
		Short: "prices architectures on each of several devices",
		Long: `
Each ARCH is a run directory (its final), an arch.json or a key. It is priced by every table beside x0: the anchor
that the runs searched from, else the space's default, and in the band by their tolerance. With --recompensate one that leaves the band of a table is
brought back by width and precision, choices kept: what a result found on one device becomes on another. With
--measure all of them are measured too, on the runtime of each table, in one interleaved campaign per table. With
--sample the tables are compared over random architectures. With --tensor the costs of all layers, choices, widths and
precisions are written as arrays (docs/formats/tensor.md).`,
		Example: "isosearch price --space examples/mobile-cnn/space.yaml --lut device.lut.json --recompensate run/",
		Setup: func(flags *pflag.FlagSet) cli.RunFunc {
			o := priceOptions{given: flags.Changed}
			flags.StringVar(&o.space, "space", "", "search space of the architectures")
			flags.StringSliceVar(&o.tables, "lut", nil, "cost tables, one per device")
			flags.Float64Var(&o.tau, "tau", 0, "half-width of the band around x0's cost, a fraction (default: of the runs given, else 0.05)")
			flags.BoolVar(&o.recompensate, "recompensate", false, "bring architectures that leave a table's band back into it")
			flags.IntVar(&o.sample, "sample", 0, "number of random architectures to compare the tables on")
			flags.Uint64Var(&o.seed, "seed", 1, "seed of the random architectures")
			flags.StringVar(&o.measure, "measure", "", "measure the listed architectures on this device: local, adb:SERIAL or ssh:USER@HOST")
			flags.StringArrayVar(&o.benchArgs, "measure-arg", nil, "hand this `ARGUMENT` to agent bench too, such as --max-time=20s; may be repeated")
			flags.StringVarP(&o.out, "output", "o", "", "folder for plans and records of --measure")
			flags.StringVar(&o.tensor, "tensor", "", "write the costs of the whole space as dense arrays to this `FILE`, for programs that take gradients")
			flags.StringVar(&o.agent, "agent", "", "agent program to run (default: beside this one, else in the path)")
			flags.BoolVar(&o.markdown, "markdown", false, "print Markdown tables")
			flags.BoolVar(&o.json, "json", false, "print as JSON")
			cli.Group(flags, "Comparing tables", "tau", "recompensate", "sample", "seed")
			flags.DurationVar(&o.again, "measure-again", measureAgain, measureAgainHelp)
			cli.Group(flags, "Measured costs", "measure", "measure-arg", "measure-again", "output", "agent")
			return o.run
		},
	}
}

type priceOptions struct {
	space, measure, out, agent   string
	tensor                       string
	tables, benchArgs            []string
	again                        time.Duration
	tau                          float64
	sample                       int
	seed                         uint64
	recompensate, markdown, json bool
	given                        func(flag string) bool // on the command line
}

// priceReport holds what --json prints.
type priceReport struct {
	Space string  `json:"space"`
	Tau   float64 `json:"tau"`
	// TableTau holds the tolerances of tables whose runs had others.
	TableTau map[string]float64 `json:"table_tau,omitempty"`
	Archs    []pricedArch       `json:"architectures"`
	Tables   []tablePair        `json:"pairs,omitempty"`
}

type pricedArch struct {
	Name    string       `json:"name"`
	Arch    string       `json:"arch"`
	For     string       `json:"recompensated_for,omitempty"` // table
	From    string       `json:"recompensated_from,omitempty"`
	Reached *bool        `json:"reached,omitempty"` // re-compensation met the band
	Changes []string     `json:"changes,omitempty"`
	Costs   []pricedCost `json:"costs"` // one per table

	arch space.Arch
}

type pricedCost struct {
	Table     string        `json:"table"`
	Unit      string        `json:"unit"`
	Predicted search.Bounds `json:"predicted"`
	Deviation float64       `json:"deviation"` // of x0's, a fraction
	Inside    bool          `json:"inside"`
	Measured  *priceSample  `json:"measured,omitempty"`
}

type priceSample struct {
	search.Measurement
	Deviation *float64 `json:"deviation,omitempty"` // of x0's in the same campaign
}

// tablePair compares two tables over the same random architectures.
type tablePair struct {
	A        string   `json:"a"`
	B        string   `json:"b"`
	N        int      `json:"n"`
	Spearman *float64 `json:"spearman,omitempty"`
	Kendall  *float64 `json:"kendall,omitempty"`
	// Of the InA architectures inside A's band, Both are inside B's as well; ranks among those InA.
	InA         int      `json:"in_a"`
	Both        int      `json:"in_both"`
	SpearmanInA *float64 `json:"spearman_in_a,omitempty"`
	KendallInA  *float64 `json:"kendall_in_a,omitempty"`
	WorstInA    float64  `json:"worst_deviation_in_a"` // of x0's cost on B
}

func (o *priceOptions) run(ctx context.Context, env cli.Env, args []string) error {
	switch {
	case o.space == "" || len(o.tables) == 0:
		return cli.Usagef("--space and --lut are needed")
	case o.sample < 0 || o.sample == 1:
		return cli.Usagef("--sample %d: two architectures are the fewest that can be compared", o.sample)
	case o.measure != "" && o.out == "":
		return cli.Usagef("--measure needs a folder for its records: -o DIR")
	}
	if err := cli.NewOutput("--tensor", o.tensor, append(filesRead(o.space, o.tables), filesOf(args)...)...); err != nil {
		return err
	}
	settings := search.DefaultSettings()
	by, err := besideOf(args, o.tables, o.given("tau"))
	if err != nil {
		return err
	}
	switch {
	case o.given("tau"):
		by.tau, by.taus = o.tau, nil
	case by.tau == 0:
		by.tau = search.DefaultSettings().Tau
	}
	settings.Tau = by.tau
	in, err := search.OpenInputs(search.Inputs{Space: o.space, Tables: o.tables, Anchor: by.anchor, Tau: by.taus}, settings)
	if err != nil {
		return err
	}
	sp, bands := in.Problem.Space, in.Problem.Bands
	if o.tensor != "" {
		if err := writeTensor(o.tensor, sp, bands); err != nil {
			return err
		}
	}
	r := priceReport{Space: sp.Name(), Tau: by.tau, TableTau: by.taus}
	add := func(a pricedArch) error {
		var err error
		a.Arch = a.arch.Key()
		a.Costs, err = priced(bands, a.arch)
		r.Archs = append(r.Archs, a)
		return err
	}
	if err := add(pricedArch{Name: "x0", arch: in.Problem.Anchor}); err != nil {
		return err
	}
	for _, arg := range args {
		name, x, err := readArch(sp, arg)
		if err != nil {
			return err
		}
		if err := add(pricedArch{Name: name, arch: x}); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if !o.recompensate {
			continue
		}
		given := r.Archs[len(r.Archs)-1]
		for i, c := range given.Costs {
			if c.Inside {
				continue
			}
			got, err := search.NewCompensator(sp, bands[i:i+1]).Recompensate(x)
			if err != nil {
				return fmt.Errorf("%s on %s: %w", name, c.Table, err)
			}
			err = add(pricedArch{Name: name + " for " + c.Table, arch: got.Arch, For: c.Table, From: name,
				Reached: &got.Inside, Changes: changes(x.Key(), got.Arch.Key())})
			if err != nil {
				return err
			}
		}
	}
	if o.measure != "" {
		if err := o.measured(ctx, env, in, &r); err != nil {
			return err
		}
	}
	if o.sample > 0 {
		if r.Tables, err = pairs(bands, space.Sample(sp, o.sample, o.seed)); err != nil {
			return err
		}
	}
	if o.json {
		enc := json.NewEncoder(env.Stdout)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	return r.write(env.Stdout, o.markdown)
}

// writeTensor writes the costs of all of a space's parts.
func writeTensor(path string, sp space.Space, bands []search.Band) error {
	s, ok := sp.(space.Stepper)
	if !ok {
		return cli.Usagef("--tensor needs a space of networks")
	}
	t, err := search.NewTensor(s, bands)
	if err != nil {
		return err
	}
	text, err := t.Encode()
	if err != nil {
		return err
	}
	return atomicfile.Write(path, text, 0o644)
}

// beside holds what the runs among the arguments searched by: their anchor, "" without a
// run, and their tolerances of these tables.
type beside struct {
	anchor string
	tau    float64            // 0 without a run
	taus   map[string]float64 // by table, where not tau
}

// besideOf finds it; runs that differ are refused.
func besideOf(args, tables []string, tauGiven bool) (b beside, err error) {
	of := ""
	for _, arg := range args {
		if _, what, ok := strings.Cut(arg, "="); ok {
			arg = what
		}
		path := filepath.Join(arg, search.JournalFile)
		if _, err := os.Stat(path); err != nil {
			continue // an architecture's key or file, or a folder that says so later
		}
		j, err := search.ReadJournal(path)
		if err != nil {
			return b, err
		}
		now := beside{anchor: j.Header.Anchor, tau: j.Header.Settings.Tau, taus: map[string]float64{}}
		if j.Header.Settings.PerDevice { // its anchor is of another space
			now.anchor = b.anchor
		}
		for _, name := range tables {
			for _, t := range j.Header.Tables {
				if t.Name == search.TableName(name) && t.Tau != nil {
					now.taus[t.Name] = *t.Tau
				}
			}
		}
		switch {
		case of == "" || b.anchor == "":
		case now.anchor != b.anchor:
			return b, hint.Wrap(fmt.Errorf("%s and %s searched from different anchors", of, arg), "price them one by one")
		case !tauGiven && (now.tau != b.tau || !maps.Equal(now.taus, b.taus)):
			return b, hint.Wrap(fmt.Errorf("%s and %s searched with different tolerances", of, arg), "price them one by one, or name one with --tau")
		}
		b, of = now, arg
	}
	return b, nil
}

// readArch is the architecture that a run directory, an arch.json or a key stands
// for, and the name it goes by.
func readArch(sp space.Space, arg string) (string, space.Arch, error) {
	name, what, ok := strings.Cut(arg, "=")
	if !ok {
		name, what = "", arg
	}
	path := what
	if i, err := os.Stat(what); err == nil && i.IsDir() {
		path = filepath.Join(what, "best.json")
	}
	var x space.Arch
	data, err := os.ReadFile(path)
	switch {
	case err == nil:
		if x, err = space.DecodeArch(sp, path, data); err != nil {
			return "", x, err
		}
		if name == "" {
			name = filepath.Base(what)
		}
	case errors.Is(err, os.ErrNotExist) && path == what && strings.ContainsAny(what, ":|"):
		if x, err = space.ParseArch(what); err == nil {
			err = sp.Validate(x)
		}
		if err != nil {
			return "", x, fmt.Errorf("architecture %s: %w", what, err)
		}
		if name == "" {
			name = what
		}
	default:
		return "", x, err
	}
	return name, space.Canonical(sp, x), nil
}

func priced(bands []search.Band, x space.Arch) ([]pricedCost, error) {
	var out []pricedCost
	for i := range bands {
		b := &bands[i]
		c, err := b.Cost.Cost(x)
		if err != nil {
			return nil, fmt.Errorf("table %s: %w", b.Name, err)
		}
		out = append(out, pricedCost{Table: b.Name, Unit: b.Unit, Predicted: c, Deviation: math.Expm1(b.Deviation(c)), Inside: b.Holds(c)})
	}
	return out, nil
}

// measured has every listed architecture measured on the runtime of every table.
func (o *priceOptions) measured(ctx context.Context, env cli.Env, in *search.Opened, r *priceReport) error {
	low, ok := in.Problem.Space.(space.Lowerer)
	if !ok {
		return cli.Usagef("--measure needs a space of networks")
	}
	program, err := evaluator.FindAgent(o.agent)
	if err != nil {
		return err
	}
	var archs []space.Arch
	seen := map[string]int{}
	for _, a := range r.Archs {
		if _, ok := seen[a.Arch]; !ok {
			seen[a.Arch] = len(archs)
			archs = append(archs, a.arch)
		}
	}
	for i, b := range in.Problem.Bands {
		cost, ok := b.Cost.(interface{ Compiled() *lut.Table })
		if !ok {
			return cli.Usagef("--measure needs compiled tables, and %s is none", b.Name)
		}
		agent := &measure.Agent{Space: low, Program: program, Args: o.benchArgs, Target: o.measure, Table: *cost.Compiled().File(),
			Dir: filepath.Join(o.out, b.Name), Stderr: cli.Behind(env.Stderr), Again: o.again}
		ms, err := agent.Measure(ctx, archs)
		if err != nil {
			return fmt.Errorf("table %s: %w", b.Name, err)
		}
		for j := range r.Archs {
			s := priceSample{Measurement: ms[seen[r.Archs[j].Arch]]}
			if ref := cmp.Or(s.Reference, ms[0].Value); s.Value > 0 && ref > 0 { // x0 is the first
				d := s.Value/ref - 1
				s.Deviation = &d
			}
			r.Archs[j].Costs[i].Measured = &s
		}
	}
	return nil
}

func pairs(bands []search.Band, archs []space.Arch) ([]tablePair, error) {
	costs := make([][]float64, len(bands))
	for i := range bands {
		for _, x := range archs {
			c, err := bands[i].Cost.Cost(x)
			if err != nil {
				return nil, fmt.Errorf("table %s: %s: %w", bands[i].Name, x.Key(), err)
			}
			costs[i] = append(costs[i], c.Value)
		}
	}
	var out []tablePair
	for i := range bands {
		for j := range bands {
			if i == j {
				continue
			}
			p := tablePair{A: bands[i].Name, B: bands[j].Name, N: len(archs),
				Spearman: defined(stats.Spearman(costs[i], costs[j])), Kendall: defined(stats.Kendall(costs[i], costs[j]))}
			var a, b []float64
			for k := range archs {
				if !bands[i].Holds(at(costs[i][k])) {
					continue
				}
				a, b = append(a, costs[i][k]), append(b, costs[j][k])
				if bands[j].Holds(at(costs[j][k])) {
					p.Both++
				}
				if d := costs[j][k]/bands[j].Budget.Value - 1; math.Abs(d) > math.Abs(p.WorstInA) {
					p.WorstInA = d
				}
			}
			if p.InA = len(a); p.InA > 1 {
				p.SpearmanInA, p.KendallInA = defined(stats.Spearman(a, b)), defined(stats.Kendall(a, b))
			}
			out = append(out, p)
		}
	}
	return out, nil
}

// at is a cost without an interval, for bands that ask for none.
func at(v float64) search.Bounds { return search.Bounds{Value: v, Lo: v, Hi: v} }

// defined is nil for a rank correlation that does not exist.
func defined(v float64) *float64 {
	if math.IsNaN(v) {
		return nil
	}
	return &v
}

func (r *priceReport) write(w io.Writer, markdown bool) error {
	rows := [][]string{{"architecture", "device", "predicted", "of x0's", "band", "measured", "of x0's"}}
	for _, a := range r.Archs {
		for i, c := range a.Costs {
			name := a.Name
			if i > 0 {
				name = ""
			}
			row := []string{name, c.Table, fmt.Sprintf("%.4g %s [%.4g, %.4g]", c.Predicted.Value, c.Unit, c.Predicted.Lo, c.Predicted.Hi),
				fmt.Sprintf("%+.2f %%", 100*c.Deviation), "in", "–", "–"}
			if !c.Inside {
				row[4] = "OUT"
			}
			if m := c.Measured; m != nil && m.Value > 0 {
				row[5] = fmt.Sprintf("%.4g %s [%.4g, %.4g]", m.Value, m.Unit, m.Lo, m.Hi)
				row[6] = opt(scale(m.Deviation, 100), "%+.2f %%")
			} else if m != nil {
				row[5] = strings.Join(m.Validity, ", ")
			}
			rows = append(rows, row)
		}
	}
	if err := writeRows(w, rows, markdown); err != nil {
		return err
	}
	for _, a := range r.Archs {
		if a.For == "" {
			continue
		}
		how := "restored on " + a.For
		if !*a.Reached {
			how = "NOT restored on " + a.For + ", this is the nearest found"
		}
		fmt.Fprintf(w, "\n%s: %s by %s\n", a.From, how, strings.Join(a.Changes, "; "))
	}
	if len(r.Tables) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	rows = [][]string{{"over random architectures", "n", "Spearman", "Kendall", "in the first's band", "of these in the second's", "ranks among these", "furthest on the second"}}
	for _, p := range r.Tables {
		share := "–"
		if p.InA > 0 {
			share = fmt.Sprintf("%d (%.0f %%)", p.Both, 100*float64(p.Both)/float64(p.InA))
		}
		rows = append(rows, []string{p.A + " → " + p.B, fmt.Sprint(p.N), opt(p.Spearman, "%.3f"), opt(p.Kendall, "%.3f"), fmt.Sprint(p.InA), share,
			opt(p.SpearmanInA, "%.2f") + ", " + opt(p.KendallInA, "%.2f"), fmt.Sprintf("%+.1f %%", 100*p.WorstInA)})
	}
	return writeRows(w, rows, markdown)
}

// writeRows prints a table, its head first, as aligned columns or as Markdown.
func writeRows(w io.Writer, rows [][]string, markdown bool) error {
	if markdown {
		for i, row := range rows {
			fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
			if i == 0 {
				fmt.Fprintf(w, "|%s\n", strings.Repeat("---|", len(row)))
			}
		}
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	return t.Flush()
}

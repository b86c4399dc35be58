package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
)

// readTable reads a table file; errors name file:line.
func readTable(path string) (*lut.Table, error) {
	if path == "" {
		return nil, cli.Usagef("no table: --lut names none")
	}
	data, err := os.ReadFile(path)
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = hint.Wrap(err, "costgen compile rec.jsonl -o %s writes it", path)
		}
		return nil, err
	}
	t, err := lut.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s:%w", path, err)
	}
	return t, nil
}

// openSources opens record files.
func openSources(ctx context.Context, paths []string) ([]costgen.Source, error) {
	var out []costgen.Source
	for _, p := range paths {
		s, err := costgen.Open(ctx, p)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

// summary holds what compile, audit and inspect print with --json: the whole table
// except its cells.
type summary struct {
	Table       string           `json:"table"` // SHA-256
	Metric      lut.Metric       `json:"metric"`
	Unit        string           `json:"unit"`
	Policy      lut.Policy       `json:"policy"`
	Device      lut.Device       `json:"device"`
	Runtime     lut.Runtime      `json:"runtime"`
	Inputs      []lut.Input      `json:"inputs"`
	Families    int              `json:"families"`
	Cells       int              `json:"cells"`
	Warnings    []lut.Warning    `json:"warnings"`
	Overhead    *lut.Overhead    `json:"overhead,omitempty"`
	Calibration *lut.Calibration `json:"calibration,omitempty"`
	Audit       *lut.Audit       `json:"audit,omitempty"`
}

func summarise(t *lut.Table) summary {
	f := t.File()
	s := summary{t.Hash(), f.Metric, f.Unit, f.Policy, f.Device, f.Runtime, f.Inputs, len(f.Families), 0, f.Warnings, f.Overhead, f.Calibration, f.Audit}
	for _, fam := range f.Families {
		s.Cells += len(fam.Knots)
	}
	return s
}

// warningsShown says how many warnings of one code are printed; a campaign on a
// real runtime has dozens of violations.
const warningsShown = 3

// show prints a table's summary on stdout, as JSON or for people with the
// warnings on stderr.
func show(env cli.Env, t *lut.Table, asJSON bool) error {
	if asJSON {
		return writeJSON(env.Stdout, summarise(t))
	}
	if err := costgen.WriteSummary(env.Stdout, t); err != nil {
		return err
	}
	return costgen.WriteWarnings(warnWriter{env.Stderr}, t, warningsShown)
}

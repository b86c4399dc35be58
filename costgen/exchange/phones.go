package exchange

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/gpudelegate"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/costgen"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// MobileML is the format of ImportPhones: a folder of two CSV files.
const MobileML = "mobile-ml-benchmark"

// phoneNames are the phones of the published files as people know them, with their GPUs.
var phoneNames = map[string]struct{ model, gpu string }{
	"pixel4": {"Google Pixel 4", "Adreno 640"},
	"mi8se":  {"Xiaomi Mi 8 SE", "Adreno 616"},
}

// Phone is the table of one phone's GPU.
type Phone struct {
	Name  string // as the files call it
	Table *lut.Table
}

// ImportPhones makes tables of the phones whose kernels and networks lie in a folder, each with
// a model of the device. Its error bound η is of networks of families that a model had not seen;
// its intervals are of what the same kernel's times differ by from place to place. opt.Device
// names one phone; "" are all.
func ImportPhones(ctx context.Context, folder string, opt Options) ([]Phone, error) {
	if opt.Precision == "" {
		opt.Precision = lut.FP32
	}
	read := func(name string) ([]byte, error) {
		data, err := os.ReadFile(filepath.Join(folder, name))
		if errors.Is(err, fs.ErrNotExist) {
			err = hint.Wrap(err, "--from %s takes the folder that %s and %s lie in", MobileML, MobileMLKernels, MobileMLNetworks)
		}
		return data, err
	}
	kernels, err := read(MobileMLKernels)
	if err != nil {
		return nil, err
	}
	networks, err := read(MobileMLNetworks)
	if err != nil {
		return nil, err
	}
	t, err := readMobileML(kernels, networks, opt.Precision)
	if err != nil {
		return nil, inFolder(folder, err)
	}
	if opt.Device != "" && !slices.Contains(t.phones, opt.Device) {
		return nil, hint.Wrap(fmt.Errorf("%s has no phone %q", folder, opt.Device), "it has %s", strings.Join(t.phones, ", "))
	}
	licence, err := os.ReadFile(filepath.Join(folder, "LICENSE"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	sum := sha256.Sum256(slices.Concat(kernels, networks))
	var out []Phone
	for _, phone := range t.phones {
		if opt.Device != "" && phone != opt.Device {
			continue
		}
		table, err := t.table(ctx, phone, opt.DropBad)
		if err != nil {
			return nil, inFolder(folder, err)
		}
		f := *table.File()
		f.Inputs = []lut.Input{{Kind: "import", SHA256: hex.EncodeToString(sum[:]), Records: len(t.rows)}}
		f.Warnings = append(f.Warnings, provenance(licence))
		slices.SortStableFunc(f.Warnings, func(a, b lut.Warning) int { return cmp.Compare(a.Code, b.Code) })
		if table, err = lut.New(f); err != nil {
			return nil, err
		}
		out = append(out, Phone{phone, table})
	}
	return out, nil
}

// inFolder puts the folder before the file's name, and keeps the hint.
func inFolder(folder string, err error) error {
	var bad *BadCellsError
	if errors.As(err, &bad) {
		return err
	}
	return hint.Wrap(fmt.Errorf("%s%c%w", filepath.Clean(folder), filepath.Separator, err), "%s", hint.Of(err))
}

// provenance says whose numbers these are, and under which licence: the first lines of its file.
func provenance(licence []byte) lut.Warning {
	says := "there is no LICENSE beside the files: ask before you hand the table on"
	var lines []string
	for line := range strings.Lines(string(licence)) {
		if line = strings.TrimSpace(line); line != "" && len(lines) < 2 {
			lines = append(lines, line)
		}
	}
	if len(lines) > 0 {
		says = "its LICENSE: " + strings.Join(lines, ", ")
	}
	return lut.Warning{Code: "provenance", Detail: "measured and published by others (github.com/qed-usc/mobile-ml-benchmark), no record of a protocol; " + says}
}

// table is that of one phone.
func (t *mobileTables) table(ctx context.Context, phone string, dropBad bool) (*lut.Table, error) {
	source := costgen.Source{Name: MobileMLKernels, Header: record.Header{Device: deviceOf(phone), Runtime: runtimeOf()}}
	var warnings []lut.Warning
	var bad []string
	kernels := map[string][]lut.Op{}
	spread := t.spread(phone)
	for _, r := range t.rows {
		us, key := r.us[phone], r.key[phone]
		if !(us > 0) {
			bad = append(bad, fmt.Sprintf("%s:%d %s (%.4g us)", MobileMLKernels, r.line, key, us))
			kernels[r.model] = append(kernels[r.model], lut.Op{}) // the network lacks one
			continue
		}
		kernels[r.model] = append(kernels[r.model], key)
		rec := record.Record{Kind: role.Cell, Case: fmt.Sprintf("%s:%d", r.model, r.line), Key: &key, Validity: []record.Validity{record.OK}, EstimateUS: &us, N: 1}
		if spread > 0 {
			rec.CI95US = &record.Interval{us * max(0, 1-1.96*spread), us * (1 + 1.96*spread)}
		}
		source.Records = append(source.Records, costgen.Line{Line: r.line, Record: rec})
	}
	var alone []string
	for _, n := range t.networks {
		mean := n.mean[phone]
		ops := kernels[n.name]
		switch {
		case !(mean > 0):
			bad = append(bad, fmt.Sprintf("%s:%d %s (%.4g us)", MobileMLNetworks, n.line, n.name, mean))
			continue
		case len(ops) == 0:
			alone = append(alone, n.name)
			continue
		case slices.ContainsFunc(ops, func(op lut.Op) bool { return op.Kind == "" }):
			continue
		}
		source.Records = append(source.Records, costgen.Line{Line: n.line, Record: record.Record{Kind: role.Network, Set: role.Calibrate, Case: n.name, Name: n.name, Ops: ops,
			Validity: []record.Validity{record.OK}, EstimateUS: &mean, CI95US: &record.Interval{max(0, mean-1.96*n.std[phone]), mean + 1.96*n.std[phone]}, N: 1}})
	}
	if len(bad) > 0 && !dropBad {
		return nil, &BadCellsError{bad}
	}
	for _, b := range bad {
		warnings = append(warnings, lut.Warning{Code: "non-positive", Detail: b + " was left out"})
	}
	if len(alone) > 0 {
		warnings = append(warnings, lut.Warning{Code: "unknown", Detail: fmt.Sprintf("%d networks have no kernels in %s and were left out: %s", len(alone), MobileMLKernels, some(alone))})
	}
	if spread == 0 {
		warnings = append(warnings, lut.Warning{Code: lut.NoVariance, Detail: "no kernel was measured in two places: none has an interval"})
	}
	table, err := costgen.Compile(ctx, []costgen.Source{source}, costgen.Options{Policy: lut.PolicyRaw, Slopes: true, Model: true, CrossAudit: true})
	if err != nil {
		return nil, err
	}
	f := *table.File()
	for i := range f.Families {
		for k := range f.Families[i].Knots {
			f.Families[i].Knots[k].Reason = lut.Imported
		}
	}
	f.Expires = []string{"unknown: the protocol of an imported table is not recorded", "another version of the delegate or of the GPU's driver than that measured, which were not published"}
	f.Warnings = append(slices.Clone(f.Warnings), warnings...)
	return lut.New(f)
}

// deviceOf returns what is known of a phone.
func deviceOf(phone string) lut.Device {
	d := lut.Device{ID: "imported-" + phone, Model: phone, OS: "android", Arch: "arm64", Cores: "GPU"}
	if n, ok := phoneNames[phone]; ok {
		d.Model, d.CPU = n.model, n.gpu
	}
	return d
}

// runtimeOf is the delegate, whose version was not published.
func runtimeOf() lut.Runtime {
	return lut.Runtime{Library: lut.Library{Backend: "tflite", Provider: "gpu"}, Features: gpudelegate.Feature}
}

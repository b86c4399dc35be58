package costgen

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/isocost/isocost/costgen/staircase"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
)

// Compile turns records into a table: cleaned, monotone, calibrated and audited by
// the end-to-end records among them. The same records in any order give the same
// bytes. It fails when the options or the mix of campaigns make no sense or when
// no cell is left; everything else worth knowing is a warning in the table. When ctx ends it fails by its error, within a moment.
func Compile(ctx context.Context, sources []Source, opt Options) (*lut.Table, error) {
	opt.defaults()
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if len(sources) == 0 {
		return nil, errors.New("no records to compile")
	}
	all := slices.Concat(sources, opt.Calibrate, opt.Audit)
	sources = slices.Clone(sources) // going through a file notes that it holds nothing yet
	if err := oneCampaign(all); err != nil {
		return nil, err
	}
	if opt.Level {
		levelled, err := level(ctx, sources, opt.Calibrate, opt.Audit)
		if err != nil {
			return nil, err
		}
		sources, opt.Calibrate, opt.Audit = levelled[0], levelled[1], levelled[2]
	}
	c, err := clean(ctx, sources, opt)
	if err != nil {
		return nil, err
	}
	if len(c.cells) == 0 {
		why := "it holds no cells"
		if len(c.warnings) > 0 {
			why = c.warnings[0].Detail
		}
		if s := sources[0]; s.Unfinished && len(s.Records) == 0 {
			return nil, hint.Wrap(fmt.Errorf("%s: the campaign was interrupted, and its records are written when it ends", s.Name),
				"the agent bench command that began it goes on")
		}
		return nil, hint.Wrap(fmt.Errorf("%s: no usable %s of any cell: %s", sources[0].Name, opt.Metric, why),
			"agent bench --plan measures cells; look at the validity of its records")
	}
	for _, name := range opt.Judge {
		if !slices.ContainsFunc(c.audit, func(n network) bool { return n.title() == name }) {
			return nil, hint.Wrap(fmt.Errorf("judge %q: no usable calibrating network has that name", name), "the names are those of the records' networks")
		}
	}
	f := lut.File{
		Format: lut.Format, Metric: opt.Metric, Unit: lut.Units[opt.Metric], Policy: opt.Policy, Inputs: c.inputs,
	}
	h := all[0].Header
	f.Device, f.Runtime, f.Protocol = h.Device, h.Runtime, h.Protocol
	for _, s := range all { // files from before they were written down say nothing of caches
		f.Device.Caches.Core = max(f.Device.Caches.Core, s.Header.Device.Caches.Core)
		f.Device.Caches.Last = max(f.Device.Caches.Last, s.Header.Device.Caches.Last)
	}
	traffic := opt.reach(f.Device)
	f.Expires = []string{
		fmt.Sprintf("another library than %s %s (SHA-256 %s)", h.Runtime.Backend, h.Runtime.Version, short(h.Runtime.SHA256)),
		"another kernel, firmware, governor or power mode of the device",
		"an anchor that has moved by more than eta: re-run the audit networks and costgen audit",
	}
	var sweep lut.Sweep
	var warn []lut.Warning
	if f.Families, sweep, warn, err = families(ctx, c.cells, opt.Policy); err != nil {
		return nil, err
	}
	if !opt.Slopes && opt.Metric != lut.Memory { // activations are paid by the channel
		if err := staircase.Add(ctx, f.Families); err != nil {
			return nil, err
		}
	}
	f.Warnings = slices.Concat(c.warnings, warn, precisionOrder(f.Families))
	if o := c.overhead; o != nil {
		f.Overhead = &lut.Overhead{Value: stats.Significant(o.value), Lo: stats.Significant(o.lo), Hi: stats.Significant(o.hi), N: o.n, Records: o.cases}
	}
	var fitted *fittedModel
	if opt.Model {
		if fitted, err = fitModel(ctx, &f, c, opt.Prior, traffic); err != nil {
			return nil, err
		}
	}
	t, err := lut.New(f)
	if err != nil {
		return nil, fmt.Errorf("compiled table: %w", err)
	}

	known, lacking, err := price(ctx, t, c.calibrate)
	if err != nil {
		return nil, err
	}
	if len(lacking) > 0 {
		f.Warnings = append(f.Warnings, lut.Warning{Code: "uncovered", Detail: fmt.Sprintf(
			"%d calibration networks use operators the table lacks and were not fitted: %s", len(lacking), sample(lacking))})
	}
	if f.Calibration == nil { // no model, or no families of networks to judge one by
		var points []point
		for _, p := range known {
			points = append(points, point{p.id, p.uncalibrated, p.value, len(p.ops), traffic.moved(p.ops), ""})
		}
		if f.Calibration, _ = calibrate(ctx, points, traffic); f.Calibration == nil && len(c.audit) > 0 {
			f.Warnings = append(f.Warnings, lut.Warning{Code: "uncalibrated", Detail: fmt.Sprintf(
				"%d usable calibration networks, at least %d are needed: predictions are plain sums", len(points), models[0].needs)})
		}
	}
	if f.Calibration != nil {
		if t, err = lut.New(f); err != nil {
			return nil, fmt.Errorf("calibrated table: %w", err)
		}
	}
	if f.Audit, warn, err = audit(ctx, t, c.audit, sweep, opt); err != nil {
		return nil, err
	}
	f.Warnings = append(f.Warnings, warn...)
	if f.Audit == nil && opt.CrossAudit && fitted != nil {
		f.Audit = fitted.crossAudit(ctx, t, sweep, opt)
		f.Warnings = append(f.Warnings, lut.Warning{Code: lut.CrossAudit, Detail: "the audit's networks calibrate the table as well; each was priced by a model and a calibration that had not seen its family"})
	}
	sortWarnings(f.Warnings)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return lut.New(f)
}

// Audit judges an existing table by the end-to-end records of further files,
// which must be of the table's device, runtime and protocol, and returns it with
// the new audit in place of the old. Calibration and cells stay as they are.
// When ctx ends it fails by its error.
func Audit(ctx context.Context, t *lut.Table, sources []Source, opt Options) (*lut.Table, error) {
	old := t.File()
	opt.Metric, opt.Policy = old.Metric, old.Policy
	opt.defaults()
	if err := opt.Validate(); err != nil {
		return nil, err
	}
	if err := oneCampaign(sources); err != nil {
		return nil, err
	}
	h := sources[0].Header
	if old.Runtime.SameFeatures(h.Runtime) {
		h.Runtime.Features = old.Runtime.Features
	}
	for _, d := range []struct{ what, table, records string }{
		{"device", old.Device.ID, h.Device.ID},
		{"protocol", old.Protocol.SHA256, h.Protocol.SHA256},
		{"provider", old.Runtime.Provider, h.Runtime.Provider},
		{"provider options", old.Runtime.Options, h.Runtime.Options},
		{"library features", stated(old.Runtime.Features), stated(h.Runtime.Features)},
		{"runtime library", old.Runtime.SHA256, h.Runtime.SHA256},
	} {
		if d.table != d.records {
			return nil, hint.Wrap(fmt.Errorf("%s: the table is of %s %s, the records of %s", sources[0].Name, d.what, short(d.table), short(d.records)),
				"an audit needs records of the table's own device, runtime and protocol; else compile a new table")
		}
	}
	opt.Calibrate, opt.Audit = nil, sources
	c, err := clean(ctx, nil, opt)
	if err != nil {
		return nil, err
	}
	var leaked []string
	if old.Calibration != nil {
		c.audit = slices.DeleteFunc(c.audit, func(n network) bool {
			if slices.Contains(old.Calibration.Records, n.id) {
				leaked = append(leaked, n.title())
				return true
			}
			return false
		})
	}
	f := *old
	f.Warnings = slices.Clone(f.Warnings)
	f.Warnings = slices.DeleteFunc(f.Warnings, func(w lut.Warning) bool { return w.Code == "uncovered" || w.Code == "leak" })
	if len(leaked) > 0 {
		f.Warnings = append(f.Warnings, lut.Warning{Code: "leak", Detail: fmt.Sprintf(
			"%d networks had calibrated the table and were left out of its audit: %s", len(leaked), sample(leaked))})
	}
	sweep := lut.Sweep{}
	for _, fam := range old.Families {
		s := sweepOf(fam)
		sweep.Lines += s.Lines
		sweep.Steps += s.Steps
		sweep.Reversed += s.Reversed
		sweep.Significant += s.Significant
		sweep.Worst = max(sweep.Worst, s.Worst)
	}
	var warn []lut.Warning
	if f.Audit, warn, err = audit(ctx, t, c.audit, sweep, opt); err != nil {
		return nil, err
	}
	if f.Audit == nil {
		return nil, hint.Wrap(fmt.Errorf("%s: no network to judge the table by", sources[0].Name),
			"audit records are of kind e2e, valid, and name operators the table knows")
	}
	f.Warnings = append(f.Warnings, warn...)
	f.Warnings = append(f.Warnings, c.warnings...)
	sortWarnings(f.Warnings)
	f.Inputs = slices.DeleteFunc(slices.Clone(f.Inputs), func(in lut.Input) bool { return in.Kind == "audit" })
	for _, in := range c.inputs {
		if in.Kind == "audit" {
			f.Inputs = append(f.Inputs, in)
		}
	}
	slices.SortFunc(f.Inputs, func(a, b lut.Input) int { return cmp.Compare(a.Kind, b.Kind) })
	return lut.New(f)
}

func sortWarnings(ws []lut.Warning) {
	slices.SortStableFunc(ws, func(a, b lut.Warning) int {
		return cmp.Or(cmp.Compare(a.Code, b.Code), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Detail, b.Detail))
	})
}

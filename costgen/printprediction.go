package costgen

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	nets "github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/costgen/devicemodel"
	"github.com/isocost/isocost/lut"
)

// PredictionFields are a prediction as costgen predict --json prints it, with the unit in
// the fields' names.
func PredictionFields(t *lut.Table, p *Prediction, net *nets.Network) map[string]any {
	unit := "_" + p.Unit
	var kernels []map[string]any
	for _, k := range p.Kernels {
		m := map[string]any{"name": k.Name, "key": k.Key, p.Unit: k.Cost, "lo" + unit: k.Lo, "hi" + unit: k.Hi}
		if k.NoInterval {
			m["lo"+unit], m["hi"+unit] = nil, nil
		}
		if k.Extrapolated {
			m["extrapolated"] = true
		}
		if k.Status != "" {
			m["status"], m["share_of_variance"] = k.Status, k.Share
		}
		kernels = append(kernels, m)
	}
	if kernels == nil {
		kernels = []map[string]any{}
	}
	how := "rules"
	if net.Lowered {
		how = "runtime"
	}
	fields := map[string]any{
		"model": p.Model, "total" + unit: p.Total, "lo" + unit: p.Lo, "hi" + unit: p.Hi, "known" + unit: p.Known,
		"extrapolated": p.Extrapolated, "kernels": kernels, "missing": p.Missing, "lowered_by": how, "table": t.Hash(),
		"warnings": net.Warnings,
	}
	if net.Batch > 0 {
		fields["batch"] = net.Batch
	}
	if len(net.Dims) > 0 {
		fields["dims"] = net.Dims
	}
	if p.Inferences > 0 {
		fields["inferences"] = p.Inferences
	}
	if p.Basis != nil {
		fields["basis"] = p.Basis
	}
	return fields
}

// kernelsShown says how many kernels are printed without --all.
const kernelsShown = 12

// WritePrediction writes a prediction for people: the total, where it comes from and what
// is missing; all kernels and reasons, or the first few.
func WritePrediction(w io.Writer, t *lut.Table, p *Prediction, net *nets.Network, all bool) error {
	var b strings.Builder
	how := "fusion rules"
	if net.Lowered {
		how = "the runtime's optimised graph"
	}
	if p.Total != nil {
		mark := ""
		if p.Extrapolated {
			// Without a guessed kernel it is the sum that lies outside.
			mark = "\n  extrapolated: the calibration was fitted on networks of other sizes"
			if p.Inferences > 0 {
				mark = fmt.Sprintf("\n  extrapolated: batch %d is priced as %d inferences one after another", net.Batch, p.Inferences)
			} else if slices.ContainsFunc(p.Kernels, func(k PricedKernel) bool { return k.Extrapolated }) {
				mark = "\n  extrapolated: kernels outside the measured range are guessed"
				if p.Basis != nil {
					mark = fmt.Sprintf("\n  %.0f %% of it extrapolated: kernels beyond those the model was fitted to", 100*p.Basis[devicemodel.Extrapolated])
				}
			}
		}
		interval := "no interval: the table has costs that were published without their spread"
		if p.Lo != nil {
			interval = fmt.Sprintf("95 %% between %.5g and %.5g", *p.Lo, *p.Hi)
		}
		fmt.Fprintf(&b, "%s: %.5g %s, %s%s\n", p.Model, *p.Total, p.Unit, interval, mark)
	} else {
		fmt.Fprintf(&b, "%s: no total, %d kernels are missing; the others sum to %.5g %s\n", p.Model, len(p.Missing), p.Known, p.Unit)
	}
	fmt.Fprintf(&b, "  %d kernels by %s, %d nodes free", len(net.Kernels), how, len(net.Free))
	for _, name := range slices.Sorted(maps.Keys(net.Dims)) { // given, or a batch taken for 1
		fmt.Fprintf(&b, ", %s = %d", name, net.Dims[name])
	}
	b.WriteByte('\n')
	if p.Basis != nil {
		var parts []string
		for _, s := range []devicemodel.Status{devicemodel.Measured, devicemodel.Interpolated, devicemodel.Extrapolated} {
			n := 0
			for _, k := range p.Kernels {
				if k.Status == s {
					n++
				}
			}
			if n > 0 {
				parts = append(parts, fmt.Sprintf("%.3g %% %s (%d kernels)", 100*p.Basis[s], s, n))
			}
		}
		fmt.Fprintf(&b, "  rests on %s\n", strings.Join(parts, ", "))
	}
	peak := t.File().Metric == lut.Memory
	byKind := map[string]*[2]float64{}
	for _, k := range p.Kernels {
		name := k.Key.Kind + " " + string(k.Key.Precision)
		if byKind[name] == nil {
			byKind[name] = &[2]float64{}
		}
		byKind[name][0] += k.Cost
		byKind[name][1]++
	}
	var kinds []string
	for k := range byKind {
		kinds = append(kinds, k)
	}
	slices.SortFunc(kinds, func(x, y string) int {
		return cmp.Or(cmp.Compare(byKind[y][0], byKind[x][0]), cmp.Compare(x, y))
	})
	if peak { // which kinds do not add up to
		fmt.Fprintf(&b, "  %.4g %s in use at once by the plan; below, what is alive while each kernel runs\n", p.Known, p.Unit)
		kinds = nil
	}
	for _, k := range kinds {
		fmt.Fprintf(&b, "  %10.4g %s  %5.1f %%  %3.0f × %s\n", byKind[k][0], p.Unit, 100*byKind[k][0]/p.Known, byKind[k][1], k)
	}
	show := slices.Clone(p.Kernels)
	if !all {
		slices.SortStableFunc(show, func(x, y PricedKernel) int { return cmp.Compare(y.Cost, x.Cost) })
		show = show[:min(kernelsShown, len(show))]
		if len(show) > 0 {
			fmt.Fprintf(&b, "\n  the %d most expensive of %d kernels (--all prints every one)\n", len(show), len(p.Kernels))
		}
	} else {
		b.WriteByte('\n')
	}
	for _, k := range show {
		mark := ""
		switch {
		case k.Status != "":
			mark = fmt.Sprintf(" %s, %.0f %% of the variance", k.Status, 100*k.Share)
		case k.Extrapolated:
			mark = " extrapolated"
		}
		spread := fmt.Sprintf("±%.3g", (k.Hi-k.Lo)/2)
		if k.NoInterval {
			spread = "±?"
		}
		fmt.Fprintf(&b, "  %10.4g %s  %s%s  %s  %s\n", k.Cost, p.Unit, spread, mark, nets.Shown(k.Name), k.Key)
	}
	if len(p.Missing) > 0 {
		writeMissing(&b, p.Missing, all)
	}
	for _, x := range net.Warnings {
		fmt.Fprintf(&b, "  note: %s\n", x)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeMissing lists each reason once, with how many kernels share it and the
// first of them.
func writeMissing(b *strings.Builder, missing []Missing, all bool) {
	var reasons []string
	names := map[string][]string{}
	for _, m := range missing {
		if names[m.Reason] == nil {
			reasons = append(reasons, m.Reason)
		}
		names[m.Reason] = append(names[m.Reason], m.Name)
	}
	fmt.Fprintf(b, "\n  missing\n")
	for i, why := range reasons {
		if i == kernelsShown && !all {
			fmt.Fprintf(b, "  … and %d more reasons (--all prints every one)\n", len(reasons)-i)
			break
		}
		times := ""
		if n := len(names[why]); n > 1 {
			times = fmt.Sprintf(" and %d more", n-1)
		}
		fmt.Fprintf(b, "  %s%s: %s\n", nets.Shown(names[why][0]), times, why)
	}
}

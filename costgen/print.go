package costgen

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/isocost/isocost/lut"
)

// WriteSummary writes what a table holds and how far it can be believed, for
// people, within 80 columns.
func WriteSummary(w io.Writer, t *lut.Table) error {
	var b strings.Builder
	f := t.File()
	knots, kinds := 0, map[string]int{}
	moved := 0
	for _, fam := range f.Families {
		knots += len(fam.Knots)
		kinds[fam.Op.Kind+" "+string(fam.Op.Precision)] += len(fam.Knots)
		for _, k := range fam.Knots {
			if k.Reason == lut.Isotonic {
				moved++
			}
		}
	}
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, clip(fmt.Sprintf(format, args...), 66))
	}
	row("table", "%s in %s, %s", f.Metric, f.Unit, t.Hash()[:12])
	row("device", "%s", strings.Join(nonEmpty(cmp.Or(f.Device.CPU, f.Device.Model, f.Device.ID), f.Device.OS+"/"+f.Device.Arch, cores(f.Device.Cores)), ", "))
	if f.Device.Caches != (lut.Caches{}) {
		row("caches", "%s", f.Device.Caches)
	}
	row("runtime", "%s", strings.Join(nonEmpty(strings.TrimSpace(f.Runtime.Backend+" "+f.Runtime.Version), f.Runtime.Provider, threads(f.Runtime.Threads)), ", "))
	if f.Runtime.Options != "" {
		row("options", "%s", f.Runtime.Options)
	}
	if f.Runtime.Features != "" {
		row("features", "%s", f.Runtime.Features)
	}
	row("cells", "%d in %d families, %d moved by the policy %s", knots, len(f.Families), moved, f.Policy)
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		row("", "%5d %s", kinds[k], k)
	}
	for _, line := range staircaseLines(f) {
		row("staircases", "%s", line)
	}
	if o := f.Overhead; o != nil {
		row("overhead", "%.4g %s per inference", o.Value, f.Unit)
	}
	if len(f.Warnings) > 0 {
		codes := map[string]int{}
		for _, w := range f.Warnings {
			codes[w.Code]++
		}
		var parts []string
		for _, c := range slices.Sorted(maps.Keys(codes)) {
			parts = append(parts, fmt.Sprintf("%d %s", codes[c], c))
		}
		row("warnings", "%s", strings.Join(parts, ", "))
	}
	writeCalibration(&b, f)
	writeAudit(&b, f)
	_, err := io.WriteString(w, b.String())
	return err
}

// staircaseLines says of each kind and precision what its costs do along an axis.
func staircaseLines(f *lut.File) []string {
	type pool struct {
		lo, hi float64 // of the factors' logarithms
		whole  bool
		period int
	}
	pools := map[string]*pool{}
	for _, fam := range f.Families {
		for _, s := range fam.Stairs {
			name := fam.Op.Kind + " " + string(fam.Op.Precision) + " along " + s.Axis
			p := pools[name]
			if p == nil {
				p = &pool{lo: math.Inf(1), hi: math.Inf(-1), whole: s.Whole, period: s.Period}
				pools[name] = p
			}
			for _, x := range s.Factors {
				p.lo, p.hi = min(p.lo, x.Log), max(p.hi, x.Log)
			}
		}
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		p := pools[name]
		how := "slopes"
		if p.whole {
			how = "whole blocks"
		}
		line := fmt.Sprintf("%s: %s of %d", name, how, p.period)
		if p.lo <= p.hi {
			line += fmt.Sprintf(", else ×%.2f–%.2f", math.Exp(p.lo), math.Exp(p.hi))
		}
		out = append(out, line)
	}
	return out
}

func writeCalibration(b *strings.Builder, f *lut.File) {
	c := f.Calibration
	if c == nil {
		fmt.Fprintf(b, "\nnot calibrated: a network is the plain sum of its operators\n")
		return
	}
	sum := "Σ"
	if f.Overhead != nil {
		sum = "(Σ + overhead)"
	}
	fmt.Fprintf(b, "\ncalibration on %d networks:\n  %s = %.4g·%s", c.N, f.Metric, c.A, sum)
	if c.B != 0 {
		fmt.Fprintf(b, " %+.4g", c.B)
	}
	if c.C != 0 {
		fmt.Fprintf(b, " %+.4g·kernels", c.C)
	}
	if len(c.Curve) > 0 {
		fmt.Fprintf(b, ", bent at %d points", len(c.Curve))
	}
	if t := c.Traffic; t != nil {
		fmt.Fprintf(b, " + traffic")
	}
	b.WriteString("\n")
	if t := c.Traffic; t != nil {
		fmt.Fprintf(b, "    traffic  per megabyte: weights of linear layers %.3g, of convolutions %.3g, large tensors %.3g;\n"+
			"             none of it in networks below %.3g MiB, all of it above %.3g MiB\n",
			1e6*t.Linear, 1e6*t.Conv, 1e6*t.Spill, float64(t.From)/(1<<20), float64(t.To)/(1<<20))
	}
	for _, m := range c.Candidates {
		mark := " "
		if m.Model == c.Model {
			mark = "*"
		}
		fmt.Fprintf(b, "  %s %-24s RMSPE %6.2f %%  cross-validated\n", mark, m.Model, 100*m.RMSPE)
	}
}

func writeAudit(b *strings.Builder, f *lut.File) {
	a := f.Audit
	if a == nil {
		fmt.Fprintf(b, "\nnot audited: no networks that the fit never saw\n")
		return
	}
	fmt.Fprintf(b, "\naudit on %d networks the fit never saw\n", a.Errors.N)
	fmt.Fprintf(b, "  %-14s %8s %8s %8s %8s %8s\n", "", "bias", "RMSPE", "in 5 %", "in 10 %", "max")
	plain := "plain sum"
	if f.Metric == lut.Memory {
		plain = "by the plan"
	}
	for _, r := range []struct {
		name string
		e    lut.Errors
	}{{plain, a.Raw}, {"calibrated", a.Errors}} {
		fmt.Fprintf(b, "  %-14s %+7.2f%% %7.2f%% %7.1f%% %7.1f%% %7.2f%%\n", r.name,
			100*r.e.Bias, 100*r.e.RMSPE, 100*r.e.Acc5, 100*r.e.Acc10, 100*r.e.Max)
	}
	if nf := a.NoiseFloor; nf != nil {
		fmt.Fprintf(b, "  %-14s the truth itself: ±%.2f %% (median 95 %% interval, worst %.2f %%)\n", "noise floor", 100*nf.MedianHalf, 100*nf.MaxHalf)
		if nf.BetweenRMS > 0 {
			fmt.Fprintf(b, "  %-14s %.2f %% between rounds, the drift reference within %.2f %%\n", "", 100*nf.BetweenRMS, 100*nf.Reference)
		}
	}
	if a.Eta != nil {
		fmt.Fprintf(b, "  %-14s %.2f %% bounds the error of %g %% of networks, confidence %g %%\n", "eta", 100**a.Eta, 100*(1-a.Delta), 100*(1-a.Beta))
		fmt.Fprintf(b, "  %-14s rank %d of %d; margin gamma %.2f %%\n", "", a.K, a.Errors.N, 100*a.Gamma)
	} else {
		fmt.Fprintf(b, "  %-14s not stated: δ=%g at confidence %g %% needs %d network%s more\n", "eta", a.Delta, 100*(1-a.Beta), a.Missing, map[bool]string{false: "s"}[a.Missing == 1])
	}
	fmt.Fprintf(b, "  %-14s held the truth in %.1f %% of %d\n", "95 % interval", 100*a.Interval.Inside, a.Interval.N)
	fmt.Fprintf(b, "  %-14s median %.2f %%, 95 %% within %.2f %%, max %.2f %% (%d pairs)\n", "pair error", 100*a.Pair.Median, 100*a.Pair.P95, 100*a.Pair.Max, a.Pair.N)
	if a.Band.Bands > 0 {
		fmt.Fprintf(b, "  %-14s Spearman %.3f, Kendall %.3f in %d bands of ±%g %% (%d networks)\n", "rank in band", a.Band.Spearman, a.Band.Kendall, a.Band.Bands, 100*a.Band.Tau, a.Band.N)
	} else {
		fmt.Fprintf(b, "  %-14s no band of ±%g %% holds four networks\n", "rank in band", 100*a.Band.Tau)
	}
	fmt.Fprintf(b, "  %-14s Spearman %.3f, Kendall %.3f (mostly size)\n", "rank overall", a.Band.SpearmanAll, a.Band.KendallAll)
	for _, x := range a.Feasible {
		fmt.Fprintf(b, "  %-14s predicted within ±%g %%: measured so %.1f %% (plain sum %.1f %%)\n", "feasibility", 100*x.Tau, 100*x.Inside, 100*x.RawInside)
	}
	fmt.Fprintf(b, "  %-14s %d of %d steps fall, %d beyond noise, worst %.1f %%\n", "sweeps", a.Sweep.Reversed, a.Sweep.Steps, a.Sweep.Significant, 100*a.Sweep.Worst)
	fmt.Fprintf(b, "\n  %-16s %-8s %-7s %5s %9s %9s\n", "corner", "", "width", "nets", "bias", "max")
	for _, c := range a.Corners {
		fmt.Fprintf(b, "  %-16s %-8s %-7s %5d %+8.2f%% %8.2f%%\n", clip(c.Kind, 16), c.Precision, c.Width, c.N, 100*c.Bias, 100*c.Max)
	}
}

// WriteWarnings writes the warnings, one per line; of each code at most limit, the
// rest counted, unless limit is 0.
func WriteWarnings(w io.Writer, t *lut.Table, limit int) error {
	shown, more := map[string]int{}, map[string]int{}
	for _, x := range t.File().Warnings {
		if shown[x.Code]++; limit > 0 && shown[x.Code] > limit {
			more[x.Code]++
			continue
		}
		s := x.Code + ": "
		if x.Key != "" {
			s += x.Key + " "
		}
		s += x.Detail
		if x.Code == "violation" || x.Code == "disagree" || x.Code == "precision-order" {
			s += fmt.Sprintf(" (p = %.1g)", x.P)
		}
		if _, err := fmt.Fprintln(w, s); err != nil {
			return err
		}
	}
	for _, code := range slices.Sorted(maps.Keys(more)) {
		if _, err := fmt.Fprintf(w, "%s: %d more; costgen inspect --warnings lists all\n", code, more[code]); err != nil {
			return err
		}
	}
	return nil
}

// clip shortens s to n runes.
func clip(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// cores names a core set; "" when it is not known.
func cores(set string) string {
	if set == "" {
		return ""
	}
	return "cores " + set
}

func threads(n int) string {
	switch n {
	case 0: // of an imported table, whose file does not say
		return ""
	case 1:
		return "1 thread"
	}
	return fmt.Sprintf("%d threads", n)
}

func nonEmpty(list ...string) []string {
	var out []string
	for _, s := range list {
		if s != "" && s != "/" {
			out = append(out, s)
		}
	}
	return out
}

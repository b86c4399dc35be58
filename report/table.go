package report

import (
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
	"github.com/isocost/isocost/report/page"
)

// unitSign is a table unit as people write it.
var unitSign = map[string]string{"us": "µs", "mj": "mJ", "bytes": "B"}

// Table writes the report of a cost table. Records, when given, are the
// campaigns it was compiled from and add drift, clocks, temperatures and
// validity codes. Of a table with a model of the device, about adds the build's learning curve
// and how well the kernels of a census are known.
func Table(w io.Writer, t *lut.Table, records []*record.File, about Learned) error {
	f := t.File()
	p := page.Page{
		Title:    "Cost table: " + orDash(f.Device.Model),
		Subtitle: fmt.Sprintf("%s of %s on %s, %s %s, provider %s, %d thread(s), cores %s", f.Metric, plural(cells(f), "operator"), orDash(f.Device.CPU), f.Runtime.Backend, f.Runtime.Version, f.Runtime.Provider, f.Runtime.Threads, orDash(f.Device.Cores)),
		Footer:   "isocost · table " + short(t.Hash()) + " · protocol " + short(f.Protocol.SHA256),
	}
	p.Sections = append(p.Sections, trust(f), accuracy(f))
	if f.Model != nil {
		s, err := learned(f, about)
		if err != nil {
			return err
		}
		p.Sections = append(p.Sections, s)
	}
	if s := staircases(f); len(s.Blocks) > 0 {
		p.Sections = append(p.Sections, s)
	}
	if len(records) > 0 {
		p.Sections = append(p.Sections, campaign(records), validity(records))
	}
	if len(f.Warnings) > 0 {
		p.Sections = append(p.Sections, warnings(f))
	}
	p.Sections = append(p.Sections, identity(t), knots(f))
	return p.Write(w)
}

// trust is the ten-second answer.
func trust(f *lut.File) page.Section {
	s := page.Section{Title: "Can it be trusted?"}
	a := f.Audit
	if a == nil {
		text := "This table was never audited: no network that its fit did not see has judged it. Measure some (agent plan --audit) and compile again."
		if m := f.Model; m != nil && m.Networks > 0 {
			text = fmt.Sprintf("This table was never audited, but its model priced %d networks of families that it had not seen with an error of %s (RMSPE); its intervals are widened to match. Measure networks like yours (agent bench --model) and compare.", m.Networks, percent(m.RMSPE))
		}
		s.Blocks = append(s.Blocks, page.Verdict{Level: "warn", Text: text})
		return s
	}
	level, text := "good", ""
	if a.Eta != nil {
		text = fmt.Sprintf("At least %s of networks like these are predicted within η = %s (confidence %s, n = %d). The worst of the %d audited is off by %s.",
			percent(1-a.Delta), percent(*a.Eta), percent(1-a.Beta), a.Errors.N, a.Errors.N, percent(a.Errors.Max))
		if *a.Eta > 0.10 { // the field's best tables reach all within 10 %
			level = "bad"
		} else if *a.Eta > 0.05 {
			level = "warn"
		}
	} else {
		level = "warn"
		text = fmt.Sprintf("No error bound: %d audited networks are too few for δ = %s at confidence %s; %d more are needed. The worst is off by %s.",
			a.Errors.N, percent(a.Delta), percent(1-a.Beta), a.Missing, percent(a.Errors.Max))
	}
	s.Blocks = append(s.Blocks, page.Verdict{Level: level, Text: text})
	facts := page.Facts{
		{Term: "RMSPE", Value: percent(a.Errors.RMSPE) + " (plain sum " + percent(a.Raw.RMSPE) + ")"},
		{Term: "bias", Value: signed(a.Errors.Bias) + " (plain sum " + signed(a.Raw.Bias) + ")"},
		{Term: "within 5 % / 10 %", Value: percent(a.Errors.Acc5) + " / " + percent(a.Errors.Acc10)},
		{Term: "largest error", Value: percent(a.Errors.Max)},
		{Term: "interval holds the truth", Value: fmt.Sprintf("%s of %d", percent(a.Interval.Inside), a.Interval.N)},
		{Term: "pair error, 95th percentile", Value: fmt.Sprintf("%s (n = %d)", percent(a.Pair.P95), a.Pair.N)},
		{Term: fmt.Sprintf("rank inside a ±%s band", percent(a.Band.Tau)), Value: fmt.Sprintf("Spearman %.2f, Kendall %.2f (n = %d)", a.Band.Spearman, a.Band.Kendall, a.Band.N)},
		{Term: "sweeps", Value: fmt.Sprintf("%d of %d steps fall, %d significantly", a.Sweep.Reversed, a.Sweep.Steps, a.Sweep.Significant)},
	}
	if nf := a.NoiseFloor; nf != nil {
		facts = append(facts, page.Fact{Term: "noise floor of the truth", Value: fmt.Sprintf("±%s median half-width, largest %s", percent(nf.MedianHalf), percent(nf.MaxHalf))})
	}
	if c := f.Calibration; c != nil {
		facts = append(facts, page.Fact{Term: "calibration", Value: fmt.Sprintf("%s on %d networks", c.Model, c.N)})
	}
	s.Blocks = append(s.Blocks, facts)
	if len(a.Feasible) > 0 {
		t := page.Table{Caption: "Feasibility: of the pairs predicted within ±τ, how many are measured within ±τ",
			Columns: []page.Column{{Name: "τ", Numeric: true}, {Name: "pairs", Numeric: true}, {Name: "inside", Numeric: true}, {Name: "pairs, plain sum", Numeric: true}, {Name: "inside, plain sum", Numeric: true}}}
		for _, x := range a.Feasible {
			t.Rows = append(t.Rows, []page.Cell{pct(x.Tau), page.Num(float64(x.Pairs), ""), pct(x.Inside), page.Num(float64(x.RawPairs), ""), pct(x.RawInside)})
		}
		s.Blocks = append(s.Blocks, t)
	}
	return s
}

func warnings(f *lut.File) page.Section {
	t := page.Table{Columns: []page.Column{{Name: "code"}, {Name: "operator"}, {Name: "finding"}, {Name: "p", Numeric: true}}}
	for _, w := range f.Warnings {
		p := page.Cell{Text: "–", Value: math.Inf(1)}
		if w.P > 0 {
			p = page.Num(w.P, "")
		}
		t.Rows = append(t.Rows, []page.Cell{page.Str(w.Code), page.Str(w.Key), page.Str(w.Detail), p})
	}
	return page.Section{Title: "What the compiler found", Lead: "Findings larger than noise are reported, not smoothed away.", Blocks: []page.Block{t}}
}

func identity(t *lut.Table) page.Section {
	f := t.File()
	facts := page.Facts{
		{Term: "device", Value: orDash(f.Device.Model)}, {Term: "processor", Value: orDash(f.Device.CPU)},
		{Term: "system", Value: f.Device.OS + "/" + f.Device.Arch}, {Term: "core set", Value: orDash(f.Device.Cores)},
		{Term: "runtime", Value: f.Runtime.Backend + " " + f.Runtime.Version}, {Term: "library SHA-256", Value: short(f.Runtime.SHA256)},
		{Term: "provider, threads", Value: fmt.Sprintf("%s, %d", f.Runtime.Provider, f.Runtime.Threads)},
		{Term: "protocol SHA-256", Value: short(f.Protocol.SHA256)}, {Term: "policy", Value: string(f.Policy)},
		{Term: "table SHA-256", Value: t.Hash()},
	}
	inputs := page.Table{Caption: "Compiled from", Columns: []page.Column{{Name: "kind"}, {Name: "records", Numeric: true}, {Name: "SHA-256"}}}
	for _, in := range f.Inputs {
		inputs.Rows = append(inputs.Rows, []page.Cell{page.Str(in.Kind), page.Num(float64(in.Records), ""), page.Str(short(in.SHA256))})
	}
	s := page.Section{Title: "Identity and protocol", Blocks: []page.Block{facts, inputs}}
	for _, e := range f.Expires {
		s.Blocks = append(s.Blocks, page.Text("Measure again "+e+"."))
	}
	return s
}

// knots lists every cell. Rows are kept lean: 5,000 of them must fit in 3 MB.
func knots(f *lut.File) page.Section {
	unit := unitSign[f.Unit]
	t := page.Table{Columns: []page.Column{{Name: "family"}, {Name: "at"}, {Name: "raw (" + unit + ")", Numeric: true}, {Name: "corrected (" + unit + ")", Numeric: true}, {Name: "± %", Numeric: true}, {Name: "n", Numeric: true}, {Name: "reason"}}}
	for _, fam := range f.Families {
		for _, k := range fam.Knots {
			half := page.Str("–") // published without its spread
			if k.Raw > 0 && !k.Bare() {
				half = lean((k.Hi - k.Lo) / 2 / k.Raw * 100)
			}
			mark := ""
			if k.Reason != lut.Measured {
				mark = "warn"
			}
			t.Rows = append(t.Rows, []page.Cell{page.Str(fam.Name()), page.Str(at(fam.Axes, k.At)), lean(k.Raw), lean(k.Corrected), half, page.Num(float64(k.N), ""), {Text: string(k.Reason), Mark: mark}})
		}
	}
	return page.Section{Title: "All cells", Blocks: []page.Block{t}}
}

// lean is a number whose sort key has no more digits than it shows.
func lean(v float64) page.Cell {
	c := page.Num(v, "")
	if v != 0 {
		scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
		c.Value = math.Round(v*scale) / scale
	}
	return c
}

func cells(f *lut.File) (n int) {
	for _, fam := range f.Families {
		n += len(fam.Knots)
	}
	return n
}

// at prints coordinates as in a key.
func at(axes []string, values []int) string {
	var b strings.Builder
	for i, a := range axes {
		if i > 0 {
			b.WriteByte(' ')
		}
		fmt.Fprintf(&b, "%s=%d", a, values[i])
	}
	return b.String()
}

func percent(x float64) string {
	switch x *= 100; {
	case x == math.Trunc(x):
		return fmt.Sprintf("%.0f %%", x)
	case math.Abs(x) < 10:
		return fmt.Sprintf("%.2g %%", x)
	default:
		return fmt.Sprintf("%.1f %%", x)
	}
}

func signed(x float64) string {
	if x > 0 {
		return "+" + percent(x)
	}
	return strings.Replace(percent(x), "-", "−", 1)
}

func pct(x float64) page.Cell { return page.Cell{Text: percent(x), Value: x} }

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func orDash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// short is the beginning of a hash, enough to tell two apart.
func short(hash string) string {
	if len(hash) > 12 {
		return hash[:12]
	}
	return hash
}

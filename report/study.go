package report

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/report/page"
	"github.com/isocost/isocost/report/plot"
	"github.com/isocost/isocost/search/study"
)

// IsStudy reports whether dir is a study directory rather than a run's.
func IsStudy(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, study.HeaderFile))
	return err == nil
}

// OpenStudy reads the results of a study directory.
func OpenStudy(dir string) (*study.Results, error) {
	file := filepath.Join(dir, study.ResultsFile)
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, hint.Wrap(err, "results are written when every search of the study has ended: the same isosearch study goes on")
	}
	return study.DecodeResults(file, data)
}

// Study writes the report of a study: what each method gained and what it spent
// of the device, the fronts, what becomes of the finals on other tables.
func Study(w io.Writer, r *study.Results) error {
	p := page.Page{
		Title: "Searches compared at equal cost: " + r.Space.Name,
		Subtitle: fmt.Sprintf("evaluator %s · τ = %s · ε = %g · δ = %g · %d anchors · %d evaluations per search",
			r.Evaluator.Spec, percent(r.Tau), r.Epsilon, r.Delta, len(r.Anchors), r.Budget),
		Footer: "isocost",
	}
	for _, table := range r.Tables {
		s := gains(r, table.Name)
		if len(r.Tables) > 1 {
			s.Title += " on " + table.Name
		}
		p.Sections = append(p.Sections, s)
	}
	if len(r.Curves) > 0 {
		p.Sections = append(p.Sections, curves(r))
	}
	if len(r.Selectors) > 0 {
		p.Sections = append(p.Sections, selectors(r))
	}
	p.Sections = append(p.Sections, studyFronts(r))
	if len(r.Transfers) > 0 {
		p.Sections = append(p.Sections, transfers(r))
	}
	if r.Fidelity != nil {
		p.Sections = append(p.Sections, fidelity(r.Fidelity))
	}
	p.Sections = append(p.Sections, searches(r))
	return p.Write(w)
}

// methodsOf lists the methods in the order of the study; a method keeps its
// colour through the page.
func methodsOf(r *study.Results) (names []string) {
	for _, m := range r.Methods {
		if !slices.Contains(names, m.Method) {
			names = append(names, m.Method)
		}
	}
	return names
}

// gains shows one table's searches: gain over cost deviation, so that what was
// bought with the device is seen apart from what was found.
func gains(r *study.Results, table string) page.Section {
	s := page.Section{Title: "Gain and cost", Lead: "Each point is one search's final network: how much better than its anchor on fresh samples, and how far its cost lies from the anchor's. Points beyond the shaded band were bought, not found."}
	names := methodsOf(r)
	scatter := plot.Chart{Title: "Gain over cost deviation", X: plot.Axis{Label: "cost deviation from the anchor", Unit: "%"}, Y: plot.Axis{Label: "gain in utility"}, HLines: []float64{0}}
	perMethod := plot.Chart{Title: "Gain by method", X: plot.Axis{Label: "method", Categories: names}, Y: plot.Axis{Label: "gain in utility"}, HLines: []float64{0},
		Caption: "Mean over anchors and seeds, ± one standard deviation; beside it the gain over the anchor rescaled to the final's own cost."}
	lo, hi := 0.0, 0.0
	for i, name := range names {
		points := plot.Series{Name: name, Colour: i}
		for _, u := range r.Units {
			gain, ok := u.Gain()
			if u.Table != table || u.Method != name || !ok {
				continue
			}
			points.Points = append(points.Points, plot.Point{X: 100 * u.Deviation, Y: gain, Strong: !u.Inside, Label: fmt.Sprintf("%s from %s, seed %d", name, u.Anchor, u.Seed)})
			lo, hi = min(lo, gain), max(hi, gain)
		}
		add(&scatter, points)
	}
	scatter.Bands = []plot.Band{{Name: "±τ = " + percent(r.Tau), X: []float64{-100 * r.Tau / (1 + r.Tau), 100 * r.Tau}, Lo: []float64{lo, lo}, Hi: []float64{hi, hi}, Colour: 2}}

	mean := plot.Series{Name: "gain", Colour: 0}
	beyond := plot.Series{Name: "beyond the cost control", Colour: 1}
	rows := page.Table{Columns: []page.Column{{Name: "method"}, {Name: "gain", Numeric: true}, {Name: "± sd", Numeric: true}, {Name: "beyond control", Numeric: true}, {Name: "optimism", Numeric: true},
		{Name: "|cost dev.|", Numeric: true}, {Name: "worst dev.", Numeric: true}, {Name: "outside ±τ", Numeric: true}, {Name: "evaluations", Numeric: true}, {Name: "certified", Numeric: true}}}
	for _, m := range r.Methods {
		if m.Table != table {
			continue
		}
		x := float64(slices.Index(names, m.Method))
		if m.Gain != nil {
			pt := plot.Point{X: x, Y: *m.Gain, Label: m.Method}
			if m.GainSD != nil {
				pt.Lo, pt.Hi = *m.Gain-*m.GainSD, *m.Gain+*m.GainSD
			}
			mean.Points = append(mean.Points, pt)
		}
		if m.Beyond != nil {
			beyond.Points = append(beyond.Points, plot.Point{X: x + 0.15, Y: *m.Beyond, Label: m.Method + ", beyond the cost control"})
		}
		outside := page.Cell{Text: fmt.Sprintf("%d of %d", m.Outside, m.Units), Value: float64(m.Outside), Mark: "good"}
		if m.Outside > 0 {
			outside.Mark = "warn"
		}
		rows.Rows = append(rows.Rows, []page.Cell{page.Str(m.Method), optional(m.Gain), optional(m.GainSD), optional(m.Beyond), optional(m.Optimism),
			{Text: percent(m.Deviation), Value: m.Deviation}, {Text: signed(m.Worst), Value: m.Worst}, outside, page.Num(m.Samples, ""), {Text: certified(m), Value: float64(m.Certified)}})
	}
	add(&perMethod, mean, beyond)
	s.Blocks = append(s.Blocks, page.Figures{scatter, perMethod}, rows,
		page.Text("Optimism is the search's own mean of its final less the fresh one: the winner's curse: samples that selected a network overstate it. Costs are the table's."))
	return s
}

// curves shows how far the searches are after so many evaluations.
func curves(r *study.Results) page.Section {
	s := page.Section{Title: "Against evaluations", Lead: "What each method would have ended with after so many evaluations, in the mean over anchors and seeds: by gain and, where the best network at that cost is known, by regret. Differences from the first method are paired by anchor and seed; their 95 % intervals are by Student's t."}
	names := methodsOf(r)
	rows := page.Table{Columns: []page.Column{{Name: "table"}, {Name: "method"}, {Name: "evaluations", Numeric: true}, {Name: "gain", Numeric: true}, {Name: "regret", Numeric: true}, {Name: "less " + names[0], Numeric: true}, {Name: "95 % from", Numeric: true}, {Name: "to", Numeric: true}}}
	for _, table := range r.Tables {
		x := plot.Axis{Label: "evaluations", Log: true}
		gain := plot.Chart{Title: "Gain, " + table.Name, X: x, Y: plot.Axis{Label: "gain in utility"}, HLines: []float64{0}}
		regret := plot.Chart{Title: "Regret, " + table.Name, X: x, Y: plot.Axis{Label: "regret in utility", FromZero: true}}
		for i, name := range names {
			g, m := plot.Series{Name: name, Kind: plot.Line, Colour: i}, plot.Series{Name: name, Kind: plot.Line, Colour: i}
			for _, c := range r.Curves {
				if c.Table != table.Name || c.Method != name {
					continue
				}
				rows.Rows = append(rows.Rows, []page.Cell{page.Str(c.Table), page.Str(c.Method), page.Num(float64(c.Samples), ""), optional(c.Gain), optional(c.Regret), optional(c.Difference), optional(c.Lo), optional(c.Hi)})
				if c.Gain != nil {
					g.Points = append(g.Points, plot.Point{X: float64(c.Samples), Y: *c.Gain, Label: name})
				}
				if c.Regret != nil {
					m.Points = append(m.Points, plot.Point{X: float64(c.Samples), Y: *c.Regret, Label: name})
				}
			}
			add(&gain, g)
			add(&regret, m)
		}
		figures := page.Figures{gain}
		if len(regret.Series) > 0 {
			figures = append(figures, regret)
		}
		s.Blocks = append(s.Blocks, figures)
	}
	s.Blocks = append(s.Blocks, rows)
	return s
}

// selectors compares what the certifying search spends with each of them.
func selectors(r *study.Results) page.Section {
	s := page.Section{Title: "Selectors", Lead: "The certifying search with each selector from the same anchors, with the same seeds, evaluator and budget: how often it certified and what it spent, in samples of full fidelity, the calibration of the noise included."}
	var names []string
	for _, row := range r.Selectors {
		if name := string(row.Selector); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	chart := plot.Chart{Title: "Spent, as a multiple of the default selector's", Width: 980, X: plot.Axis{Label: "selector", Categories: names}, Y: plot.Axis{Label: "times the default's samples", FromZero: true}, HLines: []float64{1},
		Caption: "Geometric mean where both certified, with its 95 % interval."}
	rows := page.Table{Columns: []page.Column{{Name: "table"}, {Name: "selector"}, {Name: "certified", Numeric: true}, {Name: "spent", Numeric: true}, {Name: "times the default's", Numeric: true}, {Name: "95 % from", Numeric: true}, {Name: "to", Numeric: true}, {Name: "pairs", Numeric: true}}}
	for i, table := range r.Tables {
		series := plot.Series{Name: table.Name, Colour: i}
		for _, row := range r.Selectors {
			if row.Table != table.Name {
				continue
			}
			if row.Ratio != nil {
				x := float64(slices.Index(names, string(row.Selector))) + 0.2*(float64(i)-float64(len(r.Tables)-1)/2)
				series.Points = append(series.Points, plot.Point{X: x, Y: *row.Ratio, Lo: *row.Lo, Hi: *row.Hi, Label: fmt.Sprintf("%s, %d pairs", row.Selector, row.Pairs)})
			}
			rows.Rows = append(rows.Rows, []page.Cell{page.Str(row.Table), page.Str(string(row.Selector)), {Text: fmt.Sprintf("%d of %d", row.Certified, row.Units), Value: float64(row.Certified)},
				page.Num(row.Spent, ""), optional(row.Ratio), optional(row.Lo), optional(row.Hi), page.Num(float64(row.Pairs), "")})
		}
		if len(series.Points) > 0 {
			add(&chart, series)
		}
	}
	if len(chart.Series) > 0 {
		s.Blocks = append(s.Blocks, page.Figure{Chart: chart})
	}
	s.Blocks = append(s.Blocks, rows)
	return s
}

// studyFronts compares what the methods' finals from all anchors cover together.
func studyFronts(r *study.Results) page.Section {
	s := page.Section{Title: "Fronts", Lead: "A method's finals from all anchors: the share of the box around all finals and anchors that they dominate (hypervolume, from a point a tenth of the box beyond its worst corner), and how many of them are dominated by any method's final."}
	names := methodsOf(r)
	chart := plot.Chart{Title: "Hypervolume", Width: 980, X: plot.Axis{Label: "method", Categories: names}, Y: plot.Axis{Label: "share of the box", FromZero: true}}
	rows := page.Table{Columns: []page.Column{{Name: "table"}, {Name: "method"}, {Name: "hypervolume", Numeric: true}, {Name: "dominated", Numeric: true}}}
	for i, table := range r.Tables {
		series := plot.Series{Name: table.Name, Colour: i}
		for _, f := range r.Fronts {
			if f.Table != table.Name {
				continue
			}
			// Tables stand side by side around a method's place.
			x := float64(slices.Index(names, f.Method)) + 0.2*(float64(i)-float64(len(r.Tables)-1)/2)
			series.Points = append(series.Points, plot.Point{X: x, Y: f.Hypervolume, Label: f.Method})
			rows.Rows = append(rows.Rows, []page.Cell{page.Str(f.Table), page.Str(f.Method), page.Num(f.Hypervolume, ""), {Text: percent(f.Dominated), Value: f.Dominated}})
		}
		add(&chart, series)
	}
	s.Blocks = append(s.Blocks, page.Figure{Chart: chart}, rows)
	return s
}

// transfers shows what becomes of one table's finals on another.
func transfers(r *study.Results) page.Section {
	s := page.Section{Title: "Carried to another table", Lead: "Finals found with one table, judged by another at the same anchor's cost: in its band as they are, and after readjusting widths and precisions; the gain of those in the band."}
	rows := page.Table{Columns: []page.Column{{Name: "from"}, {Name: "to"}, {Name: "method"}, {Name: "finals", Numeric: true}, {Name: "inside as is", Numeric: true}, {Name: "inside re-compensated", Numeric: true}, {Name: "gain there", Numeric: true}}}
	for _, t := range r.Transfers {
		rows.Rows = append(rows.Rows, []page.Cell{page.Str(t.From), page.Str(t.To), page.Str(t.Method), page.Num(float64(t.Units), ""), page.Num(float64(t.AsIs), ""), page.Num(float64(t.Inside), ""), optional(t.Gain)})
	}
	s.Blocks = append(s.Blocks, rows)
	return s
}

// fidelity says what the proxy's order is worth.
func fidelity(f *study.Fidelity) page.Section {
	return page.Section{Title: "What the proxy is worth", Lead: "A certificate is about the evaluator that the search asked; this compares it with final utilities.", Blocks: []page.Block{page.Facts{
		{Term: "final utilities", Value: f.Evaluator.Spec},
		{Term: "architectures", Value: fmt.Sprint(f.Archs)},
		{Term: "rank correlation (Spearman)", Value: plot.Number(f.Spearman)},
		{Term: "pairs in one band ordered wrongly", Value: fmt.Sprintf("%d of %d", f.Wrong, f.Pairs)},
	}}}
}

// searches lists every search.
func searches(r *study.Results) page.Section {
	rows := page.Table{Columns: []page.Column{{Name: "table"}, {Name: "method"}, {Name: "anchor"}, {Name: "seed", Numeric: true}, {Name: "final"}, {Name: "gain", Numeric: true}, {Name: "cost deviation", Numeric: true}, {Name: "evaluations", Numeric: true}, {Name: "moves", Numeric: true}, {Name: "ε̂", Numeric: true}, {Name: "ended"}}}
	for _, u := range r.Units {
		var gain *float64
		if g, ok := u.Gain(); ok {
			gain = &g
		}
		deviation := page.Cell{Text: signed(u.Deviation), Value: u.Deviation}
		if !u.Inside {
			deviation.Mark = "warn"
		}
		rows.Rows = append(rows.Rows, []page.Cell{page.Str(u.Table), page.Str(u.Method), page.Str(u.Anchor), page.Num(float64(u.Seed), ""), page.Str(u.Final), optional(gain), deviation, page.Num(float64(u.Samples), ""), page.Num(float64(u.Moves), ""), optional(u.EpsilonHat), page.Str(u.Stop)})
	}
	return page.Section{Title: "Every search", Blocks: []page.Block{rows}}
}

// certified counts a method's certificates, and its claims that are none.
func certified(m study.MethodRow) string {
	text := fmt.Sprintf("%d of %d", m.Certified, m.Units)
	if m.Vacuous > 0 {
		text += fmt.Sprintf(", %d vacuous", m.Vacuous)
	}
	return text
}

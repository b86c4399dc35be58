package report

import (
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/report/page"
	"github.com/isocost/isocost/report/plot"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// Run is one finished or interrupted search: its certificate, its journal, and
// the space it searched (nil when the run directory keeps no copy).
type Run struct {
	Name        string
	Certificate *search.Certificate
	Journal     *search.Journal
	Space       space.Space
}

// OpenRun reads a run directory.
func OpenRun(dir string) (Run, error) {
	r := Run{Name: filepath.Base(filepath.Clean(dir))}
	var err error
	if r.Journal, err = search.ReadJournal(filepath.Join(dir, search.JournalFile)); err != nil {
		return Run{}, err
	}
	if r.Certificate, err = search.ReadCertificate(filepath.Join(dir, search.CertificateFile)); err != nil {
		return Run{}, hint.Wrap(err, "run the search to its end or interrupt it with Ctrl-C; either writes the certificate")
	}
	problem, err := search.OpenRun(dir, r.Certificate.Header)
	if err != nil {
		return Run{}, err
	}
	r.Space = problem.Space
	return r, nil
}

// Search writes the report of one or several runs; several anchors add a Pareto
// view.
func Search(w io.Writer, runs []Run) error {
	if len(runs) == 0 {
		return fmt.Errorf("report a search: no run given")
	}
	p := page.Page{Title: "Search at equal cost", Footer: "isocost"}
	first := runs[0].Certificate
	if name := first.Header.Space.Name; name != "" {
		p.Title += ": " + name
	}
	p.Subtitle = fmt.Sprintf("evaluator %s · τ = %s · ε = %g · δ = %g", first.Header.Evaluator.Spec, percent(first.Header.Settings.Tau), first.Header.Settings.Epsilon, first.Header.Settings.Delta)
	if len(runs) > 1 {
		p.Sections = append(p.Sections, paretoView(runs))
	}
	for _, r := range runs {
		for _, s := range story(r) {
			if len(runs) > 1 {
				s.Title = r.Name + ": " + s.Title
			}
			p.Sections = append(p.Sections, s)
		}
	}
	return p.Write(w)
}

// story tells one run: the claim, the architecture before and after, cost against
// the band, the neighbours, how it went, what was infeasible.
func story(r Run) []page.Section {
	out := []page.Section{claim(r), architecture(r), band(r), neighbours(r), course(r)}
	if len(r.Certificate.Infeasible) > 0 {
		out = append(out, infeasible(r))
	}
	return append(out, provenance(r))
}

func claim(r Run) page.Section {
	c := r.Certificate
	level := "good"
	if !c.Claim.Reached {
		level = "warn"
	}
	facts := page.Facts{
		{Term: "anchor's utility", Value: meanOf(c.Anchor)},
		{Term: "final's utility", Value: meanOf(c.Final)},
	}
	if g := c.Gain; g != nil {
		facts = append(facts, page.Fact{Term: "gain on fresh seeds", Value: fmt.Sprintf("%s [%s, %s], n = %d each", plot.Number(g.Gain), plot.Number(g.Lo), plot.Number(g.Hi), g.N)},
			page.Fact{Term: "gain by the search's own samples", Value: plot.Number(g.Naive) + " (winner's curse: too large)"})
	}
	if e := c.Claim.EpsilonHat; e != nil {
		facts = append(facts, page.Fact{Term: "ε̂: no neighbour is better by more", Value: plot.Number(*e)})
	}
	facts = append(facts, page.Fact{Term: "samples", Value: spend(c)},
		page.Fact{Term: "neighbours", Value: fmt.Sprintf("%d feasible, %d not retired, %d infeasible", len(c.Neighbours), c.Claim.Unretired, len(c.Infeasible))},
		page.Fact{Term: "moves", Value: fmt.Sprint(len(c.Moves))},
		page.Fact{Term: "σ of one sample", Value: noise(c)},
		page.Fact{Term: "ended", Value: string(c.Claim.Stop)})
	if c.Claim.More > 0 {
		facts = append(facts, page.Fact{Term: "samples still needed", Value: fmt.Sprint(c.Claim.More)})
	}
	s := page.Section{Title: "What is claimed", Blocks: []page.Block{page.Verdict{Level: level, Text: upper(strings.ReplaceAll(c.Claim.Text, c.Final.Arch, "the final architecture")) + "."}, facts}}
	for _, a := range c.Alarms {
		s.Blocks = append(s.Blocks, page.Verdict{Level: "bad", Text: upper(a) + "."})
	}
	rests := page.Table{Caption: "What the claim rests on", Columns: []page.Column{{Name: "part"}}}
	for _, line := range c.Claim.Rests {
		rests.Rows = append(rests.Rows, []page.Cell{page.Str(line)})
	}
	if len(rests.Rows) > 0 {
		s.Blocks = append(s.Blocks, rests)
	}
	return s
}

func spend(c *search.Certificate) string {
	if c.LowerBound == nil || c.Ratio == nil {
		return fmt.Sprint(c.Samples)
	}
	return fmt.Sprintf("%d = %.1f × the lower bound of %.0f", c.Samples, *c.Ratio, *c.LowerBound)
}

func meanOf(a search.CertArch) string {
	if a.Mean == nil {
		return "not sampled"
	}
	text := fmt.Sprintf("%s (n = %d", plot.Number(*a.Mean), a.N)
	if a.Median != nil {
		text = fmt.Sprintf("median %s, mean %s (n = %d", plot.Number(*a.Median), plot.Number(*a.Mean), a.N)
	}
	if a.Failed > 0 {
		text += fmt.Sprintf(", %d failed", a.Failed)
	}
	if a.Outliers > 0 {
		text += fmt.Sprintf(", %d outliers", a.Outliers)
	}
	return text + ")"
}

// band puts predicted and measured cost of anchor, incumbents and final on one
// line with the band.
func band(r Run) page.Section {
	c := r.Certificate
	s := page.Section{Title: "Cost against the band", Lead: "Deviation from the anchor's cost: predicted by the table for every incumbent, measured on the device where it was re-measured. The shaded band is ±τ; the wider one is where the true cost lies if the table errs by η."}
	names := []string{"anchor"}
	keys := []string{c.Anchor.Arch}
	start := c.Anchor.Arch
	if e := c.Exploration; e != nil && e.Start != start {
		start = e.Start
		names, keys = append(names, "start"), append(keys, start)
	}
	for i, m := range c.Moves {
		name := fmt.Sprintf("move %d", i+1)
		if i == len(c.Moves)-1 {
			name = "final"
		}
		names, keys = append(names, name), append(keys, m.To)
	}
	chart := plot.Chart{Title: "Deviation from the anchor's cost", Width: 980, Height: 300, X: plot.Axis{Label: "incumbent", Categories: names}, Y: plot.Axis{Label: "deviation", Unit: "%"}, HLines: []float64{0}}
	tau := c.Header.Settings.Tau
	ends := []float64{-0.5, float64(len(names)) - 0.5}
	for _, tb := range c.TrueBands {
		if tb.Enforced { // the true band is ±τ, the predicted one narrower
			continue
		}
		chart.Bands = append(chart.Bands, plot.Band{Name: "true cost, " + tb.Table, X: ends, Lo: []float64{-100 * tb.Down, -100 * tb.Down}, Hi: []float64{100 * tb.Up, 100 * tb.Up}, Colour: 4})
	}
	chart.Bands = append(chart.Bands, plot.Band{Name: "±τ = " + percent(tau), X: ends, Lo: []float64{-100 * tau / (1 + tau), -100 * tau / (1 + tau)}, Hi: []float64{100 * tau, 100 * tau}, Colour: 2})
	predicted := plot.Series{Name: "predicted", Colour: 0}
	base := c.Anchor.Costs[0].Value
	predicted.Points = append(predicted.Points, plot.Point{X: 0, Y: 0, Label: "anchor, predicted"})
	if start != c.Anchor.Arch {
		cost := c.Final.Costs[0].Value
		if len(c.Moves) > 0 {
			cost = c.Moves[0].FromCost
		}
		predicted.Points = append(predicted.Points, plot.Point{X: 1, Y: 100 * (cost/base - 1), Label: start})
	}
	for i, m := range c.Moves {
		predicted.Points = append(predicted.Points, plot.Point{X: float64(len(keys) - len(c.Moves) + i), Y: 100 * (m.ToCost/base - 1), Label: m.To})
	}
	chart.Series = append(chart.Series, predicted)
	table := page.Table{Columns: []page.Column{{Name: "architecture"}, {Name: "predicted", Numeric: true}, {Name: "measured", Numeric: true}, {Name: "table's error", Numeric: true}, {Name: "measured deviation", Numeric: true}, {Name: "in band"}}}
	if len(c.Measured) > 0 && c.Measured[0].Table == c.Header.Tables[0].Name {
		measured := plot.Series{Name: "measured", Colour: 1}
		for _, m := range c.Measured[0].Archs {
			i, anchor := slices.Index(keys, m.Arch), m.Reference
			if i < 0 || m.Deviation == nil {
				continue
			}
			pt := plot.Point{X: float64(i) + 0.12, Y: 100 * (m.Value/anchor - 1), Lo: 100 * (m.Lo/anchor - 1), Hi: 100 * (m.Hi/anchor - 1), Label: names[i] + ", measured", Strong: !m.Inside}
			measured.Points = append(measured.Points, pt)
			inside := page.Cell{Text: "yes", Mark: "good"}
			if !m.Inside {
				inside = page.Cell{Text: "no", Mark: "bad"}
			}
			unit := unitSign[m.Unit]
			table.Rows = append(table.Rows, []page.Cell{page.Str(names[i]), page.Num(m.Predicted, unit), page.Num(m.Value, unit), {Text: signed(m.Error), Value: m.Error}, {Text: signed(m.Value/anchor - 1), Value: m.Value / anchor}, inside})
		}
		chart.Series = append(chart.Series, measured)
		s.Blocks = append(s.Blocks, page.Figure{Chart: chart}, table)
		return s
	}
	s.Blocks = append(s.Blocks, page.Figure{Chart: chart}, page.Text("Nothing was re-measured in this run; isosearch run --measure local does."))
	return s
}

// neighbours shows, layer by layer, how every feasible proposal compares with the
// final architecture at equal cost.
func neighbours(r Run) page.Section {
	c := r.Certificate
	s := page.Section{Title: "Candidates at equal cost", Lead: "Every feasible proposal of the last sweep: its mean difference from the final architecture, with an upper bound valid at any time. A candidate retires when that bound is, or once was, at most ε."}
	retired := plot.Series{Name: "retired", Colour: 2}
	open := plot.Series{Name: "not retired", Colour: 1}
	table := page.Table{Columns: []page.Column{{Name: "layer", Numeric: true}, {Name: "change"}, {Name: "becomes"}, {Name: "cost", Numeric: true}, {Name: "difference", Numeric: true}, {Name: "upper end", Numeric: true}, {Name: "n", Numeric: true}, {Name: "failed", Numeric: true}, {Name: "outliers", Numeric: true}, {Name: "state"}}}
	var names []string
	for i, n := range c.Neighbours {
		state := page.Cell{Text: "retired", Mark: "good"}
		if !n.Retired {
			state = page.Cell{Text: "open", Mark: "warn"}
		}
		if n.Dead != "" {
			state.Text = n.Dead
		}
		dev := page.Cell{Text: "–"}
		if len(n.Dev) > 0 {
			dev = page.Cell{Text: signed(n.Dev[0]), Value: n.Dev[0]}
		}
		table.Rows = append(table.Rows, []page.Cell{page.Num(float64(n.Layer), ""), page.Str(n.Choice), page.Str(field(n.Arch, n.Layer)), dev, optional(n.D), optional(n.Upper), page.Num(float64(n.N), ""), page.Num(float64(n.Failed), ""), page.Num(float64(n.Strays), ""), state})
		names = append(names, fmt.Sprintf("%d: %s", n.Layer, n.Choice))
		if n.D == nil || n.W == nil {
			continue
		}
		lo, hi := *n.D, *n.D+*n.W // one-sided: only the upper end carries the claim
		if c.Header.Settings.Schedule == search.ScheduleComparisons {
			lo = *n.D - *n.W
		}
		pt := plot.Point{X: float64(i), Y: *n.D, Lo: lo, Hi: hi, Label: fmt.Sprintf("layer %d: %s, n = %d", n.Layer, n.Choice, n.N)}
		if n.Retired {
			retired.Points = append(retired.Points, pt)
		} else {
			open.Points = append(open.Points, pt)
		}
	}
	chart := plot.Chart{Title: "Utility of each candidate minus the final's", Width: 980, Height: 340,
		X: plot.Axis{Label: "candidate: layer and choice", Categories: names}, Y: plot.Axis{Label: "difference in utility"},
		HLines: []float64{0, c.Header.Settings.Epsilon}, Caption: "Dashed: no difference, and ε."}
	add(&chart, retired, open)
	if len(chart.Series) > 0 {
		s.Blocks = append(s.Blocks, page.Figure{Chart: chart})
	}
	s.Blocks = append(s.Blocks, table)
	return s
}

func optional(v *float64) page.Cell {
	if v == nil {
		return page.Cell{Text: "–", Value: math.Inf(-1)}
	}
	return page.Num(*v, "")
}

// course shows the search over its samples: ε̂, open candidates, moves.
func course(r Run) page.Section {
	s := page.Section{Title: "How the search went"}
	eps := plot.Series{Name: "ε̂", Kind: plot.Step, Colour: 0}
	open := plot.Series{Name: "open candidates", Kind: plot.Step, Colour: 3}
	moves := plot.Series{Name: "move", Colour: 1}
	table := page.Table{Columns: []page.Column{{Name: "move", Numeric: true}, {Name: "layer", Numeric: true}, {Name: "from"}, {Name: "to"}, {Name: "difference", Numeric: true}, {Name: "at least", Numeric: true}, {Name: "samples", Numeric: true}}}
	for i, m := range r.Certificate.Moves {
		table.Rows = append(table.Rows, []page.Cell{page.Num(float64(i+1), ""), page.Num(float64(m.Layer), ""), page.Str(field(m.From, m.Layer)), page.Str(field(m.To, m.Layer)), page.Num(m.D, ""), page.Num(m.Lower, ""), page.Num(float64(m.Samples), "")})
	}
	if r.Journal != nil {
		left := 0 // candidates not yet retired
		for _, e := range r.Journal.Entries {
			if e.Samples == nil {
				continue
			}
			x := float64(*e.Samples)
			if e.EpsHat != nil {
				eps.Points = append(eps.Points, plot.Point{X: x, Y: *e.EpsHat})
				if e.Kind == search.EntryMove {
					moves.Points = append(moves.Points, plot.Point{X: x, Y: *e.EpsHat, Label: "move to " + e.To, Strong: true})
				}
			}
			switch {
			case e.Open != nil:
				left = *e.Open
			case e.Kind == search.EntryRetire && left > 0:
				left--
			default:
				continue
			}
			open.Points = append(open.Points, plot.Point{X: x, Y: float64(left)})
		}
		end := float64(r.Certificate.Samples)
		if e := r.Certificate.Claim.EpsilonHat; e != nil {
			eps.Points = append(eps.Points, plot.Point{X: end, Y: *e})
		}
		open.Points = append(open.Points, plot.Point{X: end, Y: float64(r.Certificate.Claim.Unretired)})
	}
	var charts page.Figures // of what has a course: a single moment is in the facts above
	if len(eps.Points) > 1 {
		c := plot.Chart{Title: "What could be claimed at each moment", X: plot.Axis{Label: "samples"}, Y: plot.Axis{Label: "ε̂ (utility)"}, HLines: []float64{r.Certificate.Header.Settings.Epsilon}, Caption: "The dashed line is ε: the certificate is reached below it."}
		add(&c, eps, moves)
		charts = append(charts, c)
	}
	if len(open.Points) > 1 {
		c := plot.Chart{Title: "Candidates still open", X: plot.Axis{Label: "samples"}, Y: plot.Axis{Label: "candidates", FromZero: true}}
		add(&c, open)
		charts = append(charts, c)
	}
	if len(charts) == 1 {
		charts[0].Width = 980
	}
	if len(charts) > 0 {
		s.Blocks = append(s.Blocks, charts)
	}
	if len(table.Rows) == 0 {
		text := "No move was made."
		if c := r.Certificate.Claim; c.Reached {
			text = "No move was made: the claim is about the anchor itself."
		}
		s.Blocks = append(s.Blocks, page.Text(text))
		return s
	}
	s.Blocks = append(s.Blocks, table)
	return s
}

func infeasible(r Run) page.Section {
	t := page.Table{Columns: []page.Column{{Name: "layer", Numeric: true}, {Name: "change"}, {Name: "nearest miss"}, {Name: "its deviation", Numeric: true}, {Name: "reason"}}}
	for _, m := range r.Certificate.Infeasible {
		dev := page.Cell{Text: "–"}
		if len(m.Dev) > 0 {
			dev = page.Cell{Text: signed(m.Dev[0]), Value: m.Dev[0]}
		}
		t.Rows = append(t.Rows, []page.Cell{page.Num(float64(m.Layer), ""), page.Str(m.Choice), page.Str(field(m.Arch, m.Layer)), dev, page.Str(m.Reason)})
	}
	return page.Section{Title: "Infeasible proposals", Lead: "No width and precision of the layer brings these into the band; the claim does not cover them.", Blocks: []page.Block{t}}
}

func provenance(r Run) page.Section {
	h := r.Certificate.Header
	facts := page.Facts{{Term: "space SHA-256", Value: short(h.Space.SHA256)}, {Term: "evaluator", Value: h.Evaluator.Spec}, {Term: "selector", Value: string(h.Settings.Selector)}, {Term: "seed", Value: fmt.Sprint(h.Settings.Seed)}, {Term: "evaluations SHA-256", Value: short(r.Certificate.Evaluations)}}
	for _, t := range h.Tables {
		facts = append(facts, page.Fact{Term: "table " + t.Name, Value: fmt.Sprintf("%s, budget %s %s", short(t.SHA256), plot.Number(t.Budget.Value), unitSign[t.Unit])})
	}
	return page.Section{Title: "Provenance", Lead: "isosearch verify recomputes every number of this page's certificate from the journal.", Blocks: []page.Block{facts}}
}

// noise is σ in words.
func noise(c *search.Certificate) string {
	if c.Sigma.Source == "unknown" {
		return "not known: the search ended before it was calibrated"
	}
	switch s := c.Header.Settings; {
	case c.Sigma.PerNetwork != "":
		return "each network's own, since " + c.Sigma.PerNetwork
	case s.Noise == search.NoisePerNetwork:
		return "each network's own, by its own samples"
	case s.Robust != "":
		return "not needed: medians are compared"
	case s.UtilityRange != nil:
		return fmt.Sprintf("not needed: utilities from %g to %g", s.UtilityRange[0], s.UtilityRange[1])
	}
	switch s := c.Header.Settings; {
	case c.Sigma.Source == "" && s.Sigma != nil:
		return plot.Number(*s.Sigma) + " (declared)"
	case c.Sigma.Source == "":
		return "not known: the search ended while it explored"
	}
	if c.Sigma.Source == "pairs" {
		return fmt.Sprintf("about %s (%d pairs of samples)", plot.Number(c.Sigma.S), c.Sigma.Nu)
	}
	return fmt.Sprintf("%s (%s)", plot.Number(c.Sigma.Value), c.Sigma.Source)
}

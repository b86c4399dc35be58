package study

import (
	"fmt"
	"strings"
)

// Markdown is the study's tables.
func (r *Results) Markdown() string {
	var b strings.Builder
	table := func(head string, rows [][]string) {
		cols := strings.Split(head, "|")
		width := make([]int, len(cols))
		for _, row := range append([][]string{cols}, rows...) {
			for i, c := range row {
				width[i] = max(width[i], len([]rune(c)))
			}
		}
		line := func(row []string) {
			for i, c := range row {
				b.WriteString("| " + c + strings.Repeat(" ", width[i]-len([]rune(c))+1))
			}
			b.WriteString("|\n")
		}
		line(cols)
		for i := range cols {
			b.WriteString("|" + strings.Repeat("-", width[i]+2))
		}
		b.WriteString("|\n")
		for _, row := range rows {
			line(row)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "Space %s, evaluator %s; τ = %g %%, ε = %g, δ = %g; %d anchors, a budget of %d evaluations per search.",
		r.Space.Name, r.Evaluator.Spec, 100*r.Tau, r.Epsilon, r.Delta, len(r.Anchors), r.Budget)
	if !r.measured() {
		b.WriteString(" Costs are the tables'.")
	}
	b.WriteString("\n\n")
	b.WriteString("### What may be concluded\n\n" + r.Conclusions())
	b.WriteString("### Improvement over the anchor\n\n")
	var rows [][]string
	for _, m := range r.Methods {
		gain := num(m.Gain)
		if m.GainSD != nil {
			gain += fmt.Sprintf(" ± %.3g", *m.GainSD)
		}
		rows = append(rows, []string{m.Table, m.Method, gain, plain(m.Regret), num(m.Beyond), num(m.Optimism), fmt.Sprintf("%.2f %%", 100*m.Deviation),
			fmt.Sprintf("%+.2f %%", 100*m.Worst), fmt.Sprintf("%d/%d", m.Outside, m.Units), fmt.Sprintf("%.0f", m.Samples), fmt.Sprintf("%d/%d", m.Certified, m.Units) + vacuous(m.Vacuous)})
	}
	table("table|method|gain|regret|beyond control|optimism|mean cost dev.|worst|outside ±τ|evaluations|certified", rows)
	b.WriteString("Gain: final over anchor on fresh samples, mean ± deviation over anchors and seeds. Regret: the band's best network less the final, by expected\n" +
		"utilities. Beyond control: over the anchor rescaled to the final's cost (the anchor itself where its space cannot rescale). Optimism: the search's own mean less the fresh one.\n\n")
	if len(r.Differences) > 0 {
		fmt.Fprintf(&b, "### Gain less that of %s\n\n", r.Differences[0].Against)
		rows = nil
		for _, d := range r.Differences {
			interval := "–"
			if d.Lo != nil {
				interval = fmt.Sprintf("[%.3g, %.3g]", *d.Lo, *d.Hi)
			}
			row := []string{d.Table, d.Method, fmt.Sprintf("%+.3g", d.Mean), interval}
			if !early(r.Format) {
				row = append(row, probability(d.Holm), fmt.Sprint(d.Anchors))
			}
			rows = append(rows, append(row, fmt.Sprint(d.Pairs)))
		}
		if early(r.Format) {
			table("table|method|difference|95 % interval|pairs", rows)
			b.WriteString("Paired by anchor and seed; intervals by Student's t, each for itself, as if the seeds of an anchor were independent.\n\n")
		} else {
			table("table|method|difference|95 % interval|p|anchors|pairs", rows)
			fmt.Fprintf(&b, "Paired by anchor and seed; means and intervals over the anchors' means, by Student's t, each for itself. p: corrected after Holm for all %d differences of\n"+
				"the study; up to 0.05 what is concluded tells apart.\n\n", len(r.Differences))
		}
	}
	r.curves(&b, table)
	if len(r.Selectors) > 0 {
		b.WriteString("### Selectors\n\n")
		rows = nil
		for _, s := range r.Selectors {
			ratio := "–"
			if s.Ratio != nil {
				ratio = fmt.Sprintf("%.3g [%.3g, %.3g]", *s.Ratio, *s.Lo, *s.Hi)
			}
			rows = append(rows, []string{s.Table, string(s.Selector), fmt.Sprintf("%d/%d", s.Certified, s.Units), fmt.Sprintf("%.0f", s.Spent), ratio, fmt.Sprint(s.Pairs)})
		}
		table("table|selector|certified|spent|times the default's|pairs", rows)
		b.WriteString("The certifying search with each selector: same anchors, seeds, evaluator and budget. Spent: mean, in samples of full fidelity, σ's calibration\n" +
			"included. Times the default's: geometric mean where both certified, with its 95 % interval over the anchors.\n\n")
	}
	rows = nil
	for _, m := range r.Methods {
		if d := m.Measured; d != nil {
			rows = append(rows, []string{m.Table, m.Method, fmt.Sprintf("%.2f %%", 100*d.Deviation), fmt.Sprintf("%+.2f %%", 100*d.Worst),
				fmt.Sprintf("%d/%d", d.Outside, d.Units), fmt.Sprintf("%.2f %%", 100*d.Error)})
		}
	}
	if len(rows) > 0 {
		b.WriteString("### Measured\n\n")
		table("table|method|mean cost dev.|worst|outside ±τ|off the prediction by", rows)
		b.WriteString("The finals on the table's device, in one interleaved campaign with their anchors.\n\n")
	}
	b.WriteString("### Fronts\n\n")
	rows = nil
	for _, f := range r.Fronts {
		rows = append(rows, []string{f.Table, f.Method, fmt.Sprintf("%.3f", f.Hypervolume), fmt.Sprintf("%.0f %%", 100*f.Dominated)})
	}
	table("table|method|hypervolume|dominated", rows)
	b.WriteString("The area a method's finals dominate, as a share of the box around all finals and anchors; how many of them any final dominates.\n")
	if len(r.Transfers) > 0 {
		b.WriteString("\n### Transfer\n\n")
		rows = nil
		for _, t := range r.Transfers {
			rows = append(rows, []string{t.From, t.To, t.Method, fmt.Sprintf("%d/%d", t.AsIs, t.Units), fmt.Sprintf("%d/%d", t.Inside, t.Units), num(t.Gain), r.retained(t)})
		}
		table("from|to|method|inside as is|re-compensated|gain there|of the gain found there", rows)
		b.WriteString("Finals on another table: inside its band as they are, and with widths and precisions set anew; the gain of those inside, and what of the gain of the\n" +
			"method's own searches there is kept when anchors stand for those outside.\n")
	}
	rows = nil
	for _, g := range r.guarded() {
		rows = append(rows, []string{g.alone, g.guard, g.method, g.left(), g.worst(), g.change()})
	}
	if len(rows) > 0 {
		b.WriteString("\n### Guards\n\n")
		table("table|guard|method|left by finals of the table alone|furthest|gain with the guard less without", rows)
		b.WriteString("Finals of the table alone outside ±τ of the guard, the furthest, and how the gain changes when both are kept: paired by anchor and seed, 95 % intervals over the anchors.\n")
	}
	if f := r.Fidelity; f != nil {
		fmt.Fprintf(&b, "\nFidelity: %s orders %d architectures with a rank correlation of %.3f; of %d pairs in one band it orders %d wrongly.\n",
			f.Evaluator.Spec, f.Archs, f.Spearman, f.Pairs, f.Wrong)
	}
	return b.String()
}

// curves writes a table of gains for every table, and one of regrets where they are known:
// a column for each number of evaluations.
func (r *Results) curves(b *strings.Builder, table func(head string, rows [][]string)) {
	for _, t := range r.Tables {
		head := "method"
		gains, regrets := map[string][]string{}, map[string][]string{}
		var methods []string
		known := false
		for _, c := range r.Curves {
			if c.Table != t.Name {
				continue
			}
			if gains[c.Method] == nil {
				methods = append(methods, c.Method)
			}
			if c.Method == r.Curves[0].Method {
				head += fmt.Sprintf("|%d", c.Samples)
			}
			gain := num(c.Gain)
			if c.Lo != nil {
				gain += fmt.Sprintf(" (%+.2g [%.2g, %.2g])", *c.Difference, *c.Lo, *c.Hi)
			}
			gains[c.Method] = append(gains[c.Method], gain)
			regrets[c.Method] = append(regrets[c.Method], plain(c.Regret))
			known = known || c.Regret != nil
		}
		if len(methods) == 0 {
			continue
		}
		rows := func(of map[string][]string) (rows [][]string) {
			for _, m := range methods {
				rows = append(rows, append([]string{m}, of[m]...))
			}
			return rows
		}
		fmt.Fprintf(b, "### Gain after so many evaluations, %s\n\n", t.Name)
		table(head, rows(gains))
		fmt.Fprintf(b, "What each search would have ended with then; in brackets less that of %s, paired by anchor and seed, with its 95 %% interval over the anchors, each for itself.\n\n", methods[0])
		if known {
			fmt.Fprintf(b, "### Regret after so many evaluations, %s\n\n", t.Name)
			table(head, rows(regrets))
			b.WriteString("Of finals inside ±τ.\n\n")
		}
	}
}

// plain is a number that has no sign of its own.
func plain(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%.3g", *v)
}

// probability is one to three digits.
func probability(v *float64) string {
	switch {
	case v == nil:
		return "–"
	case *v < 0.001:
		return "< 0.001"
	}
	return fmt.Sprintf("%.3f", *v)
}

func num(v *float64) string {
	if v == nil {
		return "–"
	}
	return fmt.Sprintf("%+.3g", *v)
}

// vacuous counts the claims that are none.
func vacuous(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(", %d vacuous", n)
}

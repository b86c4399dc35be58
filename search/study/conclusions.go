package study

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/isocost/isocost/search"
)

// Conclusions says in sentences what a reader may conclude of a study, and of what not.
func (r *Results) Conclusions() string {
	var b strings.Builder
	for _, t := range r.Tables {
		var rows []MethodRow
		for _, m := range r.Methods {
			if m.Table == t.Name {
				rows = append(rows, m)
			}
		}
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "On %s:\n\n", t.Name)
		for _, line := range []string{r.better(t.Name, rows[0]), idle(rows), nearest(rows), left(rows), r.claims(rows), r.priced(t.Name), r.covers(t.Name), r.carried(t.Name, rows[0].Method), r.kept(t.Name, rows[0].Method)} {
			if line != "" {
				fmt.Fprintf(&b, "- %s\n", line)
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// better names the methods whose gain differs from the first one's, as the table of differences
// tells them apart.
func (r *Results) better(table string, first MethodRow) string {
	var more, less, open []string
	for _, d := range r.Differences {
		if d.Table != table {
			continue
		}
		switch d.apart() {
		case 1:
			more = append(more, d.Method)
		case -1:
			less = append(less, d.Method)
		default:
			open = append(open, d.Method)
		}
	}
	var parts []string
	add := func(names []string, what string) {
		if len(names) > 0 {
			parts = append(parts, what+" "+strings.Join(names, ", "))
		}
	}
	add(less, "more gain than")
	add(more, "less than")
	add(open, "not told apart from")
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: %s.", first.Method, strings.Join(parts, "; "))
}

// idle says where the plain algorithm evaluated nothing: its gain is none there whatever it would
// be with more.
func idle(rows []MethodRow) string {
	for _, m := range rows {
		if m.Method == Published && m.Units > 0 && m.Samples == 0 {
			return fmt.Sprintf("%s could not begin: its fixed number of samples exceeds the budget. Nothing is said of its gain with more.", Published)
		}
	}
	return ""
}

// nearest orders the methods by their regret.
func nearest(rows []MethodRow) string {
	var best *MethodRow
	for i, m := range rows {
		if m.Regret != nil && m.Outside == 0 && (best == nil || *m.Regret < *best.Regret) {
			best = &rows[i]
		}
	}
	if best == nil || rows[0].Regret == nil {
		return ""
	}
	text := fmt.Sprintf("Nearest to the best of its cost: %s, mean regret %.3f after %.0f evaluations", best.Method, *best.Regret, best.Samples)
	if best.Method != rows[0].Method {
		text += fmt.Sprintf("; %s %.3f after %.0f", rows[0].Method, *rows[0].Regret, rows[0].Samples)
	}
	return text + "."
}

// left names the methods whose finals have another cost.
func left(rows []MethodRow) string {
	var out []string
	for _, m := range rows {
		if m.Outside > 0 {
			out = append(out, fmt.Sprintf("%s %d of %d (worst %+.0f %%)", m.Method, m.Outside, m.Units, 100*m.Worst))
		}
	}
	if len(out) == 0 {
		return "Every final is inside ±τ by the table."
	}
	return "Gains at another cost, finals outside ±τ: " + strings.Join(out, ", ") + "."
}

// claims says what was certified.
func (r *Results) claims(rows []MethodRow) string {
	var out []string
	for _, m := range rows {
		if m.Certified+m.Vacuous > 0 {
			out = append(out, fmt.Sprintf("%s %d of %d", m.Method, m.Certified, m.Units)+vacuous(m.Vacuous))
		}
	}
	if len(out) == 0 {
		return "Nothing was certified."
	}
	return "Certified within the budget: " + strings.Join(out, "; ") + "."
}

// priced says what the device made of the table's prices; that no device was asked is said
// per table only where others were measured.
func (r *Results) priced(table string) string {
	var predicted, measured []float64
	inside, confirmed, off := 0, 0, 0.0
	for _, u := range r.Units {
		if u.Table != table || u.Measured == nil {
			continue
		}
		off += math.Abs(u.Deviation - u.Measured.Deviation)
		predicted, measured = append(predicted, u.Deviation), append(measured, u.Measured.Deviation)
		if u.Inside {
			inside++
			if u.Measured.Inside {
				confirmed++
			}
		}
	}
	if len(predicted) == 0 {
		if r.measured() {
			return "Costs are the table's."
		}
		return ""
	}
	text := fmt.Sprintf("Of %d finals inside ±τ by the table the device has %d inside; over %d finals a predicted deviation is off by %.2f %% in the mean",
		inside, confirmed, len(predicted), 100*off/float64(len(predicted)))
	if rho := search.ProxyRank(predicted, measured); rho != nil {
		text += fmt.Sprintf(", and predicted and measured deviations have a rank correlation of %.2f", *rho)
	}
	return text + "."
}

// measured says that a device was asked about at least one final.
func (r *Results) measured() bool {
	return slices.ContainsFunc(r.Units, func(u Unit) bool { return u.Measured != nil })
}

// covers compares the fronts.
func (r *Results) covers(table string) string {
	var best, first *FrontRow
	for i, f := range r.Fronts {
		if f.Table != table {
			continue
		}
		if first == nil {
			first = &r.Fronts[i]
		}
		if best == nil || f.Hypervolume > best.Hypervolume {
			best = &r.Fronts[i]
		}
	}
	if best == nil {
		return ""
	}
	by := "predicted"
	if best.Measured {
		by = "measured"
	}
	also := ""
	if i := slices.IndexFunc(r.Methods, func(m MethodRow) bool { return m.Table == table && m.Method == best.Method && m.Outside > 0 }); i >= 0 {
		also = ", finals outside ±τ among them"
	}
	text := fmt.Sprintf("The largest front by %s cost: %s (%.3f of the box, %.0f %% dominated%s)", by, best.Method, best.Hypervolume, 100*best.Dominated, also)
	if best != first {
		text += fmt.Sprintf("; %s %.3f, %.0f %% dominated", first.Method, first.Hypervolume, 100*first.Dominated)
	}
	return text + "."
}

// carried says what becomes of a method's finals on the other tables.
func (r *Results) carried(table, method string) string {
	var out []string
	for _, t := range r.Transfers {
		if t.From != table || t.Method != method || t.Units == 0 || strings.Contains(t.To+t.From, guardedBy) {
			continue
		}
		text := fmt.Sprintf("%d of %d inside ±τ of %s", t.AsIs, t.Units, t.To)
		if t.Inside != t.AsIs {
			text += fmt.Sprintf(", %d when re-compensated", t.Inside)
		}
		out = append(out, text+fmt.Sprintf(" (%s of the gain found there)", r.retained(t)))
	}
	if len(out) == 0 {
		return ""
	}
	return fmt.Sprintf("Finals of %s on other tables: %s.", method, strings.Join(out, "; "))
}

// kept says what guards of the table cost a method, and what leaves them without.
func (r *Results) kept(table, method string) string {
	var out []string
	for _, g := range r.guarded() {
		if g.alone == table && g.method == method {
			out = append(out, fmt.Sprintf("%d of %d outside ±τ of %s, %d of them above (furthest %s); with it as a guard %s of gain",
				g.outside, g.units, g.guard, g.dearer, g.worst(), g.change()))
		}
	}
	if len(out) == 0 {
		return ""
	}
	return fmt.Sprintf("Finals of %s: %s.", method, strings.Join(out, "; "))
}

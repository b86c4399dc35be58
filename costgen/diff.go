package costgen

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
)

// Difference compares two tables cell by cell.
type Difference struct {
	Unit    string   `json:"unit"`
	Rows    []Delta  `json:"rows"`     // common cells, sorted by key
	Groups  []Delta  `json:"groups"`   // families, geometric means over their common cells
	All     Delta    `json:"all"`      // geometric mean over all common cells
	OnlyOld []string `json:"only_old"` // keys
	OnlyNew []string `json:"only_new"`
}

// Delta is one row of a comparison. For a group Old and New are geometric means.
type Delta struct {
	Key   string  `json:"key"`
	Cells int     `json:"cells"`
	Old   float64 `json:"old"`
	New   float64 `json:"new"`
	// OldHalf and NewHalf are relative half-widths of the 95 % intervals, null of costs that
	// were published without their spread.
	OldHalf *float64 `json:"old_half"`
	NewHalf *float64 `json:"new_half"`
	Ratio   float64  `json:"ratio"` // new/old
	P       *float64 `json:"p"`     // two-sided, that the ratio is 1; null where nothing tells
	// Significant says that P is below 0.05; otherwise the row prints ~.
	Significant bool `json:"significant"`
}

// Diff compares raw costs: corrections belong to a table, changes to a device. A
// cell's p-value is of the difference of logarithms against both intervals; a
// group's of the mean of its cells' (Student-like, by the normal; a group of one is
// its cell). As in benchstat, no correction is made for looking at many rows.
func Diff(old, new *lut.Table) (*Difference, error) {
	a, b := old.File(), new.File()
	if a.Metric != b.Metric {
		return nil, fmt.Errorf("the tables hold %s and %s: nothing to compare", a.Metric, b.Metric)
	}
	d := &Difference{Unit: a.Unit, OnlyOld: []string{}, OnlyNew: []string{}}
	av, bv := knotsOf(a), knotsOf(b)
	groups := map[string][]Delta{}
	for _, key := range slices.Sorted(maps.Keys(av)) {
		ka := av[key]
		kb, ok := bv[key]
		if !ok {
			d.OnlyOld = append(d.OnlyOld, key)
			continue
		}
		row := Delta{Key: key, Cells: 1, Old: ka.Raw, New: kb.Raw, OldHalf: half(ka), NewHalf: half(kb), Ratio: kb.Raw / ka.Raw}
		if row.OldHalf != nil && row.NewHalf != nil {
			ca, cb := cell{value: ka.Raw, lo: ka.Lo, hi: ka.Hi}, cell{value: kb.Raw, lo: kb.Lo, hi: kb.Hi}
			row.test(math.Log(row.Ratio), math.Hypot(ca.se()/ka.Raw, cb.se()/kb.Raw))
		}
		d.Rows = append(d.Rows, row)
		fam, _, _ := strings.Cut(key, "@")
		groups[fam] = append(groups[fam], row)
	}
	for _, key := range slices.Sorted(maps.Keys(bv)) {
		if _, ok := av[key]; !ok {
			d.OnlyNew = append(d.OnlyNew, key)
		}
	}
	if len(d.Rows) == 0 {
		return nil, hint.Wrap(errors.New("the tables have no cell in common"), "costgen inspect shows the keys of each")
	}
	for _, fam := range slices.Sorted(maps.Keys(groups)) {
		d.Groups = append(d.Groups, geomean(fam, groups[fam]))
	}
	d.All = geomean("geomean", d.Rows)
	return d, nil
}

// half is the relative half-width of a cell's interval, nil of one without.
func half(k lut.Knot) *float64 {
	if k.Bare() {
		return nil
	}
	h := (k.Hi - k.Lo) / 2 / k.Raw
	return &h
}

// test judges a change, as a logarithm, by its standard error.
func (d *Delta) test(change, se float64) {
	p := 2 * stats.NormalUpper(math.Abs(change)/se)
	d.P, d.Significant = &p, p < 0.05
}

func knotsOf(f *lut.File) map[string]lut.Knot {
	out := map[string]lut.Knot{}
	for _, fam := range f.Families {
		for _, k := range fam.Knots {
			out[fam.Member(k.At).String()] = k
		}
	}
	return out
}

func geomean(key string, rows []Delta) Delta {
	if len(rows) == 1 {
		r := rows[0]
		r.Key = key
		return r
	}
	n := float64(len(rows))
	g := Delta{Key: key, Cells: len(rows)}
	var lo, ln, lr, ss, vo, vn float64
	known := true // the intervals of all cells
	for _, r := range rows {
		lo += math.Log(r.Old) / n
		ln += math.Log(r.New) / n
		lr += math.Log(r.Ratio) / n
		if r.OldHalf == nil || r.NewHalf == nil {
			known = false
			continue
		}
		vo += *r.OldHalf * *r.OldHalf
		vn += *r.NewHalf * *r.NewHalf
	}
	for _, r := range rows {
		ss += (math.Log(r.Ratio) - lr) * (math.Log(r.Ratio) - lr)
	}
	g.Old, g.New, g.Ratio = math.Exp(lo), math.Exp(ln), math.Exp(lr)
	if !known {
		return g
	}
	vo, vn = math.Sqrt(vo)/n, math.Sqrt(vn)/n
	g.OldHalf, g.NewHalf = &vo, &vn
	// The spread among cells counts the real differences between them as well as
	// the noise; never less than the noise alone.
	se := math.Max(math.Sqrt(ss/(n-1)/n), math.Hypot(vo, vn)/1.96)
	if se == 0 {
		se = 1e-3
	}
	g.test(lr, se)
	return g
}

// WriteDiff prints a comparison in benchstat's manner: old ± interval, new ±
// interval, the change or ~ when it is not significant, p and the number of cells.
// With cells every common cell is a row below its family's name, else every family.
// Columns are as wide as what stands in them; ? is what no interval tells.
func WriteDiff(w io.Writer, d *Difference, cells bool) error {
	table := [][]string{{"", "old", "new", "", ""}} // a row of one column is a heading
	line := func(name string, r Delta) {
		cost := func(v float64, half *float64) string {
			if half == nil {
				return fmt.Sprintf("%.4g ±  ?", v)
			}
			return fmt.Sprintf("%.4g ±%3.0f%%", v, 100**half)
		}
		delta, p := "~", "?"
		if r.P != nil {
			p = fmt.Sprintf("%.3f", *r.P)
		}
		if r.Significant || r.P == nil {
			delta = fmt.Sprintf("%+.2f%%", 100*(r.Ratio-1))
		}
		table = append(table, []string{name, cost(r.Old, r.OldHalf), cost(r.New, r.NewHalf), delta, fmt.Sprintf("(p=%s n=%d)", p, r.Cells)})
	}
	rows := d.Groups
	if cells {
		rows = d.Rows
	}
	last := ""
	for _, r := range rows {
		if family, at, ok := strings.Cut(r.Key, "@"); ok && cells {
			if family != last {
				table, last = append(table, []string{family}), family
			}
			line("  "+at, r)
			continue
		}
		line(r.Key, r)
	}
	if len(rows) > 1 {
		line("geomean", d.All)
	}
	var wide [5]int
	for _, row := range table {
		for i, text := range row {
			if len(row) > 1 {
				wide[i] = max(wide[i], utf8.RuneCountInString(text))
			}
		}
	}
	var b strings.Builder
	for _, row := range table {
		if len(row) == 1 {
			fmt.Fprintln(&b, row[0])
			continue
		}
		b.WriteString(strings.TrimRight(fmt.Sprintf("%-*s  %*s  %*s  %*s %s", wide[0], row[0], wide[1], row[1], wide[2], row[2], wide[3], row[3], row[4]), " ") + "\n")
	}
	for _, o := range []struct {
		what string
		keys []string
	}{{"old", d.OnlyOld}, {"new", d.OnlyNew}} {
		if len(o.keys) > 0 {
			fmt.Fprintf(&b, "only in %s: %d cells\n", o.what, len(o.keys))
			keys := slices.Sorted(slices.Values(o.keys))
			for _, key := range keys[:min(5, len(keys))] {
				fmt.Fprintf(&b, "  %s\n", key)
			}
			if more := len(keys) - 5; more > 0 {
				fmt.Fprintf(&b, "  and %d more\n", more)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

package study

import (
	"math"

	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/search"
)

// SelectorRow compares one selector with the default one on the same table, from the
// same anchors, with the same seeds and budget. Ratio leaves out where one of the two
// did not certify, so that it flatters a selector that fails on what is hard: read it
// beside Certified.
type SelectorRow struct {
	Table     string          `json:"table"`
	Selector  search.Selector `json:"selector"`
	Units     int             `json:"units"`
	Certified int             `json:"certified"` // vacuous ones among them: they were paid for
	Spent     float64         `json:"spent"`     // mean, in samples of full fidelity
	// Pairs are the anchors and seeds from which both this selector and the default one
	// certified; Ratio is the geometric mean over them of what this one spent over what
	// the default one did, Lo and Hi its 95 % interval (Student's t of the logarithms, over
	// the anchors, before version 4 over the pairs). Absent for the default selector itself
	// and for fewer than two of them.
	Pairs int      `json:"pairs"`
	Ratio *float64 `json:"ratio,omitempty"`
	Lo    *float64 `json:"lo,omitempty"`
	Hi    *float64 `json:"hi,omitempty"`
}

// selectorRows compares the selectors of a table's units; nil with fewer than two.
func selectorRows(format, table string, methods []string, units []Unit) (rows []SelectorRow) {
	type start struct {
		anchor string
		seed   uint64
	}
	base := map[start]float64{}
	for _, u := range units {
		if u.Method == Isocost && (u.Certified || u.Vacuous) && u.spent() > 0 {
			base[start{u.Anchor, u.Seed}] = u.spent()
		}
	}
	for _, m := range methods {
		name, ok := SelectorOf(m)
		if !ok {
			continue
		}
		row := SelectorRow{Table: table, Selector: name}
		var logs sample
		for _, u := range units {
			if u.Method != m {
				continue
			}
			row.Units++
			row.Spent += u.spent()
			if !(u.Certified || u.Vacuous) {
				continue
			}
			row.Certified++
			if b, ok := base[start{u.Anchor, u.Seed}]; ok && m != Isocost && u.spent() > 0 {
				logs.add(u.Anchor, math.Log(u.spent()/b))
			}
		}
		row.Spent /= float64(max(row.Units, 1))
		row.Pairs = len(logs.values)
		own := logs.independent(format)
		if lo, hi := interval(own); lo != nil && hi != nil {
			row.Ratio, row.Lo, row.Hi = finite(math.Exp(stats.Mean(own))), finite(math.Exp(*lo)), finite(math.Exp(*hi))
		}
		rows = append(rows, row)
	}
	if len(rows) < 2 {
		return nil
	}
	return rows
}

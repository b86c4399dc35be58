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
	// the default one did, Lo and Hi its 95 % interval (Student's t of the logarithms).
	// Absent for the default selector itself and for fewer than two pairs.
	Pairs int      `json:"pairs"`
	Ratio *float64 `json:"ratio,omitempty"`
	Lo    *float64 `json:"lo,omitempty"`
	Hi    *float64 `json:"hi,omitempty"`
}

// selectorRows compares the selectors of a table's units; nil with fewer than two.
func selectorRows(table string, methods []string, units []Unit) (rows []SelectorRow) {
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
		var logs []float64
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
				logs = append(logs, math.Log(u.spent()/b))
			}
		}
		row.Spent /= float64(max(row.Units, 1))
		if row.Pairs = len(logs); row.Pairs > 1 {
			mid := stats.Mean(logs)
			half := stats.StudentQuantile(0.95, row.Pairs-1) * stats.StdDev(logs) / math.Sqrt(float64(row.Pairs))
			row.Ratio, row.Lo, row.Hi = finite(math.Exp(mid)), finite(math.Exp(mid-half)), finite(math.Exp(mid+half))
		}
		rows = append(rows, row)
	}
	if len(rows) < 2 {
		return nil
	}
	return rows
}

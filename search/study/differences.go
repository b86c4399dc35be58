package study

import "github.com/isocost/isocost/internal/stats"

// DifferenceRow compares a method with the study's first one on a table: the same anchor
// and the same seed, difference by difference.
type DifferenceRow struct {
	Table   string   `json:"table"`
	Method  string   `json:"method"`
	Against string   `json:"against"`
	Pairs   int      `json:"pairs"`
	Mean    float64  `json:"mean"`         // of the method's gain less the other's
	Lo      *float64 `json:"lo,omitempty"` // 95 % interval by Student's t; absent for one pair
	Hi      *float64 `json:"hi,omitempty"`
}

// differences compares every method of a table with the first.
func differences(table string, methods []string, units []Unit) (rows []DifferenceRow) {
	type place struct {
		anchor string
		seed   uint64
	}
	base := map[place]float64{}
	for _, u := range units {
		if g, ok := u.Gain(); ok && u.Method == methods[0] {
			base[place{u.Anchor, u.Seed}] = g
		}
	}
	for _, m := range methods[1:] {
		row := DifferenceRow{Table: table, Method: m, Against: methods[0]}
		var d []float64
		for _, u := range units {
			b, ok := base[place{u.Anchor, u.Seed}]
			if g, has := u.Gain(); ok && has && u.Method == m {
				d = append(d, g-b)
			}
		}
		if row.Pairs = len(d); row.Pairs == 0 {
			continue
		}
		row.Mean = stats.Mean(d)
		row.Lo, row.Hi = interval(d)
		rows = append(rows, row)
	}
	return rows
}

package study

import (
	"cmp"
	"slices"

	"github.com/isocost/isocost/internal/stats"
)

// DifferenceRow compares a method with the study's first one on a table: the same anchor
// and the same seed, difference by difference.
type DifferenceRow struct {
	Table   string   `json:"table"`
	Method  string   `json:"method"`
	Against string   `json:"against"`
	Pairs   int      `json:"pairs"`
	Anchors int      `json:"anchors,omitempty"` // that the pairs begin at; absent before version 4
	Mean    float64  `json:"mean"`              // of the method's gain less the other's: over the anchors' means, before version 4 over the pairs
	Lo      *float64 `json:"lo,omitempty"`      // 95 % interval by Student's t; absent for one anchor
	Hi      *float64 `json:"hi,omitempty"`
	// P is the probability of such a mean where there is no difference, by Student's t; Holm the
	// same corrected for all differences of the study. Absent before version 4 and for one anchor.
	P    *float64 `json:"p,omitempty"`
	Holm *float64 `json:"p_holm,omitempty"`
}

// differences compares every method of a table with the first.
func differences(format, table string, methods []string, units []Unit) (rows []DifferenceRow) {
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
		var d sample
		for _, u := range units {
			b, ok := base[place{u.Anchor, u.Seed}]
			if g, has := u.Gain(); ok && has && u.Method == m {
				d.add(u.Anchor, g-b)
			}
		}
		if row.Pairs = len(d.values); row.Pairs == 0 {
			continue
		}
		own := d.independent(format)
		row.Mean = stats.Mean(own)
		row.Lo, row.Hi = interval(own)
		if !early(format) {
			row.Anchors, row.P = len(own), chance(own)
		}
		rows = append(rows, row)
	}
	return rows
}

// holm corrects the rows' probabilities for their number (Holm 1979): of all rows told apart at a
// level by what it returns, one is so by chance with at most that probability.
func holm(rows []DifferenceRow) {
	var order []int
	for i, d := range rows {
		if d.P != nil {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(*rows[a].P, *rows[b].P) })
	least := 0.0
	for n, i := range order {
		least = max(least, min(1, *rows[i].P*float64(len(order)-n)))
		rows[i].Holm = finite(least)
	}
}

// apart says how a method differs from the first: 1 more gain, -1 less, 0 not told apart. Since
// version 4 that is at 5 % for the whole study, before by each difference's own interval.
func (d DifferenceRow) apart() int {
	switch {
	case d.Holm != nil && *d.Holm > 0.05, d.Lo == nil:
		return 0
	case *d.Lo > 0:
		return 1
	case *d.Hi < 0:
		return -1
	}
	return 0
}

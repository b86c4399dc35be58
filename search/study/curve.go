package study

import "slices"

// CurvePoint holds what a search would have ended with after so many evaluations.
type CurvePoint struct {
	Samples int       `json:"samples"` // in samples of full fidelity
	Arch    string    `json:"arch"`
	Utility *Estimate `json:"utility,omitempty"`
	Regret  *float64  `json:"regret,omitempty"`
}

// CurveRow is a method after so many evaluations, over the anchors and seeds of a table.
type CurveRow struct {
	Table   string   `json:"table"`
	Method  string   `json:"method"`
	Samples int      `json:"samples"`
	Units   int      `json:"units"`
	Gain    *float64 `json:"gain,omitempty"`   // mean
	Regret  *float64 `json:"regret,omitempty"` // mean
	// Difference of the gain from the study's first method's after as many evaluations, paired
	// by anchor and seed, with its 95 % interval by Student's t over the anchors (before version
	// 4 over the pairs).
	Difference *float64 `json:"difference,omitempty"`
	Lo         *float64 `json:"lo,omitempty"`
	Hi         *float64 `json:"hi,omitempty"`
}

// trace notes with what a search would end.
type trace struct {
	steps []step
}

type step struct {
	spent float64
	key   string
}

func (t *trace) add(spent float64, key string) {
	if n := len(t.steps); n > 0 && t.steps[n-1].key == key {
		return
	}
	t.steps = append(t.steps, step{spent, key})
}

// at is the key after so many evaluations; "" before there was one.
func (t *trace) at(spent int) (key string) {
	for _, s := range t.steps {
		if s.spent > float64(spent) {
			break
		}
		key = s.key
	}
	return key
}

// checkpoints are the evaluations at which a study with expected utilities on file says
// how far its searches are, where it is not told: doubling from 10, and the budget.
func checkpoints(budget int) (at []int) {
	for n := 10; n < budget; n *= 2 {
		at = append(at, n)
	}
	return append(at, budget)
}

// curve sums a table's searches up at their checkpoints.
func curve(format, table string, methods []string, units []Unit) (rows []CurveRow) {
	type place struct {
		anchor  string
		seed    uint64
		samples int
	}
	var at []int
	base := map[place]float64{}
	for _, u := range units {
		for _, p := range u.Curve {
			if !slices.Contains(at, p.Samples) {
				at = append(at, p.Samples)
			}
			if g, ok := p.Utility.over(u.AnchorUtility); ok && u.Method == methods[0] {
				base[place{u.Anchor, u.Seed, p.Samples}] = g
			}
		}
	}
	slices.Sort(at)
	for _, m := range methods {
		for _, n := range at {
			row := CurveRow{Table: table, Method: m, Samples: n}
			var gains, regrets []float64
			var differences sample
			for _, u := range units {
				for _, p := range u.Curve {
					if u.Method != m || p.Samples != n {
						continue
					}
					row.Units++
					if p.Regret != nil {
						regrets = append(regrets, *p.Regret)
					}
					g, ok := p.Utility.over(u.AnchorUtility)
					if !ok {
						continue
					}
					gains = append(gains, g)
					if b, ok := base[place{u.Anchor, u.Seed, n}]; ok && m != methods[0] {
						differences.add(u.Anchor, g-b)
					}
				}
			}
			own := differences.independent(format)
			row.Gain, row.Regret, row.Difference = average(gains), average(regrets), average(own)
			row.Lo, row.Hi = interval(own)
			if row.Units > 0 {
				rows = append(rows, row)
			}
		}
	}
	return rows
}

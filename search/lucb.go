package search

import (
	"cmp"
	"math"
	"slices"
)

// selectors by name.
var selectors = map[string]func(Settings) Selector{
	"lucb":        func(Settings) Selector { return lucb{} },
	"elimination": func(Settings) Selector { return elimination{} },
	"uniform":     func(Settings) Selector { return uniform{} },
}

// SelectorNames lists the selectors NewSelector knows.
func SelectorNames() []string {
	var names []string
	for n := range selectors {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// lucb is the certifying selector in the manner of LUCB (Kalyanakrishnan et al.
// 2012): of the candidates neither moved to nor retired it samples the one with
// the largest upper bound, and the incumbent √K times as often.
type lucb struct{}

func (lucb) Select(v *View) Decision {
	d, live := verdicts(v)
	if d.Move >= 0 || len(live) == 0 {
		return d
	}
	// First samples first: without them nothing can be compared.
	if v.Incumbent.N == 0 {
		d.Sample = append(d.Sample, -1)
	}
	for _, i := range live {
		if v.Candidates[i].N == 0 {
			d.Sample = append(d.Sample, i)
		}
	}
	if len(d.Sample) > 0 {
		return d
	}
	slices.SortStableFunc(live, func(a, b int) int {
		return cmp.Compare(v.Candidates[b].Upper, v.Candidates[a].Upper)
	})
	for _, i := range live[:min(v.Batch, len(live))] {
		c := &v.Candidates[i]
		if c.Left != 0 && !wantsIncumbent(v, c.N, c.Weight) {
			d.Sample = append(d.Sample, i)
		}
	}
	if top := &v.Candidates[live[0]]; wantsIncumbent(v, top.N, top.Weight) || len(d.Sample) == 0 && v.Incumbent.Left != 0 {
		// As many as keep its share of √K to 1 against a batch.
		n := max(1, int(float64(v.Batch)/math.Sqrt(float64(max(v.Live, 1)))))
		if v.Incumbent.Left > 0 {
			n = min(n, v.Incumbent.Left)
		}
		for range n {
			d.Sample = append([]int{-1}, d.Sample...)
		}
	}
	return d
}

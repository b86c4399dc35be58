package search

import (
	"cmp"
	"slices"
)

// selectors by name.
var selectors = map[string]func(Settings) Selector{
	"lucb":        func(Settings) Selector { return lucb{} },
	"elimination": func(Settings) Selector { return elimination{} },
	"uniform":     func(Settings) Selector { return uniform{} },

	"multi-fidelity": func(Settings) Selector { return multiFidelity{} },
	"paired":         func(Settings) Selector { return paired{} },
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
// the largest upper bound, and the incumbent as often as serves them all.
type lucb struct{}

// firstSamples is how many candidates get their first sample between two looks:
// an improvement is then taken before all of a large neighbourhood is sampled. Of
// 1, 2, 3, 4, 6 and 8 NAS-Bench-Macro needs the fewest samples with 3.
const firstSamples = 3

func (lucb) Select(v *View) Decision {
	d, live := verdicts(v)
	if d.Move >= 0 || len(live) == 0 {
		return d
	}
	// First samples first: without them nothing can be compared.
	if v.Incumbent.N == 0 && v.Incumbent.Left != 0 {
		d.Sample = append(d.Sample, -1)
	}
	for _, i := range live {
		if v.Candidates[i].N == 0 && len(d.Sample) < max(v.Batch, firstSamples) {
			d.Sample = append(d.Sample, i)
		}
	}
	if len(d.Sample) > 0 {
		return d
	}
	slices.SortStableFunc(live, func(a, b int) int {
		return cmp.Compare(v.Candidates[b].Upper, v.Candidates[a].Upper)
	})
	for range min(incumbentWants(v, v.Pull), v.Batch) {
		d.Sample = append(d.Sample, -1)
	}
	for _, i := range live {
		if len(d.Sample) < v.Batch && v.Candidates[i].Left != 0 {
			d.Sample = append(d.Sample, i)
		}
	}
	if len(d.Sample) == 0 && v.Incumbent.Left != 0 {
		d.Sample = append(d.Sample, -1)
	}
	return d
}

package search

// elimination is successive elimination (Even-Dar et al. 2006): all candidates
// still in play are sampled equally often, round by round. It needs no ordering
// by bounds and its rounds parallelise over all candidates, but it spends on
// clear cases what the doubtful ones need.
type elimination struct{}

func (elimination) Select(v *View) Decision {
	d, live := verdicts(v)
	if d.Move >= 0 || len(live) == 0 {
		return d
	}
	least := v.Candidates[live[0]].N
	for _, i := range live {
		least = min(least, v.Candidates[i].N)
	}
	for _, i := range live {
		if c := &v.Candidates[i]; c.N == least && c.Left != 0 {
			d.Sample = append(d.Sample, i)
		}
	}
	return withIncumbent(v, d)
}

// uniform samples every candidate of the scope equally often until all of them
// are decided, retired or not: the published allocation under the certifying
// stopping rule. It is the baseline the others are measured against.
type uniform struct{}

func (uniform) Select(v *View) Decision {
	d, live := verdicts(v)
	if d.Move >= 0 || len(live) == 0 {
		return d
	}
	least := -1
	for i := range v.Candidates {
		if c := &v.Candidates[i]; c.Left != 0 && (least < 0 || c.N < least) {
			least = c.N
		}
	}
	for i := range v.Candidates {
		if c := &v.Candidates[i]; c.N == least && c.Left != 0 {
			d.Sample = append(d.Sample, i)
		}
	}
	// The incumbent is one more arm here, sampled as often as the others.
	if v.Incumbent.Left != 0 && (v.Incumbent.N <= max(least, 0) || len(d.Sample) == 0) {
		d.Sample = append([]int{-1}, d.Sample...)
	}
	return d
}

// withIncumbent adds the incumbent's share of a round.
func withIncumbent(v *View, d Decision) Decision {
	pull := v.Pull
	for _, i := range d.Sample {
		c := &v.Candidates[i]
		pull += c.Weight * float64(2*c.N+1)
	}
	n := min(incumbentWants(v, pull), 64)
	if n == 0 && len(d.Sample) == 0 && v.Incumbent.Left != 0 {
		n = 1
	}
	for range n {
		d.Sample = append([]int{-1}, d.Sample...)
	}
	return d
}

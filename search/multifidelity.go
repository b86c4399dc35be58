package search

import (
	"cmp"
	"math"
	"slices"
)

// multiFidelity races the candidates through rising fidelities. Each is sampled at
// the fidelity at which retiring it is expected to cost least: at a low one where
// its bias bound leaves room, at the full one otherwise. Fidelities without a bias
// bound only order: the candidates that look best there are sampled first at full
// fidelity, where alone improvements are taken.
type multiFidelity struct{}

// decideFactor is how many σ²/gap² of samples a candidate takes to be retired, for
// the comparison of costs alone: 2·ln(1/δ) and the mixture's logarithm come to
// about this at the usual δ.
const decideFactor = 12

func (multiFidelity) Select(v *View) Decision {
	d, live := verdicts(v)
	if d.Move >= 0 || len(live) == 0 {
		return d
	}
	levels := len(v.Incumbent.Low)
	pull := make([]float64, levels+1)
	pull[0] = v.Pull
	for i := range v.Candidates {
		for l := range v.Candidates[i].Low {
			n := float64(v.Candidates[i].Low[l].N)
			pull[l+1] += n * n
		}
	}
	add := func(i, level int) {
		d.Sample, d.Level = append(d.Sample, i), append(d.Level, level)
	}
	// The first look at everything is at the lowest fidelity.
	for _, i := range live {
		if c := &v.Candidates[i]; c.Low[0].N == 0 && c.N == 0 && !c.Low[0].Dead {
			add(i, 1)
		}
	}
	if len(d.Sample) > 0 {
		if v.Incumbent.Low[0].N == 0 {
			add(-1, 1)
		}
		return d
	}
	// The doubtful first, and of those not sampled yet what looks best at low fidelity.
	lowFirst(v, live)
	slices.SortStableFunc(live, func(a, b int) int { return cmp.Compare(v.Candidates[b].Upper, v.Candidates[a].Upper) })
	least := max(v.Batch, firstSamples)
	fresh := 0
	for _, i := range live {
		c := &v.Candidates[i]
		if len(d.Sample) >= least || c.Left == 0 {
			continue
		}
		level := cheapest(v, c)
		first := level == 0 && c.N == 0 || level > 0 && c.Low[level-1].N == 0
		if !first && len(d.Sample)-fresh >= v.Batch {
			continue
		}
		if first {
			fresh++
		}
		add(i, level)
	}
	for level := range pull {
		n := v.Incumbent.N
		weight := v.Incumbent.Weight
		if level > 0 {
			n, weight = v.Incumbent.Low[level-1].N, 1
		}
		want := int(math.Ceil(math.Sqrt(pull[level]/weight)-1e-9)) - n
		for i := range d.Sample { // what is asked for now has to have a partner
			if n == 0 && want < 1 && d.Level[i] == level {
				want = 1
			}
		}
		for range min(max(want, 0), 8) {
			add(-1, level)
		}
	}
	return d
}

// cheapest is the level at which retiring a candidate is expected to cost least,
// by what is known of it; 0 is the full fidelity.
func cheapest(v *View, c *Contender) int {
	lead, known := c.D, c.N > 0
	for l := len(c.Low) - 1; l >= 0 && !known; l-- {
		lead, known = c.Low[l].D, c.Low[l].N > 0
	}
	// A full sample is worth one where the candidate looks better.
	gap := max(v.Epsilon-lead, v.Epsilon/4)
	best, least := 0, max(1, decideFactor*v.Sigma*v.Sigma/(gap*gap)-float64(c.N))
	for l := range c.Low {
		x := &c.Low[l]
		gap := v.Epsilon - x.D - x.Bias
		if x.Dead {
			continue
		}
		if x.N == 0 {
			gap = v.Epsilon - lead - x.Bias
		}
		if !(gap > 0) { // no number of samples does it here
			continue
		}
		if cost := x.Cost * max(1, decideFactor*x.Sigma*x.Sigma/(gap*gap)-float64(x.N)); cost < least {
			best, least = l+1, cost
		}
	}
	return best
}

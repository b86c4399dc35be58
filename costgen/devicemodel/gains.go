package devicemodel

import (
	"math"
)

// Gains says of each candidate by how much measuring it would narrow the networks, per second:
// the fall of their relative standard deviations, summed. A candidate with a kernel that has no price
// gains nothing that could be computed: NaN. Networks without a price are left out.
func (m *Model) Gains(candidates []Candidate, networks [][]Term) []float64 {
	type target struct {
		*joint
		levels map[string]float64
	}
	var targets []target
	for _, terms := range networks {
		j := m.join(terms)
		if !(j.value > 0) {
			continue
		}
		j.turn()
		t := target{j, map[string]float64{}}
		for _, l := range j.lives {
			if l.pl != nil {
				t.levels[l.key] += l.level
			}
		}
		targets = append(targets, t)
	}
	out := make([]float64, len(candidates))
	for i, c := range candidates {
		j := m.join(c.Terms)
		if j.missing > 0 || !(c.Seconds > 0) {
			out[i] = math.NaN()
			continue
		}
		told := j.variance + c.StdErr*c.StdErr
		for _, t := range targets {
			cov := 0.0
			for k := range j.lives {
				l := &j.lives[k]
				cov += t.covariance(l, t.levels[l.key])
			}
			left := math.Sqrt(max(0, t.variance-cov*cov/told))
			out[i] += (math.Sqrt(t.variance) - left) / t.value
		}
		out[i] /= c.Seconds
	}
	return out
}

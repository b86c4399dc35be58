package study

import (
	"math"
	"slices"

	"github.com/isocost/isocost/internal/stats"
)

// sample holds values of searches, each from an anchor.
//
// Searches from one anchor are alike: further seeds say more of that anchor and nothing of
// others. An interval that took them for independent would be too narrow by up to the root of
// the seeds. What is independent is the anchors, which are drawn.
type sample struct {
	anchors []string
	values  []float64
}

func (s *sample) add(anchor string, v float64) {
	s.anchors, s.values = append(s.anchors, anchor), append(s.values, v)
}

// perAnchor is the mean of each anchor's values, in the order of their first ones.
func (s *sample) perAnchor() (means []float64) {
	var order []string
	of := map[string][]float64{}
	for i, a := range s.anchors {
		if !slices.Contains(order, a) {
			order = append(order, a)
		}
		of[a] = append(of[a], s.values[i])
	}
	for _, a := range order {
		means = append(means, stats.Mean(of[a]))
	}
	return means
}

// independent are the values that an interval is made of: an anchor's mean each, or in results
// before version 4 a search's each.
func (s *sample) independent(format string) []float64 {
	if early(format) {
		return s.values
	}
	return s.perAnchor()
}

// interval is the 95 % interval of a mean by Student's t; nil for fewer than two values.
func interval(d []float64) (lo, hi *float64) {
	if len(d) < 2 {
		return nil, nil
	}
	half := stats.StudentQuantile(0.95, len(d)-1) * stats.StdDev(d) / math.Sqrt(float64(len(d)))
	mean := stats.Mean(d)
	return finite(mean - half), finite(mean + half)
}

// chance is the probability of a mean as far from zero where there is nothing to find, by
// Student's t; nil for fewer than two values.
func chance(d []float64) *float64 {
	if len(d) < 2 {
		return nil
	}
	mean, of := stats.Mean(d), stats.StdDev(d)/math.Sqrt(float64(len(d)))
	switch {
	case of > 0:
		return finite(stats.StudentTail(mean/of, len(d)-1))
	case mean != 0:
		return finite(0)
	}
	return finite(1)
}

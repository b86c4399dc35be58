package analysis

import (
	"math"
	"slices"
	"sort"
)

// ordered is a collection of numbers that grows and of which order statistics are
// asked: a large part that stays, and a small one that is replaced each time.
type ordered struct{ kept, passing []float64 } // each ascending

func (o *ordered) len() int { return len(o.kept) + len(o.passing) }

// at is the value of rank i, from 0: sort(all)[i].
func (o *ordered) at(i int) float64 {
	// j of the i smallest are passing ones.
	j := 0
	for j < len(o.passing) && j < i && (i-j > len(o.kept) || o.passing[j] < o.kept[i-j-1]) {
		j++
	}
	switch {
	case j == len(o.passing):
		return o.kept[i-j]
	case i-j == len(o.kept):
		return o.passing[j]
	}
	return min(o.passing[j], o.kept[i-j])
}

// median is stats.Median.
func (o *ordered) median() float64 {
	n := o.len()
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return o.at(n / 2)
	}
	a := o.at(n/2 - 1)
	return a + (o.at(n/2)-a)/2
}

// quantile is stats.Quantile, for 0 ≤ q < 1.
func (o *ordered) quantile(q float64) float64 {
	n := o.len()
	if n == 0 {
		return math.NaN()
	}
	h := q * float64(n-1)
	i := int(math.Floor(h))
	if i >= n-1 {
		return o.at(n - 1)
	}
	a := o.at(i)
	return a + (h-float64(i))*(o.at(i+1)-a)
}

// smallest are the k smallest values, ascending.
func (o *ordered) smallest(k int) []float64 {
	out := make([]float64, k)
	for i := range out {
		out[i] = o.at(i)
	}
	return out
}

// keep adds values to the part that stays.
func (o *ordered) keep(values []float64) {
	// Inserting moves half of the part a value, sorting visits all of it a few times.
	if len(values) > 8 {
		o.kept = append(o.kept, values...)
		slices.Sort(o.kept)
		return
	}
	for _, v := range values {
		i := sort.SearchFloat64s(o.kept, v)
		o.kept = slices.Insert(o.kept, i, v)
	}
}

// series is a number for each round that counts, and its order statistics. They are
// brought up to date when they are asked for: a round adds a number, and may change those
// of a few rounds before it; see Group.Extend.
type series struct {
	values []float64 // NaN in a round without one
	order  ordered
	kept   int // so many rounds are in order.kept
	step   int // of the analysis, when it was last brought up to date
}

// update brings s to the analysis's present step. value is the number of a round; it is
// asked for those that changed.
func (s *series) update(a *Group, value func(round int) float64) {
	if s.step == a.step {
		return
	}
	same := 0
	if s.step == a.step-1 {
		same = min(a.same, len(s.values))
	}
	s.step = a.step
	if same < s.kept {
		same = 0 // seldom: everything is put in order anew
		s.kept, s.order.kept = 0, s.order.kept[:0]
	}
	s.values = slices.Grow(s.values[:same], len(a.rounds)-same)
	for i := same; i < len(a.rounds); i++ {
		s.values = append(s.values, value(i))
	}
	s.order.keep(present(nil, s.values[s.kept:a.settled]))
	s.kept = a.settled
	s.order.passing = present(s.order.passing[:0], s.values[s.kept:])
	slices.Sort(s.order.passing)
}

// present appends the values that are numbers.
func present(to, values []float64) []float64 {
	for _, v := range values {
		if v == v {
			to = append(to, v)
		}
	}
	return to
}

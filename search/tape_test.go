package search

import (
	"slices"
	"testing"
)

// Outcomes are found by their index, in whatever order they came, and indices that count
// nothing do not make an array of their size.
func TestSamplesByIndex(t *testing.T) {
	s := &samples{}
	put := map[int]*Entry{}
	for _, i := range []int{3, 0, 1 << 40, 200, -5, 1, 60, 201, 1 << 62} {
		if s.at(i) != nil {
			t.Errorf("%d is there before it came", i)
		}
		put[i] = &Entry{Index: &i}
		s.put(i, put[i])
	}
	for i, e := range put {
		if x := s.at(i); x == nil || x.entry != e {
			t.Errorf("%d is %v", i, x)
		}
	}
	s.at(200).consumed, s.at(1).consumed, s.at(-5).consumed = true, true, true
	var left []int
	for e := range s.unconsumed() {
		left = append(left, *e.Index)
	}
	slices.Sort(left)
	if want := []int{0, 3, 60, 201, 1 << 40, 1 << 62}; !slices.Equal(left, want) {
		t.Errorf("%v are left, want %v", left, want)
	}
	if len(s.of) > 300 {
		t.Errorf("an array of %d for 9 samples", len(s.of))
	}
}

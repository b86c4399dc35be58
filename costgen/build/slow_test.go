package build

import (
	"testing"

	"github.com/isocost/isocost/record"
)

// A slow minute makes no later campaign small: its few rounds say little of the minutes to come.
func TestASlowMinutePasses(t *testing.T) {
	b := &builder{}
	us := 100.0
	var steady float64
	for i, rounds := range []int{80, 36, 36, 5, 36} {
		r := &record.Record{EstimateUS: &us, Rounds: rounds, Terms: []record.TermSamples{{EstimateUS: us, CI95US: record.Interval{99, 101}}}}
		b.learn(&record.File{Records: []record.Entry{{Line: record.Line{Record: r}}}})
		switch {
		case i == 2:
			steady = b.speed
		case i > 2 && b.speed < steady:
			t.Errorf("after %d campaigns a plan is of %.2f times the work, before the slow minute %.2f", i+1, b.speed, steady)
		}
	}
	if !(steady > 1.5) || len(b.rounds) != 5 || b.rounds[3] != 5 {
		t.Errorf("speed %.2f, rounds %v", steady, b.rounds)
	}
}

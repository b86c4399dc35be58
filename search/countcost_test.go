package search

import (
	"math"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/search/space"
)

// Counting operator by operator comes to what the whole network has.
func TestCountCost(t *testing.T) {
	s := mobileCNN(t)
	for _, metric := range []string{CountFLOPs, CountParams} {
		c, err := NewCountCost(s, metric)
		if err != nil {
			t.Fatal(err)
		}
		values := map[float64]bool{}
		for _, a := range space.Sample(s, 12, 3) {
			got, err := c.Cost(a)
			if err != nil {
				t.Fatal(err)
			}
			chain, err := s.Lower(a)
			if err != nil {
				t.Fatal(err)
			}
			g, err := benchmarks.Build(chain, benchmarks.BuildOptions{Batch: 1, Shapes: true})
			if err != nil {
				t.Fatal(err)
			}
			n := benchmarks.Count(g)
			want := float64(n.MACs)
			if metric == CountParams {
				want = float64(n.Params)
			}
			if math.Abs(got.Value/want-1) > 1e-12 || got.Lo != got.Value || got.Hi != got.Value {
				t.Errorf("%s of %s: %v, the whole network has %g", metric, a.Key(), got, want)
			}
			values[want] = true
		}
		if len(values) < 6 {
			t.Errorf("%s: only %d different values", metric, len(values))
		}
	}
	if _, err := NewCountCost(s, "seconds"); err == nil {
		t.Error("seconds are counted")
	}
}

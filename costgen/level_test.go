package costgen

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/isocost/isocost/benchmarks/role"
)

// TestLevel: a campaign on a host that ran everything half as fast again is brought to the speed of the
// first, by the networks that both measured, or by the drift reference where they share none.
func TestLevel(t *testing.T) {
	make := func(started string, slow float64, shared bool) Source {
		d := &device{rng: rand.New(rand.NewPCG(7, 1)), noise: 0.001, scale: 1, startup: 3}
		s := d.source(8, 0)
		s.Header.Started = started
		for i := range s.Records {
			if !shared && s.Records[i].Kind == role.Network {
				s.Records[i].Case += "x"
			}
		}
		for i := range s.Records {
			s.Records[i].scale([]float64{slow})
		}
		return s
	}
	first := make("2024-01-01T00:00:00Z", 1, true)
	for _, shared := range []bool{true, false} {
		late := make("2024-01-01T01:00:00Z", 1.5, shared)
		if !shared {
			ref := late.Records[0]
			ref.Kind, ref.Key, ref.Ops, ref.Case = role.Reference, nil, nil, "ref"
			late.Records = append(late.Records, ref)
			ref.EstimateUS = first.Records[0].EstimateUS
			first.Records = append(first.Records, ref)
		}
		// The order of the files does not matter.
		out, err := level(t.Context(), []Source{late, first}, nil)
		if err != nil {
			t.Fatal(err)
		}
		costs := func(s Source) (out []float64) {
			if err := s.each(t.Context(), func(l *Line) { out = append(out, *l.EstimateUS) }); err != nil {
				t.Fatal(err)
			}
			return out
		}
		before := costs(late)
		levelled, reference := costs(out[0][0]), costs(out[0][1])
		for i := range 8 {
			got, want := levelled[i], reference[i]
			if math.Abs(got/want-1) > 0.01 {
				t.Fatalf("shared %v: record %d is %.4g at the speed of the first, want %.4g", shared, i, got, want)
			}
		}
		if after := costs(late); after[0] != before[0] || after[0] == levelled[0] {
			t.Error("the records given were changed, or nothing was")
		}
	}
}

package campaign_test

import (
	"math"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/lut"
)

// TestChainsAndFramesFindTheTruth measures the same operators against frames and as
// slopes over chains of four copies, in one campaign on a noisy, drifting device
// that charges every model its overhead and boundary: both ways must find the
// operator's own cost, and each other's interval.
func TestChainsAndFramesFindTheTruth(t *testing.T) {
	d := simDevice(t, "  - {match: '.', us: 4}\nnoise: {jitter: 0.01, wander: 0.003, wander_s: 0.001}\ndrift: {per_hour: 6}\n")
	var ops []lut.Op
	for i := range 20 {
		ops = append(ops, conv(lut.FP32, 24+8*i, 24+8*i, 14))
	}
	plan := framesAndSlopes(t, ops, 4, 0)
	c := newCampaign(t, plan, d, nil)
	c.Path = ""
	type interval struct{ lo, hi float64 }
	found := map[string][]interval{}
	for _, r := range runCampaign(t, c).Records {
		if r.Key == nil {
			continue
		}
		want, err := d.OpUS(*r.Key)
		if err != nil || r.EstimateUS == nil {
			t.Fatal(err, r.Validity, r.Detail)
		}
		if e := math.Abs(*r.EstimateUS/want - 1); e > 0.03 {
			t.Errorf("%s: %.2f µs, the truth is %.2f", r.Key, *r.EstimateUS, want)
		}
		found[r.Key.String()] = append(found[r.Key.String()], interval{r.CI95US[0], r.CI95US[1]})
	}
	agree := 0
	for _, op := range ops {
		f := found[op.String()]
		if len(f) != 2 {
			t.Fatalf("%s was measured %d times, want both ways", op, len(f))
		}
		if f[0].lo <= f[1].hi && f[1].lo <= f[0].hi {
			agree++
		}
	}
	if agree < 18 {
		t.Errorf("frame and chain agree within their intervals in %d of %d cells, want 90 %%", agree, len(ops))
	}
}

// framesAndSlopes is one plan with every operator's frame and its slope over 1…copies
// copies; of the frames, second blocks stand in a second context too.
func framesAndSlopes(t *testing.T, ops []lut.Op, copies, second int) *benchmarks.Plan {
	t.Helper()
	plan := &benchmarks.Plan{Seed: 3, Source: "test"}
	have := map[string]bool{}
	for _, n := range []int{0, copies} {
		p := &benchmarks.Planner{Seed: 3, Source: "test", Copies: n, SecondContexts: second}
		for _, op := range ops {
			if err := p.Cell(op); err != nil {
				t.Fatal(err)
			}
		}
		part := p.Plan()
		for _, m := range part.Models {
			if !have[m.ID] {
				have[m.ID] = true
				plan.Models = append(plan.Models, m)
			}
		}
		for _, c := range part.Cases {
			if c.Role == role.Cell || c.Role == role.Reference && n == 0 {
				plan.Cases = append(plan.Cases, c)
			}
		}
	}
	return plan
}

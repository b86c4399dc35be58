package campaign_test

import (
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/lut"
)

// blocksPlan measures n blocks against frames, a quarter of them beside a second
// context too when second is set, and all of them as slopes over five copies.
func blocksPlan(t *testing.T, n int, second bool) *benchmarks.Plan {
	t.Helper()
	var ops []lut.Op
	for i := range n {
		ops = append(ops, lut.NewOp("mbconv", lut.FP32, map[string]string{"k": "3", "act": "relu6", "res": "1"},
			map[string]int{"cin": 24, "mid": 24 + 8*i, "cout": 24, "h": 14, "w": 14}))
	}
	contexts := 0
	if second {
		contexts = n
	}
	return framesAndSlopes(t, ops, 5, contexts)
}

// TestIntervalsHoldTheContext: on a device where an operator's cost depends on the model
// it stands in, by 1 % one way or the other, the interval of a framed cell holds the
// operator's mean cost at its level when some cells are measured in a second context, and
// far below it when none is; frames and slopes then agree. On a device without such a
// spread none is found.
func TestIntervalsHoldTheContext(t *testing.T) {
	tier.Sequential(t, "many simulated campaigns")
	const campaigns, cells = 12, 40
	const costs = "  - {match: 'mbconv', us: 20 + 0.5*mid}\n  - {match: '.', us: 1}\nnoise: {jitter: 0.004, wander: 0.002, wander_s: 0.001}\n"
	type result struct{ covered, agreed, spread float64 }
	measure := func(more string, second bool) result {
		p := blocksPlan(t, cells, second)
		var r result
		for seed := range uint64(campaigns) {
			d := simDevice(t, costs+more)
			d.Seed = seed + 1
			k := newCampaign(t, p, d, func(q *agent.Protocol) {
				q.Seed, q.Drift.Allow = seed+1, 0.05
				q.Sample.MinSeconds, q.Warmup.Seconds, q.Warmup.MaxSeconds = 0, 0, 0.001
				q.Stop.MinRounds, q.Stop.MaxRounds = 20, 20
			})
			k.Path = ""
			frames, slopes, spread := map[string][2]float64{}, map[string][2]float64{}, 0.0
			for i, rec := range runCampaign(t, k).Records {
				if rec.Key == nil {
					continue
				}
				if rec.CI95US == nil {
					t.Fatal(rec.Validity, rec.Detail)
				}
				if p.Cases[i].Terms[0].Copies > 0 {
					slopes[rec.Key.String()] = *rec.CI95US
					continue
				}
				frames[rec.Key.String()] = *rec.CI95US
				spread = rec.Context
				if (rec.SecondContextUS != nil) != (p.Cases[i].SecondContext != nil) {
					t.Errorf("%s: planned in a second context %v, recorded %v", rec.Key, p.Cases[i].SecondContext, rec.SecondContextUS)
				}
				want, err := d.OpUS(*rec.Key)
				if err != nil {
					t.Fatal(err)
				}
				if rec.CI95US[0] <= want && want <= rec.CI95US[1] {
					r.covered++
				}
			}
			for key, f := range frames {
				if s := slopes[key]; f[0] <= s[1] && s[0] <= f[1] {
					r.agreed++
				}
			}
			r.spread += spread / campaigns
		}
		r.covered /= campaigns * cells
		r.agreed /= campaigns * cells
		return r
	}
	with, without, still := measure("places: 0.01\n", true), measure("places: 0.01\n", false), measure("", true)
	t.Logf("places 1 %%: intervals hold the cost in %.1f %%, frames and slopes agree in %.1f %%, spread found %.2f %%", 100*with.covered, 100*with.agreed, 100*with.spread)
	t.Logf("no second contexts: %.1f %%, %.1f %%", 100*without.covered, 100*without.agreed)
	t.Logf("places 0: %.1f %%, %.1f %%, spread %.2f %%", 100*still.covered, 100*still.agreed, 100*still.spread)
	if with.covered < 0.92 || with.agreed < 0.95 {
		t.Errorf("with second contexts %.1f %% are held and %.1f %% agree", 100*with.covered, 100*with.agreed)
	}
	if without.covered > 0.6 || without.spread != 0 {
		t.Errorf("without second contexts %.1f %% are held: the test shows nothing", 100*without.covered)
	}
	if still.covered < 0.93 || still.agreed < 0.95 || still.spread > 0.001 {
		t.Errorf("without a spread %.1f %% are held, %.1f %% agree, a spread of %.2f %% is found", 100*still.covered, 100*still.agreed, 100*still.spread)
	}
}

// A second context that cannot be measured costs its cell nothing.
func TestASecondContextMayFail(t *testing.T) {
	p := blocksPlan(t, 20, true)
	d := simDevice(t, "  - {match: '.', us: 4}\nfaults: [{match: 'mid=72.*mid=', at: open, kind: unsupported}]\n")
	k := newCampaign(t, p, d, nil)
	seen := 0
	for n, rec := range runCampaign(t, k).Records {
		if p.Cases[n].SecondContext == nil {
			continue
		}
		if seen++; rec.EstimateUS == nil || !rec.IsOK() || rec.SecondContextUS != nil || rec.Context != 0 {
			t.Errorf("%s: %v, in a second context %v", rec.Key, rec.Validity, rec.SecondContextUS)
		}
	}
	if seen != 5 {
		t.Errorf("%d of 20 cells have a second context, want a quarter", seen)
	}
}

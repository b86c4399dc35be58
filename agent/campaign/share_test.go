package campaign_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/record"
)

// TestNoGroupStarves: over random plans, memory and time a campaign either refuses before it
// measures anything, and says what would do, or gives every case an interval: all groups
// get rounds alike, and the time is kept but for the round under way.
func TestNoGroupStarves(t *testing.T) {
	refused, parted := 0, 0
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 5))
		p := planOf(someOps(4 + rng.IntN(20))...)
		const session = 1 << 20
		d := simDevice(t, fmt.Sprintf("noise: {jitter: 0.05, wander: 0.02, wander_s: 0.05}\nmemory: {session_bytes: %d}\n", session))
		k := newCampaign(t, p, d, func(q *agent.Protocol) {
			q.Estimator = []agent.Estimator{agent.EstimatorMedian, agent.EstimatorQuantile}[rng.IntN(2)]
			q.Stop.Interval = 1e-4 // never narrow enough: the time decides
			q.Stop.MaxRounds, q.Stop.MaxSeconds = 1e5, 1e5
			q.Thermal.Redo = 0
		})
		k.Path = ""
		k.MemoryBytes = int64(4+rng.IntN(len(p.Models))) * session
		k.MaxSeconds = 0.05 + 1.5*rng.Float64()
		out, err := k.Run(context.Background())
		if err != nil {
			refused++
			var again float64
			cure := hint.Of(err)
			if _, e := fmt.Sscanf(strings.TrimPrefix(cure, "give --max-time "), "%fs", &again); e != nil || again <= k.MaxSeconds {
				t.Fatalf("seed %d: refused with %q, hint %q", seed, err, cure)
			}
			k.MaxSeconds = again
			if out, err = k.Run(context.Background()); err != nil {
				t.Fatalf("seed %d: refused again with %g s, as the hint said: %v", seed, again, err)
			}
		}
		for _, r := range out.Records {
			if r.CI95US == nil {
				t.Fatalf("seed %d, %d bytes, %g s: %s has no interval: %s", seed, k.MemoryBytes, k.MaxSeconds, r.Name, r.Detail)
			}
		}
		fewest, most, round := math.MaxInt, 0, 0.0
		for _, g := range out.Groups {
			fewest, most = min(fewest, g.Rounds), max(most, g.Rounds)
			round = max(round, g.LongestS)
		}
		if len(out.Groups) > 1 {
			parted++
		}
		if float64(fewest) < 0.7*float64(most)-2 {
			t.Errorf("seed %d: the groups got from %d to %d rounds", seed, fewest, most)
		}
		if out.End.DeviceS > k.MaxSeconds+round {
			t.Errorf("seed %d: %.3f device seconds of %.3f, rounds of %.3f", seed, out.End.DeviceS, k.MaxSeconds, round)
		}
	}
	if refused < 5 || parted < 20 {
		t.Errorf("%d campaigns were refused and %d parted: the generator shows nothing", refused, parted)
	}
}

// TestGroupsLoseLittle: of the same plan in the same time, measured in four groups, every case
// has an interval, and the costs relative to each other – the common factor is calibration's –
// err by a fifth more at most.
func TestGroupsLoseLittle(t *testing.T) {
	const session, seeds = 1 << 20, 10
	p := planOf(someOps(40)...)
	rmse := func(groups int, memory int64) float64 {
		sum := 0.0
		for seed := range uint64(seeds) {
			d := simDevice(t, fmt.Sprintf("noise: {jitter: 0.03, interference: 0.01, wander: 0.02, wander_s: 0.3}\nmemory: {session_bytes: %d}\n", session))
			d.Seed = seed
			k := newCampaign(t, p, d, func(q *agent.Protocol) {
				q.Estimator, q.Quantile = agent.EstimatorQuantile, 0.25
				q.Stop.Interval, q.Stop.MaxRounds, q.Stop.MaxSeconds = 1e-5, 1e5, 1e5 // the time decides
			})
			k.Path, k.MemoryBytes, k.MaxSeconds = "", memory, 6
			out := runCampaign(t, k)
			if len(out.Groups) != groups {
				t.Fatalf("%d groups, not %d: the test shows nothing", len(out.Groups), groups)
			}
			var errs []float64
			for i, r := range out.Records {
				if r.CI95US == nil {
					t.Fatalf("seed %d, %d groups: %s has no interval: %s", seed, groups, r.Name, r.Detail)
				}
				errs = append(errs, math.Log(*r.EstimateUS/truth(t, d, p, p.Cases[i])))
			}
			sd := stats.StdDev(errs)
			sum += sd * sd / seeds
		}
		return math.Sqrt(sum)
	}
	whole, parted := rmse(1, 1000*session), rmse(4, 30*session)
	t.Logf("RMSE %.2f %% at once, %.2f %% in groups", 100*whole, 100*parted)
	if parted > 1.2*whole {
		t.Errorf("errors of %.2f %% in groups, %.2f %% at once", 100*parted, 100*whole)
	}
}

// TestGroupsAreTied: on a device that becomes slower between groups, what is measured in the
// last is as it would have been in the first; and when it is another device by then, the
// records say so.
func TestGroupsAreTied(t *testing.T) {
	p := planOf(someOps(16)...)
	for _, c := range []struct {
		slowdown  float64
		estimator agent.Estimator
	}{{1.07, agent.EstimatorMedian}, {1.07, agent.EstimatorQuantile}, {1.07, agent.EstimatorMin}, {1.3, agent.EstimatorQuantile}} {
		d := simDevice(t, fmt.Sprintf("memory: {session_bytes: 1048576}\nthrottle: [{after_s: 0.9, for_s: 1000, slowdown: %g}]\n", c.slowdown))
		k := newCampaign(t, p, d, func(q *agent.Protocol) {
			q.Estimator, q.Drift.Correct = c.estimator, c.estimator == agent.EstimatorMedian
		})
		k.Path = ""
		k.MemoryBytes = 14 << 20
		out := runCampaign(t, k)
		slower := 0
		for _, r := range out.Records {
			if r.GroupRatio > 1.05 {
				slower++
			}
			if r.GroupRatio > 1.1 && !slices.Contains(r.Validity, record.Drift) {
				t.Errorf("%s: ratio %g and %v", r.Name, r.GroupRatio, r.Validity)
			}
		}
		if slower == 0 {
			t.Fatalf("%s, %g: no group was slower: the test shows nothing", c.estimator, c.slowdown)
		}
		if w := worst(t, d, p, out.Records); w > 0.02 {
			t.Errorf("%s: off by %.2f %%, the device slowed to %g", c.estimator, w*100, c.slowdown)
		}
	}
}

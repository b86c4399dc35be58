package campaign_test

import (
	"context"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/record"
)

// A program that was stopped for a while, as by a machine that slept, measures as much in its time as one that was not.
func TestTimeStandsStillWhileStopped(t *testing.T) {
	p := planOf(someOps(6)...)
	rounds := map[bool]int{}
	for _, stopped := range []bool{false, true} {
		phase := "noise: {jitter: 0.05, wander: 0.02, wander_s: 0.05}\n"
		if stopped { // one run that takes half a minute
			phase += "throttle: [{after_s: 0.6, for_s: 0.001, slowdown: 1000000}]\n"
		}
		c := newCampaign(t, p, simDevice(t, phase), func(q *agent.Protocol) {
			q.Estimator, q.Stop.Interval = agent.EstimatorQuantile, 1e-5 // never narrow enough: the time decides
			q.Stop.MaxRounds, q.Stop.MaxSeconds = 1e5, 1e5
		})
		c.MaxSeconds = 2
		out, err := c.Run(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		files, err := record.Read(c.Path)
		if err != nil {
			t.Fatal(err)
		}
		still := files[0].StillS()
		if measured := out.End.DeviceS - still; stopped != (still > 10) || measured < 1.5 || measured > 2.5 {
			t.Errorf("stopped %v: %.2f s, %.2f of them still", stopped, out.End.DeviceS, still)
		}
		rounds[stopped] = out.Records[0].Rounds
	}
	if rounds[true]*10 < rounds[false]*9 {
		t.Errorf("%d rounds where it was stopped, %d where not", rounds[true], rounds[false])
	}
}

package campaign_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/campaign"
	"github.com/isocost/isocost/record"
)

// TestDriftIsSaidWhileMeasuring: a campaign whose records would be refused says so while it
// runs, with what can be done, and says when the device is back.
func TestDriftIsSaidWhileMeasuring(t *testing.T) {
	p := planOf(someOps(4)...)
	var flickers []string
	for s := 5; s < 45; s += 2 {
		flickers = append(flickers, fmt.Sprintf("{after_s: %d, for_s: 1, slowdown: 1.27}", s))
	}
	for _, c := range []struct {
		phase   string
		notices int
		drift   bool
	}{
		{"", 0, false},
		{"throttle: [{after_s: 6, for_s: 1000, slowdown: 1.27}]\n", 1, true},
		{"throttle: [{after_s: 5, for_s: 4, slowdown: 1.27}]\n", 2, false},
		{"throttle: [" + strings.Join(flickers, ", ") + "]\n", 0, false},
	} {
		k := newCampaign(t, p, simDevice(t, "noise: {jitter: 0.01}\n"+c.phase), func(q *agent.Protocol) {
			q.Estimator, q.Drift.Correct, q.Drift.Allow = agent.EstimatorQuantile, false, 0.1
			q.Stop.Interval, q.Stop.MaxRounds, q.Stop.MaxSeconds = 1e-5, 200, 1000
		})
		var said []campaign.Notice
		k.Notice = func(n campaign.Notice) {
			if said = append(said, n); n.Back != (len(said) == 2) || (n.Ratio > n.Limit) == n.Back {
				t.Errorf("notice %d says %+v", len(said), n)
			}
		}
		drift := false
		for _, r := range runCampaign(t, k).Records {
			drift = drift || slices.Contains(r.Validity, record.Drift)
		}
		if len(said) != c.notices || drift != c.drift {
			t.Errorf("%q: drift %t, said %+v", c.phase, drift, said)
		}
	}
}

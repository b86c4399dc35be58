package campaign_test

import (
	"os"
	"strings"
	"testing"
)

// TestModelsThatDoNotFitAreMeasuredInGroups: models that do not fit together are measured in
// groups, each with the anchor, and every case is measured all the same.
func TestModelsThatDoNotFitAreMeasuredInGroups(t *testing.T) {
	p := planOf(someOps(16)...)
	d := simDevice(t, "memory: {session_bytes: 1048576}\n")
	k := newCampaign(t, p, d, nil)
	k.MemoryBytes = 12 << 20
	out := runCampaign(t, k)
	if out.End.Failed+out.End.Flagged > 0 {
		t.Errorf("%d failed, %d flagged", out.End.Failed, out.End.Flagged)
	}
	if w := worst(t, d, p, out.Records); w > 1e-3 {
		t.Errorf("off by %.2g on a device without noise", w)
	}
	data, err := os.ReadFile(k.Path)
	if err != nil {
		t.Fatal(err)
	}
	groups := 0
	anchor := p.Cases[0].Terms[0].Model
	for line := range strings.SplitSeq(string(data), "\n") {
		if strings.HasPrefix(line, `{"group":`) {
			groups++
			if !strings.Contains(line, anchor) {
				t.Errorf("a group without the anchor: %s", line)
			}
		}
	}
	if groups < 2 {
		t.Errorf("%d groups: the budget was not kept", groups)
	}
}

package main

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/agent/campaign"
)

// TestDriftIsSaidForWhatIsKept: who keeps no records is told nothing of them, nor of -o.
func TestDriftIsSaidForWhatIsKept(t *testing.T) {
	for _, kept := range []bool{true, false} {
		var away, back strings.Builder
		sayDrift(&away, campaign.Notice{Ratio: 1.27, Limit: 1.1}, kept)
		sayDrift(&back, campaign.Notice{Ratio: 1.02, Limit: 1.1, Back: true}, kept)
		if got := away.String(); !strings.Contains(got, "takes 1.27") || !strings.Contains(got, "below 0.91") || !strings.Contains(got, "hint: ") ||
			strings.Contains(got, "records") != kept || strings.Contains(got, "-o") != kept {
			t.Errorf("kept %t: %s", kept, got)
		}
		if got := back.String(); !strings.Contains(got, "back at 1.02") || strings.Contains(got, "hint") {
			t.Error(got)
		}
	}
}

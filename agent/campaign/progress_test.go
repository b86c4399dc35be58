package campaign_test

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/agent/campaign"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

// TestProgressNamesCaseAndTemperature: who watches a campaign sees which case is
// being measured, how many are done, and how warm the device is.
func TestProgressNamesCaseAndTemperature(t *testing.T) {
	k := newCampaign(t, planOf(conv(lut.FP32, 64, 64, 14)), simDevice(t, ""), nil)
	warm := 47.5
	k.Sense = func() *record.State { return &record.State{Celsius: &warm} }
	var last campaign.Progress
	named := false
	k.Progress = func(p campaign.Progress) {
		named = named || strings.HasPrefix(p.Case, "conv[")
		if p.Finished < last.Finished {
			t.Errorf("finished cases fell from %d to %d", last.Finished, p.Finished)
		}
		last = p
	}
	runCampaign(t, k)
	if !named {
		t.Error("no progress named the convolution")
	}
	if last.State == nil || last.State.Celsius == nil || *last.State.Celsius != warm {
		t.Errorf("the last progress has state %+v, want %g °C", last.State, warm)
	}
	if last.Cases == 0 || last.Finished+last.Failed > last.Cases {
		t.Errorf("%d finished and %d failed of %d cases", last.Finished, last.Failed, last.Cases)
	}
}

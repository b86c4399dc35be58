package device

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// throttling bits of the Raspberry Pi firmware (raspberrypi.com documentation,
// vcgencmd get_throttled); the "has occurred" bits 16–19 are only evidence when
// they appear between two snapshots.
var piBits = []struct {
	bit  uint
	what string
}{
	{0, "the supply voltage is too low"}, {1, "the ARM frequency is capped"},
	{2, "the firmware throttles"}, {3, "the soft temperature limit is active"},
}

// Android's thermal status from "moderate" on slows the device
// (android.os.PowerManager.THERMAL_STATUS_MODERATE).
const androidModerate = 2

// Throttling returns the evidence that clocks were held back between two
// snapshots, in words; empty when there is none. Evidence is: a policy that may
// not reach what its part can do, an active cooling device of a processor, a
// throttle counter that moved, what Android or the Raspberry Pi reports. A
// clock held at one frequency (policy locked) proves nothing.
func Throttling(before, after State) []string {
	var out []string
	for _, c := range after.Clocks {
		// A clock held at one frequency was set so on purpose (HoldClocks, jetson_clocks).
		held := c.MinHz == c.MaxHz
		if c.MaxHz > 0 && c.LimitHz > 0 && c.MaxHz < c.LimitHz && !held {
			out = append(out, fmt.Sprintf("%s is capped at %.0f of %.0f MHz", c.Policy, c.MaxHz/1e6, c.LimitHz/1e6))
		}
	}
	for _, c := range after.Cooling {
		lower := strings.ToLower(c.Type)
		processor := strings.Contains(lower, "cpu") || strings.Contains(lower, "processor") ||
			strings.Contains(lower, "gpu") || strings.Contains(lower, "devfreq") || strings.Contains(lower, "powerclamp")
		// intel_powerclamp and idle injectors show −1 when idle.
		if processor && c.State > 0 {
			out = append(out, fmt.Sprintf("cooling device %s is at %d of %d", c.Type, c.State, c.Max))
		}
	}
	for _, a := range after.Counters {
		for _, b := range before.Counters {
			if a.Name == b.Name && a.Count > b.Count {
				out = append(out, fmt.Sprintf("%d new %s events", a.Count-b.Count, a.Name))
			}
		}
	}
	if after.ThermalLevel != nil && *after.ThermalLevel >= androidModerate {
		out = append(out, fmt.Sprintf("Android's thermal status is %d", *after.ThermalLevel))
	}
	if after.PiThrottled != nil {
		fresh := *after.PiThrottled
		if before.PiThrottled != nil {
			// a bit 16–19 that was already set says nothing about this interval
			fresh |= (*after.PiThrottled &^ *before.PiThrottled) >> 16
		}
		for _, b := range piBits {
			if fresh>>b.bit&1 == 1 {
				out = append(out, b.what)
			}
		}
	}
	return out
}

// thermalLevel asks Android's thermal service; nil elsewhere.
func (d *Device) thermalLevel() *int {
	if d.Run == nil {
		return nil
	}
	out, err := d.Run(context.Background(), "dumpsys", "thermalservice")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(out)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "Thermal Status: "); ok {
			if n, err := strconv.Atoi(v); err == nil {
				return &n
			}
		}
	}
	return nil
}

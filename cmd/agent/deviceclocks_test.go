package main

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/agent/device"
)

// A clock whose limits the kernel does not say is not one of 0 MHz.
func TestClocksThatAreNotSaid(t *testing.T) {
	for want, c := range map[string]device.Clock{
		"cpu0: 300–1800 MHz, schedutil":                         {MinHz: 3e8, MaxHz: 1.8e9, LimitHz: 1.8e9, Governor: "schedutil"},
		"cpu0: up to 1800 MHz, the limits set now are not said": {LimitHz: 1.8e9},
		"cpu0: not said":             {},
		"cpu0: 300–1200 MHz of 1800": {MinHz: 3e8, MaxHz: 1.2e9, LimitHz: 1.8e9},
	} {
		c.Policy = "cpu0"
		var b strings.Builder
		p := &columns{w: &b}
		if p.clocks([]device.Clock{c}); p.err != nil || strings.Join(strings.Fields(b.String())[1:], " ") != want {
			t.Errorf("%q, want %q", b.String(), want)
		}
	}
}

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/isocost/isocost/search"
)

// A search that is stopped before it knows the noise says so, and a declared one is known.
func TestNoiseThatWasNotReached(t *testing.T) {
	sigma := 0.25
	for _, test := range []struct {
		settings search.Settings
		want     string
	}{
		{search.Settings{}, "not known: the search ended while it explored"},
		{search.Settings{Sigma: &sigma}, "σ 0.25 (declared)"},
		{search.Settings{Robust: "median"}, "not needed: medians are compared"},
	} {
		var out bytes.Buffer
		printNoise(&out, &search.Certificate{Header: search.Header{Settings: test.settings}})
		if got := strings.TrimSpace(out.String()); got != "noise        "+test.want {
			t.Errorf("it says %q, want %q", got, test.want)
		}
	}
}

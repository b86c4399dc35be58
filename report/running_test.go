package report

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/isocost/isocost/search"
)

// A search under way has a page that loads itself again and claims nothing; one that
// ended without a certificate has one that does not.
func TestSearchRunning(t *testing.T) {
	r := runOnTable(t, "0|0|0|0")
	state := search.Progress{Event: search.Event{Kind: search.EventStep, Samples: 31, Need: 12, Best: 74.5, Anchor: 70.25, EpsHat: math.Inf(1), Moves: 1}, Left: -1}
	draw := func(ended string) string {
		var b bytes.Buffer
		if err := SearchRunning(&b, Running{Name: "run", Phase: "certifying all layers", Journal: r.Journal, Progress: state, Ended: ended}); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	page := draw("")
	for _, want := range []string{`http-equiv="refresh" content="10"`, "Certifying all layers. Nothing is claimed yet.", "74.5", "70.25", "evaluations still needed", "Utility of each evaluation"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "ε̂:") {
		t.Error("an infinite ε̂ is shown")
	}
	if page = draw("the evaluator ended"); strings.Contains(page, "http-equiv=\"refresh\"") || !strings.Contains(page, "ended without a certificate: the evaluator ended") {
		t.Errorf("the page of an ended search: %.300s", page)
	}
}

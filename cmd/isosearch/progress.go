package main

import (
	"fmt"
	"math"
	"strconv"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/search"
)

// searchState returns the state for the progress bar: the phase, the best utility so far at the
// anchor's cost, and what is still needed.
func searchState(p search.Progress, budget int) cli.State {
	s := cli.State{Label: "searching", Left: p.Left, Valid: p.Samples, Failed: p.Failures, Note: phase(p)}
	if p.Need >= 0 {
		s.Done = float64(p.Samples) / float64(max(p.Samples+p.Need, 1))
	}
	if budget > 0 {
		s.Done = max(s.Done, float64(p.Samples)/float64(budget))
	}
	if p.Measured > 0 {
		s.Note += fmt.Sprintf("; %d measured, %d refused, error ≤ %.2g %%", p.Measured, p.Outside, 100*p.Eta)
	}
	return s
}

// phase names what is under way.
func phase(p search.Progress) string {
	best := ""
	if !math.IsNaN(p.Best) && p.Kind != "" {
		best = fmt.Sprintf(", best %s (anchor %s)", short(p.Best), short(p.Anchor))
	}
	need := ""
	if p.Need > 0 {
		need = fmt.Sprintf(", about %d to go", p.Need)
	}
	switch p.Kind {
	case "":
		return fmt.Sprintf("beginning, %d samples", p.Samples)
	case search.EventCalibrate:
		return "calibrating the noise" + best + need
	case search.EventExplore:
		return "exploring the band" + best + need
	case search.EventFresh:
		return "fresh seeds for the gain" + best + need
	}
	where := "all layers"
	if p.Layer >= 0 {
		where = fmt.Sprintf("layer %d", p.Layer)
	}
	if p.Moves > 0 {
		where += fmt.Sprintf(", move %d", p.Moves)
	}
	return fmt.Sprintf("certifying %s%s%s, %d open, ε̂ %s", where, best, need, p.Open, short(p.EpsHat))
}

func short(v float64) string {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		return "–"
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

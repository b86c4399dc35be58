package report

import (
	"fmt"
	"io"
	"math"
	"time"

	"github.com/isocost/isocost/report/page"
	"github.com/isocost/isocost/report/plot"
	"github.com/isocost/isocost/search"
)

// RefreshSeconds is the period after which the page of a running search reloads itself.
const RefreshSeconds = 10

// Running is a search that has not ended.
type Running struct {
	Name     string // of the run
	Phase    string // what is under way, as a sentence
	Journal  *search.Journal
	Progress search.Progress
	// Ended says why it ended without a certificate; "" while it is under way.
	Ended string
}

// SearchRunning writes the page of a search under way, from its journal so far. It
// claims nothing; while the search is under way it loads itself again.
func SearchRunning(w io.Writer, r Running) error {
	h := r.Journal.Header
	p := page.Page{Title: "Search under way: " + h.Space.Name, Footer: "isocost", Refresh: RefreshSeconds,
		Subtitle: fmt.Sprintf("%s · evaluator %s · τ = %s · ε = %g · δ = %g", r.Name, h.Evaluator.Spec, percent(h.Settings.Tau), h.Settings.Epsilon, h.Settings.Delta)}
	verdict := page.Verdict{Level: "warn", Text: upper(r.Phase) + ". Nothing is claimed yet."}
	if r.Ended != "" {
		p.Title, p.Refresh = "Search ended: "+h.Space.Name, 0
		verdict = page.Verdict{Level: "bad", Text: "The search ended without a certificate: " + r.Ended + ". The same command goes on from here."}
	}
	state := r.Progress
	facts := page.Facts{{Term: "evaluations", Value: fmt.Sprintf("%d, %d failed", state.Samples, state.Failures)}}
	fact := func(term string, v float64) {
		if !math.IsNaN(v) && !math.IsInf(v, 0) && state.Kind != "" {
			facts = append(facts, page.Fact{Term: term, Value: plot.Number(v)})
		}
	}
	fact("best utility so far at the anchor's cost, an estimate", state.Best)
	fact("the anchor's", state.Anchor)
	fact("ε̂: no neighbour is better by more", state.EpsHat)
	if state.Need > 0 {
		facts = append(facts, page.Fact{Term: "evaluations still needed, about", Value: fmt.Sprint(state.Need)})
	}
	if state.Left > 0 {
		facts = append(facts, page.Fact{Term: "time left, about", Value: state.Left.Round(time.Second).String()})
	}
	facts = append(facts, page.Fact{Term: "moves", Value: fmt.Sprint(state.Moves)})
	p.Sections = []page.Section{{Title: "Where it is", Blocks: []page.Block{verdict, facts}}}
	if s, ok := evaluations(r.Journal); ok {
		p.Sections = append(p.Sections, s)
	}
	return p.Write(w)
}

// evaluations draws the utilities in the order in which they came.
func evaluations(j *search.Journal) (page.Section, bool) {
	exploring := plot.Series{Name: "exploring", Colour: 0}
	certifying := plot.Series{Name: "certifying", Colour: 1}
	fresh := plot.Series{Name: "fresh seeds", Colour: 3}
	moves := page.Table{Columns: []page.Column{{Name: "evaluations", Numeric: true}, {Name: "step"}, {Name: "to"}}}
	at := &certifying
	if j.Header.Settings.Explore != nil {
		at = &exploring
	}
	n := 0
	for _, e := range j.Entries {
		switch e.Kind {
		case search.EntryEval:
			n++
			s := at
			if e.Stream == search.StreamFresh {
				s = &fresh
			}
			if e.Stream == search.StreamSearch || e.Stream == search.StreamFresh {
				s.Points = append(s.Points, plot.Point{X: float64(n), Y: *e.Utility, Label: e.Arch})
			}
		case search.EntryFail:
			n++
		case search.EntryStart, search.EntryMove:
			at = &certifying
			moves.Rows = append(moves.Rows, []page.Cell{page.Num(float64(*e.Samples), ""), page.Str(string(e.Kind)), page.Str(e.To)})
		}
	}
	chart := plot.Chart{Title: "Utility of each evaluation", Width: 980, X: plot.Axis{Label: "evaluation"}, Y: plot.Axis{Label: "utility"}}
	add(&chart, exploring, certifying, fresh)
	s := page.Section{Title: "What was evaluated"}
	if len(chart.Series) == 0 {
		return s, false
	}
	s.Blocks = []page.Block{page.Figure{Chart: chart}}
	if len(moves.Rows) > 0 {
		s.Blocks = append(s.Blocks, moves)
	}
	return s, true
}

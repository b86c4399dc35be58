package report

import (
	"fmt"

	"github.com/isocost/isocost/report/page"
	"github.com/isocost/isocost/report/plot"
	"github.com/isocost/isocost/search/anchors"
)

// paretoView shows the finals of several anchors: utility over cost by the runs'
// first table, measured where all were measured.
func paretoView(runs []Run) page.Section {
	var ended []anchors.Run
	for _, r := range runs {
		ended = append(ended, anchors.Run{Name: r.Name, Certificate: r.Certificate, Journal: r.Journal})
	}
	f := anchors.NewFront(ended, 0)
	unit, how := unitSign[f.Unit], "predicted"
	if f.Measured {
		how = "measured"
	}
	starts := plot.Series{Name: "anchors", Colour: 6}
	front := plot.Series{Name: "finals", Colour: 0}
	beaten := plot.Series{Name: "dominated", Colour: 1}
	table := page.Table{Columns: []page.Column{{Name: "run"}, {Name: "cost (" + unit + ")", Numeric: true}, {Name: "cost is"}, {Name: "utility", Numeric: true}, {Name: "dominated"}}}
	for i, e := range f.Finals {
		cost, anchor := f.Cost(e)
		if u := ended[i].AnchorUtility(); u != nil {
			starts.Points = append(starts.Points, plot.Point{X: anchor, Y: u.Mean, Label: e.Run + ", anchor"})
		}
		if e.Utility == nil {
			continue
		}
		pt := plot.Point{X: cost, Y: *e.Utility, Label: e.Run}
		state := page.Cell{Text: "no", Mark: "good"}
		if e.Dominated {
			beaten.Points, state = append(beaten.Points, pt), page.Cell{Text: "yes", Mark: "warn"}
		} else {
			front.Points = append(front.Points, pt)
		}
		table.Rows = append(table.Rows, []page.Cell{page.Str(e.Run), page.Num(cost, ""), page.Str(how), page.Num(*e.Utility, ""), state})
	}
	chart := plot.Chart{Title: "Utility over cost", X: plot.Axis{Label: "cost", Unit: unit}, Y: plot.Axis{Label: "utility"}, Width: 980}
	add(&chart, starts, front, beaten)
	s := page.Section{Title: "Several anchors", Lead: fmt.Sprintf("%d searches, each at its own anchor's cost. The finals cover %s of the box that holds them and the anchors; %s of them are dominated: another costs no more, is at least as useful and is better in one of the two.",
		len(runs), percent(f.Hypervolume), percent(f.Dominated))}
	if len(chart.Series) > 0 {
		s.Blocks = append(s.Blocks, page.Figure{Chart: chart})
	}
	s.Blocks = append(s.Blocks, table)
	return s
}

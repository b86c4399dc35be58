package report

import (
	"fmt"

	"github.com/isocost/isocost/report/page"
	"github.com/isocost/isocost/report/plot"
	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/pareto"
)

// paretoView shows the finals of several anchors: utility over cost, measured where it
// was measured. A final is dominated when another costs no more and is at least
// as useful, and differs in one.
func paretoView(runs []Run) page.Section {
	type end struct {
		name          string
		cost, utility float64
		measured      bool
		dominated     bool
	}
	var ends []end
	anchors := plot.Series{Name: "anchors", Colour: 6}
	unit := ""
	for _, r := range runs {
		c := r.Certificate
		unit = unitSign[c.Header.Tables[0].Unit]
		if c.Anchor.Mean != nil {
			cost, _ := costOf(c, c.Anchor)
			anchors.Points = append(anchors.Points, plot.Point{X: cost, Y: *c.Anchor.Mean, Label: r.Name + ", anchor"})
		}
		if c.Final.Mean != nil {
			cost, measured := costOf(c, c.Final)
			ends = append(ends, end{r.Name, cost, *c.Final.Mean, measured, false})
		}
	}
	points := make([]pareto.Point, len(ends))
	for i, e := range ends {
		points[i] = pareto.Point{Cost: e.cost, Utility: e.utility}
	}
	for i, d := range pareto.Dominated(points) {
		ends[i].dominated = d
	}
	front := plot.Series{Name: "finals", Colour: 0}
	beaten := plot.Series{Name: "dominated", Colour: 1}
	table := page.Table{Columns: []page.Column{{Name: "run"}, {Name: "cost (" + unit + ")", Numeric: true}, {Name: "cost is"}, {Name: "utility", Numeric: true}, {Name: "dominated"}}}
	for _, e := range ends {
		pt := plot.Point{X: e.cost, Y: e.utility, Label: e.name}
		state, how := page.Cell{Text: "no", Mark: "good"}, "predicted"
		if e.measured {
			how = "measured"
		}
		if e.dominated {
			beaten.Points, state = append(beaten.Points, pt), page.Cell{Text: "yes", Mark: "warn"}
		} else {
			front.Points = append(front.Points, pt)
		}
		table.Rows = append(table.Rows, []page.Cell{page.Str(e.name), page.Num(e.cost, ""), page.Str(how), page.Num(e.utility, ""), state})
	}
	chart := plot.Chart{Title: "Utility over cost", X: plot.Axis{Label: "cost", Unit: unit}, Y: plot.Axis{Label: "utility"}, Width: 980}
	add(&chart, anchors, front, beaten)
	s := page.Section{Title: "Several anchors", Lead: fmt.Sprintf("%d searches, each at its own anchor's cost.", len(runs))}
	if len(chart.Series) > 0 {
		s.Blocks = append(s.Blocks, page.Figure{Chart: chart})
	}
	s.Blocks = append(s.Blocks, table)
	return s
}

// costOf is the measured cost of an architecture where there is one, else the
// first table's prediction.
func costOf(c *search.Certificate, a search.CertArch) (cost float64, measured bool) {
	if len(c.Measured) > 0 && c.Measured[0].Table == c.Header.Tables[0].Name {
		for _, m := range c.Measured[0].Archs {
			if m.Arch == a.Arch && m.Value > 0 {
				return m.Value, true
			}
		}
	}
	return a.Costs[0].Value, false
}

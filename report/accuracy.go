package report

import (
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/report/page"
	"github.com/isocost/isocost/report/plot"
)

// named says how many of the worst networks are called by name.
const named = 5

// accuracy shows predicted against measured, and where the error sits.
func accuracy(f *lut.File) page.Section {
	s := page.Section{Title: "Predicted against measured"}
	a := f.Audit
	if a == nil || len(a.Networks) == 0 {
		s.Lead = "No audited networks."
		return s
	}
	unit := unitSign[f.Unit]
	who := "that no fit saw"
	if slices.ContainsFunc(f.Warnings, func(w lut.Warning) bool { return w.Code == lut.CrossAudit }) {
		who = "each priced by a fit that had not seen its family"
	}
	s.Lead = fmt.Sprintf("%d whole networks, %s, measured in the same campaigns as the cells. The %d worst are ringed.", len(a.Networks), who, min(named, len(a.Networks)))

	worst := slices.Clone(a.Networks)
	slices.SortFunc(worst, func(x, y lut.Network) int {
		if ex, ey := relError(x), relError(y); ex != ey {
			if ex > ey {
				return -1
			}
			return 1
		}
		return 0
	})
	ringed := map[string]bool{}
	for _, n := range worst[:min(named, len(worst))] {
		ringed[n.Case] = true
	}

	calibrated := plot.Series{Name: "calibrated"}
	sums := plot.Series{Name: "plain sum", Colour: 6}
	lo, hi := math.Inf(1), 0.0
	for _, n := range a.Networks {
		label := fmt.Sprintf("%s (%s)", orDash(n.Name), signed(n.Predicted/n.Measured-1))
		calibrated.Points = append(calibrated.Points, plot.Point{X: n.Measured, Y: n.Predicted, Lo: n.Lo, Hi: n.Hi, Label: label, Strong: ringed[n.Case]})
		sums.Points = append(sums.Points, plot.Point{X: n.Measured, Y: n.Sum, Label: orDash(n.Name) + ", plain sum"})
		lo, hi = min(lo, n.Measured), max(hi, n.Measured)
	}
	scatter := plot.Chart{Title: "Predicted against measured " + string(f.Metric), Equal: true,
		X: plot.Axis{Label: "measured", Unit: unit, Log: hi > 5*lo}, Y: plot.Axis{Label: "predicted", Unit: unit, Log: hi > 5*lo},
		Series: []plot.Series{sums, calibrated}}
	errors := plot.Chart{Title: "Relative error of each network", HLines: []float64{0},
		X: plot.Axis{Label: "measured", Unit: unit, Log: hi > 5*lo}, Y: plot.Axis{Label: "predicted / measured − 1", Unit: "%"}}
	if a.Eta != nil {
		e := *a.Eta
		scatter.Bands = []plot.Band{{Name: "±η = " + percent(e), X: []float64{lo, hi}, Lo: []float64{lo * (1 - e), hi * (1 - e)}, Hi: []float64{lo * (1 + e), hi * (1 + e)}, Colour: 2}}
		errors.Bands = []plot.Band{{Name: "±η", X: []float64{lo, hi}, Lo: []float64{-100 * e, -100 * e}, Hi: []float64{100 * e, 100 * e}, Colour: 2}}
	}
	residual := plot.Series{Name: "calibrated"}
	for _, n := range a.Networks {
		residual.Points = append(residual.Points, plot.Point{X: n.Measured, Y: 100 * (n.Predicted/n.Measured - 1), Label: orDash(n.Name), Strong: ringed[n.Case]})
	}
	errors.Series = []plot.Series{residual}
	s.Blocks = append(s.Blocks, page.Figures{scatter, errors})

	table := page.Table{Caption: "Audited networks", Columns: []page.Column{{Name: "network"}, {Name: "kernels", Numeric: true}, {Name: "measured (" + unit + ")", Numeric: true}, {Name: "predicted (" + unit + ")", Numeric: true}, {Name: "error", Numeric: true}}}
	for _, n := range worst {
		e := n.Predicted/n.Measured - 1
		cell := page.Cell{Text: signed(e), Value: math.Abs(e)}
		if ringed[n.Case] {
			cell.Mark = "warn"
		}
		table.Rows = append(table.Rows, []page.Cell{page.Str(orDash(n.Name)), page.Num(float64(n.Kernels), ""), lean(n.Measured), lean(n.Predicted), cell})
	}
	if len(a.Corners) > 0 {
		s.Blocks = append(s.Blocks, corners(a))
	}
	s.Blocks = append(s.Blocks, table)
	return s
}

// corners shows the error by operator, width and precision.
func corners(a *lut.Audit) page.Block {
	largest := plot.Series{Name: "largest error", Kind: plot.Bars, Colour: 1}
	bias := plot.Series{Name: "bias", Colour: 0}
	var names []string
	for i, c := range a.Corners {
		name := fmt.Sprintf("%s %s %s", c.Kind, c.Precision, c.Width)
		label := fmt.Sprintf("%s, n = %d", name, c.N)
		names = append(names, name)
		largest.Points = append(largest.Points, plot.Point{X: float64(i), Y: 100 * c.Max, Label: label})
		bias.Points = append(bias.Points, plot.Point{X: float64(i), Y: 100 * c.Bias, Label: label})
	}
	return page.Figure{Chart: plot.Chart{Title: "Error by operator, precision and width", Width: 980, Height: 370,
		X: plot.Axis{Label: "corner", Categories: names}, Y: plot.Axis{Label: "error", Unit: "%", FromZero: true},
		Series:  []plot.Series{largest, bias},
		Caption: "Over the audited networks that use the operator; a bad corner stands out."}}
}

func relError(n lut.Network) float64 { return math.Abs(n.Predicted/n.Measured - 1) }

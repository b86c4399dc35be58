package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/report/page"
	"github.com/isocost/isocost/report/plot"
)

// Limits that keep a report of a 5,000-cell table readable and below 3 MB.
const (
	maxStairs = 16 // charts
	maxSteps  = 6  // lines in one
)

// channelAxes are the axes a staircase can run along, the usual one first.
var channelAxes = []string{"mid", "cout", "c", "cin", "dim", "n", "k", "seq"}

// line is the knots of a family that differ in one axis only.
type line struct {
	at    string // the coordinates they share
	knots []lut.Knot
}

// staircases draws cost over channels for the families with the most knots.
func staircases(f *lut.File) page.Section {
	s := page.Section{Title: "Staircases", Lead: "Cost over channels rises in steps where the kernel's tile does. Points are raw with their 95 % interval, the line is what the table answers; a ringed point was moved by more than noise explains or breaks the order."}
	flagged := map[string]bool{}
	for _, w := range f.Warnings {
		flagged[w.Key] = true
	}
	families := slices.Clone(f.Families)
	slices.SortStableFunc(families, func(a, b lut.Family) int { return cmp.Compare(len(b.Knots), len(a.Knots)) })
	var charts page.Figures
	for _, fam := range families {
		if len(charts) == maxStairs {
			break
		}
		axis, lines := longest(fam)
		if axis == "" {
			continue
		}
		charts = append(charts, stair(f, fam, axis, lines, flagged))
	}
	if len(charts) > 0 {
		s.Blocks = append(s.Blocks, charts)
	}
	return s
}

// longest picks the axis along which a family has the longest lines.
func longest(fam lut.Family) (axis string, best []line) {
	score := 2 // three knots make a staircase
	for _, name := range channelAxes {
		i := slices.Index(fam.Axes, name)
		if i < 0 {
			continue
		}
		lines := along(fam, i)
		if n := len(lines[0].knots); n > score {
			axis, best, score = name, lines, n
		}
	}
	return axis, best[:min(len(best), maxSteps)]
}

// along groups the knots into lines over axis i, the longest first.
func along(fam lut.Family, i int) []line {
	groups := map[string]*line{}
	var order []*line
	for _, k := range fam.Knots {
		axes, rest := slices.Delete(slices.Clone(fam.Axes), i, i+1), slices.Delete(slices.Clone(k.At), i, i+1)
		name := at(axes, rest)
		if groups[name] == nil {
			groups[name] = &line{at: name}
			order = append(order, groups[name])
		}
		groups[name].knots = append(groups[name].knots, k)
	}
	out := make([]line, len(order))
	for j, l := range order {
		slices.SortFunc(l.knots, func(a, b lut.Knot) int { return cmp.Compare(a.At[i], b.At[i]) })
		out[j] = *l
	}
	slices.SortStableFunc(out, func(a, b line) int { return cmp.Compare(len(b.knots), len(a.knots)) })
	return out
}

func stair(f *lut.File, fam lut.Family, axis string, lines []line, flagged map[string]bool) plot.Chart {
	i := slices.Index(fam.Axes, axis)
	c := plot.Chart{Title: fam.Name(), X: plot.Axis{Label: axis + " channels"}, Y: plot.Axis{Label: string(f.Metric), Unit: unitSign[f.Unit], FromZero: true}}
	for n, l := range lines {
		raw := plot.Series{Colour: n, Quiet: true}
		stepped := plot.Series{Name: l.at, Kind: plot.Line, Colour: n}
		for _, k := range l.knots {
			x := float64(k.At[i])
			strong := k.Reason == lut.Regime || flagged[fam.Name()+"@"+strings.ReplaceAll(at(fam.Axes, k.At), " ", ",")]
			raw.Points = append(raw.Points, plot.Point{X: x, Y: k.Raw, Lo: k.Lo, Hi: k.Hi, Strong: strong,
				Label: fmt.Sprintf("%s\nraw, n = %d", at(fam.Axes, k.At), k.N)})
			stepped.Points = append(stepped.Points, plot.Point{X: x, Y: k.Corrected, Label: "table: " + string(k.Reason)})
		}
		c.Series = append(c.Series, stepped, raw)
	}
	return c
}

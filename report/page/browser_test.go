package page

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/isocost/isocost/internal/browsertest"
	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/report/plot"
)

func TestPageInChromium(t *testing.T) {
	tier.Slow(t, "opens a page in Chromium")
	var series plot.Series
	series.Name = "measured"
	for i := range 20 {
		series.Points = append(series.Points, plot.Point{X: float64(8 * (i + 1)), Y: float64(3 + i/4), Lo: float64(2 + i/4), Hi: float64(4 + i/4)})
	}
	table := Table{Caption: "cells", Columns: []Column{{Name: "key"}, {Name: "cost", Numeric: true}}}
	for i := range 12 {
		table.Rows = append(table.Rows, []Cell{Str("mbconv[act=relu6,k=3,res=1,s=1]/int8@cin=24,cout=24,h=28,mid=72,w=28"), Num(float64((i*7)%12), "µs")})
	}
	p := Page{Title: "cost table", Subtitle: "a test <b>device</b>", Sections: []Section{{
		Title: "Staircase", Lead: "costs are staircases",
		Blocks: []Block{
			Facts{{"device", "bench"}, {"cells", "12"}}, Verdict{"good", "every network within 10 %"},
			Figures{{Title: "cost over channels", X: plot.Axis{Label: "channels"}, Y: plot.Axis{Label: "latency", Unit: "µs"}, Series: []plot.Series{series}},
				{Title: "by precision", X: plot.Axis{Label: "precision", Categories: []string{"fp32", "int8"}}, Y: plot.Axis{Label: "error", Unit: "%"}, Series: []plot.Series{{Name: "max", Kind: plot.Bars, Colour: 1, Points: []plot.Point{{X: 0, Y: 3}, {X: 1, Y: 5}}}}}},
			table,
		}}}}
	var b bytes.Buffer
	if err := p.Write(&b); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, size := range map[string][2]int{"desktop": {1280, 900}, "phone": {390, 844}} {
		t.Run(name, func(t *testing.T) {
			page := browsertest.Open(t, file, size[0], size[1])
			page.CheckReport()
			if dir := os.Getenv("ISOCOST_SCREENSHOTS"); dir != "" {
				page.Screenshot(filepath.Join(dir, "page-"+name+".png"), 2400)
			}
		})
	}
}

package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
)

func chart() Chart {
	return Chart{
		Title: "cost <script>alert(1)</script>",
		X:     Axis{Label: "channels"},
		Y:     Axis{Label: "latency", Unit: "µs"},
		Bands: []Band{{Name: "±η", X: []float64{8, 64}, Lo: []float64{1, 2}, Hi: []float64{3, 4}}},
		Series: []Series{
			{Name: "raw & ready", Points: []Point{{X: 8, Y: 2, Lo: 1.5, Hi: 2.5, Label: `"><img>`}, {X: 16, Y: math.NaN()}, {X: 64, Y: 3, Strong: true}}},
			{Name: "corrected", Kind: Step, Points: []Point{{X: 8, Y: 2}, {X: 64, Y: 3}}},
		},
	}
}

// elements parses the SVG as XML, which also proves that nothing hostile got out
// of its quotes, and counts elements by class.
func elements(t *testing.T, svg string) map[string]int {
	t.Helper()
	count := map[string]int{}
	for dec := xml.NewDecoder(strings.NewReader(svg)); ; {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return count
		}
		if err != nil {
			t.Fatalf("not well-formed: %v\n%s", err, svg)
		}
		if e, ok := tok.(xml.StartElement); ok {
			count["<"+e.Name.Local]++
			for _, a := range e.Attr {
				if a.Name.Local == "class" {
					count[a.Value]++
				}
			}
		}
	}
}

func TestSVGHoldsEveryMarkAndEscapesText(t *testing.T) {
	svg := chart().SVG()
	n := elements(t, svg)
	for what, want := range map[string]int{"mark": 1, "mark strong": 1, "mark ghost": 2, "whisker": 1, "band c0": 1, "<script": 0, "<img": 0} {
		if n[what] != want {
			t.Errorf("%d × %q, want %d", n[what], what, want)
		}
	}
	if !strings.Contains(svg, "latency: 2 µs [1.5, 2.5]") {
		t.Error("hovering does not show value, unit and interval")
	}
	if !strings.Contains(chart().Legend(), "raw &amp; ready") {
		t.Error("legend lacks the series or does not escape it")
	}
}

func TestEmptyAndDegenerateChartsStillDraw(t *testing.T) {
	one := Chart{X: Axis{Log: true}, Y: Axis{Log: true}, Series: []Series{{Points: []Point{{X: 5, Y: 5}, {X: -1, Y: 2}, {X: 1, Y: math.Inf(1)}}}}}
	if n := elements(t, one.SVG()); n["mark"] != 1 {
		t.Errorf("%d marks, want the one that can be placed", n["mark"])
	}
	svg := Chart{}.SVG()
	elements(t, svg)
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
		t.Errorf("an empty chart has unplaced coordinates: %s", svg)
	}
}

func TestTicksAreRoundAndInside(t *testing.T) {
	for _, c := range []struct {
		s    scale
		want string
	}{
		{scale{lo: 0, hi: 10}, "0 2 4 6 8 10"},
		{scale{lo: 0.13, hi: 0.29}, "0.15 0.2 0.25"},
		{scale{lo: math.Log(8), hi: math.Log(1500), log: true}, "10 30 100 300 1000"},
	} {
		var got []string
		for _, v := range c.s.ticks(5) {
			got = append(got, Number(v))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("ticks %q, want %q", s, c.want)
		}
	}
}

func TestNumberHasFourDigits(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 1: "1", 12345: "12345", 0.012345: "0.01235", 99.96: "99.96", 1e9: "1e+09", -2.5: "-2.5"} {
		if got := Number(v); got != want {
			t.Errorf("Number(%g) = %q, want %q", v, got, want)
		}
	}
}

// Package plot draws charts as SVG text: axes with units, legends, values on
// hover, colours that stay apart for colour-blind readers and in dark mode.
//
// It is deliberately not a charting library: a report must open from disk years
// later without a network, and everything a cost table or a search needs is
// points with intervals, lines, steps, bars and bands. Colours are CSS variables
// set by the page (see package page), so one drawing serves light, dark and print.
package plot

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Kind says how a series is drawn.
type Kind int

// Kinds of series.
const (
	Points Kind = iota // a mark each, with an interval bar where Lo < Hi
	Line               // straight segments
	Step               // horizontal, then vertical: a staircase
	Bars               // from zero
)

// Point is one datum. Lo and Hi are its interval (equal to or NaN: none); Label is
// what hovering shows before the numbers.
type Point struct {
	X, Y   float64
	Lo, Hi float64
	Label  string
	Strong bool // named outlier, violation: ringed
}

// Series is a named group of points of one colour.
type Series struct {
	Name   string
	Kind   Kind
	Points []Point
	Colour int // index into the palette, see package page
	Dashed bool
	// Quiet leaves the series out of the legend.
	Quiet bool
}

// Band is a filled region between two lines over the same x.
type Band struct {
	Name      string
	X, Lo, Hi []float64
	Colour    int
}

// Axis says what a coordinate means.
type Axis struct {
	Label      string
	Unit       string
	Log        bool
	FromZero   bool     // the axis includes zero
	Categories []string // x only: names of the positions 0, 1, 2…
}

// Chart is one drawing.
type Chart struct {
	Title   string
	X, Y    Axis
	Bands   []Band
	Series  []Series
	Equal   bool      // same range on both axes, and the diagonal drawn
	HLines  []float64 // reference lines
	Width   int       // of the view box; 0: 640
	Height  int       // 0: 380
	Caption string
}

const (
	left, right, top = 62, 14, 12
	under            = 46 // room below the frame for ticks and the axis's title
	underSlanted     = 96 // and when the ticks' names are slanted
	slantFrom        = 7  // so many names do not fit side by side
	markRadius       = 3.2
	wideFrom         = 700
	maxBar           = 60
)

type scale struct {
	lo, hi float64
	a, b   float64 // pixel range
	log    bool
}

func (s scale) at(v float64) float64 {
	if s.log {
		v = math.Log(v)
	}
	return s.a + (v-s.lo)/(s.hi-s.lo)*(s.b-s.a)
}

// usable reports whether v can be placed on the axis.
func usable(v float64, log bool) bool {
	return !math.IsNaN(v) && !math.IsInf(v, 0) && (!log || v > 0)
}

func newScale(ax Axis, values []float64, a, b float64) scale {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if usable(v, ax.Log) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	if ax.FromZero && !ax.Log {
		lo, hi = min(lo, 0), max(hi, 0)
	}
	if lo > hi { // nothing to show
		lo, hi = 1, 2
	}
	if n := len(ax.Categories); n > 0 {
		return scale{-0.5, float64(n) - 0.5, a, b, false}
	}
	if ax.Log {
		lo, hi = math.Log(lo), math.Log(hi)
	}
	pad := (hi - lo) * 0.04
	if pad == 0 {
		pad = math.Max(math.Abs(hi)*0.05, 1e-9)
	}
	low := lo - pad
	if ax.FromZero && !ax.Log && lo == 0 {
		low = 0
	}
	return scale{low, hi + pad, a, b, ax.Log}
}

// ticks returns about n round values within the scale. Linear steps are 1, 2 or
// 5 times a power of ten (Heckbert, "Nice numbers for graph labels", 1990).
func (s scale) ticks(n int) []float64 {
	var out []float64
	if s.log {
		lo, hi := math.Exp(s.lo), math.Exp(s.hi)
		for _, set := range [][]float64{{1}, {1, 3}, {1, 2, 5}, {1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9}} {
			out = out[:0]
			for e := math.Floor(math.Log10(lo)); e <= math.Ceil(math.Log10(hi)); e++ {
				for _, m := range set {
					if v := m * math.Pow(10, e); v >= lo && v <= hi {
						out = append(out, v)
					}
				}
			}
			if len(out) >= 4 {
				break
			}
		}
		if len(out) >= 3 {
			return out
		}
		lin := scale{lo: lo, hi: hi}
		return lin.ticks(n)
	}
	raw := (s.hi - s.lo) / float64(n)
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := unit
	for _, m := range []float64{1, 2, 5, 10} {
		if step = m * unit; step >= raw {
			break
		}
	}
	for k := math.Ceil(s.lo / step); k*step <= s.hi+step*1e-9; k++ {
		out = append(out, k*step)
	}
	return out
}

// Number prints v with at most four significant digits, without exponents for
// everyday sizes.
func Number(v float64) string {
	if v == 0 {
		return "0"
	}
	abs := math.Abs(v)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return "–"
	case abs >= 1e7 || abs < 1e-4:
		return strconv.FormatFloat(v, 'g', 4, 64)
	case abs >= 1000:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	digits := 3 - int(math.Floor(math.Log10(abs)))
	s := strconv.FormatFloat(v, 'f', digits, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}

func (a Axis) title() string {
	if a.Unit == "" {
		return a.Label
	}
	return a.Label + " (" + a.Unit + ")"
}

// SVG draws the chart. Every text of the input is escaped. Points that cannot be
// placed (NaN, infinite, non-positive on a logarithmic axis) are left out.
func (c Chart) SVG() string {
	w, h := float64(c.Width), float64(c.Height)
	if w == 0 {
		w = 640
	}
	if h == 0 {
		h = 380
	}
	bottom := float64(under)
	if len(c.X.Categories) >= slantFrom {
		bottom = underSlanted
	}
	xs, ys := c.values()
	if c.Equal {
		all := append(append([]float64{}, xs...), ys...)
		xs, ys = all, all
	}
	sx := newScale(c.X, xs, left, w-right)
	sy := newScale(c.Y, append(ys, c.HLines...), h-bottom, top)

	var b strings.Builder
	class := "chart"
	if w > wideFrom { // on a phone its letters would shrink with it: it scrolls instead
		class += " wide"
	}
	fmt.Fprintf(&b, `<svg class="%s" role="img" viewBox="0 0 %g %g" aria-label="%s">`, class, w, h, html.EscapeString(c.Title))
	c.axes(&b, sx, sy, w, h, bottom)
	for _, band := range c.Bands {
		drawBand(&b, band, sx, sy)
	}
	if c.Equal {
		lo, hi := c.X.value(sx.lo), c.X.value(sx.hi)
		fmt.Fprintf(&b, `<path class="ref" d="M%.1f %.1fL%.1f %.1f"/>`, sx.at(lo), sy.at(lo), sx.at(hi), sy.at(hi))
	}
	for _, v := range c.HLines {
		if usable(v, c.Y.Log) {
			fmt.Fprintf(&b, `<path class="ref" d="M%d %.1fH%.1f"/>`, left, sy.at(v), w-right)
		}
	}
	for _, s := range c.Series {
		c.draw(&b, s, sx, sy)
	}
	b.WriteString("</svg>")
	return b.String()
}

// value turns a scale's internal coordinate back into data.
func (a Axis) value(v float64) float64 {
	if a.Log {
		return math.Exp(v)
	}
	return v
}

func (c Chart) values() (xs, ys []float64) {
	for _, s := range c.Series {
		for _, p := range s.Points {
			if !usable(p.X, c.X.Log) || !usable(p.Y, c.Y.Log) {
				continue
			}
			xs, ys = append(xs, p.X), append(ys, p.Y)
			if p.Lo < p.Hi {
				ys = append(ys, p.Lo, p.Hi)
			}
			if s.Kind == Bars {
				ys = append(ys, 0)
			}
		}
	}
	for _, band := range c.Bands {
		xs = append(xs, band.X...)
		if !c.Equal {
			ys = append(append(ys, band.Lo...), band.Hi...)
		}
	}
	return xs, ys
}

func (c Chart) axes(b *strings.Builder, sx, sy scale, w, h, bottom float64) {
	for _, v := range sy.ticks(5) {
		y := sy.at(v)
		fmt.Fprintf(b, `<path class="grid" d="M%d %.1fH%.1f"/><text class="tick" text-anchor="end" x="%d" y="%.1f">%s</text>`,
			left, y, w-right, left-6, y+4, Number(v))
	}
	if len(c.X.Categories) > 0 {
		every := 1 + (len(c.X.Categories)-1)/24 // names stay legible
		for i, name := range c.X.Categories {
			if i%every != 0 {
				continue
			}
			x, text := sx.at(float64(i)), html.EscapeString(shorten(name, 18))
			if len(c.X.Categories) >= slantFrom {
				fmt.Fprintf(b, `<text class="tick" text-anchor="end" transform="translate(%.1f %.1f) rotate(-35)">%s</text>`, x+4, h-bottom+14, text)
			} else {
				fmt.Fprintf(b, `<text class="tick" text-anchor="middle" x="%.1f" y="%.1f">%s</text>`, x, h-bottom+16, text)
			}
		}
	} else {
		for _, v := range sx.ticks(7) {
			fmt.Fprintf(b, `<path class="grid" d="M%.1f %dV%.1f"/><text class="tick" text-anchor="middle" x="%.1f" y="%.1f">%s</text>`,
				sx.at(v), top, h-bottom, sx.at(v), h-bottom+16, Number(v))
		}
	}
	fmt.Fprintf(b, `<path class="axis" d="M%d %dV%.1fH%.1f"/>`, left, top, h-bottom, w-right)
	fmt.Fprintf(b, `<text class="label" text-anchor="middle" x="%.1f" y="%.1f">%s</text>`, (left+w-right)/2, h-8, html.EscapeString(c.X.title()))
	fmt.Fprintf(b, `<text class="label" text-anchor="middle" transform="translate(14 %.1f) rotate(-90)">%s</text>`, (top+h-bottom)/2, html.EscapeString(c.Y.title()))
}

func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

func drawBand(b *strings.Builder, band Band, sx, sy scale) {
	var there, back strings.Builder
	n := 0
	for i := range band.X {
		if usable(band.X[i], sx.log) && usable(band.Lo[i], sy.log) && usable(band.Hi[i], sy.log) {
			fmt.Fprintf(&there, "%s%.1f %.1f", []string{"M", "L"}[min(n, 1)], sx.at(band.X[i]), clamp(sy.at(band.Hi[i]), sy))
			n++
		}
	}
	for i := len(band.X) - 1; i >= 0; i-- {
		if usable(band.X[i], sx.log) && usable(band.Lo[i], sy.log) && usable(band.Hi[i], sy.log) {
			fmt.Fprintf(&back, "L%.1f %.1f", sx.at(band.X[i]), clamp(sy.at(band.Lo[i]), sy))
		}
	}
	if n > 0 {
		fmt.Fprintf(b, `<path class="band c%d" d="%s%sZ"><title>%s</title></path>`, band.Colour%8, there.String(), back.String(), html.EscapeString(band.Name))
	}
}

// clamp keeps a pixel inside the frame.
func clamp(y float64, s scale) float64 { return min(max(y, s.b), s.a) }

func (c Chart) draw(b *strings.Builder, s Series, sx, sy scale) {
	fmt.Fprintf(b, `<g class="series c%d%s" data-name="%s">`, s.Colour%8, map[bool]string{true: " dashed"}[s.Dashed], html.EscapeString(s.Name))
	if s.Kind == Line || s.Kind == Step {
		n, lastY := 0, 0.0
		b.WriteString(`<path class="line" d="`)
		for _, p := range s.Points {
			if !usable(p.X, c.X.Log) || !usable(p.Y, c.Y.Log) {
				n = 0
				continue
			}
			x, y := sx.at(p.X), sy.at(p.Y)
			switch {
			case n == 0:
				fmt.Fprintf(b, "M%.1f %.1f", x, y)
			case s.Kind == Step:
				fmt.Fprintf(b, "L%.1f %.1fL%.1f %.1f", x, lastY, x, y)
			default:
				fmt.Fprintf(b, "L%.1f %.1f", x, y)
			}
			n, lastY = n+1, y
		}
		b.WriteString(`"/>`)
	}
	wide := 0.0
	if s.Kind == Bars {
		wide = min((sx.b-sx.a)/float64(max(len(c.X.Categories), len(s.Points), 1))*0.7, maxBar)
	}
	for _, p := range s.Points {
		if !usable(p.X, c.X.Log) || !usable(p.Y, c.Y.Log) {
			continue
		}
		x, y := sx.at(p.X), sy.at(p.Y)
		title := html.EscapeString(c.hover(s, p))
		if p.Lo < p.Hi && usable(p.Lo, c.Y.Log) {
			fmt.Fprintf(b, `<path class="whisker" d="M%.1f %.1fV%.1f"/>`, x, sy.at(p.Lo), sy.at(p.Hi))
		}
		switch s.Kind {
		case Bars:
			zero := clamp(sy.at(0), sy)
			fmt.Fprintf(b, `<rect class="mark bar" x="%.1f" y="%.1f" width="%.1f" height="%.1f"><title>%s</title></rect>`, x-wide/2, min(y, zero), wide, math.Abs(zero-y), title)
		case Points:
			class := "mark"
			if p.Strong {
				class = "mark strong"
			}
			if s.diamond() {
				const r = markRadius * 1.3 // of the same area as the disc, about
				fmt.Fprintf(b, `<path class="%s" d="M%.1f %.1fl%g %gl%g %gl%g %gz"><title>%s</title></path>`, class, x, y-r, r, r, -r, r, -r, -r, title)
				continue
			}
			fmt.Fprintf(b, `<circle class="%s" cx="%.1f" cy="%.1f" r="%g"><title>%s</title></circle>`, class, x, y, markRadius, title)
		default: // lines get an invisible mark, so that hovering finds the value
			fmt.Fprintf(b, `<circle class="mark ghost" cx="%.1f" cy="%.1f" r="%g"><title>%s</title></circle>`, x, y, markRadius*1.5, title)
		}
	}
	b.WriteString("</g>")
}

// hover returns the text of a mark: its label, then both coordinates with units.
func (c Chart) hover(s Series, p Point) string {
	var b strings.Builder
	if p.Label != "" {
		b.WriteString(p.Label + "\n")
	} else if s.Name != "" {
		b.WriteString(s.Name + "\n")
	}
	if len(c.X.Categories) == 0 {
		fmt.Fprintf(&b, "%s: %s\n", c.X.Label, withUnit(p.X, c.X.Unit))
	} else if i := int(p.X); i >= 0 && i < len(c.X.Categories) {
		b.WriteString(c.X.Categories[i] + "\n")
	}
	fmt.Fprintf(&b, "%s: %s", c.Y.Label, withUnit(p.Y, c.Y.Unit))
	if p.Lo < p.Hi {
		fmt.Fprintf(&b, " [%s, %s]", Number(p.Lo), Number(p.Hi))
	}
	return b.String()
}

func withUnit(v float64, unit string) string {
	if unit == "" {
		return Number(v)
	}
	return Number(v) + " " + unit
}

// diamond says that a series is beyond the palette's eight colours: they begin again
// with another mark.
func (s Series) diamond() bool { return s.Kind == Points && s.Colour/8%2 == 1 }

// Legend lists the named series and bands as HTML, to stand above the drawing.
func (c Chart) Legend() string {
	var b strings.Builder
	for _, band := range c.Bands {
		fmt.Fprintf(&b, `<span class="key c%d"><i class="swatch area"></i>%s</span>`, band.Colour%8, html.EscapeString(band.Name))
	}
	for _, s := range c.Series {
		if s.Name == "" || s.Quiet {
			continue
		}
		shape := map[Kind]string{Points: "dot", Line: "stroke", Step: "stroke", Bars: "area"}[s.Kind]
		if shape == "dot" && s.diamond() {
			shape = "diamond"
		}
		fmt.Fprintf(&b, `<span class="key c%d"><i class="swatch %s"></i>%s</span>`, s.Colour%8, shape, html.EscapeString(s.Name))
	}
	return b.String()
}

package report

import (
	"fmt"
	"html"
	"html/template"
	"strings"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/report/page"
	"github.com/isocost/isocost/search/space"
)

// architecture draws anchor and final layer by layer: a box's height is the
// layer's width, its colour the precision; changed layers are ringed.
func architecture(r Run) page.Section {
	c := r.Certificate
	s := page.Section{Title: "Before and after", Lead: "Each box is a mutable layer: its choice, its height the width multiplier, its colour the precision. Ringed: changed by the search."}
	from, err1 := space.ParseArch(c.Anchor.Arch)
	to, err2 := space.ParseArch(c.Final.Arch)
	if err1 != nil || err2 != nil || len(from.Layers) != len(to.Layers) {
		s.Blocks = append(s.Blocks, page.Text("anchor "+c.Anchor.Arch+", final "+c.Final.Arch))
		return s
	}
	s.Blocks = append(s.Blocks, page.Drawing{SVG: template.HTML(drawArchs(r.Space, from, to)), Caption: "Top: anchor x₀. Bottom: final."})
	t := page.Table{Columns: []page.Column{{Name: "layer", Numeric: true}, {Name: "anchor"}, {Name: "final"}, {Name: "changed"}}}
	for l := range from.Layers {
		a, b := layerText(r.Space, from, l), layerText(r.Space, to, l)
		changed := page.Cell{Text: "–"}
		if from.Layers[l] != to.Layers[l] {
			changed = page.Cell{Text: "yes", Mark: "warn"}
		}
		t.Rows = append(t.Rows, []page.Cell{page.Num(float64(l), ""), page.Str(a), page.Str(b), changed})
	}
	s.Blocks = append(s.Blocks, t)
	return s
}

// ratio is the width multiplier of layer l, 1 when the space is not known.
func ratio(s space.Space, a space.Arch, l int) float64 {
	if s == nil || a.Layers[l].Width >= s.Widths(l) {
		return 1
	}
	return s.WidthRatio(l, a.Layers[l].Width)
}

func layerText(s space.Space, a space.Arch, l int) string {
	layer := a.Layers[l]
	text := layer.Choice
	if s != nil && s.Widths(l) > 1 {
		text += fmt.Sprintf(", width × %g", ratio(s, a, l))
	}
	if layer.Precision != "" {
		text += ", " + string(layer.Precision)
	}
	return text
}

// precisionColour is the palette index of each precision.
var precisionColour = map[lut.Precision]int{"": 6, lut.FP32: 0, lut.FP16: 5, lut.BF16: 7, lut.INT8: 1, lut.INT8Dyn: 3, lut.INT8W: 4}

func drawArchs(s space.Space, from, to space.Arch) string {
	const box, gap, tall, left = 64.0, 10.0, 56.0, 8.0
	width := 2*left + float64(len(from.Layers))*(box+gap)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg class="arch" role="img" aria-label="architecture before and after" viewBox="0 0 %g %g" style="width:100%%;min-width:%gpx;max-width:%gpx">`, width, 2*(tall+44), min(width, 900), 1.4*width)
	for row, a := range []space.Arch{from, to} {
		top := float64(row) * (tall + 44)
		for l, layer := range a.Layers {
			x := left + float64(l)*(box+gap)
			h := tall * min(ratio(s, a, l)/2, 1) // a multiplier of 2 fills the row
			class := ""
			if from.Layers[l] != to.Layers[l] {
				class = " strong"
			}
			fmt.Fprintf(&b, `<g class="c%d"><rect class="mark%s" x="%.1f" y="%.1f" width="%g" height="%.1f" rx="3"><title>%s</title></rect></g><text class="tick" text-anchor="middle" x="%.1f" y="%.1f">%s</text><text class="tick" text-anchor="middle" x="%.1f" y="%.1f">%s</text>`,
				precisionColour[layer.Precision], class, x, top+tall-h+4, box, h, html.EscapeString(fmt.Sprintf("layer %d: %s", l, layerText(s, a, l))),
				x+box/2, top+tall+17, html.EscapeString(layer.Choice), x+box/2, top+tall+31, html.EscapeString(string(layer.Precision)))
		}
	}
	b.WriteString("</svg>")
	return b.String()
}

// field is layer l's part of an architecture key.
func field(key string, l int) string {
	parts := strings.Split(key, "|")
	if key == "" || l < 0 || l >= len(parts) {
		return orDash(key)
	}
	return parts[l]
}

func upper(s string) string {
	if s == "" {
		return s
	}
	r := []rune(s)
	return strings.ToUpper(string(r[0])) + string(r[1:])
}

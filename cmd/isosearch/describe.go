package main

import (
	"fmt"
	"strings"

	"github.com/isocost/isocost/search/space"
)

// columns is the width lines are wrapped to.
const columns = 78

// wrap breaks text between words, later lines indented.
func wrap(text string, indent int) string {
	var b strings.Builder
	at := indent
	for i, word := range strings.Fields(text) {
		if i > 0 && at+1+len([]rune(word)) > columns {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			at = indent
		} else if i > 0 {
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += len([]rune(word))
	}
	return b.String()
}

// grouped shows an architecture with runs of equal layers joined: 3×mb_k3_e4:2:fp32.
func grouped(key string) string {
	var out []string
	fields := strings.Split(key, "|")
	for i := 0; i < len(fields); {
		j := i
		for j < len(fields) && fields[j] == fields[i] {
			j++
		}
		if j-i > 1 {
			out = append(out, fmt.Sprintf("%d×%s", j-i, fields[i]))
		} else {
			out = append(out, fields[i])
		}
		i = j
	}
	return strings.Join(out, " | ")
}

// changes lists the layers in which an architecture differs from another, one a
// line; nil when it does not, or either key cannot be read.
func changes(from, to string) []string {
	a, err1 := space.ParseArch(from)
	b, err2 := space.ParseArch(to)
	if err1 != nil || err2 != nil || len(a.Layers) != len(b.Layers) {
		return nil
	}
	var out []string
	for l := range a.Layers {
		x, y := a.Layers[l], b.Layers[l]
		if x == y {
			continue
		}
		var parts []string
		if x.Choice != y.Choice {
			parts = append(parts, x.Choice+" → "+y.Choice)
		}
		if x.Width != y.Width {
			parts = append(parts, fmt.Sprintf("width %d → %d", x.Width, y.Width))
		}
		if x.Precision != y.Precision {
			parts = append(parts, fmt.Sprintf("%s → %s", x.Precision, y.Precision))
		}
		out = append(out, fmt.Sprintf("layer %d: %s", l, strings.Join(parts, ", ")))
	}
	return out
}

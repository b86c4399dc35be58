package benchmarks

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/golden"
	"github.com/isocost/isocost/lut"
)

const cataloguePage = "../docs/catalogue.md"

// TestCataloguePage: what docs/catalogue.md says of kinds, attributes and forms is what
// their definitions say. Each table stands between <!-- NAME --> and <!-- end -->, what
// is around them is written by hand.
func TestCataloguePage(t *testing.T) {
	text, err := os.ReadFile(cataloguePage)
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	for name, table := range map[string]string{
		"attributes": attributeTable(), "operators": kindTable(false), "blocks": kindTable(true), "forms": formTable(), "grids": gridTable(),
	} {
		start, end := "<!-- "+name+" -->\n", "<!-- end -->"
		before, rest, ok := strings.Cut(page, start)
		_, after, ok2 := strings.Cut(rest, end)
		if !ok || !ok2 {
			t.Fatalf("%s has no %q and %q after it", cataloguePage, strings.TrimSpace(start), end)
		}
		page = before + start + "\n" + table + "\n" + end + after
	}
	golden.File(t, cataloguePage, []byte(page))
}

func sortedKinds() []kind {
	var list []kind
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		list = append(list, kinds[name])
	}
	return list
}

func table(header ...string) *strings.Builder {
	var b strings.Builder
	row(&b, header...)
	b.WriteString(strings.Repeat("|---", len(header)) + "|\n")
	return &b
}

func row(b *strings.Builder, cells ...string) {
	for _, c := range cells {
		fmt.Fprintf(b, "| %s ", strings.ReplaceAll(c, "|", `\|`))
	}
	b.WriteString("|\n")
}

func attributeTable() string {
	b := table("attribute", "of", "meaning", "left out")
	type meaning struct{ name, doc, absent string }
	of := map[meaning][]string{}
	for _, k := range sortedKinds() {
		for _, a := range k.attrs {
			m := meaning{a.name, a.doc, a.absent}
			of[m] = append(of[m], "`"+k.name+"`")
		}
	}
	keys := slices.SortedFunc(maps.Keys(of), func(a, b meaning) int { return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.doc, b.doc)) })
	for _, m := range keys {
		kinds := of[m]
		if len(kinds) > 6 {
			kinds = []string{fmt.Sprintf("%d kinds", len(kinds))}
		}
		row(b, "`"+m.name+"`", strings.Join(kinds, " "), m.doc, m.absent)
	}
	return b.String()
}

func kindTable(block bool) string {
	b := table("kind", "attributes", "axes", "what it is", "frame")
	for _, k := range sortedKinds() {
		if k.block != block {
			continue
		}
		var attrs []string
		for _, a := range k.attrs {
			if a.required {
				attrs = append(attrs, "**"+a.name+"**")
			} else {
				attrs = append(attrs, a.name)
			}
		}
		axes := strings.Join(k.axes, " ")
		if k.axesOf != nil {
			axes = k.axesDoc
		}
		if k.sequence {
			axes += " / seq dim"
		}
		row(b, "`"+k.name+"`", strings.Join(attrs, " "), axes, k.doc, framings[k.frame.how])
	}
	return b.String()
}

// framings says in a word how an operator stands among its neighbours.
var framings = map[framing]string{
	standsAlone: "plain", fusesBefore: "apart from what would take it in", needsPositive: "after a sigmoid", repeatsItself: "after a block", ownFrame: "its own",
}

func formTable() string {
	b := table("operator", "ONNX", "TensorFlow Lite", "TensorFlow")
	for _, name := range slices.Sorted(maps.Keys(operators)) {
		o := operators[name]
		tflite := ""
		for i, c := range o.tflite.Codes {
			if i == 0 {
				tflite = "`" + c.String() + "`"
			}
		}
		row(b, "`"+name+"`", form(o.onnx.Name, o.onnx.Parts, o.onnx.Why), form(tflite, o.tflite.Parts, o.tflite.Why), form(o.tf.Name, o.tf.Parts, o.tf.Why))
	}
	return b.String()
}

// form is an operator's name in a format, what it is made of there, or why it is not.
func form(name, parts, why string) string {
	switch {
	case why != "":
		return "none: " + why
	case strings.HasPrefix(name, "`"):
		return name
	case name != "":
		return "`" + name + "`"
	}
	return parts
}

func gridTable() string {
	b := table("kind", "shapes", "of which")
	for _, k := range sortedKinds() {
		ops, err := Grid(k.name, lut.FP32)
		if err != nil {
			continue
		}
		var parts []string
		values := map[string]map[int]bool{}
		for _, op := range ops {
			for _, c := range op.At {
				if values[c.Axis] == nil {
					values[c.Axis] = map[int]bool{}
				}
				values[c.Axis][c.Value] = true
			}
		}
		for _, axis := range slices.Sorted(maps.Keys(values)) {
			v := slices.Sorted(maps.Keys(values[axis]))
			if len(v) > 5 {
				parts = append(parts, fmt.Sprintf("%s %d … %d", axis, v[0], v[len(v)-1]))
			} else {
				parts = append(parts, axis+" "+strings.Trim(fmt.Sprint(v), "[]"))
			}
		}
		row(b, "`"+k.name+"`", fmt.Sprint(len(ops)), strings.Join(parts, "; "))
	}
	return b.String()
}

package page

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/report/plot"
)

func TestPageIsSelfContainedAndHarmless(t *testing.T) {
	const evil = `<script>alert("x")</script>`
	var b strings.Builder
	err := Page{
		Title: evil, Subtitle: evil, Footer: evil,
		Sections: []Section{{Title: evil, Lead: evil, Blocks: []Block{
			Facts{{evil, evil}},
			Verdict{"good", evil},
			Text(evil),
			Table{Caption: evil, Columns: []Column{{Name: evil}, {Name: "n", Numeric: true}}, Rows: [][]Cell{{Str(evil), Num(3, "µs")}}},
			Figures{{Title: evil, Caption: evil, X: plot.Axis{Label: evil}, Series: []plot.Series{{Name: evil, Points: []plot.Point{{X: 1, Y: 1, Label: evil}}}}}},
		}}},
	}.Write(&b)
	if err != nil {
		t.Fatal(err)
	}
	out := b.String()
	if n := strings.Count(out, "<script"); n != 1 {
		t.Errorf("%d script elements, want only the page's own", n)
	}
	for _, remote := range []string{"http://", "https://", "//cdn", "@import", "src="} {
		if strings.Contains(out, remote) {
			t.Errorf("the page refers to the network: %q", remote)
		}
	}
	for _, want := range []string{`data-v="3"`, `<a href="#s1">`, "<svg", "prefers-color-scheme"} {
		if !strings.Contains(out, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestTableRefusesRaggedRows(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("a row with too few cells was accepted")
		}
	}()
	Table{Columns: []Column{{Name: "a"}, {Name: "b"}}, Rows: [][]Cell{{Str("x")}}}.html()
}

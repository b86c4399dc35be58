// Package page assembles a report: one HTML file that opens from disk without a
// network, prints well, follows the reader's light or dark mode and fits a phone.
package page

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"

	"github.com/isocost/isocost/report/plot"
)

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var css string

//go:embed page.js
var js string

// Page is a whole report.
type Page struct {
	Title    string
	Subtitle string
	Sections []Section
	Footer   string
	Refresh  int // seconds after which the page loads itself again; 0 for never
}

// Section is a headed part of the page, in the table of contents by its title.
type Section struct {
	Title  string
	Lead   string // what the section says, in a sentence or two
	Blocks []Block
}

// Block is one piece of a section: Facts, Figure, Table, Verdict, Text or Drawing.
type Block interface{ html() template.HTML }

// Facts is a list of terms and values.
type Facts []Fact

// Fact is one line of Facts.
type Fact struct{ Term, Value string }

// Figure is a chart with its legend and caption.
type Figure struct{ plot.Chart }

// Figures are charts beside each other where the window is wide enough.
type Figures []plot.Chart

// Table is a sortable table. Cells that should sort as numbers carry Sort.
type Table struct {
	Caption string
	Columns []Column
	Rows    [][]Cell
}

// Column heads a table column; Numeric aligns right and sorts by number.
type Column struct {
	Name    string
	Numeric bool
}

// Cell is one table cell. Value is the sort key of numeric columns.
type Cell struct {
	Text  string
	Value float64
	Mark  string // "", "good", "warn", "bad"
}

// Num is a numeric cell printed with plot.Number and a unit.
func Num(v float64, unit string) Cell {
	text := plot.Number(v)
	if unit != "" {
		text += " " + unit
	}
	return Cell{Text: text, Value: v}
}

// Str is a text cell.
func Str(s string) Cell { return Cell{Text: s} }

// Verdict is a boxed sentence with a level: good, warn or bad.
type Verdict struct{ Level, Text string }

// Text is a paragraph.
type Text string

// Drawing is SVG made by the program itself (never from input), with a caption.
type Drawing struct {
	SVG     template.HTML
	Caption string
}

var blocks = template.Must(template.New("blocks").Parse(`
{{define "facts"}}<dl>{{range .}}<div><dt>{{.Term}}</dt><dd>{{.Value}}</dd></div>{{end}}</dl>{{end}}
{{define "figure"}}<figure><figcaption>{{.Title}}</figcaption><div class="legend">{{.Legend}}</div><div class="frame">{{.SVG}}</div>{{with .Caption}}<p class="caption">{{.}}</p>{{end}}</figure>{{end}}
{{define "table"}}<div class="frame"><table class="sortable">{{with .Caption}}<caption>{{.}}</caption>{{end}}<thead><tr>{{range .Columns}}<th scope="col"{{if .Numeric}} class="num"{{end}}><button type="button">{{.Name}}</button></th>{{end}}</tr></thead><tbody>{{$cols := .Columns}}{{range .Rows}}<tr>{{range $i, $c := .}}{{$col := index $cols $i}}<td{{if $col.Numeric}} class="num {{$c.Mark}}" data-v="{{$c.Value}}"{{else if $c.Mark}} class="{{$c.Mark}}"{{end}}>{{$c.Text}}</td>{{end}}</tr>{{end}}</tbody></table></div>{{end}}
{{define "verdict"}}<p class="verdict {{.Level}}">{{.Text}}</p>{{end}}
{{define "text"}}<p>{{.}}</p>{{end}}
{{define "drawing"}}<figure><div class="frame">{{.SVG}}</div>{{with .Caption}}<p class="caption">{{.}}</p>{{end}}</figure>{{end}}
`))

func render(name string, data any) template.HTML {
	var b strings.Builder
	if err := blocks.ExecuteTemplate(&b, name, data); err != nil {
		panic(fmt.Sprintf("page: %s: %v", name, err)) // the templates are constant: a programming error
	}
	return template.HTML(b.String())
}

func (f Facts) html() template.HTML { return render("facts", []Fact(f)) }

func (f Figure) html() template.HTML {
	return render("figure", map[string]any{
		"Title": f.Title, "Caption": f.Caption,
		"Legend": template.HTML(f.Legend()), "SVG": template.HTML(f.SVG()),
	})
}

func (fs Figures) html() template.HTML {
	var b strings.Builder
	b.WriteString(`<div class="figures">`)
	for _, c := range fs {
		b.WriteString(string(Figure{c}.html()))
	}
	b.WriteString(`</div>`)
	return template.HTML(b.String())
}

func (t Table) html() template.HTML {
	for i, row := range t.Rows {
		if len(row) != len(t.Columns) {
			panic(fmt.Sprintf("page: table %q row %d has %d cells for %d columns", t.Caption, i, len(row), len(t.Columns)))
		}
	}
	return render("table", t)
}

func (v Verdict) html() template.HTML { return render("verdict", v) }
func (t Text) html() template.HTML    { return render("text", string(t)) }
func (d Drawing) html() template.HTML { return render("drawing", d) }

// Write renders the page. All text of the inputs is escaped by html/template and
// by package plot.
func (p Page) Write(w io.Writer) error {
	t, err := template.New("page").Funcs(template.FuncMap{
		"draw": func(b Block) template.HTML { return b.html() },
		"id":   func(i int) string { return fmt.Sprintf("s%d", i+1) },
	}).Parse(pageTemplate)
	if err != nil {
		return err
	}
	return t.Execute(w, map[string]any{"Page": p, "CSS": template.CSS(css), "JS": template.JS(js)})
}

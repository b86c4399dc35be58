package docstest

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/golden"
)

// decision is a page of docs/decisions, taken apart by the template.
type decision struct {
	file, number, title, status, date string
	sections                          map[string]string
	evidence                          string // what stands below the line
}

var (
	decisionTitle  = regexp.MustCompile(`^# (\d{4}) (\S.*)$`)
	decisionDate   = regexp.MustCompile(`^- Date: (\d{4}-\d{2}-\d{2})$`)
	decisionStatus = regexp.MustCompile(`^- Status: ((?:in force|proposed|withdrawn|superseded(?: in part)? by \[\d{4}\]\(\d{4}-[a-z0-9-]+\.md\)).*)$`)
	sectionOrder   = []string{"Question", "Decision", "Why", "Rejected"}
)

// longestWhy is the most words of reasons: what takes longer is evidence.
const longestWhy = 100

// parseDecision reads a page and lists how it departs from the template.
func parseDecision(file, text string) (d decision, wrong []string) {
	d = decision{file: file, sections: map[string]string{}}
	lines := strings.Split(text, "\n")
	lines = append(lines, make([]string, 5)...)
	if m := decisionTitle.FindStringSubmatch(lines[0]); m == nil {
		wrong = append(wrong, `the first line is not "# NNNN Title"`)
	} else if d.number, d.title = m[1], m[2]; !strings.HasPrefix(file, d.number+"-") {
		wrong = append(wrong, "its number is not that of its file name")
	}
	if m := decisionStatus.FindStringSubmatch(lines[2]); m == nil {
		wrong = append(wrong, `line 3 is not "- Status: in force", "proposed", "withdrawn" or "superseded [in part] by [NNNN](FILE)"`)
	} else {
		d.status = m[1]
	}
	if m := decisionDate.FindStringSubmatch(lines[3]); m == nil {
		wrong = append(wrong, `line 4 is not "- Date: YYYY-MM-DD"`)
	} else {
		d.date = m[1]
	}
	body, evidence, _ := strings.Cut(text, "\n---\n")
	if d.evidence = strings.TrimSpace(evidence); d.evidence == "" {
		wrong = append(wrong, `no evidence below a line "---"`)
	}
	var order []string
	for i, part := range strings.Split("\n"+body, "\n## ") {
		if i == 0 {
			continue
		}
		name, content, _ := strings.Cut(part, "\n")
		order = append(order, name)
		d.sections[name] = strings.TrimSpace(content)
		if d.sections[name] == "" {
			wrong = append(wrong, "section "+name+" is empty")
		}
	}
	if !slices.Equal(order, sectionOrder) {
		wrong = append(wrong, fmt.Sprintf("its sections are %v, not %v", order, sectionOrder))
	}
	if n := len(strings.Fields(d.sections["Why"])); n > longestWhy {
		wrong = append(wrong, fmt.Sprintf("its Why has %d words, at most %d are allowed", n, longestWhy))
	}
	if r := d.sections["Rejected"]; r != "" && !strings.HasPrefix(r, "- *") {
		wrong = append(wrong, `Rejected is not a list of "- *what*: why not"`)
	}
	return d, wrong
}

// Every decision follows the template of docs/decisions/README.md.
func TestDecisionsFollowTheTemplate(t *testing.T) {
	seen := map[string]string{}
	for _, d := range decisions(t) {
		if other := seen[d.number]; other != "" {
			t.Errorf("%s and %s have the same number", other, d.file)
		}
		seen[d.number] = d.file
	}
}

// decisions are the pages of docs/decisions in order; one that departs from the template
// is an error of the test.
func decisions(t *testing.T) (all []decision) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "docs", "decisions", "[0-9]*.md"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 30 {
		t.Fatalf("docs/decisions has only %d pages", len(files))
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d, wrong := parseDecision(filepath.Base(file), string(text))
		for _, w := range wrong {
			t.Errorf("docs/decisions/%s: %s", d.file, w)
		}
		all = append(all, d)
	}
	return all
}

// The index lists every decision; -update writes it.
func TestDecisionsIndexIsCurrent(t *testing.T) {
	path := filepath.Join(root, "docs", "decisions", "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	const head = "In force, unless the line says otherwise:\n\n"
	above, _, ok := strings.Cut(string(text), head)
	if !ok {
		t.Fatalf("%s has no line %q", path, head)
	}
	var b strings.Builder
	b.WriteString(above + head)
	for _, d := range decisions(t) {
		fmt.Fprintf(&b, "- [%s %s](%s)", d.number, d.title, d.file)
		if d.status != "in force" {
			fmt.Fprintf(&b, ": %s", d.status)
		}
		b.WriteByte('\n')
	}
	golden.File(t, path, []byte(b.String()))
}

// The template is enforced: each way of departing from it is noticed.
func TestTemplateIsEnforced(t *testing.T) {
	const good = "# 0001 A title\n\n- Status: in force\n- Date: 2026-01-02\n\n## Question\n\nWhat?\n\n## Decision\n\nThis.\n\n## Why\n\nSo.\n\n## Rejected\n\n- *That*: no.\n\n---\n\nSeen.\n"
	if _, wrong := parseDecision("0001-a-title.md", good); len(wrong) > 0 {
		t.Fatalf("a page of the template is refused: %v", wrong)
	}
	for name, change := range map[string][2]string{
		"title":       {"# 0001 A", "# A"},
		"number":      {"# 0001", "# 0002"},
		"status":      {"in force", "agreed"},
		"successor":   {"in force", "superseded by 0002"},
		"date":        {"2026-01-02", "January"},
		"question":    {"What?", ""},
		"order":       {"## Why", "## Reasons"},
		"long reason": {"So.", strings.Repeat("word ", longestWhy+1)},
		"rejected":    {"- *That*: no.", "That: no."},
		"evidence":    {"Seen.", ""},
		"line":        {"---", ""},
	} {
		if _, wrong := parseDecision("0001-a-title.md", strings.Replace(good, change[0], change[1], 1)); len(wrong) == 0 {
			t.Errorf("%s: the departure goes unnoticed", name)
		}
	}
}

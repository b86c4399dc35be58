package space

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/isocost/isocost/internal/hint"
)

// maxSpaceBytes bounds a space file; real ones are a few kilobytes.
const maxSpaceBytes = 1 << 20

// problem is one thing wrong with a file, at a line, with what to do about it.
type problem struct {
	line      int
	text, fix string
}

// reader walks a YAML document strictly: every mapping names its known fields,
// every scalar its type and range. It collects problems instead of stopping at
// the first, so that a file is corrected in one go.
type reader struct {
	file     string
	problems []problem
}

func (r *reader) fail(n *yaml.Node, fix, format string, args ...any) {
	line := 1
	if n != nil {
		line = max(n.Line, 1)
	}
	if len(r.problems) < 50 { // enough to work on; a hostile file has no end of them
		r.problems = append(r.problems, problem{line, fmt.Sprintf(format, args...), fix})
	}
}

// err joins the problems, in order of lines, each as file:line: text. The hint
// is the first one's.
func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b problem) int { return cmp.Compare(a.line, b.line) })
	var lines []string
	fix := ""
	for _, p := range r.problems {
		lines = append(lines, fmt.Sprintf("%s:%d: %s", r.file, p.line, p.text))
		fix = cmp.Or(fix, p.fix)
	}
	return hint.Wrap(errors.New(strings.Join(lines, "\n")), "%s", cmp.Or(fix, "examples/mobile-cnn/space.yaml shows the form, docs/formats/space.md every field"))
}

// parse returns the document's root mapping, nil when there is none (a problem
// has been noted).
func (r *reader) parse(data []byte) *yaml.Node {
	if len(data) > maxSpaceBytes {
		r.fail(nil, "", "larger than %d bytes: not a space file", maxSpaceBytes)
		return nil
	}
	dec := yaml.NewDecoder(strings.NewReader(string(data)))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if err == io.EOF {
			r.fail(nil, "start from examples/mobile-cnn/space.yaml", "the file is empty")
			return nil
		}
		line, text := yamlLine(err)
		r.fail(&yaml.Node{Line: line}, "", "not YAML: %s", text)
		return nil
	}
	var more yaml.Node
	if err := dec.Decode(&more); err != io.EOF {
		r.fail(&more, "one space a file", "a second YAML document")
		return nil
	}
	if !r.plain(&doc) {
		return nil
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		r.fail(root, "start from examples/mobile-cnn/space.yaml", "not a mapping of fields")
		return nil
	}
	return root
}

// yamlLine takes the line out of yaml.v3's "yaml: line 3: text".
func yamlLine(err error) (int, string) {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(text, "line "); ok {
		if num, msg, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(num); err == nil {
				return line, msg
			}
		}
	}
	return 1, text
}

// plain refuses aliases, anchors and tags: they hide what a file says and make
// small files large.
func (r *reader) plain(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		r.fail(n, "write the value out", "anchors and aliases are not part of this format")
		return false
	}
	if n.Style&yaml.TaggedStyle != 0 {
		r.fail(n, "leave the tag out", "tags (%s) are not part of this format", n.Tag)
		return false
	}
	for _, c := range n.Content {
		if !r.plain(c) {
			return false
		}
	}
	return true
}

// fields hands the value of every known field of mapping n to its function.
// Unknown and duplicate fields are problems; required ones that are missing too.
func (r *reader) fields(n *yaml.Node, what string, known map[string]func(*yaml.Node), required ...string) {
	if n.Kind != yaml.MappingNode {
		r.fail(n, "", "%s is not a mapping of fields", what)
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if line, ok := seen[k.Value]; ok {
			r.fail(k, "", "%s: field %q is duplicate, first on line %d", what, clip(k.Value), line)
			continue
		}
		seen[k.Value] = k.Line
		f, ok := known[k.Value]
		if !ok || k.Kind != yaml.ScalarNode {
			names := make([]string, 0, len(known))
			for name := range known {
				names = append(names, name)
			}
			slices.Sort(names)
			r.fail(k, "known fields of "+what+": "+strings.Join(names, ", "), "%s: unknown field %q", what, clip(k.Value))
			continue
		}
		f(v)
	}
	for _, name := range required {
		if _, ok := seen[name]; !ok {
			r.fail(n, "", "%s: field %q is missing", what, name)
		}
	}
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

func (r *reader) str(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.fail(n, "", "%s is not a text", what)
		return ""
	}
	return n.Value
}

// name reads a text that isChoice accepts.
func (r *reader) name(n *yaml.Node, what string) string {
	s := r.str(n, what)
	if s != "" && !isChoice(s) {
		r.fail(n, "use letters, digits, '.', '_' and '-', at most 64", "%s %q is not a name", what, clip(s))
		return ""
	}
	return s
}

func (r *reader) oneOf(n *yaml.Node, what string, values ...string) string {
	s := r.str(n, what)
	if s != "" && !slices.Contains(values, s) {
		r.fail(n, "", "%s %q is none of %s", what, clip(s), strings.Join(values, ", "))
		return ""
	}
	return s
}

// num reads a whole number of [lo, hi]; on a problem it returns lo.
func (r *reader) num(n *yaml.Node, what string, lo, hi int) int {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!int" {
		if v, err := strconv.Atoi(n.Value); err == nil {
			if v < lo || v > hi {
				r.fail(n, "", "%s %d is outside %d to %d", what, v, lo, hi)
				return lo
			}
			return v
		}
	}
	r.fail(n, "", "%s %q is not a whole number", what, clip(n.Value))
	return lo
}

// real reads a number of [lo, hi]; on a problem it returns hi.
func (r *reader) real(n *yaml.Node, what string, lo, hi float64) float64 {
	if n.Kind == yaml.ScalarNode && (n.Tag == "!!int" || n.Tag == "!!float") {
		if v, err := strconv.ParseFloat(n.Value, 64); err == nil {
			if !(v >= lo && v <= hi) { // NaN fails too
				r.fail(n, "", "%s %s is outside %g to %g", what, n.Value, lo, hi)
				return hi
			}
			return v
		}
	}
	r.fail(n, "", "%s %q is not a number", what, clip(n.Value))
	return hi
}

// list hands every element of a sequence with lo to hi elements to f.
func (r *reader) list(n *yaml.Node, what string, lo, hi int, f func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode {
		r.fail(n, "", "%s is not a list", what)
		return
	}
	if len(n.Content) < lo || len(n.Content) > hi {
		r.fail(n, "", "%s has %d entries, not %d to %d", what, len(n.Content), lo, hi)
		return
	}
	for _, c := range n.Content {
		f(c)
	}
}

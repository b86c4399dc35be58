package docstest

import (
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// tracked are the repository's files, as slash-separated paths from its root. Files that
// git does not know yet count, files that it ignores do not.
func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	var names []string
	for _, name := range strings.Split(strings.TrimRight(string(out), "\x00"), "\x00") {
		if _, err := os.Lstat(filepath.Join(root, name)); err == nil {
			names = append(names, name)
		}
	}
	if len(names) < 100 {
		t.Fatalf("git knows only %d files", len(names))
	}
	return names
}

// exists reports whether a path from the root of the repository is one of the files, or
// a folder of them. The empty path is the root.
func exists(files []string, name string) bool {
	return name == "." || slices.ContainsFunc(files, func(f string) bool { return f == name || strings.HasPrefix(f, name+"/") })
}

var (
	inlineCode   = regexp.MustCompile("`[^`]*`")
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	notInSlug    = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
)

// prose is a Markdown text without its code: fenced and indented blocks are dropped.
func prose(markdown string) []string {
	var lines []string
	fenced, blank := false, true
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(strings.TrimSpace(line), "```"):
			fenced = !fenced
		case fenced, blank && strings.HasPrefix(line, "    "):
			continue
		}
		lines = append(lines, line)
		blank = line == ""
	}
	return lines
}

// fragments are the anchors that GitHub gives the headings of a Markdown text.
func fragments(markdown string) map[string]bool {
	found := map[string]bool{}
	for _, line := range prose(markdown) {
		title := strings.TrimLeft(line, "#")
		if title == line || !strings.HasPrefix(title, " ") {
			continue
		}
		title = markdownLink.ReplaceAllString(title, "]")
		slug := strings.Map(unicode.ToLower, notInSlug.ReplaceAllString(strings.TrimSpace(title), ""))
		found[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return found
}

// Every relative link of every Markdown file leads to a file of the repository, and
// where it names a heading to that heading.
func TestLinksLeadSomewhere(t *testing.T) {
	files := tracked(t)
	read := map[string]string{}
	for _, name := range files {
		if strings.HasSuffix(name, ".md") {
			text, err := os.ReadFile(filepath.Join(root, name))
			if err != nil {
				t.Fatal(err)
			}
			read[name] = string(text)
		}
	}
	links := 0
	for name, text := range read {
		for _, line := range prose(text) {
			for _, m := range markdownLink.FindAllStringSubmatch(inlineCode.ReplaceAllString(line, ""), -1) {
				if strings.Contains(m[1], "://") {
					continue
				}
				links++
				file, anchor, _ := strings.Cut(m[1], "#")
				target := name
				if file != "" {
					target = path.Join(path.Dir(name), file)
				}
				if !exists(files, target) {
					t.Errorf("%s links to %s: no such file", name, m[1])
				} else if anchor != "" && !fragments(read[target])[anchor] {
					t.Errorf("%s links to %s: %s has no such heading", name, m[1], target)
				}
			}
		}
	}
	if links < 50 {
		t.Errorf("only %d links were found", links)
	}
}

var (
	testCommand  = regexp.MustCompile("go test [^`\n]*")
	testSelector = regexp.MustCompile(`-(run|bench) '?\^?(\w+)`)
	testFunction = regexp.MustCompile(`(?m)^func (Test|Fuzz|Benchmark)(\w+)\(`)
)

// A test that a document names is there: the package, and in it what -run and -bench select.
func TestNamedTestsExist(t *testing.T) {
	commands := 0
	for _, name := range tracked(t) {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, command := range testCommand.FindAllString(string(text), -1) {
			commands++
			var functions []string
			for _, word := range strings.Fields(command) {
				if !strings.HasPrefix(word, "./") || word == "./PKG" {
					continue
				}
				files, err := filepath.Glob(filepath.Join(root, word, "*_test.go"))
				if err != nil {
					t.Fatal(err)
				}
				if len(files) == 0 {
					t.Errorf("%s says %q: %s has no tests", name, command, word)
				}
				for _, file := range files {
					code, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					for _, m := range testFunction.FindAllStringSubmatch(string(code), -1) {
						functions = append(functions, m[1]+m[2])
					}
				}
			}
			for _, m := range testSelector.FindAllStringSubmatch(command, -1) {
				if m[2] == "xx" { // -run xx: benchmarks alone
					continue
				}
				if !slices.ContainsFunc(functions, func(f string) bool {
					return strings.HasPrefix(f, "Benchmark") == (m[1] == "bench") && strings.Contains(f, m[2])
				}) {
					t.Errorf("%s says %q: nothing is called %s", name, command, m[2])
				}
			}
		}
	}
	if commands < 10 {
		t.Errorf("only %d commands were found", commands)
	}
}

var (
	namedDocument = regexp.MustCompile(`\bdocs/[A-Za-z0-9_/.-]+\.md\b`)
	namedDecision = regexp.MustCompile(`\bdecisions? ((?:\d{4}(?:, | and )?)+)`)
	fourDigits    = regexp.MustCompile(`\d{4}`)
)

// elsewhere is a reference to a document that no reader of the repository has: a design
// page or an issue by number.
var elsewhere = regexp.MustCompile(`(?i)\b(?:design[: ]\s*\d|issue \d|the design(?:'s|\s+knows|\s+asks|\s+says)|(?:is|are) the design's)`)

// No sentence refers to a document that is not in the repository.
func TestNoDocumentFromElsewhere(t *testing.T) {
	for _, name := range tracked(t) {
		switch path.Ext(name) {
		case ".go", ".md", ".sh", ".py", ".yaml":
		default:
			continue
		}
		if strings.HasPrefix(name, "internal/docstest/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for i, line := range strings.Split(string(text), "\n") {
			if m := elsewhere.FindString(line); m != "" {
				t.Errorf("%s:%d refers to %q, which no reader has: say what it says", name, i+1, m)
			}
		}
	}
}

// namedPath is a file or folder that a document names in code quotes.
var namedPath = regexp.MustCompile("`((?:agent|benchmarks|record|lut|costgen|search|report|cmd|internal|scripts|examples|testdata|docs)/[A-Za-z0-9_./*-]*[A-Za-z0-9_*])[/`]")

// A file or folder that a document names is there.
func TestNamedPathsExist(t *testing.T) {
	files := tracked(t)
	named := 0
	for _, name := range files {
		if !strings.HasSuffix(name, ".md") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range namedPath.FindAllStringSubmatch(string(text), -1) {
			named++
			found, err := filepath.Glob(filepath.Join(root, m[1]))
			if err != nil {
				t.Fatal(err)
			}
			// examples of commands name files that the command makes
			if len(found) == 0 && !strings.HasSuffix(m[1], ".jsonl") {
				t.Errorf("%s names %s: no such file", name, m[1])
			}
		}
	}
	if named < 30 {
		t.Errorf("only %d paths were found", named)
	}
}

// A document or a decision that a sentence names – in code, in a script, in a document –
// is in the repository.
func TestNamedDocumentsExist(t *testing.T) {
	files := tracked(t)
	decided := map[string]bool{}
	decisions, err := fs.Glob(os.DirFS(root), "docs/decisions/[0-9]*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range decisions {
		decided[path.Base(d)[:4]] = true
	}
	for _, name := range files {
		switch path.Ext(name) {
		case ".go", ".md", ".sh", ".py", ".yaml", ".c", ".h", ".txt", "":
		default:
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range namedDocument.FindAllString(string(text), -1) {
			if !exists(files, doc) && !strings.HasSuffix(doc, "/PAGE.md") && !strings.Contains(string(text), "onnxruntime/"+doc) {
				t.Errorf("%s names %s, which is not in the repository", name, doc)
			}
		}
		for _, m := range namedDecision.FindAllStringSubmatch(string(text), -1) {
			for _, n := range fourDigits.FindAllString(m[1], -1) {
				if !decided[n] {
					t.Errorf("%s names decision %s, which is not in docs/decisions", name, n)
				}
			}
		}
	}
}

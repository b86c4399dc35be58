package docstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every page of docs/results says which command repeats it and what it was measured on.
func TestResultsSayHowTheyWereMeasured(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs", "results", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 10 {
		t.Fatalf("docs/results has only %d pages", len(pages))
	}
	for _, page := range pages {
		if filepath.Base(page) == "README.md" {
			continue
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		if len(lines) < 6 {
			t.Errorf("%s has only %d lines", page, len(lines))
			continue
		}
		for i, want := range []string{"# ", "", "- Command: ", "- Measured on: ", ""} {
			if got := lines[i]; !strings.HasPrefix(got, want) || want == "" && got != "" || want != "" && len(got) == len(want) {
				t.Errorf("%s:%d: want a line %q followed by its text, got %q", page, i+1, want, got)
			}
		}
	}
}

// The list of pages is the one that scripts/studies/results.sh makes of them.
func TestResultsIndexIsCurrent(t *testing.T) {
	index := filepath.Join(root, "docs", "results", "README.md")
	before, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir() // the script writes below the checkout it lies in: a copy
	for _, part := range []string{"docs/results", "scripts/studies"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(root, part))); err != nil {
			t.Fatal(err)
		}
	}
	if out, err := exec.Command("bash", filepath.Join(dir, "scripts", "studies", "results.sh"), "index").CombinedOutput(); err != nil {
		t.Fatalf("results.sh index: %v\n%s", err, out)
	}
	after, err := os.ReadFile(filepath.Join(dir, "docs", "results", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Errorf("%s is old; run scripts/studies/results.sh index", index)
	}
}

// A study's text becomes a page with its command and the machine; text without a title is refused
// and nothing is written.
func TestResultsPage(t *testing.T) {
	dir := t.TempDir()
	for _, part := range []string{"docs/results", "scripts/studies"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(root, part))); err != nil {
			t.Fatal(err)
		}
	}
	on := "a machine of the test"
	write := func(text string) (string, error) {
		cmd := exec.Command("bash", filepath.Join(dir, "scripts", "studies", "results.sh"), "new", "make new")
		cmd.Env = append(os.Environ(), "MEASURED_ON="+on)
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	page := filepath.Join(dir, "docs", "results", "new.md")
	if out, err := write("no title\n"); err == nil {
		t.Errorf("a text without a title was accepted: %s", out)
	}
	if _, err := os.Stat(page); err == nil {
		t.Error("a refused text left a page behind")
	}
	if out, err := write("# New study\n\nIts text.\n"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if want := "# New study\n\n- Command: `make new`\n- Measured on: a machine of the test\n\nIts text.\n"; string(got) != want {
		t.Errorf("the page is %q, want %q", got, want)
	}
	index, err := os.ReadFile(filepath.Join(dir, "docs", "results", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(index), "| [New study](new.md) | `make new` |\n") {
		t.Errorf("the index lacks the new page:\n%s", index)
	}
	on = "" // this machine, whose kernel and hypervisor the page names
	if out, err := write("# New study\n\nIts text.\n"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if got, err = os.ReadFile(page); err != nil {
		t.Fatal(err)
	}
	kernel, err := exec.Command("uname", "-r").Output()
	if err != nil {
		t.Fatal(err)
	}
	measured := regexp.MustCompile(`(?m)^- Measured on: .* cores, \S+ ` + regexp.QuoteMeta(strings.TrimSpace(string(kernel))) +
		` \S+, (virtual machine \(.+\)|no hypervisor|hypervisor not known( \(.+\))?), \d{4}-\d\d-\d\d$`)
	if !measured.Match(got) {
		t.Errorf("the page does not say which kernel and hypervisor: %q", got)
	}
}

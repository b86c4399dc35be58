package docstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var tableRow = regexp.MustCompile(`(?m)^\| (.*?) \|`)

// The table of packages in docs/architecture.md names every package of the module once
// and no other. A package of commands has the row of its folder, cmd.
func TestArchitectureNamesEveryPackage(t *testing.T) {
	const page = "docs/architecture.md"
	text, err := os.ReadFile(filepath.Join(root, page))
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "\n## Packages\n")
	if !ok {
		t.Fatalf("%s has no section Packages", page)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]bool{}
	for _, row := range tableRow.FindAllStringSubmatch(section, -1) {
		for _, m := range inlineCode.FindAllString(row[1], -1) {
			name := strings.Trim(m, "`")
			if rows[name] {
				t.Errorf("%s has two rows for %s", page, name)
			}
			rows[name] = true
		}
	}
	// Packages of every platform and tag: a folder with a Go file is one.
	cmd := exec.Command("go", "list", "-e", "-tags", "tensorflow", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		name := strings.TrimPrefix(strings.TrimSpace(line), "github.com/isocost/isocost/")
		if strings.HasPrefix(name, "cmd/") {
			name = "cmd"
		}
		seen[name] = true
		if !rows[name] {
			t.Errorf("%s has no row for the package %s: say there what it is", page, name)
		}
	}
	if len(seen) < 40 {
		t.Fatalf("go list names only %d packages", len(seen))
	}
	for name := range rows {
		if !seen[name] {
			t.Errorf("%s has a row for %s, which is not a package", page, name)
		}
	}
}

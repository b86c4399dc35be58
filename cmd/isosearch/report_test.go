package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/cli"
)

// TestReportReplacesNoPartOfARun: of a single run or of one of several anchors.
func TestReportReplacesNoPartOfARun(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"certificate.json", "anchor-0/space.yaml"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("evidence"), 0o644); err != nil {
			t.Fatal(err)
		}
		var out, talk bytes.Buffer
		code := program().Run(t.Context(), []string{"report", dir, "-o", path}, cli.Env{Stdout: &out, Stderr: &talk, Getenv: os.Getenv})
		if code != cli.ExitUsage || !strings.Contains(talk.String(), "would replace what is read") {
			t.Errorf("-o %s: exit code %d, %s", name, code, talk.String())
		}
		if got, _ := os.ReadFile(path); string(got) != "evidence" {
			t.Errorf("%s holds %q", name, got)
		}
	}
	if files := filesOf([]string{dir}); len(files) != 2 {
		t.Errorf("%v", files)
	}
	if err := os.WriteFile(filepath.Join(dir, "report.html"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if files := filesOf([]string{dir}); len(files) != 2 {
		t.Errorf("a page may not be drawn again: %v", files)
	}
}

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// No output replaces what the command reads.
func TestOutputsReplaceNoInputs(t *testing.T) {
	dir := t.TempDir()
	table := tabular(t, dir)
	before, err := os.ReadFile(table)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"run", "--space", table, "--lut", "space:us", "--evaluator", "table:" + table + ",noise=gaussian", "-o", filepath.Join(dir, "run"), "--report", table},
		{"price", "--space", table, "--lut", "space:us", "--tensor", table},
	} {
		if code, _, stderr := isosearch(args...); code != 2 || !strings.Contains(stderr, "would replace what is read") {
			t.Errorf("%s: exit code %d\n%s", args[0], code, stderr)
		}
	}
	if after, err := os.ReadFile(table); err != nil || string(after) != string(before) {
		t.Errorf("the table is changed, %v", err)
	}
}

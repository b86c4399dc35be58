package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/cli"
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

// ending is a context that ends after it was asked so often: in the middle of the work,
// however fast that is.
type ending struct {
	context.Context
	left int
}

func (e *ending) Err() error {
	if e.left--; e.left < 0 {
		return context.Canceled
	}
	return nil
}

// A search that goes on ends with the signal while it repeats what its journal holds, too.
func TestReplayIsInterrupted(t *testing.T) {
	dir := t.TempDir()
	table := tabular(t, dir)
	args := []string{"run", "--space", table, "--lut", "space:us", "--evaluator", "table:" + table + ",noise=gaussian", "--epsilon", "0.01", "--explore", "none", "-o", filepath.Join(dir, "run")}
	if code, _, stderr := isosearch(args...); code != cli.ExitOK {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	ctx := &ending{Context: t.Context(), left: 5}
	var out, talk bytes.Buffer
	if code := program().Run(ctx, args, cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, Getenv: os.Getenv}); code != cli.ExitInterrupted {
		t.Errorf("exit code %d\n%s", code, &talk)
	}
}

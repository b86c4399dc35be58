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

// An interrupted compilation fails, and the table that was there stays.
func TestCompileThatIsInterruptedWritesNothing(t *testing.T) {
	dir := t.TempDir()
	records, table := filepath.Join(dir, "rec.jsonl"), filepath.Join(dir, "device.lut.json")
	for path, data := range map[string][]byte{records: campaign(70), table: []byte("the table before")} {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, talk bytes.Buffer
	if code := program().Run(ctx, []string{"compile", records, "-o", table}, cli.Env{Stdin: strings.NewReader(""), Stdout: &out, Stderr: &talk, Getenv: os.Getenv}); code == 0 {
		t.Errorf("it ended with 0: %s", &talk)
	}
	if got, err := os.ReadFile(table); err != nil || string(got) != "the table before" {
		t.Errorf("the table is now %q, %v", got, err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 2 {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

package record

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Reading ends with its context.
func TestReadEndsWithItsContext(t *testing.T) {
	path := filepath.Join(t.TempDir(), "rec.jsonl")
	if err := os.WriteFile(path, []byte("not read\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadContext(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("failed by %v", err)
	}
}

package filehash

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestSHA256OfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "abc")
	if err := os.WriteFile(path, []byte("abc"), 0o666); err != nil {
		t.Fatal(err)
	}
	// FIPS 180-2, appendix B.1
	if got, err := SHA256(t.Context(), path); err != nil || got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
		t.Errorf("%s, %v", got, err)
	}
	for _, bad := range []string{filepath.Join(path, "x"), filepath.Dir(path)} {
		if got, err := SHA256(t.Context(), bad); err == nil {
			t.Errorf("%s: %s, want an error", bad, got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := SHA256(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %s, %v", got, err)
	}
}

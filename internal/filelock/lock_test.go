package filelock

import (
	"path/filepath"
	"runtime"
	"testing"
)

func TestLockKeepsOthersOut(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no flock here")
	}
	path := filepath.Join(t.TempDir(), "log")
	first, err := Lock(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(path); err == nil {
		t.Fatal("locked twice")
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Lock(path)
	if err != nil {
		t.Fatalf("the lock outlives its owner: %v", err)
	}
	again.Close()
}

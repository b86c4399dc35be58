package main

import (
	"os"
	"path/filepath"
	"testing"
)

// adbd gives its shell HOME=/, which the shell user may not write: the journal of
// the clocks then lies beside the agent, in the folder that was pushed.
func TestClockJournalWhereHomeIsNotTheUsers(t *testing.T) {
	beside := t.TempDir()
	file := filepath.Join(t.TempDir(), "file") // no folder can be made below it, root or not
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	for _, c := range []struct{ goos, cache, want string }{
		{"linux", filepath.Join(home, ".cache"), filepath.Join(home, ".cache", "isocost", "clocks.json")},
		{"linux", file, filepath.Join(beside, "clocks.json")},
		{"android", filepath.Join(home, ".cache"), filepath.Join(beside, "clocks.json")},
	} {
		t.Setenv("XDG_CACHE_HOME", c.cache)
		if got := clockJournal(c.goos, beside); got != c.want {
			t.Errorf("%s, cache folder %s: %s, want %s", c.goos, c.cache, got, c.want)
		}
	}
}

//go:build unix

package atomicfile

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestModesOfExistingFilesAreKept: a new file obeys the umask, one that is replaced keeps its mode.
func TestModesOfExistingFilesAreKept(t *testing.T) {
	dir := t.TempDir()
	mode := func(name string) os.FileMode {
		t.Helper()
		at, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return at.Mode().Perm()
	}
	for umask, want := range map[int]os.FileMode{0o022: 0o644, 0o077: 0o600, 0o002: 0o644} {
		before := unix.Umask(umask)
		path := filepath.Join(dir, "new")
		err := Write(path, []byte("x"), 0o644)
		unix.Umask(before)
		if err != nil {
			t.Fatal(err)
		}
		if got := mode("new"); got != want {
			t.Errorf("umask %03o: mode %03o, want %03o", umask, got, want)
		}
		os.Remove(path)
	}
	for _, want := range []os.FileMode{0o600, 0o666, 0o440} {
		path := filepath.Join(dir, "old")
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, want); err != nil {
			t.Fatal(err)
		}
		if err := Write(path, []byte("x"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := mode("old"); got != want {
			t.Errorf("a file of mode %03o has %03o after it", want, got)
		}
		os.Remove(path)
	}
}

// TestTemporaryNameIsTaken: what somebody put under the temporary name is neither written
// to nor removed.
func TestTemporaryNameIsTaken(t *testing.T) {
	for name, put := range map[string]func(victim, tmp string) error{
		"hard link": os.Link,
		"symlink":   os.Symlink,
		"pipe":      func(_, tmp string) error { return unix.Mkfifo(tmp, 0o600) },
		"folder":    func(_, tmp string) error { return os.Mkdir(tmp, 0o700) },
		"another user's": func(_, tmp string) error {
			if os.Geteuid() != 0 {
				t.Log("another user's file needs root: left out")
				return nil
			}
			if err := os.WriteFile(tmp, []byte("theirs"), 0o666); err != nil {
				return err
			}
			return os.Chown(tmp, 12345, 12345)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			victim, path, tmp := filepath.Join(dir, "victim"), filepath.Join(dir, "f"), filepath.Join(dir, ".f.tmp")
			if err := os.WriteFile(victim, []byte("precious"), 0o644); err != nil {
				t.Fatal(err)
			}
			if err := put(victim, tmp); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(tmp)
			if err := Write(path, []byte("new"), 0o644); err != nil {
				t.Fatal(err)
			}
			if got, _ := os.ReadFile(path); string(got) != "new" {
				t.Errorf("the file holds %q", got)
			}
			if got, _ := os.ReadFile(victim); string(got) != "precious" {
				t.Errorf("the victim holds %q", got)
			}
			if after, _ := os.Lstat(tmp); before != nil && (after == nil || !os.SameFile(before, after)) {
				t.Error("what was there is gone")
			}
			if got, _ := filepath.Glob(filepath.Join(dir, ".f.tmp-*")); len(got) > 0 {
				t.Errorf("left behind: %v", got)
			}
		})
	}
}

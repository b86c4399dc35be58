package atomicfile

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteReplacesWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "f")
	for _, want := range []string{"first", "second"} {
		if err := Write(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Fatalf("read %q, %v; want %q", got, err, want)
		}
	}
	entries, _ := os.ReadDir(filepath.Dir(path))
	if len(entries) != 1 {
		t.Errorf("left behind: %v", entries)
	}
}

func TestWriteKeepsLinksAndPipes(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "f"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Skip(err)
	}
	if err := Write(link, []byte("new"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(file); string(got) != "new" {
		t.Errorf("behind the link stands %q", got)
	}
	if at, err := os.Lstat(link); err != nil || at.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", at, err)
	}
	null := filepath.Join(dir, "null")
	if err := os.Symlink(os.DevNull, null); err != nil {
		t.Fatal(err)
	}
	if err := Write(null, []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	if at, err := os.Stat(null); err != nil || at.Mode().IsRegular() {
		t.Errorf("the device became %v, %v", at, err)
	}
}

func TestLogCutsTornLine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("a\nb\nhalf"), 0o644); err != nil {
		t.Fatal(err)
	}
	l, whole, torn, err := OpenLog(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(whole) != "a\nb\n" || string(torn) != "half" {
		t.Errorf("whole %q, torn %q", whole, torn)
	}
	if err := l.Append([]byte("c")); err != nil {
		t.Fatal(err)
	}
	if err := l.Append([]byte("d\ne")); err == nil {
		t.Error("a line with a newline was accepted")
	}
	l.Close()
	got, _ := os.ReadFile(path)
	if string(got) != "a\nb\nc\n" {
		t.Errorf("file holds %q", got)
	}
}

package sysfs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestValuesAreParsed(t *testing.T) {
	f, err := Open(tree(t, map[string]string{
		"sys/a": "42\n", "sys/neg": "-256000\n", "sys/hex": "0x51000000\n",
		"sys/model": "Raspberry Pi 5\x00", "sys/word": "performance\n",
	}))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int64{"sys/a": 42, "sys/neg": -256000, "sys/hex": 0x51000000} {
		if got, err := f.Int(name); err != nil || got != want {
			t.Errorf("Int(%s) = %d, %v; want %d", name, got, err, want)
		}
	}
	if s, _ := f.String("sys/model"); s != "Raspberry Pi 5" {
		t.Errorf("device-tree string %q keeps its NUL", s)
	}
	if _, err := f.Uint("sys/neg"); err == nil {
		t.Error("Uint accepted a negative number")
	}
	if _, err := f.Int("sys/word"); err == nil || !strings.Contains(err.Error(), "sys/word") {
		t.Errorf("error of a word read as a number does not name the file: %v", err)
	}
}

func TestReproducesErrors(t *testing.T) {
	root := tree(t, map[string]string{
		"sys/slow": "7\n", "sys/never": "7\n",
		ErrorsFile: "# captured\nEACCES /sys/secret\nEAGAIN*2 sys/slow\nEAGAIN sys/never\n",
	})
	f, err := Open(root)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := f.Int("sys/slow"); err != nil || v != 7 {
		t.Errorf("a file that answers EAGAIN twice: %d, %v; want 7", v, err)
	}
	if _, err := f.Int("sys/never"); !errors.Is(err, syscall.EAGAIN) {
		t.Errorf("want EAGAIN in the end, got %v", err)
	}
	if _, err := f.Int("sys/secret"); !errors.Is(err, os.ErrPermission) {
		t.Errorf("want permission denied, got %v", err)
	}
	if !f.Exists("sys/secret") || !slices.Contains(f.Glob("sys/s*"), "sys/secret") {
		t.Error("an unreadable file does exist")
	}
	for _, bad := range []string{"EWHAT sys/a\n", "EIO\n", "EAGAIN*0 sys/a\n"} {
		os.WriteFile(filepath.Join(root, ErrorsFile), []byte(bad), 0o644)
		if _, err := Open(root); err == nil || !strings.Contains(err.Error(), "ERRORS:1:") {
			t.Errorf("%q: error %v, want one with file:line", bad, err)
		}
	}
}

func TestGlobIsNatural(t *testing.T) {
	f, _ := Open(tree(t, map[string]string{"c/cpu10/x": "", "c/cpu2/x": "", "c/cpu1/x": ""}))
	want := []string{"c/cpu1", "c/cpu2", "c/cpu10"}
	if got := f.Glob("c/cpu[0-9]*"); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestOpenRefusesAFile(t *testing.T) {
	if _, err := Open(filepath.Join(tree(t, map[string]string{"f": ""}), "f")); err == nil {
		t.Error("a file was accepted as a root")
	}
}

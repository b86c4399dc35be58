package golden

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// heard is a test that notes what it is told instead of failing.
type heard struct {
	testing.TB
	said string
}

func (h *heard) Helper()                           {}
func (h *heard) Errorf(format string, args ...any) { h.said += fmt.Sprintf(format, args...) }

// fatal ends a test that was told to stop.
type fatal string

func (h *heard) Fatalf(format string, args ...any) { panic(fatal(fmt.Sprintf(format, args...))) }

// compare returns what File reports about the content of a file.
func compare(t *testing.T, path, got string) (said string) {
	t.Helper()
	h := &heard{TB: t}
	defer func() {
		if f, ok := recover().(fatal); ok {
			said = string(f)
		}
	}()
	File(h, path, []byte(got))
	return h.said
}

func TestGoldenFilesAreComparedAndRewritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "want.txt")
	if said := compare(t, path, "a\n"); !strings.Contains(said, "-update writes it") {
		t.Errorf("a file that does not exist: %q", said)
	}

	*update = true
	t.Cleanup(func() { *update = false })
	if !Update() {
		t.Error("Update does not report the flag")
	}
	if said := compare(t, path, "a\nb\nc\n"); said != "" {
		t.Errorf("with -update: %s", said)
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "a\nb\nc\n" {
		t.Errorf("with -update the file holds %q, %v", data, err)
	}

	*update = false
	if said := compare(t, path, "a\nb\nc\n"); said != "" {
		t.Errorf("the same content: %s", said)
	}
	for got, line := range map[string]string{"a\nB\nc\n": ":2 differs", "a\nb\n": ":3 differs", "a\nb\nc\nd\n": ":4 differs"} {
		if said := compare(t, path, got); !strings.Contains(said, path+line) {
			t.Errorf("%q: want %q in %q", got, line, said)
		}
	}
	if data, _ := os.ReadFile(path); string(data) != "a\nb\nc\n" {
		t.Errorf("without -update the file was changed: %q", data)
	}
}

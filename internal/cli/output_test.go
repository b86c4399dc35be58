package cli

import (
	"os"
	"path/filepath"
	"testing"
)

func TestNewOutputKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	in := file("in", "x")
	rec := file("rec", `{"format":"isocost/records/v1","agent":"x"}`+"\n")
	table := file("table", `{"format":"isocost/lut/v1",`+"\n")
	link := filepath.Join(dir, "link")
	if err := os.Symlink(in, link); err != nil {
		t.Skip(err)
	}
	for _, path := range []string{in, link, filepath.Join(dir, ".", "in"), rec} {
		if err := NewOutput("-o", path, "absent", in); err == nil {
			t.Errorf("%s may be replaced", path)
		}
	}
	for _, path := range []string{table, filepath.Join(dir, "new"), "", "-", os.DevNull} {
		if err := NewOutput("-o", path, "absent", in); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

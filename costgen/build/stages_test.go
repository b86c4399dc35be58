package build

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/hint"
)

func TestStagesOnFile(t *testing.T) {
	f := &folder{dir: t.TempDir()}
	if err := f.keep([]Progress{{Spent: 60, Kernels: 10, Error: math.NaN()}, {Spent: 120, Kernels: 30, Chains: 4, Error: 0.2, Priced: 0.9}}); err != nil {
		t.Fatal(err)
	}
	got, err := Stages(f.dir)
	if err != nil || len(got) != 2 || !math.IsNaN(got[0].Error) || got[1] != (Progress{Campaign: 2, Campaigns: 2, Spent: 120, Kernels: 30, Chains: 4, Error: 0.2, Priced: 0.9}) {
		t.Errorf("read back as %+v, %v", got, err)
	}
	path := filepath.Join(f.dir, "stages.json")
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string]string{
		"cut":       string(text[:len(text)/2]),
		"empty":     "",
		"version":   strings.Replace(string(text), "stages/v1", "stages/v9", 1),
		"negative":  strings.Replace(string(text), `"kernels": 30`, `"kernels": -30`, 1),
		"a share":   strings.Replace(string(text), `"priced": 0.9`, `"priced": 9`, 1),
		"a new one": strings.Replace(string(text), `"chains": 4`, `"colour": 4`, 1),
	} {
		if err := os.WriteFile(path, []byte(bad), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Stages(f.dir); err == nil || !strings.Contains(err.Error(), "stages.json") || hint.Of(err) == "" {
			t.Errorf("%s: %v, hint %q", what, err, hint.Of(err))
		}
	}
	if _, err := Stages(t.TempDir()); err == nil || !strings.Contains(hint.Of(err), "costgen build") {
		t.Errorf("another folder: %v", err)
	}
}

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks/modulespace"
	"github.com/isocost/isocost/search/space"
)

// Any architecture of a space becomes a model: of modules, the one a run would keep as
// its best.onnx.
func TestExport(t *testing.T) {
	dir := t.TempDir()
	if err := modulespace.Example().Write(dir); err != nil {
		t.Fatal(err)
	}
	modules := filepath.Join(dir, "space.yaml")
	key := "plain:1:int8|skip:2:fp32|inverted:3:fp32|inverted:4:int8"
	out := filepath.Join(dir, "net.onnx")
	if code, said, stderr := isosearch("export", "--space", modules, "-o", out, key); code != 0 || said != key+"\n" {
		t.Fatalf("exit code %d, %q, %s", code, said, stderr)
	}
	sp, err := space.OpenModules(modules)
	if err != nil {
		t.Fatal(err)
	}
	a, err := space.ParseArch(key)
	if err != nil {
		t.Fatal(err)
	}
	want, err := sp.Model(a)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes (%v), the run's best.onnx would be %d", len(got), err, len(want))
	}
	table := tabular(t, dir)
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"drawn weights", []string{"--space", tinyTwo, "-o", out}, 0, ""},
		{"and as .tflite", []string{"--space", tinyTwo, "-o", filepath.Join(dir, "net.tflite")}, 0, ""},
		{"modules without such forms", []string{"--space", modules, "-o", filepath.Join(dir, "net2.tflite")}, 1, "it has no .tflite form"},
		{"another space's", []string{"--space", modules, "-o", out, "plain:1:int8|skip:fp32"}, 1, "has 2 layers"},
		{"no networks", []string{"--space", table, "-o", out}, 2, "not a space of networks"},
		{"its own module", []string{"--space", modules, "-o", filepath.Join(dir, sp.Files()[0])}, 2, "would replace what is read"},
		{"no format", []string{"--space", modules, "-o", filepath.Join(dir, "net")}, 2, "ends in .onnx or .tflite"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if code, _, stderr := isosearch(append([]string{"export"}, c.args...)...); code != c.code || !strings.Contains(stderr, c.want) {
				t.Errorf("exit code %d, want %d with %q:\n%s", code, c.code, c.want, stderr)
			}
		})
	}
	if _, err := os.Stat(filepath.Join(dir, "net2.tflite")); err == nil {
		t.Error("a model that could not be written is there")
	}
}

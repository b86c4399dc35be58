package docstest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks/modulespace"
	"github.com/isocost/isocost/benchmarks/onnxmodule"
	"github.com/isocost/isocost/internal/nativelib"
)

// A space of modules is planned, measured on ONNX Runtime, compiled, priced and searched,
// and the final network is one ONNX model of its modules.
func TestASpaceOfModulesFromPlanToModel(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of measuring on ONNX Runtime")
	}
	bin(t)
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	if err := modulespace.Example().Write(filepath.Join(dir, "space")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(root, "examples"))); err != nil {
		t.Fatal(err)
	}
	// Utilities that are all noise: the final is whatever it is.
	evaluator := `exec:while read l; do echo "$l" | sed "s/^{\"id\":\(\"[^\"]*\"\).*\"seed\":[0-9]*\([0-9][0-9][0-9]\).*/{\"id\":\1,\"utility\":0.\2}/"; done`
	for _, line := range []string{
		"agent plan --space space/space.yaml --calibrate 8 --audit 8 -o plan.jsonl",
		"agent bench --plan plan.jsonl --protocol examples/mobile-cnn/protocol.yaml --max-time 20s -o rec.jsonl || [ $? = 3 ]",
		"costgen compile rec.jsonl --accept preempted,noisy,drift -o modules.lut.json", // on a busy machine
		"costgen next --lut modules.lut.json --space space/space.yaml -n 3 -o more.jsonl",
		"isosearch run --space space/space.yaml --lut modules.lut.json --tau 0.2 --evaluator '" + evaluator + "' --epsilon 0.9 --budget 200 -o run || [ $? = 3 ]",
		"isosearch verify run",
		"isosearch price --space space/space.yaml --lut modules.lut.json --measure local --measure-arg=--max-time=12s -o measured run || [ $? = 3 ]",
	} {
		if code, out := shell(t, dir, line); code != 0 {
			t.Fatalf("%s\nexit code %d\n%s", line, code, out)
		} else {
			t.Logf("$ %s\n%s", line, out)
		}
	}
	data, err := os.ReadFile(filepath.Join(dir, "run", "best.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if m, err := onnxmodule.Read(data); err != nil || !slices.Equal(m.In, []int{3, 48, 48}) || !slices.Equal(m.Out, []int{10}) {
		t.Errorf("best.onnx: %+v, %v", m, err)
	}
	// The run has all of the space: without it, and with one of its files changed.
	if err := os.RemoveAll(filepath.Join(dir, "space")); err != nil {
		t.Fatal(err)
	}
	if code, out := shell(t, dir, "isosearch verify run"); code != 0 {
		t.Errorf("verified without the space's folder: exit code %d\n%s", code, out)
	}
	copies, err := filepath.Glob(filepath.Join(dir, "run", "inputs", "modules", "*.onnx"))
	if err != nil || len(copies) < 10 {
		t.Fatalf("%d modules in the run (%v)", len(copies), err)
	}
	if err := os.WriteFile(copies[0], []byte("another"), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, out := shell(t, dir, "isosearch verify run"); code != 1 || !strings.Contains(string(out), "it has been changed since") {
		t.Errorf("verified with a changed module: exit code %d\n%s", code, out)
	}
}

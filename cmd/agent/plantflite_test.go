package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/record"
)

// The kernels of models that TensorFlow's converter wrote, planned from the files, run on
// LiteRT, and so do the models beside them.
func TestPlanOfTFLiteModelsRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("measures whole models: make test")
	}
	nativelib.Require(t, "litert")
	dir := t.TempDir()
	// The plan names the models relative to itself.
	plan, out := filepath.Join(dir, "plan.jsonl"), filepath.Join(dir, "rec.jsonl")
	args := []string{"plan", "--set", "calibrate", "-o", plan}
	for _, name := range []string{"tiny.tflite", "tiny.int8.tflite"} {
		args = append(args, "--model", filepath.Join("../../benchmarks/tflitereader/testdata", name))
	}
	if code, _, talk := runAgent(t, args...); code != 0 {
		t.Fatalf("plan: exit %d: %s", code, talk)
	}
	protocol := filepath.Join(dir, "protocol.yaml")
	if err := os.WriteFile(protocol, []byte(`format: isocost/protocol/v1
model_warmup: {runs: 2, max_seconds: 0.01}
sample: {min_seconds: 0.00005, per_visit: 1, discard: 0}
stop: {interval: 0.5, noisy_above: 0.9, min_rounds: 3, min_samples: 3, max_seconds: 1}
thermal: {redo: 0}
check: {tolerance: {int8: 0.9}}
`), 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, talk := runAgent(t, "bench", "--plan", plan, "--protocol", protocol, "-o", out); code != 0 && code != 3 {
		t.Fatalf("bench: exit %d: %s", code, talk)
	}
	files, err := record.Read(out)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[role.Role]int{}
	for _, e := range files[0].Records {
		r := e.Record
		kinds[r.Kind]++
		for _, v := range r.Validity {
			// What a busy machine says of timings does not matter here.
			if v == "unsupported" || v == "numeric-mismatch" || v == "fallback" || v == "timeout" || strings.HasPrefix(string(v), "crashed") {
				t.Errorf("%s %v: %s: %s", r.Name, r.Key, v, r.Detail)
			}
		}
	}
	if kinds["e2e"] != 2 || kinds["cell"] < 60 {
		t.Errorf("measured %v, want 2 networks and the cells of some 80 kernels", kinds)
	}
}

// A model file says which runtime it wants.
func TestBenchChoosesTheRuntime(t *testing.T) {
	tier.Slow(t, "measures for seconds")
	nativelib.Require(t, "litert")
	lite, onnx := "../../benchmarks/tflitereader/testdata/tiny.tflite", "../../benchmarks/onnxreader/testdata/tiny.script.onnx"
	code, out, talk := runAgent(t, "bench", lite, "--json", "--max-time", "2s")
	if code != 0 && code != 3 || !strings.Contains(out, `"backend":"tflite"`) {
		t.Errorf("exit %d: %s %s", code, out, talk)
	}
	if code, _, talk := runAgent(t, "bench", lite, onnx); code != 2 || !strings.Contains(talk, "measure them in two calls") {
		t.Errorf("of two runtimes: exit %d: %s", code, talk)
	}
}

func TestPlanOfTFLiteRefusesSizes(t *testing.T) {
	model := "../../benchmarks/tflitereader/testdata/tiny.tflite"
	code, _, talk := runAgent(t, "plan", "--model", model, "--dim", "N=2")
	if code != 2 {
		t.Errorf("exit %d: %s", code, talk)
	}
}

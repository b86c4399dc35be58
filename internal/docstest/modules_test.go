package docstest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks/modulespace"
	"github.com/isocost/isocost/benchmarks/onnxmodule"
	"github.com/isocost/isocost/benchmarks/tflitemodule"
	"github.com/isocost/isocost/internal/nativelib"
)

// Utilities that are all noise: the final is whatever it is.
const evaluator = `exec:while read l; do echo "$l" | sed "s/^{\"id\":\(\"[^\"]*\"\).*\"seed\":[0-9]*\([0-9][0-9][0-9]\).*/{\"id\":\1,\"utility\":0.\2}/"; done`

// A space of modules is planned, measured on ONNX Runtime, compiled, priced and searched,
// and the final network is one ONNX model of its modules.
func TestASpaceOfModulesFromPlanToModel(t *testing.T) {
	if testing.Short() {
		t.Skip("ten seconds of measuring on ONNX Runtime")
	}
	bin(t)
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	if err := modulespace.Example().Write(filepath.Join(dir, "space")); err != nil {
		t.Fatal(err)
	}
	copyExamples(t, dir)
	for _, line := range []string{
		"agent plan --space space/space.yaml --calibrate 8 --audit 8 -o plan.jsonl",
		"agent bench --plan plan.jsonl --protocol examples/mobile-cnn/protocol.yaml --max-time 2m -o rec.jsonl || [ $? = 3 ]",
		"costgen compile rec.jsonl --accept preempted,noisy,drift -o modules.lut.json", // on a busy machine
		"costgen next --lut modules.lut.json --space space/space.yaml -n 3 -o more.jsonl",
		"isosearch run --space space/space.yaml --lut modules.lut.json --tau 0.2 --evaluator '" + evaluator + "' --epsilon 0.9 --budget 200 -o run || [ $? = 3 ]",
		"isosearch verify run",
		"isosearch price --space space/space.yaml --lut modules.lut.json --measure local --measure-arg=--protocol=" + fewRounds + " --measure-arg=--max-time=2m --measure-again 0s -o measured run || [ $? = 3 ]",
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

// The same on LiteRT, of modules that have .tflite forms: the final is a .tflite model, too.
// On two tables, of two runtimes here, a layer has a precision per device.
func TestASpaceOfModulesOnTwoRuntimes(t *testing.T) {
	if testing.Short() {
		t.Skip("ten seconds of measuring on ONNX Runtime and LiteRT")
	}
	bin(t)
	nativelib.Require(t, "onnxruntime")
	nativelib.Require(t, "litert")
	dir := t.TempDir()
	s := modulespace.Example()
	s.TFLite, s.Layers = true, s.Layers[2:]
	for i := range s.Layers {
		s.Layers[i].Widths = s.Layers[i].Widths[2:4]
		s.Layers[i].Choices = s.Layers[i].Choices[:1]
	}
	if err := s.Write(filepath.Join(dir, "space")); err != nil {
		t.Fatal(err)
	}
	copyExamples(t, dir)
	for _, line := range []string{
		"agent plan --space space/space.yaml --calibrate 3 --audit 2 -o space/plan.jsonl",
		"agent bench --plan space/plan.jsonl --backend tflite --protocol examples/mobile-cnn/protocol.yaml --max-time 2m -o lite.jsonl || [ $? = 3 ]",
		"agent bench --plan space/plan.jsonl --protocol examples/mobile-cnn/protocol.yaml --max-time 2m -o ort.jsonl || [ $? = 3 ]",
		"costgen compile lite.jsonl --accept preempted,noisy,drift -o lite.lut.json",
		"costgen compile ort.jsonl --accept preempted,noisy,drift -o ort.lut.json",
		"isosearch export --space space/space.yaml -o x0.tflite",
		"isosearch run --space space/space.yaml --lut lite.lut.json,ort.lut.json --precision per-device --tau 0.3 --evaluator '" + evaluator + "' --epsilon 0.9 --budget 200 -o run || [ $? = 3 ]",
		"isosearch verify run",
	} {
		if code, out := shell(t, dir, line); code != 0 {
			t.Fatalf("%s\nexit code %d\n%s", line, code, out)
		} else {
			t.Logf("$ %s\n%s", line, out)
		}
	}
	for _, name := range []string{"best-lite.onnx", "best-ort.onnx"} {
		data, err := os.ReadFile(filepath.Join(dir, "run", name))
		if err != nil {
			t.Fatal(err)
		}
		if m, err := onnxmodule.Read(data); err != nil || !slices.Equal(m.In, []int{3, 48, 48}) || !slices.Equal(m.Out, []int{10}) {
			t.Errorf("%s: %+v, %v", name, m, err)
		}
	}
	for _, path := range []string{"x0.tflite", "run/best-lite.tflite", "run/best-ort.tflite"} {
		data, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tflitemodule.Read(data, []int{3, 48, 48}, []int{10}, tflitemodule.Unsaid); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
}

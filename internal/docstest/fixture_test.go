package docstest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// fixture is the folder of exampleFiles once it is made; "" before.
var fixture string

// exampleFiles returns a folder of its own with the files that examples name: a small
// plan, records of the simulated device for the example space, tables, a finished
// search, two models.
func exampleFiles(t *testing.T) string {
	t.Helper()
	bin(t)
	nativelib.Require(t, "onnxruntime")
	if fixture == "" {
		made := filepath.Join(scratch, "fixture")
		makeExampleFiles(t, made)
		fixture = made
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(fixture)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// copyExamples copies the repository's examples to a folder. The protocol there visits each
// model a few times: whether commands work is shown by few rounds as well as by many, and
// rounds, unlike seconds, are enough on a busy machine. Its copy in fewRounds is for command
// lines that name no protocol.
func copyExamples(t *testing.T, dir string) {
	t.Helper()
	if err := os.CopyFS(filepath.Join(dir, "examples"), os.DirFS(filepath.Join(root, "examples"))); err != nil {
		t.Fatal(err)
	}
	protocol := filepath.Join(dir, "examples", "mobile-cnn", "protocol.yaml")
	text, err := os.ReadFile(protocol)
	if err != nil {
		t.Fatal(err)
	}
	const rounds = "max_rounds: 300"
	if !strings.Contains(string(text), rounds) {
		t.Fatalf("%s does not say %s", protocol, rounds)
	}
	few := []byte(strings.Replace(string(text), rounds, "max_rounds: 8", 1))
	for _, name := range []string{protocol, filepath.Join(dir, fewRounds)} {
		if err := os.WriteFile(name, few, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

const fewRounds = "few-rounds.yaml"

// inFewRounds gives a command line that measures, and names no protocol, that of few rounds.
func inFewRounds(line string) string {
	if strings.HasPrefix(line, "agent bench ") && strings.Contains(line, "--max-time") && !strings.Contains(line, "--protocol") {
		return line + " --protocol " + fewRounds
	}
	return line
}

func makeExampleFiles(t *testing.T, dir string) {
	t.Helper()
	copyExamples(t, dir)
	for name, size := range map[string]int{"net.onnx": 32, "other.onnx": 64} {
		g, err := benchmarks.Build(benchmarks.Chain{
			lut.NewOp("conv", lut.FP32, map[string]string{"k": "3", "s": "2", "act": "relu6"}, map[string]int{"h": 64, "w": 64, "cin": 3, "cout": size}),
			lut.NewOp("gap", lut.FP32, nil, map[string]int{"h": 32, "w": 32, "c": size}),
		}, benchmarks.BuildOptions{Batch: 1, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		m, err := onnxwriter.Model(g)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range append(m.Graph.Inputs, m.Graph.Outputs...) { // as exporters write it
			v.Type.Shape[0] = onnx.Dim{Param: "batch"}
		}
		if err := os.WriteFile(filepath.Join(dir, name), onnx.Encode(m), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	const published = `{"base": 9.3, "MBInvertedResBlock_112_16_0_24_k3_s2_relu": {"1": -0.5, "8": 1.2, "16": 1.5, "24": 1.9}}`
	if err := os.WriteFile(filepath.Join(dir, "latency_cpu.json"), []byte(published), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"agent plan --space examples/mobile-cnn/space.yaml --audit 60 -o space.plan.jsonl",
		"agent bench --plan space.plan.jsonl --backend sim --sim-device examples/sim-device.yaml -o rec.jsonl",
		"agent plan --family gap -o plan.jsonl",
		"costgen compile rec.jsonl -o device.lut.json",
		"isosearch run --space examples/mobile-cnn/space.yaml --lut device.lut.json --evaluator onnx --epsilon 4 --budget 80 -o run || [ $? = 3 ]",
		"cp device.lut.json monday.lut.json; cp device.lut.json friday.lut.json; cp rec.jsonl audit.jsonl",
	} {
		if code, out := shell(t, dir, line); code != 0 {
			t.Fatalf("%s\nexit code %d\n%s", line, code, out)
		}
	}
	// Each copy gets a link of its own.
	if err := os.Remove(filepath.Join(dir, ".native")); err != nil {
		t.Fatal(err)
	}
}

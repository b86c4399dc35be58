package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/internal/golden"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// traced is a model with something for every stage: a shape computed from a shape, a
// convolution whose normalisation, shortcut and activation go into it, a function of
// several nodes, a view, and maps in blocks of channels that have to become plain.
func traced() *onnx.Model {
	weights := func(name string, dims ...int) *onnx.Tensor {
		n := 1
		for _, d := range dims {
			n *= d
		}
		return onnx.FloatTensor(name, onnx.Float, make([]float32, n), dims...)
	}
	node := func(op, out string, in ...string) *onnx.Node {
		return &onnx.Node{Op: op, Name: out + "." + op, Inputs: in, Outputs: []string{out}}
	}
	list := func(name string, v ...int64) *onnx.Tensor { return onnx.IntTensor(name, onnx.Int64, v, len(v)) }
	g := &onnx.Graph{Name: "traced",
		Inputs:  []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1, 3, 8, 8)},
		Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float)},
		Initializers: []*onnx.Tensor{weights("w0", 16, 3, 3, 3), weights("w1", 16, 16, 1, 1), weights("w2", 1024, 10),
			weights("scale", 16), weights("shift", 16), weights("mean", 16), weights("var", 16), list("first", 0), list("rest", -1)},
		Nodes: []*onnx.Node{
			node("Conv", "stem", "x", "w0"),
			node("BatchNormalization", "norm", "stem", "scale", "shift", "mean", "var"),
			node("Relu", "relu", "norm"),
			node("Conv", "inner", "relu", "w1"),
			node("Add", "sum", "inner", "relu"),
			node("Sigmoid", "gate", "sum"),
			node("Mul", "silu", "sum", "gate"),
			node("Shape", "shape", "silu"),
			node("Gather", "batch", "shape", "first"),
			node("Concat", "flat", "batch", "rest"),
			node("Reshape", "row", "silu", "flat"),
			node("MatMul", "y", "row", "w2"),
		}}
	for _, n := range g.Nodes {
		switch n.Op {
		case "Conv":
			if n.Outputs[0] == "stem" {
				n.Attrs = []*onnx.Attr{{Name: "pads", Type: onnx.AttrInts, Ints: []int64{1, 1, 1, 1}}}
			}
		case "Concat", "Gather":
			n.Attrs = []*onnx.Attr{onnx.IntAttr("axis", 0)}
		}
	}
	return &onnx.Model{IRVersion: 8, Graph: g, Opsets: []onnx.Opset{{Version: 17}}}
}

// predict --trace says what every stage of reading made of a model, without a table.
func TestPredictTrace(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("traced.onnx", onnx.Encode(traced()), 0o644); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, code := run("predict", "--trace", "traced.onnx")
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	at := 0
	for _, stage := range []string{"loaded", "inferred", "folded", "fused", "laid out", "planned", "priced"} {
		i := strings.Index(stdout[at:], "== traced.onnx: "+stage+"\n")
		if i < 0 {
			t.Fatalf("no stage %q after byte %d of\n%s", stage, at, stdout)
		}
		at += i
	}
	golden.File(t, goldenTrace, []byte(stdout))

	for _, args := range [][]string{{"--json"}, {"--emit-plan", "more.plan.jsonl"}} {
		if _, _, code := run(append([]string{"predict", "--trace", "traced.onnx"}, args...)...); code != 2 {
			t.Errorf("--trace with %v ends in %d, want 2", args, code)
		}
	}
}

// A model is read as the table's device runs it, whatever this one is: maps lie in blocks of 8
// channels on a processor of 256-bit registers and of 16 on one of 512.
func TestModelsAreReadForTheTablesDevice(t *testing.T) {
	t.Chdir(t.TempDir())
	op, err := lut.ParseOp("conv[k=3,s=1]/fp32@cin=24,cout=24,h=14,w=14")
	if err != nil {
		t.Fatal(err)
	}
	g, err := benchmarks.Build(benchmarks.Chain{op, op}, benchmarks.BuildOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	model, err := onnxwriter.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	for path, data := range map[string][]byte{
		"net.onnx": model,
		"8.jsonl":  bytes.Replace(campaign(70), []byte(`"threads":1}`), []byte(`"threads":1,"features":"nchwc=8"}`), 1),
		"16.jsonl": bytes.Replace(campaign(70), []byte(`"threads":1}`), []byte(`"threads":1,"features":"nchwc=16"}`), 1),
	} {
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	laid := map[string]string{}
	for _, block := range []string{"8", "16"} {
		if _, stderr, code := run("compile", block+".jsonl", "-o", block+".lut.json"); code != 0 {
			t.Fatal(stderr)
		}
		stdout, stderr, code := run("predict", "--trace", "--lut", block+".lut.json", "net.onnx")
		if code != 0 {
			t.Fatal(stderr)
		}
		laid[block] = stdout
	}
	if laid["8"] == laid["16"] {
		t.Errorf("both are read as\n%s", laid["8"])
	}
}

var goldenTrace = func() string {
	path, err := filepath.Abs("testdata/trace.txt")
	if err != nil {
		panic(err)
	}
	return path
}()

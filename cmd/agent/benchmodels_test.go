package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/role"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tier"
	"github.com/isocost/isocost/lut"
)

// open is a tensor type with named ("N"), unnamed ("") and known (3) dimensions.
func open(name string, elem onnx.DataType, dims ...any) *onnx.ValueInfo {
	v := onnx.NewValue(name, elem)
	for _, d := range dims {
		switch d := d.(type) {
		case int:
			v.Type.Shape = append(v.Type.Shape, onnx.Dim{Known: true, Value: int64(d)})
		case string:
			v.Type.Shape = append(v.Type.Shape, onnx.Dim{Param: d})
		}
	}
	return v
}

// writeModel writes a graph as an ONNX file and returns its path.
func writeModel(t *testing.T, dir, name string, g *onnx.Graph) string {
	t.Helper()
	g.Name = name
	path := filepath.Join(dir, name+".onnx")
	m := &onnx.Model{IRVersion: 8, Graph: g, Opsets: []onnx.Opset{{Version: 17}}}
	if err := os.WriteFile(path, onnx.Encode(m), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// node is an operator with its inputs and outputs; a Cast is to float32.
func node(op string, in, out string) *onnx.Node {
	n := &onnx.Node{Op: op, Name: op, Inputs: strings.Fields(in), Outputs: strings.Fields(out)}
	if op == "Cast" {
		n.Attrs = []*onnx.Attr{onnx.IntAttr("to", int64(onnx.Float))}
	}
	return n
}

func writeNPY(t *testing.T, path, descr, shape string, body []byte) string {
	t.Helper()
	h := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, shape)
	h += strings.Repeat(" ", 63-(10+len(h))%64) + "\n"
	data := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(h)))
	if err := os.WriteFile(path, append(append(data, h...), body...), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// someModels have inputs of every kind: halves of open size, truth values and
// indices, text, and a dimension without a name.
func someModels(t *testing.T, dir string) (half, mixed, text, unnamed string) {
	half = writeModel(t, dir, "half", &onnx.Graph{
		Nodes:  []*onnx.Node{node("Add", "x x", "y")},
		Inputs: []*onnx.ValueInfo{open("x", onnx.Float16, "N", "feat")}, Outputs: []*onnx.ValueInfo{open("y", onnx.Float16, "N", "feat")}})
	mixed = writeModel(t, dir, "mixed", &onnx.Graph{
		Initializers: []*onnx.Tensor{onnx.FloatTensor("rows", onnx.Float, make([]float32, 64*256), 64, 256)},
		Nodes:        []*onnx.Node{node("Gather", "rows ids", "e"), node("Where", "mask ids zero", "kept"), node("Cast", "small", "s")},
		Inputs: []*onnx.ValueInfo{open("ids", onnx.Int64, "tokens"), open("mask", onnx.Bool, "tokens"),
			open("zero", onnx.Int64, 1), open("small", onnx.Int8, 2, "width")},
		Outputs: []*onnx.ValueInfo{open("e", onnx.Float, "tokens", 256), open("kept", onnx.Int64, "tokens"), open("s", onnx.Float, 2, "width")}})
	text = writeModel(t, dir, "text", &onnx.Graph{
		Nodes:  []*onnx.Node{node("Identity", "words", "same"), node("Cast", "words", "number")},
		Inputs: []*onnx.ValueInfo{open("words", onnx.String, "count")}, Outputs: []*onnx.ValueInfo{open("same", onnx.String, "count"), open("number", onnx.Float, "count")}})
	unnamed = writeModel(t, dir, "unnamed", &onnx.Graph{
		Nodes:  []*onnx.Node{node("Relu", "x", "y")},
		Inputs: []*onnx.ValueInfo{open("x", onnx.Float, "", 8)}, Outputs: []*onnx.ValueInfo{open("y", onnx.Float, "", 8)}})
	return half, mixed, text, unnamed
}

func TestBenchModelsOnTheRuntime(t *testing.T) {
	if testing.Short() {
		t.Skip("measures whole models: make test")
	}
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	half, mixed, text, unnamed := someModels(t, dir)
	ids := writeNPY(t, filepath.Join(dir, "ids.npy"), "<i8", "(5,)", make([]byte, 40))
	words := writeNPY(t, filepath.Join(dir, "words.npy"), "<U2", "(3,)", []byte("1\x00\x00\x002\x00\x00\x007\x00\x00\x00\x00\x00\x00\x004\x00\x00\x005\x00\x00\x00"))
	quick := filepath.Join(dir, "protocol.yaml")
	if err := os.WriteFile(quick, []byte("format: isocost/protocol/v1\nwarmup: {seconds: 0.02, max_seconds: 0.05}\nstop: {max_rounds: 20}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	models := []string{"bench", half, mixed, text, unnamed, "--protocol", quick, "--dim", "feat=128", "--dim", "width=3", "--dim", "x[0]=4",
		"--input", "ids=" + ids, "--input", "text.onnx/words=" + words, "--metric", "memory"}

	code, out, talk := runAgent(t, append(models, "--json")...)
	if code != 0 {
		t.Fatalf("exit %d: %s%s", code, out, talk)
	}
	var report benchReport
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range report.Results {
		if r.Kind != role.Network {
			continue
		}
		names = append(names, r.Name)
		if r.MedianUS == nil || *r.MedianUS <= 0 || r.MADUS == nil || r.CI95US == nil || r.N < 6 || len(r.Validity) == 0 {
			t.Errorf("%s: median %v, MAD %v, interval %v, n %d, validity %v", r.Name, r.MedianUS, r.MADUS, r.CI95US, r.N, r.Validity)
		}
		if r.LoadUS <= 0 || r.FirstRunUS <= 0 || r.LoadUS == r.FirstRunUS {
			t.Errorf("%s: load %v, first run %v µs", r.Name, r.LoadUS, r.FirstRunUS)
		}
		if r.Memory == nil || r.Memory.PeakRSSBytes == nil || *r.Memory.PeakRSSBytes <= 0 {
			t.Errorf("%s: memory %+v", r.Name, r.Memory)
		}
		if r.Name == "mixed.onnx" && (r.Memory.WeightsBytes == nil || *r.Memory.WeightsBytes < 64*256*4) {
			t.Errorf("the table of 64 KiB is not in the weights: %+v", r.Memory)
		}
	}
	if want := []string{"half.onnx", "mixed.onnx", "text.onnx", "unnamed.onnx"}; !slices.Equal(names, want) {
		t.Errorf("results %v, want %v", names, want)
	}
	for _, field := range []string{`"median_us":`, `"mad_us":`, `"ci95_us":`, `"n":`, `"validity":`, `"load_us":`, `"first_run_us":`} {
		if strings.Count(out, field) < 4 {
			t.Errorf("the JSON lacks %s for a model", field)
		}
	}

	// Interleaved: the models take turns in the record file.
	rec := filepath.Join(dir, "rec.jsonl")
	code, out, talk = runAgent(t, append(models, "-o", rec)...)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, talk)
	}
	lines := strings.Split(strings.TrimRight(out, "\n"), "\n")
	for _, l := range lines {
		if n := utf8.RuneCountInString(l); n > screen {
			t.Errorf("%d columns: %s", n, l)
		}
	}
	if len(lines) > 20 || !strings.Contains(out, "first run") || !strings.Contains(out, "interval") {
		t.Errorf("the summary does not fit, or lacks its columns:\n%s", out)
	}
	data, err := os.ReadFile(rec)
	if err != nil {
		t.Fatal(err)
	}
	turns, last := 0, ""
	for l := range strings.SplitSeq(string(data), "\n") {
		if strings.HasPrefix(l, `{"visit":`) {
			_, rest, _ := strings.Cut(l, `"model":"`)
			id, _, _ := strings.Cut(rest, `"`)
			if id != last {
				turns++
			}
			last = id
		}
	}
	if turns < 20 {
		t.Errorf("only %d changes of model: not interleaved", turns)
	}
}

func TestBenchModelsRefusals(t *testing.T) {
	dir := t.TempDir()
	half, mixed, text, unnamed := someModels(t, dir)
	ids := writeNPY(t, filepath.Join(dir, "ids.npy"), "<i8", "(5,)", make([]byte, 40))
	x := open("x", onnx.Float)
	x.Type.HasShape = false
	anyRank := writeModel(t, dir, "anyrank", &onnx.Graph{Inputs: []*onnx.ValueInfo{x}, Outputs: []*onnx.ValueInfo{open("y", onnx.Float, 1, 3)},
		Nodes: []*onnx.Node{node("Relu", "x", "y")}})
	for _, c := range []struct {
		name string
		args []string
		want []string
	}{
		{"everything that is missing", []string{half, mixed, text, unnamed}, []string{"feat", "tokens", "width", "count", "x[0]", "--dim feat=N", "--dim 'x[0]=N'"}},
		{"an array settles a dimension", []string{mixed, "--input", "ids=" + ids}, []string{"width"}},
		{"an input without a rank", []string{anyRank}, []string{"input x", "not even a rank", "--input NAME=FILE.npy"}},
		{"an array of another type", []string{half, "--dim", "feat=5", "--input", "x=" + ids}, []string{"x float16[N,feat] is given int64[5]", "--list-io"}},
		{"an array of another size", []string{mixed, "--dim", "width=2", "--dim", "tokens=4", "--input", "ids=" + ids}, []string{"is given int64[5]"}},
		{"inputs beyond memory", []string{half, "--dim", "feat=2000000000", "--dim", "N=2000000000"}, []string{"half.onnx: 8e+09 GB", "do not fit", "--dim"}},
		{"an input that no model has", []string{text, "--dim", "count=1", "--input", "ids=" + ids}, []string{`no model has an input "ids"`, "--list-io"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, _, talk := runAgent(t, append([]string{"bench"}, c.args...)...)
			if code != 2 {
				t.Errorf("exit code %d, want 2", code)
			}
			for _, w := range c.want {
				if !strings.Contains(talk, w) {
					t.Errorf("lacks %q: %s", w, talk)
				}
			}
			if strings.Contains(talk, "opening") {
				t.Errorf("a model was opened first: %s", talk)
			}
			if c.name == "an array settles a dimension" && strings.Contains(talk, "dimension tokens") {
				t.Errorf("tokens is settled by the array: %s", talk)
			}
		})
	}
}

// TestBenchGivesARanklessInputItsArray: the array settles what the model leaves open.
func TestBenchGivesARanklessInputItsArray(t *testing.T) {
	if testing.Short() {
		t.Skip("measures whole models: make test")
	}
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	x, y := open("x", onnx.Float), open("y", onnx.Float)
	x.Type.HasShape, y.Type.HasShape = false, false
	path := writeModel(t, dir, "anyrank", &onnx.Graph{Inputs: []*onnx.ValueInfo{x}, Outputs: []*onnx.ValueInfo{y}, Nodes: []*onnx.Node{node("Relu", "x", "y")}})
	array := writeNPY(t, filepath.Join(dir, "x.npy"), "<f4", "(2, 3)", make([]byte, 24))
	code, out, talk := runAgent(t, "bench", path, "--input", "x="+array, "--json", "--estimator", "min")
	var report benchReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
		t.Fatalf("exit %d, %v: %s %s", code, err, out, talk)
	}
	for _, r := range report.Results { // a busy machine may be noisy; what failed has no estimate
		if r.Kind == role.Network && r.EstimateUS != nil {
			return
		}
	}
	t.Errorf("the model has no time: %s", out)
}

// TestBenchRunsEmptyTensors: an input that holds nothing, such as the cache of a
// transformer at its first token, is run as the runtime runs it.
func TestBenchRunsEmptyTensors(t *testing.T) {
	if testing.Short() {
		t.Skip("measures whole models: make test")
	}
	nativelib.Require(t, "onnxruntime")
	path := writeModel(t, t.TempDir(), "empty", &onnx.Graph{
		Inputs:  []*onnx.ValueInfo{open("past", onnx.Float, "past_len", 3), open("x", onnx.Float, 2, 3), open("none", onnx.Float, 0)},
		Outputs: []*onnx.ValueInfo{open("y", onnx.Float, 2, 3), open("nothing", onnx.Float, 0)},
		Nodes: []*onnx.Node{{Op: "Concat", Name: "cat", Inputs: []string{"past", "x"}, Outputs: []string{"y"}, Attrs: []*onnx.Attr{onnx.IntAttr("axis", 0)}},
			node("Relu", "none", "nothing")}})
	code, out, talk := runAgent(t, "bench", path, "--dim", "past_len=0", "--json", "--estimator", "min")
	var report benchReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
		t.Fatalf("exit %d, %v: %s %s", code, err, out, talk)
	}
	for _, r := range report.Results {
		if r.Kind == role.Network && r.EstimateUS == nil {
			t.Errorf("%s has no time: %v %s", r.Name, r.Validity, r.Detail)
		}
	}
}

func TestListIO(t *testing.T) {
	dir := t.TempDir()
	half, _, text, unnamed := someModels(t, dir)
	g, err := benchmarks.Build(benchmarks.Chain{lut.NewOp("relu", lut.FP32, nil, map[string]int{"c": 8, "h": 4, "w": 4})}, benchmarks.BuildOptions{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := tflitewriter.Write(g)
	if err != nil {
		t.Fatal(err)
	}
	lite := filepath.Join(dir, "relu.tflite")
	if err := os.WriteFile(lite, data, 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, talk := runAgent(t, "bench", "--list-io", half, text, unnamed, lite)
	if code != 0 {
		t.Fatalf("exit %d: %s", code, talk)
	}
	for _, want := range []string{"x float16[N,feat]", "--dim N=N --dim feat=N", "words string[count]", "x float32[x[0],8]", "--dim 'x[0]=N'", "float32[1,4,4,8]"} {
		if !strings.Contains(out, want) {
			t.Errorf("lacks %q:\n%s", want, out)
		}
	}
	code, out, _ = runAgent(t, "bench", "--list-io", "--json", lite)
	var list []struct {
		Model           string
		Inputs, Outputs []struct {
			Name, DType string
			Shape       []string
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 || len(list) != 1 || len(list[0].Inputs) != 1 || list[0].Inputs[0].DType != "float32" ||
		!slices.Equal(list[0].Inputs[0].Shape, []string{"1", "4", "4", "8"}) || len(list[0].Outputs) != 1 || list[0].Model != lite {
		t.Errorf("exit %d, %v: %s", code, err, out)
	}
}

func TestNarrowTableShortensNames(t *testing.T) {
	var b strings.Builder
	long := strings.Repeat("a", 100) + ".onnx"
	table(&b, [][]string{{"model", "min"}, {long, "3.5 ms"}, {"b.onnx", "4 ms"}})
	for l := range strings.SplitSeq(b.String(), "\n") {
		if utf8.RuneCountInString(l) > screen {
			t.Errorf("%q is too wide", l)
		}
	}
	if !strings.Contains(b.String(), "…") || !strings.Contains(b.String(), ".onnx  3.5 ms") {
		t.Errorf("the end of the name is lost:\n%s", b.String())
	}
}

// TestBenchCountsModels: of one model that cannot run, one failed; the drift reference beside it
// does not concern the user.
func TestBenchCountsModels(t *testing.T) {
	tier.Slow(t, "measures for seconds")
	nativelib.Require(t, "onnxruntime")
	path := writeModel(t, t.TempDir(), "odd", &onnx.Graph{Inputs: []*onnx.ValueInfo{open("x", onnx.Float, 2)},
		Outputs: []*onnx.ValueInfo{open("y", onnx.Float, 2)}, Nodes: []*onnx.Node{node("Frobnicate", "x", "y")}})
	code, _, talk := runAgent(t, "bench", path, "--max-time", "5s")
	if code != 3 || !strings.Contains(talk, "error: 1 of 1 models failed") || strings.Contains(talk, "records") {
		t.Errorf("exit %d: %s", code, talk)
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// batchModel writes a chain's model that takes several items at once.
func batchModel(t *testing.T, path string, batch int, keys ...string) {
	t.Helper()
	var c benchmarks.Chain
	for _, k := range keys {
		op, err := lut.ParseOp(k)
		if err != nil {
			t.Fatal(err)
		}
		c = append(c, op)
	}
	g, err := benchmarks.Build(c, benchmarks.BuildOptions{Batch: batch})
	if err != nil {
		t.Fatal(err)
	}
	write := onnxwriter.Write
	if filepath.Ext(path) == ".tflite" {
		write = tflitewriter.Write
	}
	data, err := write(g)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// tableAt writes a table of given costs, measured at a batch.
func tableAt(t *testing.T, path string, batch int, us map[string]float64) {
	t.Helper()
	f := lut.File{Format: lut.Format, Metric: lut.Latency, Unit: "us", Policy: lut.PolicyRaw}
	if batch > 0 {
		f.Protocol = lut.Protocol{YAML: fmt.Sprintf("format: isocost/protocol/v1\nbatch: %d\n", batch)}
		f.Protocol.SHA256 = hash(f.Protocol.YAML)
	}
	for _, key := range slices.Sorted(maps.Keys(us)) {
		v := us[key]
		op, err := lut.ParseOp(key)
		if err != nil {
			t.Fatal(err)
		}
		fam := lut.Family{Op: lut.Op{Kind: op.Kind, Precision: op.Precision, Attrs: op.Attrs}}
		k := lut.Knot{Raw: v, Corrected: v, Lo: v - 1, Hi: v + 1, N: 9, Reason: lut.Measured, Records: []string{"a"}}
		for _, c := range op.At {
			fam.Axes, k.At = append(fam.Axes, c.Axis), append(k.At, c.Value)
		}
		fam.Knots = []lut.Knot{k}
		f.Families = append(f.Families, fam)
	}
	tab, err := lut.New(f)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, tab.Encode(), 0o666); err != nil {
		t.Fatal(err)
	}
}

// A table prices models of its own batch. Of another batch it is asked by name, and what
// it says then is marked.
func TestPredictAtAnotherBatch(t *testing.T) {
	dir := t.TempDir()
	const conv, gap = "conv[k=3,s=1]/fp32@cin=16,cout=32,h=28,w=28", "gap/fp32@c=32,h=28,w=28"
	table := func(batch int) string {
		path := filepath.Join(dir, fmt.Sprintf("batch%d.lut.json", batch))
		tableAt(t, path, batch, map[string]float64{conv: 200, gap: 20})
		return path
	}
	for _, ext := range []string{".onnx", ".tflite"} {
		model := filepath.Join(dir, "net"+ext)
		batchModel(t, model, 8, conv, gap)
		for _, batch := range []int{0, 1, 3, 16} { // 0 is an imported table's
			_, stderr, code := run("predict", "--lut", table(batch), model)
			if code != cli.ExitFailed || !strings.Contains(stderr, "takes 8 items at once") || !strings.Contains(stderr, "batch: 8") || strings.Contains(stderr, "--scale-batch") != (8%max(batch, 1) == 0) {
				t.Errorf("%s, table of batch %d: exit %d: %s", ext, batch, code, stderr)
			}
		}
		if stdout, stderr, code := run("predict", "--lut", table(8), model); code != 0 || !strings.Contains(stdout, "net"+ext+": 220 us, ") || strings.Contains(stdout, "extrapolated") {
			t.Errorf("%s at its table's batch: exit %d: %s%s", ext, code, stdout, stderr)
		}
		stdout, stderr, code := run("predict", "--lut", table(2), "--scale-batch", "--json", model)
		var got struct {
			Total        float64 `json:"total_us"`
			Known        float64 `json:"known_us"`
			Batch        int
			Inferences   int
			Extrapolated bool
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil || code != 0 {
			t.Fatalf("exit %d: %v: %s", code, err, stderr)
		}
		if math.Abs(got.Total-880) > 1e-9 || math.Abs(got.Known-880) > 1e-9 || got.Batch != 8 || got.Inferences != 4 || !got.Extrapolated {
			t.Errorf("%s: scaled %+v, want 4 times 220 us, marked", ext, got)
		}
		if stdout, _, _ := run("predict", "--lut", table(2), "--scale-batch", model); !strings.Contains(stdout, "extrapolated: batch 8 is priced as 4 inferences") {
			t.Errorf("%s: scaled without a word: %s", ext, stdout)
		}
	}
}

// The first dimension of rows is not a batch for a table that knows them as rows, and is one
// of a table of that batch.
func TestPredictRows(t *testing.T) {
	dir := t.TempDir()
	w := make([]float32, 64*32)
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Inputs: []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 256, 64)}, Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float, 256, 32)},
		Initializers: []*onnx.Tensor{onnx.FloatTensor("w", onnx.Float, w, 64, 32)},
		Nodes:        []*onnx.Node{{Op: "MatMul", Inputs: []string{"x", "w"}, Outputs: []string{"y"}}}}}
	model := filepath.Join(dir, "rows.onnx")
	if err := os.WriteFile(model, onnx.Encode(m), 0o666); err != nil {
		t.Fatal(err)
	}
	for batch, key := range map[int]string{1: "linear/fp32@cin=64,cout=32,m=256", 256: "linear/fp32@cin=64,cout=32,m=1"} {
		path := filepath.Join(dir, "t.lut.json")
		tableAt(t, path, batch, map[string]float64{key: 50})
		if stdout, stderr, code := run("predict", "--lut", path, model); code != 0 || !strings.Contains(stdout, "rows.onnx: 50 us") || !strings.Contains(stdout, key) {
			t.Errorf("batch %d: exit %d: %s%s", batch, code, stdout, stderr)
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tier"
)

// x86 is a device tree of one x86 core with these flags.
func x86(t *testing.T, flags string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"proc/cpuinfo": "processor\t: 0\nvendor_id\t: AuthenticAMD\nmodel name\t: a server\nflags\t\t: fpu sse2 " + flags + "\n",
		"sys/devices/system/cpu/cpu0/topology/core_cpus_list": "0\n",
	} {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

// quantisedModel writes a model of one linear layer, "classifier", as onnxruntime's
// quantiser leaves it; its weights reach from −top to top.
func quantisedModel(t *testing.T, dir string, top int64) string {
	t.Helper()
	g := &onnx.Graph{Name: "g", Inputs: []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1, 64)}, Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float, 1, 16)}}
	g.Initializers = []*onnx.Tensor{
		onnx.FloatTensor("x.scale", onnx.Float, []float32{0.02}), onnx.IntTensor("x.zero", onnx.Uint8, []int64{0}),
		onnx.IntTensor("w", onnx.Int8, slices.Repeat([]int64{top, -top}, 64*8), 64, 16),
		onnx.FloatTensor("w.scale", onnx.Float, []float32{0.01}), onnx.IntTensor("w.zero", onnx.Int8, []int64{0}),
	}
	g.Nodes = []*onnx.Node{
		{Op: "QuantizeLinear", Inputs: []string{"x", "x.scale", "x.zero"}, Outputs: []string{"x.q"}},
		{Op: "DequantizeLinear", Inputs: []string{"x.q", "x.scale", "x.zero"}, Outputs: []string{"x.dq"}},
		{Op: "DequantizeLinear", Inputs: []string{"w", "w.scale", "w.zero"}, Outputs: []string{"w.dq"}},
		{Name: "classifier", Op: "MatMul", Inputs: []string{"x.dq", "w.dq"}, Outputs: []string{"y"}},
	}
	path := filepath.Join(dir, fmt.Sprintf("reach%d.onnx", top))
	m := &onnx.Model{IRVersion: 8, Graph: g, Opsets: []onnx.Opset{{Version: 17}}}
	if err := os.WriteFile(path, onnx.Encode(m), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestBenchWarnsOfSaturation: a model of 8-bit weights keeps its cost on a processor that
// saturates them, and a warning names the layer and the cure; other models and other
// processors have none.
func TestBenchWarnsOfSaturation(t *testing.T) {
	tier.Slow(t, "measures for seconds")
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	full, reduced := quantisedModel(t, dir, 127), quantisedModel(t, dir, 64)
	avx2, vnni := x86(t, "avx2 fma f16c"), x86(t, "avx2 fma f16c avx512f avx512_vnni")
	protocol := filepath.Join(dir, "protocol.yaml") // as few rounds as an interval needs
	if err := os.WriteFile(protocol, []byte("format: isocost/protocol/v1\nwarmup: {runs: 1, seconds: 0.01, max_seconds: 0.05}\n"+
		"stop: {min_rounds: 6, max_rounds: 6, min_samples: 1, max_seconds: 60}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		model, root, option string
		warned              bool
	}{
		{full, avx2, "", true},
		{full, avx2, "session.x64quantprecision=1", false},
		{full, vnni, "", false},
		{reduced, avx2, "", false},
	} {
		args := []string{"bench", c.model, "--sysroot", c.root, "--protocol", protocol, "--json"}
		if c.option != "" {
			args = append(args, "--provider-option", c.option)
		}
		code, out, talk := runAgent(t, args...)
		var report benchReport
		if err := json.Unmarshal([]byte(out), &report); err != nil {
			t.Fatalf("exit code %d: %v\n%s%s", code, err, out, talk)
		}
		found := false
		for _, r := range report.Results {
			if r.Name != filepath.Base(c.model) {
				continue
			}
			found = true
			if r.EstimateUS == nil || slices.Contains(r.Validity, "numeric-mismatch") {
				t.Errorf("%s with %q: cost %v, validity %v", r.Name, c.option, r.EstimateUS, r.Validity)
			}
			for _, word := range []string{"classifier (MatMul)", "reduce_range", "5849"} {
				if strings.Contains(r.Detail, word) != c.warned {
					t.Errorf("%s with %q: the detail %q, warned must be %v", r.Name, c.option, r.Detail, c.warned)
				}
			}
		}
		if !found {
			t.Errorf("no result of %s:\n%s", c.model, out)
		}
	}
	// A person sees it too, of models and of a plan.
	plan := filepath.Join(dir, "plan.jsonl")
	if code, _, talk := runAgent(t, "plan", "--model", full, "-o", plan); code != 0 {
		t.Fatalf("plan: %d %s", code, talk)
	}
	for _, args := range [][]string{{full}, {"--plan", plan, "-o", filepath.Join(dir, "rec.jsonl")}} {
		_, out, talk := runAgent(t, append([]string{"bench", "--sysroot", avx2, "--protocol", protocol}, args...)...)
		if text := strings.Join(strings.Fields(out), " "); !strings.Contains(text, "its results may be wrong") || !strings.Contains(text, "saturate in classifier (MatMul)") {
			t.Errorf("bench %v does not warn:\n%s%s", args, out, talk)
		}
	}
}

// TestPlanWarnsOfSaturation: a plan says of a model what bench would, where this processor
// saturates it.
func TestPlanWarnsOfSaturation(t *testing.T) {
	dir := t.TempDir()
	full, reduced := quantisedModel(t, dir, 127), quantisedModel(t, dir, 64)
	path := filepath.Join(dir, "plan.jsonl")
	code, _, talk := runAgent(t, "plan", "--model", full, reduced, "-o", path)
	if code != 0 {
		t.Fatalf("plan: %d %s", code, talk)
	}
	here, err := device.Open("/")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(talk, "saturate in classifier (MatMul)") != here.Identity().LacksVNNI() {
		t.Errorf("on a processor with %v plan says:\n%s", here.Identity().Features, talk)
	}
	plan, err := benchmarks.OpenPlan(path)
	if err != nil {
		t.Fatal(err)
	}
	for root, warnings := range map[string]int{x86(t, "avx2 fma f16c"): 1, x86(t, "avx2 fma f16c avx512f avx512_vnni"): 0} {
		d, err := device.Open(root)
		if err != nil {
			t.Fatal(err)
		}
		lines := cautions(plan, d.Identity(), dir)
		if len(lines) != warnings {
			t.Errorf("with %v: %d warnings, want %d: %q", d.Identity().Features, len(lines), warnings, lines)
		}
		for _, line := range lines {
			if !strings.HasPrefix(line, "reach127.onnx on this processor: ") || !strings.Contains(line, "reduce_range") {
				t.Errorf("the warning is %q", line)
			}
		}
	}
}

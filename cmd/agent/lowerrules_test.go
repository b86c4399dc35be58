package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent/sidebyside"
	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/kernelfile"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/nativelib"
	"github.com/isocost/isocost/lut"
)

// Law: what the reader's rules say of a file is what the runtime makes of it, but
// for the differences listed.
func TestRulesAgreeWithRuntime(t *testing.T) {
	nativelib.Require(t, "onnxruntime")
	dir := t.TempDir()
	paths := []string{}
	for _, name := range []string{"tiny.script", "tiny.dynamo", "tiny.script.qdq", "tiny.script11", "tiny.script.dyn", "odd.script", "odd.dynamo"} {
		paths = append(paths, filepath.Join("../../benchmarks/onnxreader/testdata", name+".onnx"))
	}
	for _, p := range []lut.Precision{lut.FP32, lut.INT8, lut.INT8Dyn} {
		for name, chain := range map[string]benchmarks.Chain{"v2": sidebyside.MobileNetV2(96, p), "v3": sidebyside.MobileNetV3Large(96, p)} {
			g, err := benchmarks.Build(chain, benchmarks.BuildOptions{})
			if err != nil {
				t.Fatal(err)
			}
			data, err := onnxwriter.Write(g)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, name+"."+string(p)+".onnx")
			if err := os.WriteFile(path, data, 0o600); err != nil {
				t.Fatal(err)
			}
			paths = append(paths, path)
		}
	}
	// Work by the rules (-) and by the runtime (+) that differs, and why.
	listed := map[string][]string{
		// The runtime moves the transposition before a norm of parts into it, and then no
		// longer knows it for a norm.
		"tiny.script11": {"+1 add/fp32 of 128", "+1 gap/fp32@dim=16,seq=8", "+1 rmsnorm/fp32 of 128", "+1 sub/fp32 of 128", "-1 layernorm/fp32@dim=8,seq=16"},
	}
	// Operators that the catalogue has no kind for, and both list.
	lacking := map[string][]string{"odd.script": {"Einsum"}, "odd.dynamo": {"Einsum", "Greater", "Where"}}
	for _, path := range paths {
		name := strings.TrimSuffix(filepath.Base(path), ".onnx")
		t.Run(name, func(t *testing.T) {
			dims := map[string]int{}
			args := []string{"lower", path, "-o", filepath.Join(dir, name+".json")}
			if strings.Contains(name, "script") {
				dims["N"] = 1
				args = append(args, "--dim", "N=1")
			}
			if _, stderr, code := agentMain("", args...); code != 0 {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			f, err := kernelfile.ReadFile(filepath.Join(dir, name+".json"))
			if err != nil {
				t.Fatal(err)
			}
			net, err := onnxreader.ReadFile(path, onnxreader.Options{Dims: dims})
			if err != nil {
				t.Fatal(err)
			}
			for by, list := range map[string][]network.Unpriced{"rules": net.Unpriced, "runtime": f.Network.Unpriced} {
				var ops []string
				for _, u := range list {
					ops = append(ops, u.Op)
				}
				if slices.Sort(ops); !slices.Equal(ops, lacking[name]) {
					t.Errorf("unpriced by the %s %v, want %v", by, ops, lacking[name])
				}
			}
			if len(net.Kernels) < 20 {
				t.Errorf("only %d kernels", len(net.Kernels))
			}
			var diff []string
			for _, d := range network.Differences(net, &f.Network, ortmodel.Work) {
				diff = append(diff, d.String())
			}
			if !slices.Equal(diff, listed[name]) {
				t.Errorf("the rules (-) and the runtime (+) differ:\n%s\nlisted:\n%s", strings.Join(diff, "\n"), strings.Join(listed[name], "\n"))
			}
		})
	}
}

// lower --against-rules says where the two differ, and by which nodes; exit code 3 tells
// a script that they do.
func TestLowerAgainstRules(t *testing.T) {
	nativelib.Require(t, "onnxruntime")
	const same, other = "../../benchmarks/onnxreader/testdata/tiny.script.onnx", "../../benchmarks/onnxreader/testdata/tiny.script11.onnx"
	stdout, stderr, code := agentMain("", "lower", "--against-rules", same)
	if code != 0 || !strings.HasPrefix(stdout, same+": ") || !strings.Contains(stdout, "they agree") || strings.Count(stdout, "\n") != 1 {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	stdout, stderr, code = agentMain("", "lower", "--against-rules", same, other)
	if code != 3 || !strings.Contains(stderr, "1 of 2 models") || !strings.Contains(stdout, "-1 layernorm/fp32@dim=8,seq=16") || !strings.Contains(stdout, "+1 sub/fp32 of 128") ||
		!strings.Contains(stdout, "rules: ") || !strings.Contains(stdout, "runtime: ") {
		t.Errorf("exit %d: %s%s", code, stdout, stderr)
	}
	if _, stderr, code := agentMain("", "lower", "--against-rules", same, "-o", "x"); code != 2 || !strings.Contains(stderr, "-o") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

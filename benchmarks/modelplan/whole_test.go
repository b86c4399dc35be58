package modelplan_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/isocost/isocost/benchmarks/modelfile"
	"github.com/isocost/isocost/benchmarks/modelplan"
	"github.com/isocost/isocost/internal/onnx"
)

// TestSplitInput: an input's name may hold "=", and so may a file's.
func TestSplitInput(t *testing.T) {
	g := &onnx.Graph{Name: "odd", Nodes: []*onnx.Node{{Op: "Add", Inputs: []string{"x=1", "x"}, Outputs: []string{"y"}}},
		Inputs:  []*onnx.ValueInfo{onnx.NewValue("x=1", onnx.Float, 2), onnx.NewValue("x", onnx.Float, 2)},
		Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float, 2)}}
	path := filepath.Join(t.TempDir(), "odd.onnx")
	if err := os.WriteFile(path, onnx.Encode(&onnx.Model{IRVersion: 8, Graph: g, Opsets: []onnx.Opset{{Version: 17}}}), 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := modelfile.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, name, path string }{
		{"x=1=a.npy", "x=1", "a.npy"},
		{"odd.onnx/x=1=a.npy", "odd.onnx/x=1", "a.npy"},
		{"x=a=1.npy", "x", "a=1.npy"},
		{"x=1=a=2.npy", "x=1", "a=2.npy"},
		{"other=a=1.npy", "other", "a=1.npy"},
		{"x=a.npy", "x", "a.npy"},
	} {
		if name, path, ok := modelplan.SplitInput(c.text, []*modelfile.File{f}); !ok || name != c.name || path != c.path {
			t.Errorf("%s: %q, %q, %v", c.text, name, path, ok)
		}
	}
	for _, bad := range []string{"x", "=a.npy", "x=", "odd.onnx/x="} {
		if name, path, ok := modelplan.SplitInput(bad, []*modelfile.File{f}); ok {
			t.Errorf("%s: %q, %q", bad, name, path)
		}
	}
}

package main

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent/device"
	"github.com/isocost/isocost/internal/onnx"
)

// TestLimitsAreInTheHeader: what the process may use, where that is less than the machine has.
func TestLimitsAreInTheHeader(t *testing.T) {
	quota, bytes := 0.3, int64(300<<20)
	got := limits(device.State{CPUQuota: &quota, MemoryLimit: &bytes})
	if want := map[string]string{"cpu_quota": "0.3 CPUs' worth of time", "memory_limit": "314572800 bytes"}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := limits(device.State{}); len(got) != 0 {
		t.Errorf("no limit, and %v", got)
	}
}

// TestLowerKeepsTheModelsData: -o does not replace the file in which a model keeps its tensors.
func TestLowerKeepsTheModelsData(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "net.onnx.data")
	if err := os.WriteFile(data, make([]byte, 8), 0o666); err != nil {
		t.Fatal(err)
	}
	net := writeModel(t, dir, "net", &onnx.Graph{
		Inputs: []*onnx.ValueInfo{open("x", onnx.Float, 2)}, Outputs: []*onnx.ValueInfo{open("y", onnx.Float, 2)},
		Nodes:        []*onnx.Node{node("Add", "x w", "y")},
		Initializers: []*onnx.Tensor{{Name: "w", Type: onnx.Float, Dims: []int64{2}, IsExternal: true, External: []onnx.Entry{{Key: "location", Value: "net.onnx.data"}}}},
	})
	code, _, talk := runAgent(t, "lower", net, "-o", data)
	if code != 2 || !strings.Contains(talk, "would replace what is read") {
		t.Errorf("exit %d: %s", code, talk)
	}
	if after, err := os.ReadFile(data); err != nil || len(after) != 8 {
		t.Errorf("the model's data became %q, %v", after, err)
	}
}

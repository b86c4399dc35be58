package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/cli"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// A model is planned as the device of a table runs it: in blocks of its width, behind layers that its
// caches do not hold.
func TestPlanIsForTheTablesDevice(t *testing.T) {
	dir := t.TempDir()
	weights := func(name string, dims ...int) *onnx.Tensor {
		n := 1
		for _, d := range dims {
			n *= d
		}
		return onnx.FloatTensor(name, onnx.Float, make([]float32, n), dims...)
	}
	model := filepath.Join(dir, "net.onnx")
	data := onnx.Encode(&onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 13}}, Graph: &onnx.Graph{
		Name:    "net",
		Inputs:  []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1, 3, 16, 16)},
		Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float, 1, 8, 8, 8)},
		Initializers: []*onnx.Tensor{weights("w", 8, 3, 1, 1), weights("a", 8), weights("b", 8),
			weights("c", 8), weights("d", 8)},
		Nodes: []*onnx.Node{
			{Op: "Conv", Inputs: []string{"x", "w"}, Outputs: []string{"h"}},
			{Op: "MaxPool", Inputs: []string{"h"}, Outputs: []string{"p"}, Attrs: []*onnx.Attr{
				{Name: "kernel_shape", Type: onnx.AttrInts, Ints: []int64{2, 2}}, {Name: "strides", Type: onnx.AttrInts, Ints: []int64{2, 2}}}},
			{Op: "BatchNormalization", Inputs: []string{"p", "a", "b", "c", "d"}, Outputs: []string{"y"}},
		},
	}})
	if err := os.WriteFile(model, data, 0o600); err != nil {
		t.Fatal(err)
	}
	vector, err := os.ReadFile("../../lut/testdata/small.lut.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		features       string
		caches         lut.Caches
		norm, streamed string
	}{
		{"nchwc=8", lut.Caches{Core: 512 << 10}, "dwconv[k=1,s=1]/fp32@c=8,h=8,w=8", "linear/fp32@cin=16,cout=65536,m=1"},
		{"nchwc=16", lut.Caches{Core: 8 << 20, Last: 16 << 20}, "batchnorm/fp32@", "linear/fp32@cin=16,cout=262144,m=1"},
	} {
		old, err := lut.Decode(vector)
		if err != nil {
			t.Fatal(err)
		}
		f := *old.File()
		f.Device.Caches, f.Runtime.Features = c.caches, c.features
		of, err := lut.New(f)
		if err != nil {
			t.Fatal(err)
		}
		table, out := filepath.Join(dir, c.features+".lut.json"), filepath.Join(dir, c.features+".jsonl")
		if err := os.WriteFile(table, of.Encode(), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, _, talk := runAgent(t, "plan", "--model", model, "--lut", table, "-o", out); code != cli.ExitOK {
			t.Fatalf("%s: exit %d: %s", c.features, code, talk)
		}
		plan, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{c.norm, c.streamed} {
			if !strings.Contains(string(plan), want) {
				t.Errorf("%s: the plan has no %s", c.features, want)
			}
		}
	}
	if code, _, talk := runAgent(t, "plan", "--family", "conv", "--lut", model); code != cli.ExitUsage || !strings.Contains(talk, "--lut needs --model") {
		t.Errorf("exit %d: %s", code, talk)
	}
}

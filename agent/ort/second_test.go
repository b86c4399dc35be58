//go:build cgo

package ort

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/record"
)

var oneThread = agent.Options{Provider: "cpu", Threads: 1, Seed: 1}

// halves encodes float16 ones.
func halves(n int) []byte { return slices.Repeat([]byte{0x00, 0x3c}, n) }

func ones(n int) []byte { return slices.Repeat(floats(1), n) }

// convModel is a 3×3 convolution with ReLU in float32 (1) or float16 (10).
func convModel(dtype int) []byte {
	w := map[int][]byte{1: ones(8 * 8 * 9), 10: halves(8 * 8 * 9)}[dtype]
	return testModel{
		in: []testValue{{"x", dtype, []any{1, 8, 6, 6}}}, out: []testValue{{"y", dtype, []any{1, 8, 6, 6}}},
		weights: []testTensor{{"w", dtype, []int{8, 8, 3, 3}, w}},
		nodes: []testNode{
			{op: "Conv", in: []string{"x", "w"}, out: []string{"c"}, ints: map[string][]int{"pads": {1, 1, 1, 1}}},
			{op: "Relu", in: []string{"c"}, out: []string{"y"}},
		},
	}.bytes()
}

// quantModel is x → Q → DQ → MatMul(DQ(w)) → Q → DQ; without activations
// quantised it is int8 weights alone.
func quantModel(activations bool) []byte {
	m := testModel{
		in: []testValue{{"x", 1, []any{4, 16}}}, out: []testValue{{"y", 1, []any{4, 16}}},
		weights: []testTensor{
			{"w", 3, []int{16, 16}, slices.Repeat([]byte{3}, 256)},
			{"s", 1, nil, floats(0.02)}, {"z", 3, nil, []byte{0}}, {"t", 1, nil, floats(0.5)},
		},
	}
	if !activations {
		m.nodes = []testNode{
			{op: "DequantizeLinear", in: []string{"w", "s", "z"}, out: []string{"wd"}},
			{op: "MatMul", in: []string{"x", "wd"}, out: []string{"y"}},
		}
		return m.bytes()
	}
	m.nodes = []testNode{
		{op: "QuantizeLinear", in: []string{"x", "s", "z"}, out: []string{"xq"}},
		{op: "DequantizeLinear", in: []string{"xq", "s", "z"}, out: []string{"xd"}},
		{op: "DequantizeLinear", in: []string{"w", "s", "z"}, out: []string{"wd"}},
		{op: "MatMul", in: []string{"xd", "wd"}, out: []string{"m"}},
		{op: "QuantizeLinear", in: []string{"m", "t", "z"}, out: []string{"mq"}},
		{op: "DequantizeLinear", in: []string{"mq", "t", "z"}, out: []string{"y"}},
	}
	return m.bytes()
}

// dynamicModel quantises its activations at run time.
func dynamicModel() []byte {
	return testModel{
		in: []testValue{{"x", 1, []any{4, 16}}}, out: []testValue{{"y", 6, []any{4, 16}}},
		weights: []testTensor{{"w", 3, []int{16, 16}, slices.Repeat([]byte{3}, 256)}, {"wz", 3, nil, []byte{0}}},
		nodes: []testNode{
			{op: "DynamicQuantizeLinear", in: []string{"x"}, out: []string{"q", "qs", "qz"}},
			{op: "MatMulInteger", in: []string{"q", "w", "qz", "wz"}, out: []string{"y"}},
		},
	}.bytes()
}

func TestPlacementNamesTheProvider(t *testing.T) {
	p, err := backend(t).Placement(context.Background(), agent.Model{Name: "conv", Bytes: convModel(1)}, oneThread)
	if err != nil {
		t.Fatal(err)
	}
	var ops []string
	for _, n := range p.Nodes {
		ops = append(ops, n.Op)
		if n.Provider != "cpu" {
			t.Errorf("%+v is not on cpu", n)
		}
	}
	if !slices.ContainsFunc(ops, func(op string) bool { return strings.HasSuffix(op, "Conv") }) {
		t.Errorf("no convolution among %v", ops)
	}
}

func TestProfileListsTheKernels(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	kernels, err := backend(t).Profile(context.Background(), agent.Model{Bytes: convModel(1)}, oneThread, 5)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(kernels, func(k agent.KernelTime) bool { return k.Op == "Conv" || k.Op == "FusedConv" })
	if i < 0 {
		t.Fatalf("no convolution among %+v", kernels)
	}
	k := kernels[i]
	if k.Provider != "cpu" || len(k.In) < 2 || k.In[0].DType != "float32" || k.In[0].Shape[1] != 8 || len(k.Out) != 1 || k.US < 0 {
		t.Errorf("%+v", k)
	}
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "isocost-profile-*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := backend(t).Profile(context.Background(), agent.Model{Bytes: convModel(1)}, oneThread, 0); err == nil {
		t.Error("a profile of no runs was made")
	}
}

// TestExecutionIsSaidPerPrecision checks how ONNX Runtime's CPU provider runs each precision.
func TestExecutionIsSaidPerPrecision(t *testing.T) {
	b := backend(t)
	for _, c := range []struct {
		name      string
		model     []byte
		precision lut.Precision
		want      record.Execution
	}{
		{"float32 convolution", convModel(1), lut.FP32, agent.Native},
		{"float16 convolution is cast to float32", convModel(10), lut.FP16, agent.Emulated},
		{"QDQ matrix product fuses to a quantised kernel", quantModel(true), lut.INT8, agent.Native},
		{"small weights unpacked by the matrix product (MatMulNBits)", quantModel(false), lut.INT8W, agent.Native},
		{"float32 weights called int8", convModel(1), lut.INT8W, agent.Emulated},
		{"dynamic quantisation", dynamicModel(), lut.INT8Dyn, agent.Native},
		{"float32 model called int8", convModel(1), lut.INT8, agent.Emulated},
		{"elementwise float32", addModel(), lut.FP32, agent.Native},
	} {
		got, err := b.Execution(context.Background(), agent.Model{Name: c.name, Bytes: c.model}, oneThread, c.precision)
		if err != nil || got.Mode != c.want {
			t.Errorf("%s: %+v, %v; want %s", c.name, got, err, c.want)
		}
		t.Logf("%s: %s: %s", c.name, got.Mode, got.Why)
	}
}

func TestOptimisedGraphIsRead(t *testing.T) {
	data, err := backend(t).Optimised(context.Background(), agent.Model{Bytes: convModel(1)}, oneThread)
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	var ops []string
	for _, n := range m.Graph.Nodes {
		ops = append(ops, n.Op)
	}
	if slices.Contains(ops, "Relu") || !slices.ContainsFunc(ops, func(op string) bool { return strings.HasSuffix(op, "Conv") }) {
		t.Errorf("the activation is not fused into the convolution: %v", ops)
	}
}

func FuzzParseProfile(f *testing.F) {
	f.Add([]byte(`[{"cat":"Node","name":"a_kernel_time","dur":3,"args":{"op_name":"Conv","provider":"CPUExecutionProvider","node_index":"1","input_type_shape":[{"float":[1,2]}],"output_type_shape":[]}}]`))
	f.Add([]byte(`[{"cat":"Session","name":"model_run","dur":3}]`))
	f.Add([]byte(`[{"cat":"Node","name":"a_kernel_time","args":{"input_type_shape":[{}]}}]`))
	f.Add([]byte(`{`))
	f.Fuzz(func(t *testing.T, data []byte) {
		kernels, err := parseProfile(data)
		if err == nil && len(kernels) == 0 {
			t.Error("neither kernels nor an error")
		}
	})
}

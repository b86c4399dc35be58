package onnxreader

import (
	"strings"
	"testing"

	"github.com/isocost/isocost/internal/onnx"
)

// A float product with weights that are stored narrower is not the float product: it has
// its own precision, or none and a reason.
func TestStoredWeightsAreNotFloat(t *testing.T) {
	for _, typ := range []onnx.DataType{onnx.Int4, onnx.Uint4, onnx.Int8, onnx.Uint8} {
		for _, scales := range []int{1, 32} { // one of the tensor, one per channel
			for _, op := range []string{"MatMul", "Gemm"} {
				q := onnx.IntTensor("q", onnx.Int8, make([]int64, 16*32), 16, 32)
				if q.Type = typ; typ == onnx.Int4 || typ == onnx.Uint4 {
					q.Raw = q.Raw[:16*32/2]
				}
				m := &onnx.Model{IRVersion: 10, Opsets: []onnx.Opset{{Version: 21}}, Graph: &onnx.Graph{
					Inputs: []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 8, 16)}, Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float, 8, 32)},
					Initializers: []*onnx.Tensor{q, onnx.FloatTensor("s", onnx.Float, make([]float32, scales), scales)},
					Nodes: []*onnx.Node{{Op: "DequantizeLinear", Name: "w", Inputs: []string{"q", "s"}, Outputs: []string{"w"}, Attrs: []*onnx.Attr{onnx.IntAttr("axis", 1)}},
						{Op: op, Name: "y", Inputs: []string{"x", "w"}, Outputs: []string{"y"}}}}}
				net, err := ReadModel(m, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if op == "MatMul" && scales == 32 && (typ == onnx.Int8 || typ == onnx.Uint8) { // ONNX Runtime multiplies with the bytes
					if got := keysOf(net); len(net.Unpriced) != 0 || len(got) != 1 || got[0] != "linear/int8w@cin=16,cout=32,m=8" {
						t.Errorf("%s by %v: kernels %v, unpriced %v", op, typ, got, net.Unpriced)
					}
					continue
				}
				if len(net.Kernels) != 0 || len(net.Unpriced) != 1 || !strings.Contains(net.Unpriced[0].Reason, "weights of "+typ.String()) {
					t.Errorf("%s by %v, %d scales: kernels %v, unpriced %v", op, typ, scales, keysOf(net), net.Unpriced)
				}
			}
		}
	}
}

// A Slice that turns a map round keeps its size, and is not a view.
func TestBackwardsIsNoView(t *testing.T) {
	list := func(name string, v int64) *onnx.Tensor { return onnx.IntTensor(name, onnx.Int64, []int64{v}, 1) }
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Inputs: []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1, 4, 6)}, Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float)},
		Initializers: []*onnx.Tensor{list("start", -1), list("end", -1<<63), list("axis", 2), list("step", -1)},
		Nodes:        []*onnx.Node{{Op: "Slice", Name: "y", Inputs: []string{"x", "start", "end", "axis", "step"}, Outputs: []string{"y"}}}}}
	net, err := ReadModel(m, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(net.Unpriced) != 1 || net.Unpriced[0].Reason != "it reads backwards" {
		t.Errorf("unpriced %v, free %v, kernels %v", net.Unpriced, net.Free, keysOf(net))
	}
}

package onnxreader

import (
	"testing"

	"github.com/isocost/isocost/internal/onnx"
)

// torch.eye of a known size exports as EyeLike of a constant: what is multiplied by it
// keeps its shape, and the identity itself is folded, not run.
func TestEyeLikeOfAConstantIsFolded(t *testing.T) {
	shape := onnx.IntTensor("two", onnx.Int64, []int64{2, 2}, 2)
	x, y := onnx.NewValue("x", onnx.Float, 8, 2, 2), onnx.NewValue("y", onnx.Float)
	g := &onnx.Graph{Name: "g", Initializers: []*onnx.Tensor{shape}, Inputs: []*onnx.ValueInfo{x}, Outputs: []*onnx.ValueInfo{y}, Nodes: []*onnx.Node{
		{Op: "ConstantOfShape", Name: "ones", Inputs: []string{"two"}, Outputs: []string{"c"}},
		{Op: "EyeLike", Name: "eye", Inputs: []string{"c"}, Outputs: []string{"i"}},
		{Op: "Mul", Name: "mul", Inputs: []string{"x", "i"}, Outputs: []string{"m"}},
		{Op: "Relu", Name: "relu", Inputs: []string{"m"}, Outputs: []string{"y"}},
	}}
	net, err := Read(onnx.Encode(&onnx.Model{IRVersion: 8, Graph: g, Opsets: []onnx.Opset{{Version: 17}}}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(net.Unpriced) > 0 || len(net.Kernels) != 2 {
		t.Errorf("kernels %v, unpriced %v: want the product and the activation", net.Kernels, net.Unpriced)
	}
}

package ort

import "github.com/isocost/isocost/internal/onnx"

// tinyModel is y = x + x over one float32: the least a provider can run.
func tinyModel() []byte {
	return onnx.Encode(&onnx.Model{
		IRVersion: 8,
		Opsets:    []onnx.Opset{{Version: 13}},
		Graph: &onnx.Graph{
			Name:    "tiny",
			Inputs:  []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1)},
			Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float, 1)},
			Nodes:   []*onnx.Node{{Name: "add", Op: "Add", Inputs: []string{"x", "x"}, Outputs: []string{"y"}}},
		},
	})
}

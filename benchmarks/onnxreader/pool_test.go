package onnxreader

import (
	"testing"

	"github.com/isocost/isocost/internal/onnx"
)

// A pool of a sequence, as networks shorten keys and values by, is that of a map of one row.
func TestPoolOfASequence(t *testing.T) {
	m := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{
		Inputs: []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1, 32, 196)}, Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float)},
		Nodes: []*onnx.Node{{Op: "AveragePool", Name: "pool", Inputs: []string{"x"}, Outputs: []string{"y"}, Attrs: []*onnx.Attr{
			{Name: "kernel_shape", Type: onnx.AttrInts, Ints: []int64{16}}, {Name: "strides", Type: onnx.AttrInts, Ints: []int64{16}}}}}}}
	net, err := ReadModel(m, Options{})
	if err != nil || len(net.Kernels) != 1 || len(net.Unpriced) != 0 {
		t.Fatalf("%v: %+v", err, net)
	}
	if got, want := net.Kernels[0].Op.String(), "avgpool[k=1x16,p=0,s=1x16]/fp32@c=32,h=1,w=196"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

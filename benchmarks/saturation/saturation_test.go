package saturation_test

import (
	"errors"
	"slices"
	"testing"
	"testing/fstest"

	"github.com/isocost/isocost/benchmarks/saturation"
	"github.com/isocost/isocost/internal/onnx"
)

// product is unsigned activations by the given weights, as a QLinearMatMul.
func product(weights *onnx.Tensor, nodes ...*onnx.Node) *onnx.Model {
	g := &onnx.Graph{Inputs: []*onnx.ValueInfo{onnx.NewValue("x", onnx.Uint8, 1, 4)}}
	if weights != nil {
		g.Initializers = append(g.Initializers, weights)
	}
	g.Nodes = append(nodes, &onnx.Node{Op: "QLinearMatMul", Inputs: []string{"x", "s", "z", "w", "s", "z", "s", "z"}, Outputs: []string{"y"}})
	return &onnx.Model{Graph: g}
}

func TestLargestPairOfWeights(t *testing.T) {
	for _, c := range []struct {
		weights []int64
		want    []saturation.Layer
	}{
		{[]int64{64, 64, -64, -64}, nil},
		{[]int64{64, 65, 0, 0}, []saturation.Layer{{Name: "y", Op: "QLinearMatMul", Pair: 129}}},
		{[]int64{0, -127, 3, -2}, []saturation.Layer{{Name: "y", Op: "QLinearMatMul", Pair: 129}}},
		{[]int64{127, -127, 1, -1}, nil}, // one large weight of each sign, and nothing to add to it
		{[]int64{0, 0, 0, 0}, nil},
	} {
		w := onnx.IntTensor("w", onnx.Int8, c.weights, 4, 1)
		got, err := saturation.Layers(product(w), nil)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("weights %v: %+v, %v; want %+v", c.weights, got, err, c.want)
		}
		w.Name = ""
		constant := &onnx.Node{Op: "Constant", Outputs: []string{"w"}, Attrs: []*onnx.Attr{{Name: "value", Type: onnx.AttrTensor, T: w}}}
		if got, err := saturation.Layers(product(nil, constant), nil); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("constant node of %v: %+v, %v; want %+v", c.weights, got, err, c.want)
		}
	}
}

func TestExternalWeights(t *testing.T) {
	w := func() *onnx.Tensor {
		return &onnx.Tensor{Name: "w", Type: onnx.Int8, Dims: []int64{4, 1}, IsExternal: true, External: []onnx.Entry{{Key: "location", Value: "weights"}}}
	}
	if _, err := saturation.Layers(product(w()), nil); !errors.Is(err, onnx.ErrExternal) {
		t.Errorf("without a folder: %v", err)
	}
	if _, err := saturation.Layers(product(w()), fstest.MapFS{}); err == nil {
		t.Error("missing weights were accepted")
	}
	got, err := saturation.Layers(product(w()), fstest.MapFS{"weights": {Data: []byte{127, 127, 0, 0}}})
	if err != nil || len(got) != 1 || got[0].Pair != 254 {
		t.Errorf("weights beside the model: %+v, %v", got, err)
	}
	if got, err := saturation.Layers(&onnx.Model{}, nil); err != nil || got != nil {
		t.Errorf("a file without a graph: %+v, %v", got, err)
	}
}

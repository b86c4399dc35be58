package benchmarks_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/onnxmodule"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/tflitemodule"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

// Modules that leave their batch open are measured at the protocol's, as the catalogue's
// operators are, in either format; others are refused at all but 1.
func TestModulesAtABatch(t *testing.T) {
	read := func(open bool) (*onnxmodule.Module, *tflitemodule.Module) {
		t.Helper()
		o := &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: 17}}, Graph: &onnx.Graph{Name: "relu",
			Inputs: []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, 1, 6)}, Outputs: []*onnx.ValueInfo{onnx.NewValue("y", onnx.Float, 1, 6)},
			Nodes: []*onnx.Node{{Name: "n", Op: "Relu", Inputs: []string{"x"}, Outputs: []string{"y"}}}}}
		f := &tflitefb.Model{Inputs: []int32{0}, Outputs: []int32{1}, Tensors: []tflitefb.Tensor{{Name: "x", Shape: []int32{1, 6}}, {Name: "y", Shape: []int32{1, 6}}},
			Operators: []tflitefb.Operator{{Code: tflitefb.Relu, Version: 1, Inputs: []int32{0}, Outputs: []int32{1}}}}
		if open {
			o.Graph.Inputs[0].Type.Shape[0], o.Graph.Outputs[0].Type.Shape[0] = onnx.Dim{Param: "N"}, onnx.Dim{Param: "N"}
			f.Tensors[0].Dynamic, f.Tensors[1].Dynamic = []int32{-1, 6}, []int32{-1, 6}
		}
		m, err := onnxmodule.Read(onnx.Encode(o))
		if err != nil {
			t.Fatal(err)
		}
		data, err := tflitefb.Encode(f)
		if err != nil {
			t.Fatal(err)
		}
		lite, err := tflitemodule.Read(data, m.In, m.Out, tflitemodule.Unsaid)
		if err != nil {
			t.Fatal(err)
		}
		return m, lite
	}
	for _, open := range []bool{true, false} {
		lib := &benchmarks.Library{}
		m, lite := read(open)
		op := benchmarks.ModuleKey("relu", "0123456789ab", lut.FP32, m, 1)
		if err := lib.Add(benchmarks.ModuleFile{Key: op}, m, lite); err != nil {
			t.Fatal(err)
		}
		for _, litert := range []bool{false, true} {
			g, err := benchmarks.Build(benchmarks.Chain{op, op}, benchmarks.BuildOptions{Batch: 4, Modules: lib, LiteRT: litert})
			if !open {
				if err == nil || !strings.Contains(err.Error(), "of batch 1, the model of 4") {
					t.Errorf("LiteRT %v, a module of batch 1: %v", litert, err)
				}
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if litert {
				f, err := tflitewriter.Model(g)
				if err != nil {
					t.Fatal(err)
				}
				for _, x := range f.Tensors {
					if !slices.Equal(x.Shape, []int32{4, 6}) || x.Dynamic != nil {
						t.Errorf("%s: shape %v, %v", x.Name, x.Shape, x.Dynamic)
					}
				}
				continue
			}
			o, err := onnxwriter.Model(g)
			if err != nil {
				t.Fatal(err)
			}
			if d := o.Graph.Inputs[0].Type.Shape[0]; d.Value != 4 {
				t.Errorf("the input's batch is %+v", d)
			}
		}
	}
}

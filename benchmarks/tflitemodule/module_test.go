package tflitemodule_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/benchmarks/tflitemodule"
	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/tflitefb"
)

func int32s(v ...int32) (b []byte) {
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return b
}

var grid = &tflitefb.Quant{Scale: []float32{0.5}, Zero: []int64{3}}

// quantised is a HARD_SWISH in int8 as PyTorch's converters write it: channels first
// outside, a QUANTIZE and a TRANSPOSE before it, their opposites after it.
func quantised() *tflitefb.Model {
	first, last := []int32{1, 2, 4, 6}, []int32{1, 4, 6, 2}
	return &tflitefb.Model{Inputs: []int32{0}, Outputs: []int32{5},
		Tensors: []tflitefb.Tensor{{Name: "x", Shape: first}, {Name: "q", Type: tflitefb.Int8, Shape: first, Quant: grid}, {Name: "t", Type: tflitefb.Int8, Shape: last, Quant: grid},
			{Name: "h", Type: tflitefb.Int8, Shape: last, Quant: grid}, {Name: "b", Type: tflitefb.Int8, Shape: first, Quant: grid}, {Name: "y", Shape: first},
			{Name: "there", Type: tflitefb.Int32, Shape: []int32{4}, Data: int32s(0, 2, 3, 1)}, {Name: "back", Type: tflitefb.Int32, Shape: []int32{4}, Data: int32s(0, 3, 1, 2)}},
		Operators: []tflitefb.Operator{
			{Code: tflitefb.Quantize, Version: 1, Inputs: []int32{0}, Outputs: []int32{1}},
			{Code: tflitefb.Transpose, Version: 1, Inputs: []int32{1, 6}, Outputs: []int32{2}},
			{Code: tflitefb.HardSwish, Version: 1, Inputs: []int32{2}, Outputs: []int32{3}},
			{Code: tflitefb.Transpose, Version: 1, Inputs: []int32{3, 7}, Outputs: []int32{4}},
			{Code: tflitefb.Dequantize, Version: 1, Inputs: []int32{4}, Outputs: []int32{5}},
		}}
}

func read(t *testing.T, m *tflitefb.Model, order tflitemodule.Order) (*tflitemodule.Module, error) {
	t.Helper()
	data, err := tflitefb.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	return tflitemodule.Read(data, []int{2, 4, 6}, []int{2, 4, 6}, order)
}

// What a converter puts around a module is taken off: what is left is int8, channels last.
func TestWhatStandsAroundAModuleIsTakenOff(t *testing.T) {
	m, err := read(t, quantised(), tflitemodule.Unsaid)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Model.Operators) != 1 || m.Model.Operators[0].Code != tflitefb.HardSwish || m.Input != 2 || m.Output != 3 {
		t.Errorf("%+v from %d to %d", m.Model.Operators, m.Input, m.Output)
	}
	if m.InFirst || m.OutFirst || m.Order != tflitemodule.ChannelsFirst || m.AnyBatch {
		t.Errorf("%+v", m)
	}
	if m.InGrid == nil || m.OutGrid == nil || !slices.Equal(m.InGrid.Zero, grid.Zero) {
		t.Errorf("grids %v and %v", m.InGrid, m.OutGrid)
	}
	// A shortcut around it reads the input, too: both ends stay as they are.
	s := quantised()
	s.Tensors = append(s.Tensors, tflitefb.Tensor{Name: "sum", Shape: []int32{1, 2, 4, 6}, Dynamic: []int32{-1, 2, 4, 6}})
	for _, i := range []int32{0, 1, 2, 3, 4, 5} {
		d := slices.Clone(s.Tensors[i].Shape)
		d[0] = -1
		s.Tensors[i].Dynamic = d
	}
	s.Operators = append(s.Operators, tflitefb.Operator{Code: tflitefb.Add, Version: 1, Inputs: []int32{0, 5}, Outputs: []int32{8}, Options: tflitefb.Options{Type: tflitefb.AddOptions}})
	s.Outputs = []int32{8}
	m, err = read(t, s, tflitemodule.Unsaid)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Model.Operators) != 6 || !m.InFirst || !m.OutFirst || m.InGrid != nil || m.OutGrid != nil || !m.AnyBatch {
		t.Errorf("%+v", m)
	}
}

// Where the shapes would be the same in either order, it is channels last unless said.
func TestOrderOfAxes(t *testing.T) {
	m := &tflitefb.Model{Inputs: []int32{0}, Outputs: []int32{1},
		Tensors:   []tflitefb.Tensor{{Name: "x", Shape: []int32{1, 4, 4, 4}}, {Name: "y", Shape: []int32{1, 4}}, {Name: "axes", Type: tflitefb.Int32, Shape: []int32{2}, Data: int32s(1, 2)}},
		Operators: []tflitefb.Operator{{Code: tflitefb.Mean, Version: 1, Inputs: []int32{0, 2}, Outputs: []int32{1}, Options: tflitefb.Options{Type: tflitefb.ReducerOptions}}}}
	data, err := tflitefb.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	for order, first := range map[tflitemodule.Order]bool{tflitemodule.Unsaid: false, tflitemodule.ChannelsLast: false, tflitemodule.ChannelsFirst: true} {
		got, err := tflitemodule.Read(data, []int{4, 4, 4}, []int{4}, order)
		if err != nil || got.InFirst != first || got.OutFirst || got.Order != order {
			t.Errorf("order %d: %+v, %v", order, got, err)
		}
	}
}

func TestFormsThatAreNotModules(t *testing.T) {
	for name, c := range map[string]struct {
		change func(m *tflitefb.Model)
		order  tflitemodule.Order
		want   string
	}{
		"two outputs":        {change: func(m *tflitefb.Model) { m.Outputs = []int32{5, 4} }, want: "it has 1 inputs and 2 outputs"},
		"another shape":      {change: func(m *tflitefb.Model) { m.Tensors[5].Shape = []int32{1, 2, 4, 5} }, want: "it turns [1 2 4 6] into [1 2 4 5], the ONNX form [2 4 6] into [2 4 6]"},
		"the other order":    {order: tflitemodule.ChannelsLast, want: "it turns [1 2 4 6] into [1 2 4 6]"},
		"orders that differ": {change: func(m *tflitefb.Model) { m.Tensors[5].Shape = []int32{1, 4, 6, 2} }, want: "at both ends alike"},
		"a type":             {change: func(m *tflitefb.Model) { m.Tensors[0].Type = tflitefb.Float16 }, want: `its tensor "x" is of type float16`},
		"int8 without scale": {change: func(m *tflitefb.Model) { m.Outputs[0] = 4; m.Tensors[4].Quant = nil }, want: `its tensor "b" is of type int8`},
		"a constant":         {change: func(m *tflitefb.Model) { m.Operators[2].Inputs[0] = 3 }, want: "does not depend on its input"},
	} {
		m := quantised()
		if c.change != nil {
			c.change(m)
		}
		_, err := read(t, m, c.order)
		if err == nil || !strings.Contains(err.Error()+hint.Of(err), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := tflitemodule.Read([]byte("no model"), []int{1}, []int{1}, tflitemodule.Unsaid); err == nil || hint.Of(err) == "" {
		t.Errorf("%v", err)
	}
}

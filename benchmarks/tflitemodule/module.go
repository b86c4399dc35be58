// Package tflitemodule reads a .tflite file as a module: one part of a network, with one
// tensor in and one out, that can stand between others. It checks what a network needs of
// it – the shapes of the module's ONNX form, nothing that a copy would lose – and knows no
// operators of the catalogue.
package tflitemodule

import (
	"errors"
	"fmt"
	"slices"

	"github.com/isocost/isocost/internal/hint"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/internal/tflitefb/graph"
)

// Order says in which order a form has the axes of its maps.
type Order uint8

const (
	// Unsaid is told from the shapes; where both would do, it is channels last.
	Unsaid        Order = iota
	ChannelsLast        // [N, H, W, C], as TensorFlow has them
	ChannelsFirst       // [N, C, H, W], as PyTorch has them
)

// Module is a part of a network in .tflite. It is not written to: many networks share it.
//
// What converters put around a module is not part of it: a first QUANTIZE and a last
// DEQUANTIZE are its grids, a TRANSPOSE from PyTorch's order and one back its layout. Whoever
// writes networks puts them back where the neighbours need them.
type Module struct {
	// Model is the file without what stands around the module.
	Model *tflitefb.Model
	// Input and Output are tensors of the model.
	Input, Output int32
	// InFirst and OutFirst report that these have their channels first.
	InFirst, OutFirst bool
	// InGrid and OutGrid are the scales of an int8 input and output; nil where they are float32.
	InGrid, OutGrid *tflitefb.Quant
	// Order is that of the file, Unsaid where its shapes would be the same in either.
	Order Order
	// AnyBatch reports that the batch is left open; without, it is 1.
	AnyBatch bool
}

// Read decodes the .tflite form of a module that turns in into out: [c h w] of a map,
// [tokens dim] of a sequence, [c] of a vector. Its errors say what the converter has to do
// otherwise.
func Read(data []byte, in, out []int, order Order) (*Module, error) {
	model, err := tflitefb.Decode(data)
	if err != nil {
		return nil, hint.Wrap(err, "convert the module with litert-torch (ai-edge-torch)")
	}
	switch {
	case len(model.Unkept) > 0:
		return nil, hint.Wrap(fmt.Errorf("%s, which a network made of several files would lose", model.Unkept[0]), "make the module of TensorFlow Lite's plain operators")
	case len(model.Inputs) != 1 || len(model.Outputs) != 1:
		return nil, hint.Wrap(fmt.Errorf("it has %d inputs and %d outputs, not one of each", len(model.Inputs), len(model.Outputs)), "a module takes one tensor and returns one")
	}
	m := &Module{Model: model, Input: model.Inputs[0], Output: model.Outputs[0], Order: order}
	x, y := model.Tensors[m.Input], model.Tensors[m.Output]
	for _, t := range []tflitefb.Tensor{x, y} {
		if t.Type != tflitefb.Float32 && (t.Type != tflitefb.Int8 || !scaled(t)) {
			return nil, hint.Wrap(fmt.Errorf("its tensor %.80q is of type %v", t.Name, t.Type), "float32, or int8 of one scale")
		}
	}
	if len(x.Dynamic) > 0 && x.Dynamic[0] < 0 {
		_, m.AnyBatch = model.WithBatch(2)
	}
	if err := m.orient(in, out); err != nil {
		return nil, err
	}
	g, err := graph.Load(model, graph.Options{})
	if err != nil {
		return nil, err
	}
	if !leads(g, m.Input, m.Output) {
		return nil, errors.New("its output does not depend on its input")
	}
	m.bare(g)
	return m, nil
}

// orient finds the order of the axes.
func (m *Module) orient(in, out []int) error {
	x, y := m.Model.Tensors[m.Input].Shape, m.Model.Tensors[m.Output].Shape
	last := fits(x, in, ChannelsLast) && fits(y, out, ChannelsLast)
	first := fits(x, in, ChannelsFirst) && fits(y, out, ChannelsFirst)
	switch {
	case !last && !first, m.Order == ChannelsLast && !last, m.Order == ChannelsFirst && !first:
		return hint.Wrap(fmt.Errorf("it turns %v into %v, the ONNX form %v into %v", x, y, in, out), "batch 1; channels first or last, at both ends alike")
	case m.Order == Unsaid && last && !first:
		m.Order = ChannelsLast
	case m.Order == Unsaid && first && !last:
		m.Order = ChannelsFirst
	}
	m.InFirst, m.OutFirst = m.Order == ChannelsFirst && len(in) == 3, m.Order == ChannelsFirst && len(out) == 3
	return nil
}

// fits reports that a shape of the file is one item of a shape of the graph's.
func fits(file []int32, shape []int, order Order) bool {
	want := []int32{1}
	for _, n := range shape {
		want = append(want, int32(n))
	}
	if len(shape) == 3 && order == ChannelsLast {
		want[1], want[2], want[3] = want[2], want[3], want[1]
	}
	return slices.Equal(file, want)
}

// Orders of axes that change the layout of a map.
var (
	toLast  = []int{0, 2, 3, 1}
	toFirst = []int{0, 3, 1, 2}
)

// bare takes off what stands around the module.
func (m *Module) bare(g *graph.Graph) {
	gone := map[*graph.Operator]bool{}
	for m.Input != m.Output && len(g.To[m.Input]) == 1 {
		o := g.To[m.Input][0]
		first, ok := around(g, o, tflitefb.Quantize, g.In(o, 0), g.Out(o), m.InFirst, toLast)
		if !ok {
			break
		}
		gone[o], m.InFirst, m.Input = true, first, o.Outputs[0]
	}
	for m.Output != m.Input && !slices.ContainsFunc(g.To[m.Output], func(o *graph.Operator) bool { return !gone[o] }) {
		o := g.From[m.Output]
		first, ok := around(g, o, tflitefb.Dequantize, g.Out(o), g.In(o, 0), m.OutFirst, toFirst)
		if !ok {
			break
		}
		gone[o], m.OutFirst, m.Output = true, first, o.Inputs[0]
	}
	model := *m.Model
	model.Operators = nil
	for _, o := range g.Operators {
		if !gone[o] {
			model.Operators = append(model.Operators, o.Operator)
		}
	}
	m.Model = &model
	grid := func(i int32) *tflitefb.Quant {
		if t := model.Tensors[i]; t.Type == tflitefb.Int8 {
			return t.Quant
		}
		return nil
	}
	m.InGrid, m.OutGrid = grid(m.Input), grid(m.Output)
}

// around reports that an operator stands around the module: the conversion between outer,
// in float, and inner, in int8, or the change from channels first by perm, which it was
// when first. It returns whether inner still has its channels first.
func around(g *graph.Graph, o *graph.Operator, conversion tflitefb.Op, outer, inner *tflitefb.Tensor, first bool, perm []int) (still, ok bool) {
	switch o.Code {
	case conversion:
		return first, outer.Type == tflitefb.Float32 && inner.Type == tflitefb.Int8 && scaled(*inner)
	case tflitefb.Transpose:
		got, known := g.Integers(o, 1)
		return false, first && known && slices.Equal(got, perm) && (inner.Type != tflitefb.Int8 || scaled(*inner))
	}
	return false, false
}

// scaled reports that a tensor has one scale for all of it.
func scaled(t tflitefb.Tensor) bool {
	return t.Quant != nil && len(t.Quant.Scale) == 1 && len(t.Quant.Zero) == 1
}

// leads reports that tensor to is computed from tensor from, or is that.
func leads(g *graph.Graph, from, to int32) bool {
	seen := map[int32]bool{from: true}
	for work := []int32{from}; len(work) > 0; work = work[1:] {
		if work[0] == to {
			return true
		}
		for _, o := range g.To[work[0]] {
			for _, y := range o.Outputs {
				if !seen[y] {
					seen[y] = true
					work = append(work, y)
				}
			}
		}
	}
	return false
}

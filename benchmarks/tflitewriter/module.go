package tflitewriter

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/tflitemodule"
	"github.com/isocost/isocost/internal/tflitefb"
)

// Module writes a node that is a module: the operators of its file, from the node's input
// to its output. Names of its own begin with the node's.
//
// Between two int8 neighbours of one grid the integers are handed on as they are: the
// conversion to float32 and back would change nothing. Between others it stays.
func (w *Writer) Module(m *tflitemodule.Module, n *graph.Node) {
	x, y := n.In[0], n.Out[0]
	in := w.Get(x, mapLayout(len(x.Shape), m.InFirst))
	model := m.Model
	if batch := y.Shape[0]; batch != 1 {
		resized, ok := model.WithBatch(batch)
		if !ok || !m.AnyBatch {
			Fail("%w: its .tflite form is of batch 1, the model of %d", ErrNoForm, batch)
		}
		model = resized
	}
	if m.InGrid != nil {
		in = w.integers(in, m.InGrid, n.Name+"/in")
	}
	out := w.copied(model, m, n.Name+"/", in)
	last := mapLayout(len(y.Shape), m.OutFirst)
	switch {
	case m.OutGrid != nil:
		f := w.Activation(y, last)
		w.handed[f] = true
		w.Emit(tflitefb.Dequantize, 2, []int32{out}, []int32{f}, tflitefb.Options{Type: tflitefb.DequantizeOptions})
	case slices.Contains(w.m.Inputs, out): // a module that is nothing
		w.ReshapeOp(out, w.Activation(y, last))
	default:
		w.m.Tensors[out].Name = y.Name
		w.Alias(y, out, last)
	}
}

func mapLayout(rank int, first bool) Layout {
	if first {
		return RowMajor(rank)
	}
	return ChannelsLast(rank)
}

// copied appends the operators of a module, which read tensor in, and returns what they make
// of it. Constants of a module that comes again are those it had before.
func (w *Writer) copied(model *tflitefb.Model, m *tflitemodule.Module, prefix string, in int32) int32 {
	if w.modules[m] == nil {
		w.modules[m] = map[int32]int32{}
	}
	constants, at := w.modules[m], map[int32]int32{m.Input: in}
	place := func(list []int32) []int32 {
		placed := make([]int32, len(list))
		for k, i := range list {
			j, ok := at[i]
			if !ok && i >= 0 {
				j, ok = constants[i]
			}
			if i < 0 {
				j, ok = i, true
			}
			if !ok {
				t := model.Tensors[i]
				t.Name, t.Dynamic = fmt.Sprint(prefix, t.Name), nil
				j = w.Add(t)
				if t.Data != nil {
					constants[i] = j
				}
				at[i] = j
			}
			placed[k] = j
		}
		return placed
	}
	for _, o := range model.Operators {
		w.Emit(o.Code, o.Version, place(o.Inputs), place(o.Outputs), o.Options)
		w.m.Operators[len(w.m.Operators)-1].Custom = o.Custom
	}
	return at[m.Output]
}

// integers is a float tensor on an int8 grid: what it was dequantised from where that has
// the grid, else quantised.
func (w *Writer) integers(x int32, grid *tflitefb.Quant, name string) int32 {
	if q, ok := w.dequantisedFrom(x, grid); ok {
		return q
	}
	t := w.m.Tensors[x]
	t.Name, t.Type, t.Quant = name, tflitefb.Int8, grid
	q := w.Add(t)
	w.QuantizeOp(x, q)
	return q
}

// dequantisedFrom is the int8 tensor of a grid that x was dequantised from.
func (w *Writer) dequantisedFrom(x int32, grid *tflitefb.Quant) (int32, bool) {
	for _, o := range w.m.Operators {
		if o.Code == tflitefb.Dequantize && o.Outputs[0] == x {
			q := w.m.Tensors[o.Inputs[0]]
			if q.Type != tflitefb.Int8 || q.Data != nil || q.Quant == nil || !sameGrid(q.Quant, grid) {
				return 0, false
			}
			w.bypassed[x] = true
			return o.Inputs[0], true
		}
	}
	return 0, false
}

func sameGrid(a, b *tflitefb.Quant) bool {
	return slices.Equal(a.Scale, b.Scale) && slices.Equal(a.Zero, b.Zero)
}

// dropBypassed removes conversions to float whose result nothing reads any more.
func (w *Writer) dropBypassed() {
	read := map[int32]bool{}
	for _, i := range w.m.Outputs {
		read[i] = true
	}
	for _, o := range w.m.Operators {
		for _, i := range o.Inputs {
			read[i] = true
		}
	}
	w.m.Operators = slices.DeleteFunc(w.m.Operators, func(o tflitefb.Operator) bool {
		return o.Code == tflitefb.Dequantize && w.bypassed[o.Outputs[0]] && !read[o.Outputs[0]]
	})
}

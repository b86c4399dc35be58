package tflitewriter

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// LayoutOf says where a value is now; a weight's is the graph's.
func (w *Writer) LayoutOf(v *graph.Value) Layout {
	if p, ok := w.at[v]; ok {
		return p.layout
	}
	return RowMajor(len(v.Shape))
}

// QuantizeOp rounds x to y's scale. Versions of QUANTIZE: 2 changes the scale of int8.
func (w *Writer) QuantizeOp(x, y int32) {
	w.Emit(tflitefb.Quantize, w.Version(x, 2), []int32{x}, []int32{y}, tflitefb.Options{Type: tflitefb.QuantizeOptions})
}

// pair writes an operator of two inputs that broadcast as numpy's do: ranks are made
// equal in front, then both stand in the layout of the first of full rank.
func (w *Writer) pair(n *graph.Node, code tflitefb.Op, fuses bool) {
	act := FusedAct(n)
	rank := len(n.Out[0].Shape)
	var l Layout
	for _, v := range n.In {
		if p, ok := w.at[v]; ok && len(v.Shape) == rank && l == nil {
			l = p.layout
		}
	}
	if l == nil {
		l = RowMajor(rank)
	}
	var in []int32
	for _, v := range n.In {
		in = append(in, w.Operand(v, l))
	}
	y := w.Activation(n.Out[0], l)
	if fuses {
		w.Arithmetic(code, act, y, in...)
		return
	}
	if n.Out[0].DType == graph.Int8 {
		for i, x := range in {
			in[i] = w.Like(x, fmt.Sprint(n.Name, ".scaled", i))
			w.m.Tensors[in[i]].Quant = w.m.Tensors[y].Quant
			w.QuantizeOp(x, in[i])
		}
	}
	w.Emit(code, w.Version(y, 2), in, []int32{y}, tflitefb.Options{})
}

// Operand is v for an operator whose result stands in layout l, of v's rank or more.
func (w *Writer) Operand(v *graph.Value, l Layout) int32 {
	missing := len(l) - len(v.Shape)
	if missing == 0 {
		return w.Get(v, l)
	}
	wide := slices.Concat(slices.Repeat([]int{1}, missing), v.Shape)
	shape := l.Apply(wide)
	if w.weights[v] {
		// Only axes of length one are added, so the order of the others decides.
		var order Layout
		for _, a := range l {
			if a >= missing {
				order = append(order, a-missing)
			}
		}
		return w.Shaped(v, order, shape, false)
	}
	x := w.Get(v, RowMajor(len(v.Shape)))
	t := w.ShapedLike(x, v.Name+".wide", RowMajor(len(wide)).Apply(wide)...)
	w.ReshapeOp(x, t)
	if slices.Equal(l, RowMajor(len(l))) {
		return t
	}
	u := w.ShapedLike(t, v.Name+".wide.t", shape...)
	perm := make([]int32, len(l))
	for i, a := range l {
		perm[i] = int32(a)
	}
	w.TransposeOp(t, u, perm)
	return u
}

// ReshapeOp emits a RESHAPE to y's shape.
func (w *Writer) ReshapeOp(x, y int32) {
	shape := w.m.Tensors[y].Shape
	w.Emit(tflitefb.Reshape, 1, []int32{x, w.Int32s(shape...)}, []int32{y}, tflitefb.Options{Type: tflitefb.ReshapeOptions, NewShape: shape})
}

// Arithmetic emits ADD, SUB, MUL, DIV with a fused activation.
func (w *Writer) Arithmetic(code tflitefb.Op, act float64, y int32, in ...int32) {
	options := map[tflitefb.Op]tflitefb.OptionsType{tflitefb.Add: tflitefb.AddOptions, tflitefb.Sub: tflitefb.SubOptions,
		tflitefb.Mul: tflitefb.MulOptions, tflitefb.Div: tflitefb.DivOptions}[code]
	w.Emit(code, w.Version(y, 2), in, []int32{y}, tflitefb.Options{Type: options, Values: map[string]float64{"fused_activation_function": act}})
}

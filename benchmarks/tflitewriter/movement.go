package tflitewriter

import (
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// wanted is the layout in which the first consumer that cares takes v.
func (w *Writer) wanted(v *graph.Value) Layout {
	rank := len(v.Shape)
	for _, n := range w.rest {
		if slices.Contains(n.In, v) {
			if formOf(n.Op).image {
				return ChannelsLast(rank)
			}
			return RowMajor(rank)
		}
	}
	return ChannelsLast(rank) // an output
}

// layouts a value may be in without anything having been moved.
func layouts(rank int) []Layout {
	l := []Layout{RowMajor(rank)}
	switch rank {
	case 3: // a flattened image, channels last
		l = append(l, Layout{0, 2, 1})
	case 4:
		l = append(l, ChannelsLast(4))
	}
	return l
}

// Permute moves axes (Ints perm); it leaves out a transposition that only undoes the difference between
// the graph's layout and the file's.
func (w *Writer) Permute(n *graph.Node) {
	x, y, perm := n.In[0], n.Out[0], n.Attrs.Ints["perm"]
	p := w.at[x]
	for _, l := range layouts(len(y.Shape)) {
		same := true
		for i, a := range l {
			same = same && perm[a] == p.layout[i]
		}
		if same {
			w.Alias(y, p.tensor, l)
			return
		}
	}
	l := w.wanted(y)
	out := make([]int32, len(perm))
	for i, a := range l {
		out[i] = int32(p.layout.Axis(perm[a]))
	}
	w.TransposeOp(p.tensor, w.Activation(y, l), out)
}

// Reinterpret gives row-major elements another shape. Flattening an image's pixels, or the
// opposite, moves nothing in a channels-last file either: the result is channels
// last as well.
func (w *Writer) Reinterpret(n *graph.Node) {
	x, y := n.In[0], n.Out[0]
	p := w.at[x]
	from, to := x.Shape, y.Shape
	if !w.weights[x] && len(from) == 4 && len(to) == 3 && slices.Equal(p.layout, ChannelsLast(4)) &&
		from[0] == to[0] && from[1] == to[1] {
		w.ReshapeOp(p.tensor, w.Activation(y, Layout{0, 2, 1}))
		return
	}
	if !w.weights[x] && len(from) == 3 && len(to) == 4 && slices.Equal(p.layout, Layout{0, 2, 1}) &&
		from[0] == to[0] && from[1] == to[1] {
		w.ReshapeOp(p.tensor, w.Activation(y, ChannelsLast(4)))
		return
	}
	in := w.source(x)
	// A result in which only one axis is longer than one is in every layout at once.
	l := RowMajor(len(to))
	if len(to) == 4 && (to[1] == 1 || to[2] == 1 && to[3] == 1) {
		l = ChannelsLast(4)
	}
	w.ReshapeOp(in, w.Activation(y, l))
}

// source is x with its elements in the graph's order; a tensor in another layout
// whose moved axes have length one already has them so.
func (w *Writer) source(x *graph.Value) int32 {
	if p, ok := w.at[x]; ok {
		var order []int
		for _, a := range p.layout {
			if x.Shape[a] > 1 {
				order = append(order, a)
			}
		}
		if slices.IsSorted(order) {
			return p.tensor
		}
	}
	return w.Get(x, RowMajor(len(x.Shape)))
}

// SliceOp cuts y's shape out of x, from begin on.
func (w *Writer) SliceOp(x, y int32, begin ...int32) {
	in := []int32{x, w.Int32s(begin...), w.Int32s(w.m.Tensors[y].Shape...)}
	w.Emit(tflitefb.Slice, w.Version(x, 2), in, []int32{y}, tflitefb.Options{Type: tflitefb.SliceOptions})
}

// PadOp surrounds x with zeros; amounts holds two per axis, before and after.
func (w *Writer) PadOp(n *graph.Node, x, y int32, amounts ...int32) {
	in := []int32{x, w.amounts(n, amounts)}
	w.Emit(tflitefb.Pad, w.Version(x, 2), in, []int32{y}, tflitefb.Options{Type: tflitefb.PadOptions})
}

func (w *Writer) amounts(n *graph.Node, v []int32) int32 {
	return w.Add(tflitefb.Tensor{Name: n.Name + ".pads", Type: tflitefb.Int32, Shape: []int32{int32(len(v) / 2), 2}, Data: int32Bytes(v)})
}

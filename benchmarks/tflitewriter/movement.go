package tflitewriter

import (
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// images are the operators that want channels last.
var images = []string{graph.Conv, graph.DWConv, graph.Deconv, graph.AvgPool, graph.MaxPool, graph.GAP, graph.Resize, graph.InstanceNorm, graph.DepthToSpace,
	graph.SpaceToDepth}

// wanted is the layout in which the first consumer that cares takes v.
func (w *writer) wanted(v *graph.Value) layout {
	rank := len(v.Shape)
	for _, n := range w.rest {
		if slices.Contains(n.In, v) {
			if slices.Contains(images, n.Op) {
				return channelsLast(rank)
			}
			return rowMajor(rank)
		}
	}
	return channelsLast(rank) // an output
}

// layouts a value may be in without anything having been moved.
func layouts(rank int) []layout {
	l := []layout{rowMajor(rank)}
	switch rank {
	case 3: // a flattened image, channels last
		l = append(l, layout{0, 2, 1})
	case 4:
		l = append(l, channelsLast(4))
	}
	return l
}

// transpose leaves out a transposition that only undoes the difference between
// the graph's layout and the file's.
func (w *writer) transpose(n *graph.Node) {
	x, y, perm := n.In[0], n.Out[0], n.Attrs.Ints["perm"]
	p := w.at[x]
	for _, l := range layouts(len(y.Shape)) {
		same := true
		for i, a := range l {
			same = same && perm[a] == p.layout[i]
		}
		if same {
			w.alias(y, p.tensor, l)
			return
		}
	}
	l := w.wanted(y)
	out := make([]int32, len(perm))
	for i, a := range l {
		out[i] = int32(p.layout.axis(perm[a]))
	}
	w.transposeOp(p.tensor, w.activation(y, l), out)
}

// reshape is row-major in the graph. Flattening an image's pixels, or the
// opposite, moves nothing in a channels-last file either: the result is channels
// last as well.
func (w *writer) reshape(n *graph.Node) {
	x, y := n.In[0], n.Out[0]
	p := w.at[x]
	from, to := x.Shape, y.Shape
	if !w.weights[x] && len(from) == 4 && len(to) == 3 && slices.Equal(p.layout, channelsLast(4)) &&
		from[0] == to[0] && from[1] == to[1] {
		w.reshapeOp(p.tensor, w.activation(y, layout{0, 2, 1}))
		return
	}
	if !w.weights[x] && len(from) == 3 && len(to) == 4 && slices.Equal(p.layout, layout{0, 2, 1}) &&
		from[0] == to[0] && from[1] == to[1] {
		w.reshapeOp(p.tensor, w.activation(y, channelsLast(4)))
		return
	}
	in := w.source(x)
	// A result in which only one axis is longer than one is in every layout at once.
	l := rowMajor(len(to))
	if len(to) == 4 && (to[1] == 1 || to[2] == 1 && to[3] == 1) {
		l = channelsLast(4)
	}
	w.reshapeOp(in, w.activation(y, l))
}

// source is x with its elements in the graph's order; a tensor in another layout
// whose moved axes have length one already has them so.
func (w *writer) source(x *graph.Value) int32 {
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
	return w.get(x, rowMajor(len(x.Shape)))
}

// slice keeps the first entries of an axis.
func (w *writer) slice(n *graph.Node) {
	x, y, l := w.inPlace(n)
	w.sliceOp(x, y, make([]int32, len(l))...)
}

// sliceOp cuts y's shape out of x, from begin on.
func (w *writer) sliceOp(x, y int32, begin ...int32) {
	in := []int32{x, w.int32s(begin...), w.int32s(w.m.Tensors[y].Shape...)}
	w.emit(tflitefb.Slice, w.version(x, 2), in, []int32{y}, tflitefb.Options{Type: tflitefb.SliceOptions})
}

// pad adds zeros after the last entry of every axis.
func (w *writer) pad(n *graph.Node) {
	x, y, _ := w.inPlace(n)
	var amounts []int32
	for i, to := range w.m.Tensors[y].Shape {
		amounts = append(amounts, 0, to-w.m.Tensors[x].Shape[i])
	}
	w.padOp(n, x, y, amounts...)
}

// padOp surrounds x with zeros; amounts are two an axis, before and after.
func (w *writer) padOp(n *graph.Node, x, y int32, amounts ...int32) {
	in := []int32{x, w.amounts(n, amounts)}
	w.emit(tflitefb.Pad, w.version(x, 2), in, []int32{y}, tflitefb.Options{Type: tflitefb.PadOptions})
}

func (w *writer) amounts(n *graph.Node, v []int32) int32 {
	return w.add(tflitefb.Tensor{Name: n.Name + ".pads", Type: tflitefb.Int32, Shape: []int32{int32(len(v) / 2), 2}, Data: int32Bytes(v)})
}

// expand writes BROADCAST_TO, version 3 for int8; there is no version 1.
func (w *writer) expand(n *graph.Node) {
	x, y, _ := w.inPlace(n)
	version := w.version(x, 3)
	if version == 1 {
		version = 2
	}
	w.emit(tflitefb.BroadcastTo, version, []int32{x, w.int32s(w.m.Tensors[y].Shape...)}, []int32{y}, tflitefb.Options{})
}

// blocks writes DEPTH_TO_SPACE and SPACE_TO_DEPTH, in which the channels of one
// pixel of a block stand together, as in the graph. Version 2 of the latter is int8.
func (w *writer) blocks(n *graph.Node) {
	x, y := w.ends(n, channelsLast(4), channelsLast(4))
	code, options := tflitefb.DepthToSpace, tflitefb.DepthToSpaceOptions
	if n.Op == graph.SpaceToDepth {
		code, options = tflitefb.SpaceToDepth, tflitefb.SpaceToDepthOptions
	}
	w.emit(code, w.version(x, 2), []int32{x}, []int32{y}, tflitefb.Options{Type: options,
		Values: map[string]float64{"block_size": float64(n.Int("factor", 1))}})
}

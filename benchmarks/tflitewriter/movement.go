package tflitewriter

import (
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
)

// images are the operators that want channels last.
var images = []string{graph.Conv, graph.DWConv, graph.Deconv, graph.AvgPool, graph.MaxPool, graph.GAP, graph.Resize}

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
func (w *writer) transpose(n *graph.Node) error {
	x, y, perm := n.In[0], n.Out[0], n.Attrs.Ints["perm"]
	p := w.at[x]
	for _, l := range layouts(len(y.Shape)) {
		same := true
		for i, a := range l {
			same = same && perm[a] == p.layout[i]
		}
		if same {
			w.alias(y, p.tensor, l)
			return nil
		}
	}
	l := w.wanted(y)
	out := make([]int32, len(perm))
	for i, a := range l {
		out[i] = int32(p.layout.axis(perm[a]))
	}
	w.transposeOp(p.tensor, w.activation(y, y.Name, l), out)
	return nil
}

// reshape is row-major in the graph. Flattening an image's pixels, or the
// opposite, moves nothing in a channels-last file either: the result is channels
// last as well.
func (w *writer) reshape(n *graph.Node) error {
	x, y := n.In[0], n.Out[0]
	p := w.at[x]
	from, to := x.Shape, y.Shape
	if !w.weights[x] && len(from) == 4 && len(to) == 3 && slices.Equal(p.layout, channelsLast(4)) &&
		from[0] == to[0] && from[1] == to[1] {
		w.reshapeOp(p.tensor, w.activation(y, y.Name, layout{0, 2, 1}))
		return nil
	}
	if !w.weights[x] && len(from) == 3 && len(to) == 4 && slices.Equal(p.layout, layout{0, 2, 1}) &&
		from[0] == to[0] && from[1] == to[1] {
		w.reshapeOp(p.tensor, w.activation(y, y.Name, channelsLast(4)))
		return nil
	}
	in, err := w.source(x)
	if err != nil {
		return err
	}
	// A result in which only one axis is longer than one is in every layout at once.
	l := rowMajor(len(to))
	if len(to) == 4 && (to[1] == 1 || to[2] == 1 && to[3] == 1) {
		l = channelsLast(4)
	}
	w.reshapeOp(in, w.activation(y, y.Name, l))
	return nil
}

// source is x with its elements in the graph's order; a tensor in another layout
// whose moved axes have length one already has them so.
func (w *writer) source(x *graph.Value) (int32, error) {
	if p, ok := w.at[x]; ok {
		var order []int
		for _, a := range p.layout {
			if x.Shape[a] > 1 {
				order = append(order, a)
			}
		}
		if slices.IsSorted(order) {
			return p.tensor, nil
		}
	}
	return w.get(x, rowMajor(len(x.Shape)))
}

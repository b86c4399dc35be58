package tflitewriter

import (
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// pool writes avgpool and maxpool, in which padding counts for neither.
func (w *writer) pool(n *graph.Node) {
	act := fusedAct(n)
	k, s := n.Attrs.Ints["kernel"], n.Attrs.Ints["strides"]
	if len(k) != 2 {
		fail("needs kernel{h,w}")
	}
	in := w.get(n.In[0], channelsLast(4))
	x, pad := w.padding(in, n, k, s, []int{1, 1}, n.Op == graph.MaxPool)
	y := w.activation(n.Out[0], channelsLast(4))
	size := w.m.Tensors[y].Shape
	// One pixel read: XNNPACK refuses windows of 1×1 with a stride, and the built-in
	// kernel that stands in visits every pixel of an fp32 map (13 µs for 48×48×3).
	if k[0] == 1 && k[1] == 1 && size[1] == 1 && size[2] == 1 && act == tflitefb.ActNone {
		w.sliceOp(x, y, 0, 0, 0, 0)
		return
	}
	code := tflitefb.MaxPool2D
	if n.Op == graph.AvgPool {
		code = tflitefb.AveragePool2D
	}
	emit := func(y int32, act float64) {
		w.emit(code, w.version(x, 2), []int32{x}, []int32{y}, tflitefb.Options{Type: tflitefb.Pool2DOptions, Values: map[string]float64{
			"padding": pad, "stride_w": float64(s[1]), "stride_h": float64(s[0]), "filter_width": float64(k[1]), "filter_height": float64(k[0]),
			"fused_activation_function": act}})
	}
	if n.Op == graph.MaxPool || x == in {
		emit(y, act)
		return
	}
	// The mean counted the zeros of a PAD: it is made good pixel by pixel.
	padded := w.like(y, n.Name+".padded")
	emit(padded, tflitefb.ActNone)
	w.arithmetic(tflitefb.Mul, act, y, padded, w.uncounted(n, k, s))
}

// uncounted is the constant map of how many times more pixels a window has than
// lie in the image.
func (w *writer) uncounted(n *graph.Node, k, s []int) int32 {
	p, x, y := n.Attrs.Ints["pads"], n.In[0].Shape, n.Out[0].Shape
	inside := func(axis, at int) int {
		first := at*s[axis] - p[axis]
		return min(first+k[axis], x[2+axis]) - max(first, 0)
	}
	v := &graph.Value{Name: n.Name + ".windows", DType: graph.Float32, Shape: []int{1, 1, y[2], y[3]}}
	for row := range y[2] {
		for column := range y[3] {
			v.Data = append(v.Data, float32(k[0]*k[1])/float32(inside(0, row)*inside(1, column)))
		}
	}
	if n.Out[0].DType == graph.Int8 { // one is an integer: whole windows are right to the digit
		v.DType, v.Quant = graph.Int8, &graph.Quant{Scale: []float32{1 / float32(int(127/slices.Max(v.Data)))}, Zero: []int32{0}}
	}
	w.weights[v] = true
	return w.get(v, channelsLast(4))
}

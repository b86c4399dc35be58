//go:build tensorflow

package tensorflow

import (
	"math"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"

	"github.com/isocost/isocost/benchmarks/graph"
)

// pair is a two-number attribute, h and w, with a default.
func pair(n *graph.Node, name string, def int) [2]int {
	if v := n.Attrs.Ints[name]; len(v) == 2 {
		return [2]int{v[0], v[1]}
	}
	return [2]int{def, def}
}

// padding is how TensorFlow would call pads {top,left,bottom,right} for a window
// over an h×w image: SAME (which puts the odd one at the end), VALID, or EXPLICIT
// with the eight numbers of N,H,W,C.
func padding(n *graph.Node, size, kernel [2]int) (string, []int64) {
	pads := n.Attrs.Ints["pads"]
	if len(pads) != 4 || pads[0]|pads[1]|pads[2]|pads[3] == 0 {
		return "VALID", nil
	}
	stride, dilation := pair(n, "strides", 1), pair(n, "dilations", 1)
	same := true
	for i := range 2 {
		out := (size[i] + stride[i] - 1) / stride[i]
		total := max((out-1)*stride[i]+(kernel[i]-1)*dilation[i]+1-size[i], 0)
		same = same && pads[i] == total/2 && pads[i+2] == total-total/2
	}
	if same {
		return "SAME", nil
	}
	return "EXPLICIT", []int64{0, 0, int64(pads[0]), int64(pads[2]), int64(pads[1]), int64(pads[3]), 0, 0}
}

func nhwc(v [2]int) []int64 { return []int64{1, int64(v[0]), int64(v[1]), 1} }

// convolution writes conv, dwconv and deconv with bias and activation.
func (w *writer) convolution(n *graph.Node) {
	x, k, y := n.In[0], n.In[1], n.Out[0]
	groups := n.Int("groups", 1)
	attrs := map[string]any{"strides": nhwc(pair(n, "strides", 1))}
	size, kernel := [2]int{x.Shape[2], x.Shape[3]}, [2]int{k.Shape[2], k.Shape[3]}
	if n.Op == graph.Deconv { // it is the gradient of a convolution over its result
		size = [2]int{y.Shape[2], y.Shape[3]}
	}
	name, explicit := padding(n, size, kernel)
	attrs["padding"] = name
	if explicit != nil {
		attrs["explicit_paddings"] = explicit
	}
	// w[O,I,kh,kw] becomes [kh,kw,I,O]; a depthwise w[C,1,kh,kw] [kh,kw,C,1], a
	// transposed w[C,O,kh,kw] [kh,kw,O,C].
	perm := [4]int{2, 3, 1, 0}
	if n.Op == graph.DWConv {
		perm = [4]int{2, 3, 0, 1}
	}
	shape := []int{k.Shape[perm[0]], k.Shape[perm[1]], k.Shape[perm[2]], k.Shape[perm[3]]}
	filter := w.weight(k, permute(w.data(k), k.Shape, perm), shape)
	in := w.quantisedInput(n, w.last(x))
	var z tf.Output
	switch n.Op {
	case graph.Deconv:
		z = w.transposed(attrs, groups, y.Shape, shape, filter, in)
	case graph.DWConv:
		attrs["dilations"] = nhwc(pair(n, "dilations", 1))
		z = w.op("DepthwiseConv2dNative", attrs, in, filter)
	default:
		attrs["dilations"] = nhwc(pair(n, "dilations", 1))
		z = w.op("Conv2D", attrs, in, filter)
	}
	w.set(y, w.act(n, w.bias(n, z)), false)
}

// transposed is the gradient of a convolution; groups, which it does not have on
// CPUs, are cut apart and joined. shape is the filter's, kh,kw,O/groups,C.
func (w *writer) transposed(attrs map[string]any, groups int, y, shape []int, filter, in tf.Output) tf.Output {
	to := deviceShape(y)
	if groups == 1 {
		return w.op("Conv2DBackpropInput", attrs, w.ints(to...), filter, in)
	}
	to = []int{to[0], to[1], to[2], to[3] / groups}
	last := w.constant(intTensor([]int{3}, true))
	count := map[string]any{"num_split": int64(groups)}
	images, filters := w.op("Split", count, last, in), w.op("Split", count, last, filter)
	if w.err != nil {
		return tf.Output{}
	}
	var parts tf.OutputList
	for i := range groups {
		parts = append(parts, w.op("Conv2DBackpropInput", attrs, w.ints(to...), filters.Op.Output(i), images.Op.Output(i)))
	}
	return w.op("ConcatV2", nil, parts, last)
}

// pool writes avgpool and maxpool, in which padding counts for neither. TensorFlow
// averages over SAME or VALID windows alone.
func (w *writer) pool(n *graph.Node) {
	x, y := n.In[0], n.Out[0]
	kernel := pair(n, "kernel", 1)
	name, explicit := padding(n, [2]int{x.Shape[2], x.Shape[3]}, kernel)
	z := w.last(x)
	typ := "AvgPool"
	if n.Op == graph.MaxPool {
		typ = "MaxPool"
		if explicit != nil {
			pads := n.Attrs.Ints["pads"]
			t, err := tf.NewTensor([][]int32{{0, 0}, {int32(pads[0]), int32(pads[2])}, {int32(pads[1]), int32(pads[3])}, {0, 0}})
			z = w.op("PadV2", nil, z, w.constant(t, err), w.number(math.Inf(-1), y.DType))
			name = "VALID"
		}
	} else if explicit != nil {
		w.set(y, w.paddedMean(n, kernel, z), false)
		return
	}
	w.set(y, w.op(typ, map[string]any{"ksize": nhwc(kernel), "strides": nhwc(pair(n, "strides", 1)), "padding": name}, z), false)
}

// paddedMean averages over windows that TensorFlow has no padding for: over zeros,
// made good by how many of a window's pixels lie outside.
func (w *writer) paddedMean(n *graph.Node, kernel [2]int, z tf.Output) tf.Output {
	p, s, x, y := n.Attrs.Ints["pads"], pair(n, "strides", 1), n.In[0].Shape, n.Out[0].Shape
	amounts := [][]int32{{0, 0}, {int32(p[0]), int32(p[2])}, {int32(p[1]), int32(p[3])}, {0, 0}}
	z = w.op("Pad", nil, z, w.constant(tf.NewTensor(amounts)))
	z = w.op("AvgPool", map[string]any{"ksize": nhwc(kernel), "strides": nhwc(s), "padding": "VALID"}, z)
	inside := func(axis, at int) int {
		first := at*s[axis] - p[axis]
		return min(first+kernel[axis], x[2+axis]) - max(first, 0)
	}
	var more []float32
	for row := range y[2] {
		for column := range y[3] {
			more = append(more, float32(kernel[0]*kernel[1])/float32(inside(0, row)*inside(1, column)))
		}
	}
	factor := w.cast(w.constant(floatTensor(more, []int{1, y[2], y[3], 1})), graph.Float32, n.Out[0].DType)
	return w.op("Mul", nil, z, factor)
}

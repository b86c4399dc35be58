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
	filter := w.weight(k, permute(k.Data, k.Shape, perm), shape)
	var z tf.Output
	switch n.Op {
	case graph.Deconv:
		z = w.op("Conv2DBackpropInput", attrs, w.ints(deviceShape(y.Shape)...), filter, w.last(x))
	case graph.DWConv:
		attrs["dilations"] = nhwc(pair(n, "dilations", 1))
		z = w.op("DepthwiseConv2dNative", attrs, w.last(x), filter)
	default:
		attrs["dilations"] = nhwc(pair(n, "dilations", 1))
		z = w.op("Conv2D", attrs, w.last(x), filter)
	}
	w.set(y, w.act(n, w.bias(n, z)), false)
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
		w.unsupported("average over windows padded by %v", n.Attrs.Ints["pads"])
		return
	}
	w.set(y, w.op(typ, map[string]any{"ksize": nhwc(kernel), "strides": nhwc(pair(n, "strides", 1)), "padding": name}, z), false)
}

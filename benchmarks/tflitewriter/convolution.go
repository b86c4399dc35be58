package tflitewriter

import (
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

var fused = map[string]float64{"": tflitefb.ActNone, graph.Relu: tflitefb.ActRelu, graph.Relu6: tflitefb.ActRelu6}

// fusedAct is the fused activation of a node.
func fusedAct(n *graph.Node) float64 {
	a, ok := fused[n.Act()]
	if !ok {
		fail("%w: activation %s cannot be fused", ErrNoForm, n.Act())
	}
	return a
}

// padding turns explicit padding into SAME, VALID, or a PAD in front: the tensor
// to slide over and the padding mode. lowest says that the smallest number stands
// in the padded pixels, for a maximum, and not zero.
func (w *writer) padding(x int32, n *graph.Node, k, s, d []int, lowest bool) (int32, float64) {
	p := n.Attrs.Ints["pads"]
	if len(p) != 4 || len(s) != 2 || len(d) != 2 {
		fail("needs strides{h,w}, pads{top,left,bottom,right} and dilations{h,w}")
	}
	if p[0] == 0 && p[1] == 0 && p[2] == 0 && p[3] == 0 {
		return x, tflitefb.PaddingValid
	}
	t := w.m.Tensors[x]
	same := true
	for i := range 2 {
		size := int(t.Shape[1+i])
		out := (size + s[i] - 1) / s[i]
		total := max(0, (out-1)*s[i]+(k[i]-1)*d[i]+1-size)
		same = same && p[i] == total/2 && p[i+2] == total-total/2
	}
	if same {
		return x, tflitefb.PaddingSame
	}
	y := w.shapedLike(x, n.Name+".pad", t.Shape[0], t.Shape[1]+int32(p[0]+p[2]), t.Shape[2]+int32(p[1]+p[3]), t.Shape[3])
	amounts := []int32{0, 0, int32(p[0]), int32(p[2]), int32(p[1]), int32(p[3]), 0, 0}
	if !lowest {
		w.padOp(n, x, y, amounts...)
		return y, tflitefb.PaddingValid
	}
	least := tflitefb.Tensor{Name: n.Name + ".lowest", Type: t.Type, Shape: []int32{}, Quant: t.Quant, Data: []byte{0x80}} // int8: -128
	if t.Type == tflitefb.Float32 {
		least.Data = float32Bytes([]float32{-math.MaxFloat32})
	}
	w.emit(tflitefb.PadV2, w.version(x, 2), []int32{x, w.amounts(n, amounts), w.add(least)}, []int32{y}, tflitefb.Options{})
	return y, tflitefb.PaddingValid
}

// filter are a node's kernel, in a layout and a shape of the file, and its bias. An
// int8 kernel of a node that computes in float is widened when the node says so.
func (w *writer) filter(n *graph.Node, l layout, shape ...int32) (kernel, bias int32) {
	v := n.In[1]
	if !w.weights[v] {
		fail("%w: the kernel %s is no constant", ErrNoForm, v.Name)
	}
	return w.shaped(v, l, shape, n.Attrs.Strings["quant"] == graph.QuantWeight), w.get(n.In[2], rowMajor(1))
}

// conv2D emits a CONV_2D. Versions: 3 is int8, 5 hybrid (float input, int8 kernel)
// with a scale a channel.
func (w *writer) conv2D(x, kernel, bias, y int32, values map[string]float64) {
	version := w.version(x, 3)
	if version == 1 && w.m.Tensors[kernel].Type == tflitefb.Int8 {
		version = 5
	}
	w.emit(tflitefb.Conv2D, version, []int32{x, kernel, bias}, []int32{y}, tflitefb.Options{Type: tflitefb.Conv2DOptions, Values: values})
}

// conv writes conv and dwconv. Versions of DEPTHWISE_CONV_2D: 2 has dilation, 3 is
// int8, 6 hybrid with a scale a channel.
func (w *writer) conv(n *graph.Node) {
	if w.classic && n.Int("groups", 1) > 1 {
		w.inGroups(n)
		return
	}
	act := fusedAct(n)
	v := n.In[1]
	k, s, d := v.Shape[2:], n.Attrs.Ints["strides"], n.Attrs.Ints["dilations"]
	x, pad := w.padding(w.get(n.In[0], channelsLast(4)), n, k, s, d, false)
	values := map[string]float64{"padding": pad, "stride_w": float64(s[1]), "stride_h": float64(s[0]),
		"fused_activation_function": act, "dilation_w_factor": float64(d[1]), "dilation_h_factor": float64(d[0])}
	o, i, kh, kw := int32(v.Shape[0]), int32(v.Shape[1]), int32(k[0]), int32(k[1])
	if n.Op == graph.Conv {
		kernel, bias := w.filter(n, layout{0, 2, 3, 1}, o, kh, kw, i)
		w.conv2D(x, kernel, bias, w.activation(n.Out[0], channelsLast(4)), values)
		return
	}
	values["depth_multiplier"] = float64(int(o) / n.In[0].Shape[1])
	kernel, bias := w.filter(n, layout{1, 2, 3, 0}, 1, kh, kw, o)
	version := w.version(x, 3)
	switch {
	case version == 1 && w.m.Tensors[kernel].Type == tflitefb.Int8:
		version = 6
	case version == 1 && (d[0] > 1 || d[1] > 1):
		version = 2
	}
	y := w.activation(n.Out[0], channelsLast(4))
	w.emit(tflitefb.DepthwiseConv2D, version, []int32{x, kernel, bias}, []int32{y},
		tflitefb.Options{Type: tflitefb.DepthwiseConv2DOptions, Values: values})
}

// deconv writes TRANSPOSE_CONV (version 3 has a bias, 4 an activation). Its SAME
// gives H·s pixels; other padding is a VALID result with the border cut off.
func (w *writer) deconv(n *graph.Node) {
	if n.Int("groups", 1) > 1 {
		w.inGroups(n)
		return
	}
	act := fusedAct(n)
	v, s, p := n.In[1], n.Attrs.Ints["strides"], n.Attrs.Ints["pads"]
	if len(s) != 2 || len(p) != 4 {
		fail("needs strides{h,w} and pads{top,left,bottom,right}")
	}
	x := w.get(n.In[0], channelsLast(4))
	in := w.m.Tensors[x].Shape
	full := []int32{in[0], 0, 0, int32(v.Shape[1])}
	same, valid := true, true
	for i := range 2 {
		k := v.Shape[2+i]
		total := max(0, k-s[i])
		same = same && p[i] == total/2 && p[i+2] == total-total/2 && k >= s[i]
		valid = valid && p[i] == 0 && p[i+2] == 0
		full[1+i] = (in[1+i]-1)*int32(s[i]) + int32(k)
	}
	kernel, bias := w.filter(n, layout{1, 2, 3, 0}, int32(v.Shape[1]), int32(v.Shape[2]), int32(v.Shape[3]), int32(v.Shape[0]))
	y := w.activation(n.Out[0], channelsLast(4))
	// Backwards from the result: an activation that is not fused, the cut, the sum.
	var after []func()
	version := int32(3)
	if act != tflitefb.ActNone {
		version = 4
		if w.classic {
			linear, result := w.like(y, n.Name+".linear"), y
			after = append(after, func() {
				f := functions[n.Act()]
				w.emit(f.code, w.version(linear, f.int8), []int32{linear}, []int32{result}, f.options)
			})
			version, act, y = 3, tflitefb.ActNone, linear
		}
	}
	pad := tflitefb.PaddingValid
	switch {
	case valid:
	case same:
		pad = tflitefb.PaddingSame
	default:
		whole, cut := w.shapedLike(y, n.Name+".full", full...), y
		after = append(after, func() { w.sliceOp(whole, cut, 0, int32(p[0]), int32(p[1]), 0) })
		y = whole
	}
	w.emit(tflitefb.TransposeConv, version, []int32{w.int32s(w.m.Tensors[y].Shape...), kernel, x, bias}, []int32{y},
		tflitefb.Options{Type: tflitefb.TransposeConvOptions, Values: map[string]float64{"padding": float64(pad),
			"stride_w": float64(s[1]), "stride_h": float64(s[0]), "fused_activation_function": act}})
	for _, f := range slices.Backward(after) {
		f()
	}
}

// linear writes FULLY_CONNECTED. Versions: 4 int8, 9 hybrid with asymmetric inputs,
// 12 int8 per channel.
func (w *writer) linear(n *graph.Node) {
	act := fusedAct(n)
	x := w.get(n.In[0], rowMajor(2))
	v := n.In[1]
	o, k := int32(v.Shape[0]), int32(v.Shape[1])
	perChannel := v.DType == graph.Int8 && len(v.Quant.Scale) > 1 && n.Attrs.Strings["quant"] != graph.QuantWeight
	if perChannel && w.classic {
		w.pointwise(n, x, o, k, act)
		return
	}
	values := map[string]float64{"fused_activation_function": act}
	version := w.version(x, 4)
	if perChannel {
		version = 12
	}
	if n.Attrs.Strings["quant"] == graph.QuantDynamic {
		values["asymmetric_quantize_inputs"] = 1
	}
	kernel, bias := w.filter(n, rowMajor(2), o, k)
	y := w.activation(n.Out[0], rowMajor(2))
	w.emit(tflitefb.FullyConnected, version, []int32{x, kernel, bias}, []int32{y}, tflitefb.Options{Type: tflitefb.FullyConnectedOptions, Values: values})
}

// pointwise writes a linear layer as a 1×1 convolution of M images of one pixel.
func (w *writer) pointwise(n *graph.Node, x, o, k int32, act float64) {
	m := int32(n.In[0].Shape[0])
	image := w.shapedLike(x, n.Name+".image", m, 1, 1, k)
	w.reshapeOp(x, image)
	kernel, bias := w.filter(n, rowMajor(2), o, 1, 1, k)
	y := w.activation(n.Out[0], rowMajor(2))
	pixels := w.shapedLike(y, n.Name+".pixels", m, 1, 1, o)
	w.conv2D(image, kernel, bias, pixels, map[string]float64{"padding": tflitefb.PaddingValid, "stride_w": 1, "stride_h": 1,
		"fused_activation_function": act})
	w.reshapeOp(pixels, y)
}

package tflitewriter

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

var fused = map[string]float64{"": tflitefb.ActNone, graph.Relu: tflitefb.ActRelu, graph.Relu6: tflitefb.ActRelu6}

// fusedAct is the fused activation of a node.
func fusedAct(n *graph.Node) (float64, error) {
	a, ok := fused[n.Act()]
	if !ok {
		return 0, fmt.Errorf("%w: activation %s cannot be fused", ErrNoForm, n.Act())
	}
	return a, nil
}

// padding turns explicit padding into SAME, VALID, or a PAD in front: the tensor
// to slide over and the padding mode.
func (w *writer) padding(x int32, n *graph.Node, k, s, d []int, fill padFill) (int32, float64, error) {
	p := n.Attrs.Ints["pads"]
	if len(p) != 4 || len(s) != 2 || len(d) != 2 {
		return 0, 0, fmt.Errorf("needs strides{h,w}, pads{top,left,bottom,right} and dilations{h,w}")
	}
	if p[0] == 0 && p[1] == 0 && p[2] == 0 && p[3] == 0 {
		return x, tflitefb.PaddingValid, nil
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
		return x, tflitefb.PaddingSame, nil
	}
	if fill == padNothing {
		return 0, 0, fmt.Errorf("%w: average pooling with padding %v, which is not TensorFlow's SAME", ErrNoForm, p)
	}
	y := w.like(x, n.Name+".pad")
	w.m.Tensors[y].Shape = []int32{t.Shape[0], t.Shape[1] + int32(p[0]+p[2]), t.Shape[2] + int32(p[1]+p[3]), t.Shape[3]}
	amounts := w.add(tflitefb.Tensor{Name: n.Name + ".pads", Type: tflitefb.Int32, Shape: []int32{4, 2},
		Data: int32Bytes(0, 0, p[0], p[2], p[1], p[3], 0, 0)})
	if fill == padLowest {
		lowest := tflitefb.Tensor{Name: n.Name + ".lowest", Type: t.Type, Shape: []int32{}, Quant: t.Quant, Data: []byte{0x80}} // int8: -128
		if t.Type == tflitefb.Float32 {
			lowest.Data = float32Bytes([]float32{-3.4028235e38})
		}
		w.emit(tflitefb.PadV2, w.version(x, 2), []int32{x, amounts, w.add(lowest)}, []int32{y}, tflitefb.Options{})
	} else {
		w.emit(tflitefb.Pad, w.version(x, 2), []int32{x, amounts}, []int32{y}, tflitefb.Options{Type: tflitefb.PadOptions})
	}
	return y, tflitefb.PaddingValid, nil
}

// padFill is what stands in padded pixels.
type padFill int

const (
	padZero    padFill = iota
	padLowest          // for a maximum
	padNothing         // for a mean that does not count them
)

func int32Bytes(v ...int) []byte {
	var b []byte
	for _, x := range v {
		b = append(b, byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
	}
	return b
}

// kernel is a node's weight in the file's form; an int8 weight of a node that
// computes in float is widened when the node says so.
func (w *writer) kernel(n *graph.Node, l layout, shape []int32) (int32, error) {
	v := n.In[1]
	if !w.weights[v] {
		return 0, fmt.Errorf("%w: the kernel %s is no constant", ErrNoForm, v.Name)
	}
	return w.shaped(v, l, shape, n.Attrs.Strings["quant"] == graph.QuantWeight)
}

// conv writes conv and dwconv. Versions: CONV_2D 3 is int8, DEPTHWISE_CONV_2D 2
// has dilation and 3 is int8; hybrid operators (float input, int8 kernel) are
// CONV_2D 5 per channel (2 before) and DEPTHWISE_CONV_2D 6 (4 before).
func (w *writer) conv(n *graph.Node) error {
	act, err := fusedAct(n)
	if err != nil {
		return err
	}
	x, err := w.get(n.In[0], channelsLast(4))
	if err != nil {
		return err
	}
	v := n.In[1]
	k, s, d := v.Shape[2:], n.Attrs.Ints["strides"], n.Attrs.Ints["dilations"]
	x, pad, err := w.padding(x, n, k, s, d, padZero)
	if err != nil {
		return err
	}
	values := map[string]float64{"padding": pad, "stride_w": float64(s[1]), "stride_h": float64(s[0]),
		"fused_activation_function": act, "dilation_w_factor": float64(d[1]), "dilation_h_factor": float64(d[0])}
	o, i := int32(v.Shape[0]), int32(v.Shape[1])
	code, options, version := tflitefb.Conv2D, tflitefb.Conv2DOptions, w.version(x, 3)
	l, shape := layout{0, 2, 3, 1}, []int32{o, int32(k[0]), int32(k[1]), i}
	if n.Op == graph.DWConv {
		code, options = tflitefb.DepthwiseConv2D, tflitefb.DepthwiseConv2DOptions
		l, shape = layout{1, 2, 3, 0}, []int32{1, int32(k[0]), int32(k[1]), o}
		values["depth_multiplier"] = float64(int(o) / n.In[0].Shape[1])
		if version == 1 && (d[0] > 1 || d[1] > 1) {
			version = 2
		}
	}
	kernel, err := w.kernel(n, l, shape)
	if err != nil {
		return err
	}
	if n.Attrs.Strings["quant"] == graph.QuantDynamic {
		version = map[tflitefb.Op]int32{tflitefb.Conv2D: 5, tflitefb.DepthwiseConv2D: 6}[code]
	}
	bias, err := w.get(n.In[2], rowMajor(1))
	if err != nil {
		return err
	}
	y, err := w.out(n, channelsLast(4))
	if err != nil {
		return err
	}
	w.emit(code, version, []int32{x, kernel, bias}, []int32{y}, tflitefb.Options{Type: options, Values: values})
	return nil
}

// deconv writes TRANSPOSE_CONV (version 3 has a bias). Its SAME gives H·s pixels;
// other padding is a VALID result with the border cut off.
func (w *writer) deconv(n *graph.Node) error {
	if n.Int("groups", 1) > 1 {
		return fmt.Errorf("%w: a transposed convolution in groups", ErrNoForm)
	}
	act, err := fusedAct(n)
	if err != nil {
		return err
	}
	x, err := w.get(n.In[0], channelsLast(4))
	if err != nil {
		return err
	}
	v, s, p := n.In[1], n.Attrs.Ints["strides"], n.Attrs.Ints["pads"]
	if len(s) != 2 || len(p) != 4 {
		return fmt.Errorf("needs strides{h,w} and pads{top,left,bottom,right}")
	}
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
	kernel, err := w.kernel(n, layout{1, 2, 3, 0}, []int32{int32(v.Shape[1]), int32(v.Shape[2]), int32(v.Shape[3]), int32(v.Shape[0])})
	if err != nil {
		return err
	}
	bias, err := w.get(n.In[2], rowMajor(1))
	if err != nil {
		return err
	}
	y, err := w.out(n, channelsLast(4))
	if err != nil {
		return err
	}
	target, pad := y, tflitefb.PaddingValid
	if same && !valid {
		pad = tflitefb.PaddingSame
	}
	if !same && !valid {
		target = w.like(y, n.Name+".full")
		w.m.Tensors[target].Shape = full
	}
	shape := w.int32s(w.m.Tensors[target].Shape...)
	version := int32(3)
	var after tflitefb.Op // the activation, where it is not fused
	if act != tflitefb.ActNone {
		version = 4
		if w.classic {
			version, act, after = 3, tflitefb.ActNone, map[string]tflitefb.Op{graph.Relu: tflitefb.Relu, graph.Relu6: tflitefb.Relu6}[n.Act()]
		}
	}
	result := y
	if after != 0 {
		y = w.like(y, n.Name+".linear")
		if target == result {
			target = y
		}
	}
	w.emit(tflitefb.TransposeConv, version, []int32{shape, kernel, x, bias}, []int32{target},
		tflitefb.Options{Type: tflitefb.TransposeConvOptions, Values: map[string]float64{"padding": float64(pad),
			"stride_w": float64(s[1]), "stride_h": float64(s[0]), "fused_activation_function": act}})
	if target != y {
		begin, size := w.int32s(0, int32(p[0]), int32(p[1]), 0), w.int32s(w.m.Tensors[y].Shape...)
		w.emit(tflitefb.Slice, w.version(target, 2), []int32{target, begin, size}, []int32{y}, tflitefb.Options{Type: tflitefb.SliceOptions})
	}
	if after != 0 {
		w.emit(after, w.version(y, 2), []int32{y}, []int32{result}, tflitefb.Options{})
	}
	return nil
}

// linear writes FULLY_CONNECTED. Versions: 4 int8, 5 keep_num_dims, 9 hybrid with
// asymmetric inputs, 12 int8 per channel.
func (w *writer) linear(n *graph.Node) error {
	act, err := fusedAct(n)
	if err != nil {
		return err
	}
	rank := len(n.In[0].Shape)
	x, err := w.get(n.In[0], rowMajor(rank))
	if err != nil {
		return err
	}
	values := map[string]float64{"fused_activation_function": act}
	version := w.version(x, 4)
	if rank > 2 {
		values["keep_num_dims"], version = 1, 5
	}
	v := n.In[1]
	if v.DType == graph.Int8 && len(v.Quant.Scale) > 1 && n.Attrs.Strings["quant"] != graph.QuantWeight {
		version = 12
		if w.classic && rank == 2 {
			return w.pointwise(n, x, act)
		}
	}
	if n.Attrs.Strings["quant"] == graph.QuantDynamic {
		values["asymmetric_quantize_inputs"] = 1
	}
	kernel, err := w.kernel(n, rowMajor(2), []int32{int32(v.Shape[0]), int32(v.Shape[1])})
	if err != nil {
		return err
	}
	in := []int32{x, kernel}
	if len(n.In) > 2 {
		bias, err := w.get(n.In[2], rowMajor(1))
		if err != nil {
			return err
		}
		in = append(in, bias)
	}
	y, err := w.out(n, rowMajor(rank))
	if err != nil {
		return err
	}
	w.emit(tflitefb.FullyConnected, version, in, []int32{y}, tflitefb.Options{Type: tflitefb.FullyConnectedOptions, Values: values})
	return nil
}

// pointwise writes a linear layer as a 1×1 convolution of M images of one pixel.
func (w *writer) pointwise(n *graph.Node, x int32, act float64) error {
	v := n.In[1]
	o, k, m := int32(v.Shape[0]), int32(v.Shape[1]), int32(n.In[0].Shape[0])
	image := w.like(x, n.Name+".image")
	w.m.Tensors[image].Shape = []int32{m, 1, 1, k}
	w.reshapeOp(x, image)
	kernel, err := w.shaped(v, rowMajor(2), []int32{o, 1, 1, k}, false)
	if err != nil {
		return err
	}
	bias, err := w.get(n.In[2], rowMajor(1))
	if err != nil {
		return err
	}
	y, err := w.out(n, rowMajor(2))
	if err != nil {
		return err
	}
	pixels := w.like(y, n.Name+".pixels")
	w.m.Tensors[pixels].Shape = []int32{m, 1, 1, o}
	version := w.version(x, 3)
	if version == 1 {
		version = 5 // hybrid, per channel
	}
	w.emit(tflitefb.Conv2D, version, []int32{image, kernel, bias}, []int32{pixels}, tflitefb.Options{Type: tflitefb.Conv2DOptions,
		Values: map[string]float64{"padding": tflitefb.PaddingValid, "stride_w": 1, "stride_h": 1, "fused_activation_function": act}})
	w.reshapeOp(pixels, y)
	return nil
}

func (w *writer) pool(n *graph.Node) error {
	act, err := fusedAct(n)
	if err != nil {
		return err
	}
	x, err := w.get(n.In[0], channelsLast(4))
	if err != nil {
		return err
	}
	k, s := n.Attrs.Ints["kernel"], n.Attrs.Ints["strides"]
	code, fill := tflitefb.AveragePool2D, padNothing
	if n.Op == graph.MaxPool {
		code, fill = tflitefb.MaxPool2D, padLowest
	}
	if len(k) != 2 {
		return fmt.Errorf("needs kernel{h,w}")
	}
	x, pad, err := w.padding(x, n, k, s, []int{1, 1}, fill)
	if err != nil {
		return err
	}
	y, err := w.out(n, channelsLast(4))
	if err != nil {
		return err
	}
	// One pixel read: XNNPACK refuses windows of 1×1 with a stride, and the built-in
	// kernel that stands in visits every pixel of an fp32 map (13 µs for 48×48×3).
	if size := w.m.Tensors[y].Shape; k[0] == 1 && k[1] == 1 && size[1] == 1 && size[2] == 1 && act == tflitefb.ActNone {
		w.emit(tflitefb.Slice, w.version(x, 2), []int32{x, w.int32s(0, 0, 0, 0), w.int32s(size...)}, []int32{y}, tflitefb.Options{Type: tflitefb.SliceOptions})
		return nil
	}
	w.emit(code, w.version(x, 2), []int32{x}, []int32{y}, tflitefb.Options{Type: tflitefb.Pool2DOptions, Values: map[string]float64{
		"padding": pad, "stride_w": float64(s[1]), "stride_h": float64(s[0]), "filter_width": float64(k[1]), "filter_height": float64(k[0]),
		"fused_activation_function": act}})
	return nil
}

package tflitewriter

import (
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// Padding turns explicit padding into SAME, VALID, or a PAD in front: the tensor
// to slide over and the padding mode. lowest says that the smallest number stands
// in the padded pixels, for a maximum, and not zero.
func (w *Writer) Padding(x int32, n *graph.Node, k, s, d []int, lowest bool) (int32, float64) {
	p := n.Attrs.Ints["pads"]
	if len(p) != 4 || len(s) != 2 || len(d) != 2 {
		Fail("needs strides{h,w}, pads{top,left,bottom,right} and dilations{h,w}")
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
	y := w.ShapedLike(x, n.Name+".pad", t.Shape[0], t.Shape[1]+int32(p[0]+p[2]), t.Shape[2]+int32(p[1]+p[3]), t.Shape[3])
	amounts := []int32{0, 0, int32(p[0]), int32(p[2]), int32(p[1]), int32(p[3]), 0, 0}
	if !lowest {
		w.PadOp(n, x, y, amounts...)
		return y, tflitefb.PaddingValid
	}
	least := tflitefb.Tensor{Name: n.Name + ".lowest", Type: t.Type, Shape: []int32{}, Quant: t.Quant, Data: []byte{0x80}} // int8: -128
	if t.Type == tflitefb.Float32 {
		least.Data = float32Bytes([]float32{-math.MaxFloat32})
	}
	w.Emit(tflitefb.PadV2, w.Version(x, 2), []int32{x, w.amounts(n, amounts), w.Add(least)}, []int32{y}, tflitefb.Options{})
	return y, tflitefb.PaddingValid
}

// Filter are a node's kernel, in a layout and a shape of the file, and its bias. An
// int8 kernel of a node that computes in float is widened when the node says so.
func (w *Writer) Filter(n *graph.Node, l Layout, shape ...int32) (kernel, bias int32) {
	v := n.In[1]
	if !w.weights[v] {
		Fail("%w: the kernel %s is not a constant", ErrNoForm, v.Name)
	}
	return w.Shaped(v, l, shape, n.Attrs.Strings["quant"] == graph.QuantWeight), w.Get(n.In[2], RowMajor(1))
}

// Conv2D emits a CONV_2D. Versions: 3 is int8, 5 hybrid (float input, int8 kernel)
// with a scale per channel.
func (w *Writer) Conv2D(x, kernel, bias, y int32, values map[string]float64) {
	version := w.Version(x, 3)
	if version == 1 && w.m.Tensors[kernel].Type == tflitefb.Int8 {
		version = 5
	}
	w.Emit(tflitefb.Conv2D, version, []int32{x, kernel, bias}, []int32{y}, tflitefb.Options{Type: tflitefb.Conv2DOptions, Values: values})
}

package benchmarks

import (
	"math/bits"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

func init() {
	define(kind{
		name: "linear", doc: "fully connected; m rows: a sequence, or a vector for m = 1",
		attrs: []attribute{activation()}, axes: []string{"m", "cin", "cout"},
		in:  func(a args) Shape { return rows(a, "cin") },
		out: func(a args) Shape { return rows(a, "cout") },
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.linear(x, "linear", a.axis("cout"), a.str("act"))
		},
		frame: alone, streams: true,
		weights: func(a args) (int, error) { return a.axis("cin") * a.axis("cout"), nil },
		grid:    gridOf(linearGrid), example: "linear/P@cin=32,cout=24,m=4",
		// x[M,K], w[O,K], b[O] → y[M,O]; sequences are reshaped around it.
		operator: &operator{
			value:  reference.Fill(linearReference).Rounding(termsOfRow),
			work:   products(func(n *graph.Node) int64 { return int64(n.Out[0].Len()) * int64(n.In[1].Shape[1]) }),
			onnx:   onnxwriter.OpBy("Gemm", linearONNX),
			tflite: tflitewriter.OpBy(tflitefb.FullyConnected, linearTFLite),
			tf:     tfgraph.OpBy("MatMul", linearTF),
		},
	})
}

// termsOfRow is the number of terms of a product of matrices, and one.
func termsOfRow(n *graph.Node) int {
	x := n.In[0].Shape
	return x[len(x)-1] + 1
}

// rows is a linear layer's shape: a vector for one row, else a sequence.
func rows(a args, axis string) Shape {
	if m := a.axis("m"); m > 1 {
		return Shape{m, a.axis(axis)}
	}
	return Shape{a.axis(axis)}
}

// fullyConnected is the key of a linear layer of m rows.
func fullyConnected(p lut.Precision, m, cin, cout int) lut.Op {
	return lut.NewOp("linear", p, nil, map[string]int{"m": m, "cin": cin, "cout": cout})
}

// linear takes sequences too, but the node is a matrix product of plain matrices
// – Gemm in ONNX, fully connected in TFLite – with reshapes that copy nothing
// around it, as ONNX Runtime itself rewrites MatMul + Add of a sequence.
func (b *builder) linear(x *graph.Value, name string, cout int, act string) *graph.Value {
	cin := x.Shape[len(x.Shape)-1]
	name = b.layer + "." + name
	full := x.Shape
	if len(full) > 2 {
		x = b.as(x, name+".flat", []int{x.Len() / cin, cin})
	}
	w := b.weight(name+".w", []int{cout, cin}, cin, x, 0)
	bias := b.bias(name+".b", cout, x, w)
	n := b.node("linear", name, []int{x.Shape[0], cout}, stat{0, 1}, x, w, bias)
	b.mode(n)
	y := b.activate(n, act)
	if len(full) > 2 {
		y = b.as(y, y.Name+".unflat", append(slices.Clone(full[:len(full)-1]), cout))
	}
	return y
}

// linearTFLite writes FULLY_CONNECTED. Versions: 4 int8, 9 hybrid with asymmetric inputs,
// 12 int8 per channel.
func linearTFLite(w *tflitewriter.Writer, n *graph.Node) {
	act := tflitewriter.FusedAct(n)
	x := w.Get(n.In[0], tflitewriter.RowMajor(2))
	v := n.In[1]
	o, k := int32(v.Shape[0]), int32(v.Shape[1])
	perChannel := v.DType == graph.Int8 && len(v.Quant.Scale) > 1 && n.Attrs.Strings["quant"] != graph.QuantWeight
	if perChannel && w.Classic() {
		pointwiseTFLite(w, n, x, o, k, act)
		return
	}
	values := map[string]float64{"fused_activation_function": act}
	version := w.Version(x, 4)
	if perChannel {
		version = 12
	}
	if n.Attrs.Strings["quant"] == graph.QuantDynamic {
		values["asymmetric_quantize_inputs"] = 1
	}
	kernel, bias := w.Filter(n, tflitewriter.RowMajor(2), o, k)
	y := w.Activation(n.Out[0], tflitewriter.RowMajor(2))
	w.Emit(tflitefb.FullyConnected, version, []int32{x, kernel, bias}, []int32{y}, tflitefb.Options{Type: tflitefb.FullyConnectedOptions, Values: values})
}

// pointwiseTFLite writes a linear layer as a 1×1 convolution of M images of one pixel.
func pointwiseTFLite(w *tflitewriter.Writer, n *graph.Node, x, o, k int32, act float64) {
	m := int32(n.In[0].Shape[0])
	image := w.ShapedLike(x, n.Name+".image", m, 1, 1, k)
	w.ReshapeOp(x, image)
	kernel, bias := w.Filter(n, tflitewriter.RowMajor(2), o, 1, 1, k)
	y := w.Activation(n.Out[0], tflitewriter.RowMajor(2))
	pixels := w.ShapedLike(y, n.Name+".pixels", m, 1, 1, o)
	w.Conv2D(image, kernel, bias, pixels, map[string]float64{"padding": tflitefb.PaddingValid, "stride_w": 1, "stride_h": 1,
		"fused_activation_function": act})
	w.ReshapeOp(pixels, y)
}

func linearONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	switch n.Attrs.Strings["quant"] {
	case graph.QuantDynamic:
		linearDynamic(w, n, out)
	case graph.QuantWeight:
		weightOnlyONNX(w, n, out)
	default:
		w.Emit("Gemm", w.Ins(n), out, onnx.IntAttr("transB", 1))
	}
}

// linearDynamic writes a linear layer whose input is quantised at run time: MatMulInteger
// of DynamicQuantizeLinear's integers, then scale and bias in float, which ONNX Runtime
// fuses into one kernel, DynamicQuantizeMatMul.
func linearDynamic(w *onnxwriter.Writer, n *graph.Node, out string) {
	q, zero := w.Dynamic(n.In[0])
	weight := n.In[1]
	channels, k := weight.Shape[0], weight.Shape[1]
	ints := weight.Integers()
	t := make([]int64, len(ints)) // [O,K] → [K,O]
	for i, v := range ints {
		t[i%k*channels+i/k] = v
	}
	wq := w.Constant(onnx.IntTensor(weight.Name+".q", onnx.Int8, t, k, channels))
	wz := w.Constant(onnx.IntTensor(weight.Name+".zero", onnx.Int8, make([]int64, channels), channels))
	product := w.Emit("MatMulInteger", []string{q, wq, zero, wz}, n.Name+".int").Outputs[0]
	w.InFloat(n, q, product, out, channels)
}

// weightOnlyONNX writes a linear layer with int8 weights and float arithmetic as
// com.microsoft.MatMulNBits, 8 bits. The operator's scales are per block of K; one
// scale a channel repeats in each of its blocks. The block is the largest power of
// two up to 128 that K fills, at least 16, as the operator demands.
func weightOnlyONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	weight := n.In[1]
	rows, k := weight.Shape[0], weight.Shape[1]
	block := min(128, max(16, 1<<(bits.Len(uint(k))-1)))
	blocks := (k + block - 1) / block
	packed := make([]int64, rows*blocks*block) // unsigned with zero point 128; the last block is padded with zeros
	for i := range packed {
		packed[i] = 128
	}
	for i, v := range weight.Integers() {
		packed[i/k*blocks*block+i%k] = v + 128
	}
	scales := make([]float32, rows*blocks)
	for i := range scales {
		scales[i] = weight.Quant.Scale[i/blocks]
	}
	b := w.Constant(onnx.IntTensor(weight.Name+".q", onnx.Uint8, packed, rows, blocks, block))
	s := w.Constant(onnx.FloatTensor(weight.Name+".scale", onnx.Float, scales, rows, blocks))
	node := w.EmitMicrosoft("MatMulNBits", []string{w.In(n.In[0]), b, s}, n.Name+".product",
		onnx.IntAttr("K", int64(k)), onnx.IntAttr("N", int64(rows)), onnx.IntAttr("bits", 8), onnx.IntAttr("block_size", int64(block)))
	w.Emit("Add", []string{node.Outputs[0], w.In(n.In[2])}, out)
}

func linearReference(e *reference.Env, n *graph.Node, out []float32) {
	a, w, b := e.Of(n.In[0]), e.Of(n.In[1]), e.Of(n.In[2])
	k, cols := n.In[0].Shape[1], n.Out[0].Shape[1]
	if n.Attrs.Strings["quant"] == graph.QuantDynamic {
		a = reference.Dynamic(a)
	}
	for i := range out {
		r, c := i/cols, i%cols
		sum := float64(b[c])
		for j := range k {
			sum += float64(a[r*k+j]) * float64(w[c*k+j])
		}
		out[i] = float32(e.Activate(n, sum))
	}
}

// linearTF is a product with the weight's transpose.
func linearTF(b tfgraph.Builder, n *graph.Node) {
	o, k := n.In[1].Shape[0], n.In[1].Shape[1]
	weight, data := make([]float32, 0, o*k), b.Data(n.In[1])
	for i := range k {
		for j := range o {
			weight = append(weight, data[j*k+i])
		}
	}
	z := b.Op("MatMul", nil, b.Quantised(n, b.Get(n.In[0], true)), b.Weight(n.In[1], weight, k, o))
	b.Set(n.Out[0], b.Activate(n, b.Bias(n, z)), true)
}

func linearGrid(add func(gridAttrs, gridCoords)) {
	for _, cin := range []int{256, 512, 1024} {
		for _, cout := range []int{100, 256, 1000, 1024} {
			for _, rows := range []int{1, 49, 196} {
				add(nil, gridCoords{"m": rows, "cin": cin, "cout": cout})
			}
		}
	}
}

package benchmarks

import (
	"math/bits"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/onnx"
)

// dynamic writes a convolution or linear layer whose input is quantised at run
// time: DynamicQuantizeLinear, ConvInteger or MatMulInteger, then scale and bias in
// float. ONNX Runtime fuses the linear form into one kernel, DynamicQuantizeMatMul.
func (w *onnxWriter) dynamic(n *graph.Node, out string, attrs []*onnx.Attr) {
	x, weight, bias := w.in(n.In[0]), n.In[1], n.In[2]
	q := x + ".dyn"
	if !w.have[q] {
		w.have[q] = true
		w.g.Nodes = append(w.g.Nodes, &onnx.Node{Name: q, Op: "DynamicQuantizeLinear", Inputs: []string{x}, Outputs: []string{q, q + ".scale", q + ".zero"}})
	}
	channels := weight.Shape[0]
	ints := weight.Integers()
	var product string
	shape := []int{channels}
	if n.Op == graph.Linear {
		k := weight.Shape[1]
		t := make([]int64, len(ints)) // [O,K] → [K,O]
		for i, v := range ints {
			t[i%k*channels+i/k] = v
		}
		wq := w.constant(onnx.IntTensor(weight.Name+".q", onnx.Int8, t, k, channels))
		wz := w.constant(onnx.IntTensor(weight.Name+".zero", onnx.Int8, make([]int64, channels), channels))
		product = w.emit("MatMulInteger", []string{q, wq, q + ".zero", wz}, n.Name+".int").Outputs[0]
	} else {
		// The CPU kernel takes unsigned weights only: shifted by 128, and so is the zero.
		for i := range ints {
			ints[i] += 128
		}
		wq := w.constant(onnx.IntTensor(weight.Name+".q", onnx.Uint8, ints, weight.Shape...))
		wz := w.constant(onnx.IntTensor(weight.Name+".zero", onnx.Uint8, []int64{128}))
		product = w.emit("ConvInteger", []string{q, wq, q + ".zero", wz}, n.Name+".int", attrs...).Outputs[0]
		shape = []int{1, channels, 1, 1}
	}
	ws := w.constant(onnx.FloatTensor(weight.Name+".scale", onnx.Float, weight.Quant.Scale, shape...))
	b := w.constant(onnx.FloatTensor(bias.Name, onnx.Float, bias.Data, shape...))
	f := w.emit("Cast", []string{product}, n.Name+".float", onnx.IntAttr("to", int64(onnx.Float))).Outputs[0]
	scale := w.emit("Mul", []string{q + ".scale", ws}, n.Name+".scale").Outputs[0]
	scaled := w.emit("Mul", []string{f, scale}, n.Name+".scaled").Outputs[0]
	w.emit("Add", []string{scaled, b}, out)
}

// weightOnly writes a linear layer with int8 weights and float arithmetic as
// com.microsoft.MatMulNBits, 8 bits. The operator's scales are per block of K; one
// scale a channel repeats in each of its blocks. The block is the largest power of
// two up to 128 that K fills, at least 16, as the operator demands.
func (w *onnxWriter) weightOnly(n *graph.Node, out string) {
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
	b := w.constant(onnx.IntTensor(weight.Name+".q", onnx.Uint8, packed, rows, blocks, block))
	s := w.constant(onnx.FloatTensor(weight.Name+".scale", onnx.Float, scales, rows, blocks))
	node := w.emit("MatMulNBits", []string{w.in(n.In[0]), b, s}, n.Name+".product",
		onnx.IntAttr("K", int64(k)), onnx.IntAttr("N", int64(rows)), onnx.IntAttr("bits", 8), onnx.IntAttr("block_size", int64(block)))
	node.Domain, w.microsoft = "com.microsoft", true
	w.emit("Add", []string{node.Outputs[0], w.in(n.In[2])}, out)
}

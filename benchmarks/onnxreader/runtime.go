package onnxreader

import (
	"slices"

	"github.com/isocost/isocost/internal/onnx"
)

// runtimeShapes are the shape rules of operators that ONNX Runtime's optimiser
// puts into a graph (contrib operators, domain com.microsoft, documented in
// onnxruntime/docs/ContribOperators.md; domain com.microsoft.nchwc is internal).
var runtimeShapes map[string]func(*graph, *node)

func init() {
	const ms, nchwc = "com.microsoft:", "com.microsoft.nchwc:"
	runtimeShapes = map[string]func(*graph, *node){
		ms + "FusedConv":                        convShape(0, 1),
		ms + "QLinearConv":                      lastConv(0, 3),
		ms + "NhwcConv":                         nhwcConv,
		ms + "NhwcFusedConv":                    nhwcConv,
		ms + "NhwcMaxPool":                      nhwcPool,
		ms + "QLinearAveragePool":               lastPool,
		ms + "QLinearGlobalAveragePool":         lastGlobalPool,
		ms + "QLinearAdd":                       binaryAt(0, 3),
		ms + "QLinearMul":                       binaryAt(0, 3),
		ms + "QLinearConcat":                    qlinearConcat,
		ms + "QGemm":                            qgemm,
		ms + "FusedMatMul":                      matmulShape(0, 1, 0),
		ms + "FusedGemm":                        gemmShape,
		ms + "MatMulIntegerToFloat":             matmulShape(0, 1, onnx.Float),
		ms + "MatMulNBits":                      nbitsShape,
		ms + "DynamicQuantizeMatMul":            matmulShape(0, 1, onnx.Float),
		ms + "SkipLayerNormalization":           same,
		ms + "QuickGelu":                        same,
		ms + "Gelu":                             same,
		ms + "FastGelu":                         same,
		ms + "BiasGelu":                         same,
		ms + "QLinearSigmoid":                   same,
		ms + "QLinearLeakyRelu":                 same,
		ms + "QLinearSoftmax":                   same,
		ms + "QuantizeLinear":                   quantizeShape,
		ms + "DequantizeLinear":                 dequantizeShape,
		nchwc + "Conv":                          nchwcConv,
		nchwc + "MaxPool":                       nchwcPool,
		nchwc + "AveragePool":                   nchwcPool,
		nchwc + "GlobalAveragePool":             globalPoolShape,
		nchwc + "GlobalMaxPool":                 globalPoolShape,
		nchwc + "ReorderInput":                  reorderInput,
		nchwc + "ReorderOutput":                 reorderOutput,
		nchwc + "Upsample":                      nchwcUpsample,
		"LayerNormalization":                    same,
		"SimplifiedLayerNormalization":          same,
		ms + "SkipSimplifiedLayerNormalization": same,
	}
}

// Blocked values have the shape N, C, H, W of the plain ones, C rounded up to the
// block: what their consumers see.

func nchwcConv(g *graph, n *node) {
	if !n.knownInputs(2) {
		return
	}
	in, w := n.in[0].shape, n.in[1].shape
	if len(in) != 4 || len(w) != 4 {
		return
	}
	n.groups = n.int("group", 1)
	if win, ok := n.slide(in[2:], n.kernelOf(1)); ok {
		n.set(0, n.in[0].dtype, append([]int{in[0], w[0]}, win.out...))
	}
}

func nchwcPool(g *graph, n *node) { poolShape(g, n) }

func reorderInput(_ *graph, n *node) {
	if !n.knownInputs(1) || len(n.in[0].shape) != 4 {
		return
	}
	s := slices.Clone(n.in[0].shape)
	if n.int("channels_last", 0) == 1 {
		s = []int{s[0], s[3], s[1], s[2]}
	}
	n.set(0, n.in[0].dtype, s)
}

func reorderOutput(_ *graph, n *node) {
	if !n.knownInputs(1) || len(n.in[0].shape) != 4 {
		return
	}
	s := slices.Clone(n.in[0].shape)
	if c := n.int("channels", 0); c > 0 {
		s[1] = c
	}
	if n.int("channels_last", 0) == 1 {
		s = []int{s[0], s[2], s[3], s[1]}
	}
	n.set(0, n.in[0].dtype, s)
}

func nchwcUpsample(_ *graph, n *node) {
	if !n.knownInputs(1) || len(n.in[0].shape) != 4 {
		return
	}
	s, f := slices.Clone(n.in[0].shape), n.ints("scales")
	if len(f) != 4 {
		return
	}
	for i := range s {
		if f[i] < 1 || s[i] > maxElements/f[i] {
			return
		}
		s[i] *= f[i]
	}
	n.set(0, n.in[0].dtype, s)
}

// channelsFirst is a shape N,H,W,C as N,C,H,W; channelsLast the other way.
func channelsFirst(s []int) []int {
	k := len(s)
	return slices.Concat(s[:1], s[k-1:], s[1:k-1])
}

func lastConv(x, w int) func(*graph, *node) {
	return func(g *graph, n *node) {
		if n.int("channels_last", 0) == 0 {
			convShape(x, w)(g, n)
			return
		}
		convLast(n, x, w, func(wt []int) []int { return wt[2:] })
	}
}

// nhwcConv has float channels-last data and weights M, C/g, kH, kW.
func nhwcConv(_ *graph, n *node) { convLast(n, 0, 1, func(wt []int) []int { return wt[2:] }) }

func convLast(n *node, x, w int, kernel func([]int) []int) {
	if n.input(x) == nil || n.input(w) == nil || !n.in[x].known || !n.in[w].known {
		return
	}
	in, wt := n.in[x].shape, n.in[w].shape
	if len(in) < 3 || len(wt) != len(in) {
		return
	}
	n.groups = n.int("group", 1)
	k := n.ints("kernel_shape")
	if k == nil {
		k = kernel(wt)
	}
	if win, ok := n.slide(in[1:len(in)-1], k); ok {
		n.set(0, n.in[x].dtype, slices.Concat(in[:1], win.out, wt[:1]))
	}
}

func nhwcPool(_ *graph, n *node) { poolLast(n) }

func poolLast(n *node) {
	if !n.knownInputs(1) || len(n.in[0].shape) < 3 {
		return
	}
	in := n.in[0].shape
	if win, ok := n.slide(in[1:len(in)-1], n.ints("kernel_shape")); ok {
		n.set(0, n.in[0].dtype, slices.Concat(in[:1], win.out, in[len(in)-1:]))
	}
}

func lastPool(g *graph, n *node) {
	if n.int("channels_last", 0) == 1 {
		poolLast(n)
	} else {
		poolShape(g, n)
	}
}

func lastGlobalPool(g *graph, n *node) {
	if n.int("channels_last", 0) == 0 {
		globalPoolShape(g, n)
		return
	}
	if !n.knownInputs(1) || len(n.in[0].shape) < 3 {
		return
	}
	s := slices.Clone(n.in[0].shape)
	for i := 1; i < len(s)-1; i++ {
		s[i] = 1
	}
	n.set(0, n.in[0].dtype, s)
}

func binaryAt(a, b int) func(*graph, *node) {
	return func(_ *graph, n *node) {
		if n.input(a) == nil || n.input(b) == nil || !n.in[a].known || !n.in[b].known {
			return
		}
		if s, ok := broadcast(n.in[a].shape, n.in[b].shape); ok {
			n.set(0, n.in[a].dtype, slices.Clone(s))
		}
	}
}

// qlinearConcat: y_scale, y_zero, then (x, scale, zero) for every part.
func qlinearConcat(_ *graph, n *node) {
	if len(n.in) < 5 || n.in[2] == nil || !n.in[2].known {
		return
	}
	out := slices.Clone(n.in[2].shape)
	a, ok := axis(n.int("axis", 1), len(out))
	if !ok {
		return
	}
	for i := 5; i < len(n.in); i += 3 {
		if n.in[i] == nil || !n.in[i].known || len(n.in[i].shape) != len(out) {
			return
		}
		out[a] += n.in[i].shape[a]
	}
	n.set(0, n.in[2].dtype, out)
}

// nbitsShape: A[…, K] times weights of few bits, K and N attributes.
func nbitsShape(_ *graph, n *node) {
	if !n.knownInputs(1) || len(n.in[0].shape) < 1 {
		return
	}
	s := slices.Clone(n.in[0].shape)
	if k, cols := n.int("K", 0), n.int("N", 0); k >= 1 && cols >= 1 && s[len(s)-1] == k {
		s[len(s)-1] = cols
		n.set(0, n.in[0].dtype, s)
	}
}

// qgemm: A, a_scale, a_zero, B, b_scale, b_zero, C, y_scale, y_zero.
func qgemm(_ *graph, n *node) {
	a, b := n.input(0), n.input(3)
	if a == nil || b == nil || !a.known || !b.known || len(a.shape) != 2 || len(b.shape) != 2 {
		return
	}
	x, y := a.shape, b.shape
	if n.int("transA", 0) == 1 {
		x = swapLast(x)
	}
	if n.int("transB", 0) == 1 {
		y = swapLast(y)
	}
	typ := onnx.Float
	if n.input(7) != nil {
		typ = a.dtype
	}
	n.set(0, typ, []int{x[0], y[1]})
}

package ortmemory

import (
	"github.com/isocost/isocost/internal/onnx/graph"
)

// workspace returns the memory that a kernel of ONNX Runtime's CPU provider takes beyond its tensors
// while it runs, in bytes: sums in 32 bits that are narrowed at the end, inputs laid
// out for a matrix product, copies in another layout. Float kernels on blocked layouts,
// and most others, take nothing. (core/providers/cpu/quantization/qlinearconv.cc,
// conv_integer.cc, quantize_linear_matmul.cc, contrib_ops/cpu/quantization.)
func workspace(n *graph.Node) int64 {
	if len(n.Out) == 0 {
		return 0
	}
	switch n.Op {
	case "com.microsoft:QLinearConv", "QLinearConv":
		return quantisedConv(n, 0, 3, n.Int("channels_last", 0) == 1)
	case "ConvInteger":
		return convColumns(n, 0, 1)
	case "QLinearMatMul", "com.microsoft:QLinearMatMul":
		return 4 * outElements(n)
	case "com.microsoft:QGemm":
		if n.Input(8) != nil || n.Input(7) != nil { // an output in 8 bits
			return 4 * outElements(n)
		}
	case "com.microsoft:DynamicQuantizeMatMul":
		return inElements(n, 0)
	case "com.microsoft:QLinearAveragePool":
		return 4 * inElements(n, 0)
	}
	return 0
}

func outElements(n *graph.Node) int64 {
	if len(n.Out) == 0 || n.Out[0] == nil || !n.Out[0].Known {
		return 0
	}
	return int64(max(0, graph.Elements(n.Out[0].Shape)))
}

func inElements(n *graph.Node, i int) int64 {
	if v := n.Input(i); v != nil && v.Known {
		return int64(max(0, graph.Elements(v.Shape)))
	}
	return 0
}

// quantisedConv is QLinearConv's: sums of 32 bits for the whole output; unless its
// layout is channels-last already, a copy of input and output in that layout; and for
// other than pointwise kernels the input as columns, or for depthwise ones pointers.
func quantisedConv(n *graph.Node, x, w int, channelsLast bool) int64 {
	in, wt, out := n.Input(x), n.Input(w), n.Out[0]
	if in == nil || wt == nil || out == nil || !in.Known || !wt.Known || !out.Ruled || len(wt.Shape) < 3 || len(in.Shape) != len(wt.Shape) {
		return 0
	}
	m := wt.Shape[0]
	if m == 0 || outElements(n) == 0 {
		return 0
	}
	pixels := outElements(n) / int64(m) / int64(max(1, out.Shape[0]))
	groups, kernel := n.Int("group", 1), int64(1)
	for _, k := range wt.Shape[2:] {
		kernel *= int64(k)
	}
	depthwise := wt.Shape[1] == 1 && groups == m
	symmetric := groups == 1 && wt.Shape[1]%4 == 0 && m >= 16 || depthwise && groups%16 == 0
	bytes := int64(0)
	if !symmetric {
		bytes = 4 * pixels * int64(m)
	}
	if !channelsLast {
		bytes += inElements(n, x)/int64(max(1, in.Shape[0])) + pixels*int64(m)
	}
	switch {
	case depthwise, symmetric && columns(n, kernel):
		bytes += 8 * kernel * pixels
	case columns(n, kernel):
		bytes += kernel * int64(wt.Shape[1]) * pixels
	}
	return bytes
}

// columns says whether the input has to be laid out for the product: not for a
// pointwise kernel without strides and padding.
func columns(n *graph.Node, kernel int64) bool {
	if kernel != 1 {
		return true
	}
	for _, s := range n.Ints("strides") {
		if s != 1 {
			return true
		}
	}
	for _, p := range n.Ints("pads") {
		if p != 0 {
			return true
		}
	}
	return false
}

// convColumns is the input of a convolution of integers as columns, one group at a time.
func convColumns(n *graph.Node, x, w int) int64 {
	in, wt, out := n.Input(x), n.Input(w), n.Out[0]
	if in == nil || wt == nil || out == nil || !wt.Known || !out.Ruled || len(wt.Shape) < 3 || wt.Shape[0] == 0 {
		return 0
	}
	kernel := int64(1)
	for _, k := range wt.Shape[2:] {
		kernel *= int64(k)
	}
	if !columns(n, kernel) {
		return 0
	}
	return kernel * int64(wt.Shape[1]) * (outElements(n) / int64(wt.Shape[0]) / int64(max(1, out.Shape[0])))
}

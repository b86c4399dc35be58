package onnxreader

// workspace is what a kernel of ONNX Runtime's CPU provider takes beyond its tensors
// while it runs, in bytes: sums in 32 bits that are narrowed at the end, inputs laid
// out for a matrix product, copies in another layout. Float kernels on blocked layouts,
// and most others, take nothing. (core/providers/cpu/quantization/qlinearconv.cc,
// conv_integer.cc, quantize_linear_matmul.cc, contrib_ops/cpu/quantization.)
func (n *node) workspace() int64 {
	switch n.op {
	case "com.microsoft:QLinearConv", "QLinearConv":
		return n.quantisedConv(0, 3, n.int("channels_last", 0) == 1)
	case "ConvInteger":
		return n.convColumns(0, 1)
	case "QLinearMatMul", "com.microsoft:QLinearMatMul":
		return 4 * n.outElements()
	case "com.microsoft:QGemm":
		if n.input(8) != nil || n.input(7) != nil { // an output in 8 bits
			return 4 * n.outElements()
		}
	case "com.microsoft:DynamicQuantizeMatMul":
		return n.inElements(0)
	case "com.microsoft:QLinearAveragePool":
		return 4 * n.inElements(0)
	}
	return 0
}

func (n *node) outElements() int64 {
	if len(n.out) == 0 || n.out[0] == nil || !n.out[0].known {
		return 0
	}
	return int64(max(0, elements(n.out[0].shape)))
}

func (n *node) inElements(i int) int64 {
	if v := n.input(i); v != nil && v.known {
		return int64(max(0, elements(v.shape)))
	}
	return 0
}

// quantisedConv is QLinearConv's: sums of 32 bits for the whole output; unless its
// layout is channels-last already, a copy of input and output in that layout; and for
// other than pointwise kernels the input as columns, or for depthwise ones pointers.
func (n *node) quantisedConv(x, w int, channelsLast bool) int64 {
	in, wt, out := n.input(x), n.input(w), n.out[0]
	if in == nil || wt == nil || out == nil || !in.known || !wt.known || !out.known || len(wt.shape) < 3 || len(in.shape) != len(wt.shape) {
		return 0
	}
	m := wt.shape[0]
	if m == 0 || n.outElements() == 0 {
		return 0
	}
	pixels := n.outElements() / int64(m) / int64(max(1, out.shape[0]))
	groups, kernel := n.int("group", 1), int64(1)
	for _, k := range wt.shape[2:] {
		kernel *= int64(k)
	}
	depthwise := wt.shape[1] == 1 && groups == m
	symmetric := groups == 1 && wt.shape[1]%4 == 0 && m >= 16 || depthwise && groups%16 == 0
	bytes := int64(0)
	if !symmetric {
		bytes = 4 * pixels * int64(m)
	}
	if !channelsLast {
		bytes += n.inElements(x)/int64(max(1, in.shape[0])) + pixels*int64(m)
	}
	switch {
	case depthwise, symmetric && n.columns(kernel):
		bytes += 8 * kernel * pixels
	case n.columns(kernel):
		bytes += kernel * int64(wt.shape[1]) * pixels
	}
	return bytes
}

// columns says whether the input has to be laid out for the product: not for a
// pointwise kernel without strides and padding.
func (n *node) columns(kernel int64) bool {
	if kernel != 1 {
		return true
	}
	for _, s := range n.ints("strides") {
		if s != 1 {
			return true
		}
	}
	for _, p := range n.ints("pads") {
		if p != 0 {
			return true
		}
	}
	return false
}

// convColumns is the input of a convolution of integers as columns, one group at a time.
func (n *node) convColumns(x, w int) int64 {
	in, wt, out := n.input(x), n.input(w), n.out[0]
	if in == nil || wt == nil || out == nil || !wt.known || !out.known || len(wt.shape) < 3 || wt.shape[0] == 0 {
		return 0
	}
	kernel := int64(1)
	for _, k := range wt.shape[2:] {
		kernel *= int64(k)
	}
	if !n.columns(kernel) {
		return 0
	}
	return kernel * int64(wt.shape[1]) * (n.outElements() / int64(wt.shape[0]) / int64(max(1, out.shape[0])))
}

package graph

// Operators. Shapes: x is a node's first input, y its first output; N batch, C
// channels, S sequence length, D features. Integer lists are in Attrs.Ints (a
// single number is a list of one), strings in Attrs.Strings.
//
// Precision shows in the values alone. Float16 and BFloat16 nodes compute on such
// values. A static int8 node has Int8 inputs and outputs with per-tensor Quant,
// Int8 weights with per-channel Quant (Zero all 0) and an Int32 bias with scale
// x.scale·w.scale. A node with float activations and an Int8 weight computes as
// Attrs.Strings["quant"] says: QuantDynamic or QuantWeight.
//
// A fused activation, Attrs.Strings["act"], is relu or relu6 only: these are
// clamps of the result, which every runtime and every precision can fuse. Other
// activations are nodes of their own.
const (
	// Conv: x[N,C,H,W], w[O,C/groups,kh,kw], b[O] → y[N,O,H',W'].
	// Ints: strides{h,w}, pads{top,left,bottom,right}, dilations{h,w}, groups. Strings: act.
	Conv = "conv"
	// DWConv: as conv with w[C,1,kh,kw] and one group a channel (groups is not given).
	DWConv = "dwconv"
	// Deconv: transposed convolution, x[N,C,H,W], w[C,O/groups,kh,kw], b[O]; y is (H−1)·s −
	// pads + kh high. Ints: strides, pads, groups. Strings: act.
	Deconv = "deconv"
	// Linear: x[M,K], w[O,K], b[O] → y[M,O]; sequences are reshaped around it. Strings: act.
	Linear = "linear"
	// MatMul: a[…,M,K], b[…,K,N] → y[…,M,N], times Floats alpha when given.
	// Ints: transb{1} says b is [… ,N,K].
	MatMul = "matmul"
	// LayerNorm: x[…,D], gamma[D], beta[D]. Floats: eps.
	LayerNorm = "layernorm"
	// RMSNorm: x[…,D], gamma[D]. Floats: eps.
	RMSNorm = "rmsnorm"
	// Softmax over one axis. Ints: axis, the last when left out.
	Softmax = "softmax"
	// Unary, any shape. Gelu is exact (erf), HSigmoid is relu6(x+3)/6 and HSwish
	// x times that, SiLU x·sigmoid(x).
	Relu     = "relu"
	Relu6    = "relu6"
	HSwish   = "hswish"
	SiLU     = "silu"
	Gelu     = "gelu"
	Sigmoid  = "sigmoid"
	HSigmoid = "hsigmoid"
	// Add and Mul broadcast as numpy does. Add may have Strings act.
	Add = "add"
	Mul = "mul"
	// Sub and Div broadcast as Add does.
	Sub = "sub"
	Div = "div"
	// Erf, Tanh and Exp, any shape.
	Erf  = "erf"
	Tanh = "tanh"
	Exp  = "exp"
	// LeakyRelu has slope 0.01 below 0; Clip cuts to ±1.
	LeakyRelu = "leakyrelu"
	Clip      = "clip"
	// Expand repeats x along every axis on which it is 1, to y.Shape.
	Expand = "expand"
	// Sqrt, Log, Neg, Abs, Elu, Softplus, Reciprocal, Sin, Cos, Mish and Round, any shape; GeluTanh is
	// Gelu by its tanh approximation.
	Sqrt       = "sqrt"
	Log        = "log"
	Neg        = "neg"
	Abs        = "abs"
	Elu        = "elu"
	Softplus   = "softplus"
	Reciprocal = "reciprocal"
	Sin        = "sin"
	Cos        = "cos"
	Mish       = "mish"
	Round      = "round"
	GeluTanh   = "gelutanh"
	// PRelu: x, slope broadcast as Add does; the slope below 0.
	PRelu = "prelu"
	// Pow raises to the power Floats exponent.
	Pow = "pow"
	// Min and Max of two tensors broadcast as Add does.
	Min = "min"
	Max = "max"
	// DepthToSpace: x[N,f²·C,H,W] → y[N,C,f·H,f·W], the first f channel groups in a row
	// (ONNX's DCR); SpaceToDepth is its inverse. Ints: factor.
	DepthToSpace = "depthtospace"
	SpaceToDepth = "spacetodepth"
	// Reduce of one axis, which disappears: Ints axis, the last when left out.
	// Strings: op, mean sum max min prod l1 l2 or sumsquare.
	Reduce = "reduce"
	// InstanceNorm: x[N,C,H,W], gamma[C], beta[C]; every map is normalised, epsilon 1e-5.
	InstanceNorm = "instancenorm"
	// Pad adds zeros after the last entry of every axis, up to y.Shape.
	Pad = "pad"
	// Slice keeps the first y.Shape[axis] entries of an axis. Ints: axis.
	Slice = "slice"
	// Concat joins all inputs, Split cuts x into parts of the outputs' sizes. Ints: axis.
	Concat = "concat"
	Split  = "split"
	// AvgPool and MaxPool: Ints kernel{h,w}, strides, pads. Padding counts for neither.
	AvgPool = "avgpool"
	MaxPool = "maxpool"
	// GAP: x[N,C,H,W] → y[N,C,1,1], the mean of each channel.
	GAP = "gap"
	// Mean over one axis, which disappears. Ints: axis.
	Mean = "mean"
	// Resize: x[N,C,H,W] → y[N,C,H',W']. Ints: factor, when both sides grow by a whole
	// one. Strings: mode, nearest (y[i] = x[⌊i·H/H'⌋]), linear or cubic (half-pixel
	// centres, a = −¾, Keys 1981).
	Resize = "resize"
	// Transpose: Ints perm; y.Shape[i] = x.Shape[perm[i]].
	Transpose = "transpose"
	// Reshape: row-major, to y.Shape.
	Reshape = "reshape"
	// Quantize: float → Int8 with y.Quant; Dequantize back. Quantize from Int8 to
	// Int8 changes the scale. Cast: between float types.
	Quantize   = "quantize"
	Dequantize = "dequantize"
	Cast       = "cast"
)

// Values of Attrs.Strings["quant"] of a node with an Int8 weight and float
// activations.
const (
	QuantDynamic = "dynamic" // activations are quantised at run time, per tensor
	QuantWeight  = "weight"  // the weight is widened, the node computes in float
)

// BatchNorm is Attrs.Strings["folded"] of a convolution into which a trained
// network's batch normalisation is folded: nothing that runs, but it counts.
//
// As an operator: x[N,C,H,W], gamma[C], beta[C], mean[C], variance[C], epsilon 1e-5.
const BatchNorm = "batchnorm"

// Len is the number of elements of the value.
func (v *Value) Len() int {
	n := 1
	for _, d := range v.Shape {
		n *= d
	}
	return n
}

// Bytes is how many bytes the value's elements take.
func (v *Value) Bytes() int64 {
	n := int64(v.Len())
	switch v.DType {
	case Float32, Int32:
		return 4 * n
	case Float16, BFloat16:
		return 2 * n
	case Int64:
		return 8 * n
	}
	return n
}

// Int returns the first number of an integer attribute, or def when it is not given.
func (n *Node) Int(name string, def int) int {
	if v := n.Attrs.Ints[name]; len(v) > 0 {
		return v[0]
	}
	return def
}

// Act is the fused activation, "" for none.
func (n *Node) Act() string { return n.Attrs.Strings["act"] }

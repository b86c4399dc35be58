// Package tflitefb reads and writes .tflite files: the FlatBuffer schema of
// TensorFlow Lite (schema.fbs, version 3, identifier "TFL3"), as far as isocost
// uses it – the subgraph of a signature, built-in operators and their options,
// quantisation. It knows nothing of operators' meaning; benchmarks/tflitewriter does.
package tflitefb

// Model is one .tflite model of a single subgraph.
type Model struct {
	Description string
	Tensors     []Tensor
	Inputs      []int32 // indices of Tensors
	Outputs     []int32
	Operators   []Operator // in execution order
	// Signature is the key of the signature by which a runtime enters the model; ""
	// where the file has none.
	Signature string
	// InputNames and OutputNames hold the signature's names of the Inputs and Outputs; nil
	// where it calls them as the tensors are called.
	InputNames, OutputNames []string
	// Signatures are the keys of all the file's signatures in its order, when there are
	// several, and Subgraph is the one of the file that Signature enters. Both are of what
	// was read: Encode does not look at them.
	Signatures []string
	Subgraph   int
	// Unkept says what of the file this form does not hold, so that writing it again would
	// lose it: options of tables that are not listed here, state, sparsity. Encode does not
	// look at it.
	Unkept []string
}

// InputName returns the name that the signature gives the model's i-th input.
func (m *Model) InputName(i int) string { return m.nameOf(m.InputNames, m.Inputs, i) }

// OutputName returns the name that the signature gives the model's i-th output.
func (m *Model) OutputName(i int) string { return m.nameOf(m.OutputNames, m.Outputs, i) }

func (m *Model) nameOf(names []string, tensors []int32, i int) string {
	if names != nil {
		return names[i]
	}
	return m.Tensors[tensors[i]].Name
}

// Tensor is an edge of the model, or a constant when Data is set.
type Tensor struct {
	Name  string
	Type  TensorType
	Shape []int32 // concrete: a dynamic dimension holds 1
	// Dynamic holds -1 for each dimension known only at run time; nil when all
	// are known.
	Dynamic []int32
	Data    []byte // row-major little-endian elements; nil for activations
	Quant   *Quant
}

// Quant is affine quantisation, real = scale·(q − zero): one element per tensor,
// more per slice of dimension Axis.
type Quant struct {
	Scale []float32
	Zero  []int64
	Axis  int32
}

// Operator is one node. An input of -1 is an optional tensor left out.
type Operator struct {
	Code    Op
	Custom  string // name of a custom operator (Code is Custom)
	Version int32
	Inputs  []int32
	Outputs []int32
	Options Options
}

// Options are a built-in operator's options: numbers by the schema's field name
// (booleans are 0 and 1). Fields left out have the schema's default.
type Options struct {
	Type   OptionsType
	Values map[string]float64
	// NewShape is the one list among the options (ReshapeOptions; of SqueezeOptions the axes).
	NewShape []int32
}

// TensorType is an element type (schema enum TensorType).
type TensorType int8

// The element types isocost meets.
const (
	Float32  TensorType = 0
	Float16  TensorType = 1
	Int32    TensorType = 2
	Uint8    TensorType = 3
	Int64    TensorType = 4
	Bool     TensorType = 6
	Int16    TensorType = 7
	Int8     TensorType = 9
	Float64  TensorType = 10
	Int4     TensorType = 17
	BFloat16 TensorType = 18
)

// Bits is the width of one element, 0 for a type this package does not size.
func (t TensorType) Bits() int {
	switch t {
	case Int4:
		return 4
	case Uint8, Int8, Bool:
		return 8
	case Float16, BFloat16, Int16:
		return 16
	case Float32, Int32:
		return 32
	case Int64, Float64:
		return 64
	}
	return 0
}

// String is numpy's name of the type, "unknown" for one this package does not know.
func (t TensorType) String() string {
	names := map[TensorType]string{Float32: "float32", Float16: "float16", Int32: "int32", Uint8: "uint8", Int64: "int64",
		5: "string", Bool: "bool", Int16: "int16", Int8: "int8", Float64: "float64", Int4: "int4", BFloat16: "bfloat16"}
	if s, ok := names[t]; ok {
		return s
	}
	return "unknown"
}

// Op is a built-in operator's code (schema enum BuiltinOperator).
type Op int32

// The built-in operators isocost writes or names.
const (
	Add                   Op = 0
	AveragePool2D         Op = 1
	Concatenation         Op = 2
	Conv2D                Op = 3
	DepthwiseConv2D       Op = 4
	DepthToSpace          Op = 5
	Dequantize            Op = 6
	FullyConnected        Op = 9
	Logistic              Op = 14
	MaxPool2D             Op = 17
	Mul                   Op = 18
	Relu                  Op = 19
	ReluN1To1             Op = 20
	Relu6                 Op = 21
	Reshape               Op = 22
	ResizeBilinear        Op = 23
	Softmax               Op = 25
	SpaceToDepth          Op = 26
	Tanh                  Op = 28
	Custom                Op = 32
	Pad                   Op = 34
	Floor                 Op = 8
	Gather                Op = 36
	Transpose             Op = 39
	Mean                  Op = 40
	Squeeze               Op = 43
	Sub                   Op = 41
	Div                   Op = 42
	StridedSlice          Op = 45
	Exp                   Op = 47
	Split                 Op = 49
	Delegate              Op = 51
	Cast                  Op = 53
	Prelu                 Op = 54
	Maximum               Op = 55
	Minimum               Op = 57
	Neg                   Op = 59
	PadV2                 Op = 60
	Slice                 Op = 65
	Sin                   Op = 66
	TransposeConv         Op = 67
	Log                   Op = 73
	Sum                   Op = 74
	Sqrt                  Op = 75
	Rsqrt                 Op = 76
	Pow                   Op = 78
	ReduceProd            Op = 81
	ReduceMax             Op = 82
	ReduceMin             Op = 89
	ExpandDims            Op = 70
	Square                Op = 92
	ResizeNearestNeighbor Op = 97
	LeakyRelu             Op = 98
	SquaredDifference     Op = 99
	Abs                   Op = 101
	SplitV                Op = 102
	Cos                   Op = 108
	Ceil                  Op = 104
	Elu                   Op = 111
	Quantize              Op = 114
	Round                 Op = 116
	HardSwish             Op = 117
	BatchMatMul           Op = 126
	BroadcastTo           Op = 130
	Gelu                  Op = 150

	maxOp = 209 // the last code of the schema of LiteRT 2.3
	// placeholderOp is the value of the old one-byte code field for newer operators.
	placeholderOp = 127
)

var opNames = map[Op]string{
	Add: "ADD", AveragePool2D: "AVERAGE_POOL_2D", Concatenation: "CONCATENATION", Conv2D: "CONV_2D",
	DepthwiseConv2D: "DEPTHWISE_CONV_2D", Dequantize: "DEQUANTIZE", FullyConnected: "FULLY_CONNECTED",
	Logistic: "LOGISTIC", MaxPool2D: "MAX_POOL_2D", Mul: "MUL", Relu: "RELU", Relu6: "RELU6", Reshape: "RESHAPE",
	ResizeBilinear: "RESIZE_BILINEAR", Softmax: "SOFTMAX", SpaceToDepth: "SPACE_TO_DEPTH", Tanh: "TANH",
	Custom: "CUSTOM", Pad: "PAD", Gather: "GATHER", Transpose: "TRANSPOSE", Mean: "MEAN", Sub: "SUB", Div: "DIV",
	StridedSlice: "STRIDED_SLICE", Split: "SPLIT", Delegate: "DELEGATE", Cast: "CAST", PadV2: "PADV2", Slice: "SLICE",
	TransposeConv: "TRANSPOSE_CONV", Sqrt: "SQRT", Rsqrt: "RSQRT", Square: "SQUARE", Squeeze: "SQUEEZE", ExpandDims: "EXPAND_DIMS",
	ResizeNearestNeighbor: "RESIZE_NEAREST_NEIGHBOR", SquaredDifference: "SQUARED_DIFFERENCE", Quantize: "QUANTIZE",
	HardSwish: "HARD_SWISH", BatchMatMul: "BATCH_MATMUL", Gelu: "GELU", LeakyRelu: "LEAKY_RELU", Exp: "EXP", Maximum: "MAXIMUM", Minimum: "MINIMUM", ReluN1To1: "RELU_N1_TO_1", BroadcastTo: "BROADCAST_TO", Prelu: "PRELU", DepthToSpace: "DEPTH_TO_SPACE", Neg: "NEG", Round: "ROUND", Cos: "COS", SplitV: "SPLIT_V", Abs: "ABS", ReduceMin: "REDUCE_MIN", ReduceProd: "REDUCE_PROD", Pow: "POW", Log: "LOG", Sin: "SIN", Elu: "ELU", Floor: "FLOOR", Ceil: "CEIL", Sum: "SUM", ReduceMax: "REDUCE_MAX",
}

// Padding modes (schema enum Padding).
const (
	PaddingSame  = 0
	PaddingValid = 1
)

// Fused activations (schema enum ActivationFunctionType).
const (
	ActNone  = 0
	ActRelu  = 1
	ActRelu6 = 3
)

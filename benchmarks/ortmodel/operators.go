package ortmodel

import (
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// Operator says what ONNX Runtime's CPU provider does with one operator, of ONNX or its
// own. All that differs from operator to operator stands here, once.
type Operator struct {
	// View moves no data: its output lies in its input.
	View bool
	// InPlace are the inputs that its kernel may write its output onto, best first
	// (MayInplace of the registrations under core/providers/cpu).
	InPlace []int
	// Blocked says how it works on maps in blocks of channels (core/optimizer/
	// nchwc_transformer.cc). planned means that only the memory planner counts it so,
	// as the peaks measured have it; the keys of what follows do not.
	Blocked Blocking
	planned bool

	// key prices it. Without one it is priced by its name among the element-wise
	// operators (names.go), or not at all.
	key rule
	// int8 says when it runs in 8 bits in a model as a quantiser writes it.
	int8 quantised
	// byValue means that the shape of its output depends on a value: where that is not
	// known, the shape stated in the file is taken, and what the value is computed from
	// has to have run before.
	byValue bool
	// shape and fold are of operators that the format does not have.
	shape graph.Rule
	fold  graph.Fold
}

// rule makes a node's key, or says why it has none. One that suits several operators is made
// with the kind that the operator is.
type rule func(*pricer, *graph.Node) (lut.Op, string)

// Blocking says how an operator works on maps in blocks of channels.
type Blocking int

// Ways of an operator with maps in blocks. Convolutions have a rule of their own.
const (
	Unblocked    Blocking = iota // it wants them plain
	InBlocks                     // it leaves its input as it lies
	WholeBlocks                  // where the channels fill whole blocks
	GlobalBlocks                 // likewise, unless its input was computed plain
	EqualBlocks                  // where all inputs lie so and have the output's shape
	JoinedBlocks                 // along the channels, where each input fills whole blocks
)

// quantised says in which form an operator runs in 8 bits, that is which of the tensors around
// it have to be converted (the selectors of core/optimizer/qdq_transformer/selectors_actions).
type quantised int

const (
	never      quantised = iota
	moved                // its input and results are on one grid, which it does not change
	movedBytes           // likewise, of bytes only
	unary                // its input and result are bytes of one type
	every                // all its inputs and its result are
	convolved            // likewise but for weights and bias
	multiplied           // two bytes, whose product may stay float
	layered              // likewise, with a bias
	chosen               // the second and third input and its result are bytes of one type
)

// Lookup returns what the runtime does with an operator; the zero Operator for one with
// no peculiarity.
func Lookup(op string) Operator { return operators[op] }

// Contrib are the shape rule and the evaluation of an operator that the runtime has
// beside those of the format (domain com.microsoft, documented in onnxruntime/docs/
// ContribOperators.md; com.microsoft.nchwc is internal), nil where it has none.
func Contrib(op string) (graph.Rule, graph.Fold) {
	o := operators[op]
	return o.shape, o.fold
}

var operators map[string]Operator

func init() { // its entries look others up
	const ms, nchwc = "com.microsoft:", "com.microsoft.nchwc:"
	conv, product := convolutions{"conv", "dwconv"}, products{"linear", "matmul"}
	operators = map[string]Operator{
		// Convolutions.
		"Conv":               {key: conv.of(first), int8: convolved},
		"QLinearConv":        {key: conv.of(qlinear)},
		"ConvTranspose":      {key: transposed("deconv")},
		scaleConv:            {key: scaled("dwconv")},
		nchwc + "Conv":       {key: conv.of(first), shape: nchwcConv, InPlace: []int{3}},
		ms + "FusedConv":     {key: conv.of(first), shape: graph.ConvShape(0, 1), InPlace: []int{3}},
		ms + "QLinearConv":   {key: conv.of(qlinear), shape: lastConv(0, 3)},
		ms + "NhwcConv":      {key: conv.of(last), shape: nhwcConv},
		ms + "NhwcFusedConv": {key: conv.of(last), shape: nhwcConv, InPlace: []int{3}},

		// Pools.
		"MaxPool":                       {key: pool("maxpool", false), int8: movedBytes, Blocked: WholeBlocks},
		"AveragePool":                   {key: pool("avgpool", false), int8: unary, Blocked: WholeBlocks},
		"GlobalAveragePool":             {key: global("gap"), int8: unary, Blocked: GlobalBlocks},
		"GlobalMaxPool":                 {Blocked: GlobalBlocks, planned: true},
		nchwc + "MaxPool":               {key: pool("maxpool", false), shape: nchwcPool},
		nchwc + "AveragePool":           {key: pool("avgpool", false), shape: nchwcPool},
		nchwc + "GlobalAveragePool":     {key: global("gap"), shape: graph.GlobalPoolShape},
		nchwc + "GlobalMaxPool":         {shape: graph.GlobalPoolShape},
		ms + "NhwcMaxPool":              {key: pool("maxpool", true), shape: nhwcPool},
		ms + "QLinearAveragePool":       {key: pool("avgpool", false), shape: lastPool},
		ms + "QLinearGlobalAveragePool": {key: global("gap"), shape: lastGlobalPool},

		// Reductions.
		"ReduceMean":      {key: reduction("reduce", "gap"), byValue: true},
		"ReduceSum":       {key: reduction("reduce", "gap"), byValue: true},
		"ReduceMax":       {key: reduction("reduce", "gap"), int8: movedBytes, byValue: true},
		"ReduceL2":        {key: reduction("reduce", "gap"), byValue: true},
		"ReduceMin":       {key: reduction("reduce", "gap"), int8: movedBytes, byValue: true},
		"ReduceProd":      {key: reduction("reduce", "gap"), byValue: true},
		"ReduceL1":        {key: reduction("reduce", "gap"), byValue: true},
		"ReduceSumSquare": {key: reduction("reduce", "gap"), byValue: true},

		// Products of matrices.
		"Gemm":                       {key: product.gemm, int8: layered},
		"MatMul":                     {key: product.matmul, int8: multiplied},
		"QLinearMatMul":              {key: product.qmatmul},
		ms + "FusedGemm":             {key: product.gemm, shape: graph.GemmShape},
		ms + "QGemm":                 {key: product.qgemm, shape: qgemm},
		ms + "FusedMatMul":           {key: product.matmul, shape: graph.MatMulShape(0, 1, 0)},
		ms + "DynamicQuantizeMatMul": {key: product.dynamic, shape: graph.MatMulShape(0, 1, onnx.Float)},
		ms + "MatMulNBits":           {key: product.nbits, shape: nbitsShape},
		ms + "MatMulIntegerToFloat":  {key: product.matmul, shape: graph.MatMulShape(0, 1, onnx.Float)},

		// Normalisations and softmax.
		"Softmax":                               {key: normalised("softmax"), int8: unary, InPlace: []int{0}},
		"LayerNormalization":                    {key: rowwise("layernorm")},
		"@layernorm":                            {key: rowwise("layernorm")},
		"RMSNormalization":                      {key: rowwise("rmsnorm")},
		"SimplifiedLayerNormalization":          {key: rowwise("rmsnorm"), shape: graph.Same},
		"@rmsnorm":                              {key: rowwise("rmsnorm")},
		"BatchNormalization":                    {key: channelwise("batchnorm", true), Blocked: InBlocks, planned: true},
		"InstanceNormalization":                 {key: channelwise("instancenorm", false)},
		"LogSoftmax":                            {InPlace: []int{0}},
		ms + "QLinearSoftmax":                   {key: normalised("softmax"), shape: graph.Same},
		ms + "SkipLayerNormalization":           {key: rowwise("layernorm"), shape: graph.Same},
		ms + "SkipSimplifiedLayerNormalization": {shape: graph.Same},

		// Conversions.
		"QuantizeLinear":        {key: conversion("quantize")},
		"DequantizeLinear":      {key: conversion("dequantize")},
		"Cast":                  {key: (*pricer).cast, InPlace: []int{0}},
		nchwc + "ReorderInput":  {key: (*pricer).reorder, shape: reorderInput},
		nchwc + "ReorderOutput": {key: (*pricer).reorder, shape: reorderOutput},
		ms + "QuantizeLinear":   {key: conversion("quantize"), shape: graph.QuantizeShape, fold: graph.FoldQuantize},
		ms + "DequantizeLinear": {key: conversion("dequantize"), shape: graph.DequantizeShape, fold: graph.FoldDequantize},

		// Views.
		"Reshape":   {View: true, int8: moved, byValue: true},
		"Flatten":   {View: true, int8: moved, byValue: true},
		"Squeeze":   {View: true, int8: moved, byValue: true},
		"Unsqueeze": {View: true, int8: moved, byValue: true},
		"Identity":  {View: true},
		"Dropout":   {View: true},

		// What only moves numbers.
		"Concat":             {key: joined("concat"), int8: every, Blocked: JoinedBlocks},
		"Split":              {key: divided("split"), int8: moved},
		"Slice":              {key: copies("slice"), int8: moved, byValue: true},
		"Gather":             {key: gathered("gather"), int8: moved},
		"GatherElements":     {int8: moved},
		"Pad":                {key: pads("pad"), byValue: true},
		"Expand":             {key: copies("expand"), int8: moved, byValue: true},
		"Tile":               {key: copies("expand"), int8: moved, byValue: true},
		"DepthToSpace":       {key: blocks("depthtospace")},
		"SpaceToDepth":       {key: blocks("spacetodepth")},
		"Transpose":          {key: permuted("transpose"), int8: moved},
		"Resize":             {key: resized("resize"), int8: movedBytes, byValue: true},
		"Upsample":           {key: resized("resize"), byValue: true},
		nchwc + "Upsample":   {key: resized("resize"), shape: nchwcUpsample},
		ms + "QLinearConcat": {key: joined("concat"), shape: qlinearConcat, fold: foldQLinearConcat},

		// Element-wise: keys by the names in names.go, unless said here.
		"Pow":                   {key: power("pow")},
		"PRelu":                 {key: slope("prelu")},
		"Add":                   {int8: every, Blocked: EqualBlocks},
		"Mul":                   {int8: every, Blocked: EqualBlocks},
		"Sigmoid":               {int8: unary, InPlace: []int{0}, Blocked: InBlocks},
		"LeakyRelu":             {int8: unary, InPlace: []int{0}},
		"Where":                 {int8: chosen},
		"Relu":                  {InPlace: []int{0}, Blocked: InBlocks},
		"Clip":                  {key: bounded("clip"), InPlace: []int{0}, Blocked: InBlocks, planned: true},
		"Tanh":                  {InPlace: []int{0}, Blocked: InBlocks},
		"Elu":                   {InPlace: []int{0}},
		"Selu":                  {InPlace: []int{0}},
		"Celu":                  {InPlace: []int{0}},
		"HardSigmoid":           {InPlace: []int{0}, Blocked: InBlocks, planned: true},
		"HardSwish":             {InPlace: []int{0}, Blocked: InBlocks, planned: true},
		"Softplus":              {InPlace: []int{0}},
		"Softsign":              {InPlace: []int{0}},
		"ThresholdedRelu":       {InPlace: []int{0}},
		"@hswish":               {Blocked: InBlocks, planned: true},
		"@silu":                 {Blocked: InBlocks, planned: true},
		"@gelu":                 {Blocked: InBlocks, planned: true},
		"Gelu":                  {Blocked: InBlocks, planned: true},
		"Sum":                   {Blocked: EqualBlocks, planned: true},
		ms + "QLinearAdd":       {shape: binaryAt(0, 3), fold: foldQLinear(func(a, b float64) float64 { return a + b })},
		ms + "QLinearMul":       {shape: binaryAt(0, 3), fold: foldQLinear(func(a, b float64) float64 { return a * b })},
		ms + "QuickGelu":        {shape: graph.Same},
		ms + "Gelu":             {shape: graph.Same},
		ms + "FastGelu":         {shape: graph.Same},
		ms + "BiasGelu":         {shape: graph.Same},
		ms + "QLinearSigmoid":   {shape: graph.Same},
		ms + "QLinearLeakyRelu": {shape: graph.Same},
	}
}

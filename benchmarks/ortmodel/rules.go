package ortmodel

import (
	"fmt"

	"github.com/isocost/isocost/internal/onnx/graph"
)

// Rules of fusion, as data: which nodes a runtime runs as one kernel, or isocost
// prices as one. A pattern is a tree of ONNX operators, written from its last one:
//
//	Mul(x,Sigmoid(x))
//
// Lower-case letters are values (equal letters, equal values), "c" is any constant
// and numbers are scalar constants (to 1 part in 1000). Add and Mul match in either
// order. Everything inside the tree must be used nowhere else.
//
// Sources: ONNX Runtime's GeluFusion, FastGeluFusion, QuickGeluFusion,
// LayerNormFusion (onnxruntime/core/optimizer, 1.20–1.32), and the optimised graphs
// of the networks in scripts/export_models.py. What that runtime leaves apart –
// the newer exporter's GELU, as Div, Erf, Add, Mul, Mul – has no rule: each of its
// nodes is a kernel of its own and is priced so.
type fusion struct {
	name    string
	pattern string
	op      string // of the fused node: a catalogue's kind, with "@" before it
}

var fusions = []fusion{
	{"gelu, TorchScript exporter", "Mul(Mul(x,Add(Erf(Div(x,1.4142135)),1)),0.5)", "@gelu"},
	{"gelu, half first", "Mul(Mul(x,0.5),Add(Erf(Div(x,1.4142135)),1))", "@gelu"},
	{"gelu, by a product", "Mul(Mul(x,Add(Erf(Mul(x,0.70710678)),1)),0.5)", "@gelu"},
	{"gelu, tanh form", "Mul(Mul(x,0.5),Add(Tanh(Mul(Add(x,Mul(Pow(x,3),0.044715)),0.7978846)),1))", "@gelutanh"},
	{"gelu, tanh form of products", "Mul(x,Add(Mul(Tanh(Mul(x,Add(Mul(Mul(x,x),0.0356774),0.7978846))),0.5),0.5))", "@gelutanh"},
	{"quick gelu", "Mul(x,Sigmoid(Mul(x,1.702)))", "@silu"},
	{"silu", "Mul(x,Sigmoid(x))", "@silu"},
	{"hard swish of two", "Mul(x,HardSigmoid(x))", "@hswish"},
	{"hard swish of parts", "Div(Mul(x,Clip(Add(x,3),0,6)),6)", "@hswish"},
	{"hard swish of parts, product", "Mul(x,Div(Clip(Add(x,3),0,6),6))", "@hswish"},
	{"hard swish of parts, by 1/6", "Mul(Mul(x,Clip(Add(x,3),0,6)),0.1666667)", "@hswish"},
	{"hard sigmoid of parts", "Div(Clip(Add(x,3),0,6),6)", "@hsigmoid"},
	{"hard sigmoid of parts, by 1/6", "Mul(Clip(Add(x,3),0,6),0.1666667)", "@hsigmoid"},
	{"layer norm, squared by Pow", "Add(Mul(Div(Sub(x,ReduceMean(x)),Sqrt(Add(ReduceMean(Pow(Sub(x,ReduceMean(x)),2)),e))),c),b)", "@layernorm"},
	{"layer norm, squared by Mul", "Add(Mul(Div(Sub(x,ReduceMean(x)),Sqrt(Add(ReduceMean(Mul(Sub(x,ReduceMean(x)),Sub(x,ReduceMean(x)))),e))),c),b)", "@layernorm"},
	{"layer norm, shared difference", "Add(Mul(Div(d,Sqrt(Add(ReduceMean(Pow(d,2)),e))),c),b)", "@layernormtail"},
	{"rms norm", "Mul(Mul(x,Reciprocal(Sqrt(Add(ReduceMean(Pow(x,2)),e)))),c)", "@rmsnorm"},
	{"rms norm, by division", "Mul(Div(x,Sqrt(Add(ReduceMean(Pow(x,2)),e))),c)", "@rmsnorm"},
	{"rms norm, by 1/√", "Mul(Mul(x,Div(1,Sqrt(Add(ReduceMean(Pow(x,2)),e)))),c)", "@rmsnorm"},
}

// elementwise gives ONNX's unary operators their kind in the catalogue.
var elementwise = map[string]string{
	"Relu": "relu", "Sigmoid": "sigmoid", "HardSigmoid": "hsigmoid", "HardSwish": "hswish", "Gelu": "gelu", "Tanh": "tanh",
	"Erf": "erf", "Sqrt": "sqrt", "Exp": "exp", "Log": "log", "Neg": "neg", "Abs": "abs", "LeakyRelu": "leakyrelu", "Elu": "elu",
	"Softplus": "softplus", "Reciprocal": "reciprocal", "Mish": "mish", "Swish": "silu", "Sin": "sin", "Cos": "cos",
	"Floor": "floor", "Ceil": "ceil", "Round": "round", "Selu": "selu", "Celu": "celu", "Softsign": "softsign",
	"com.microsoft:Gelu": "gelu", "com.microsoft:FastGelu": "gelutanh", "com.microsoft:QuickGelu": "silu", "com.microsoft:BiasGelu": "gelu",
	"com.microsoft:QLinearSigmoid": "sigmoid", "com.microsoft:QLinearLeakyRelu": "leakyrelu",
	"@gelu": "gelu", "@gelutanh": "gelutanh", "@silu": "silu", "@hswish": "hswish", "@hsigmoid": "hsigmoid",
}

// fusedActs are activations that a convolution or linear layer before them takes
// in: the key of the two carries act.
var fusedActs = map[string]bool{"relu": true, "relu6": true, "hswish": true, "silu": true, "gelu": true, "sigmoid": true, "hsigmoid": true, "leakyrelu": true}

// binaries are element-wise operators of two tensors.
var binaries = map[string]string{
	"Add": "add", "Sub": "sub", "Mul": "mul", "Div": "div", "Min": "min", "Max": "max",
	"com.microsoft:QLinearAdd": "add", "com.microsoft:QLinearMul": "mul",
}

// views move no data.
var Views = map[string]bool{"Reshape": true, "Flatten": true, "Squeeze": true, "Unsqueeze": true, "Identity": true, "Dropout": true}

// quantisable operators run in int8 between DequantizeLinear and QuantizeLinear
// (ONNX Runtime's QDQ selectors: core/optimizer/qdq_transformer/selectors_actions);
// those with true also without a QuantizeLinear after them.
var quantisable = map[string]bool{
	"Conv": false, "Add": false, "Mul": false, "AveragePool": false, "GlobalAveragePool": false, "Concat": false, "Sigmoid": false,
	"LeakyRelu": false, "Softmax": false, "MatMul": true, "Gemm": true, "Where": false,
	// these only move numbers: the pair around them is dropped
	"MaxPool": false, "Reshape": false, "Transpose": false, "Squeeze": false, "Unsqueeze": false, "Flatten": false, "Gather": false,
	"Split": false, "Slice": false, "Resize": false, "Expand": false, "Tile": false, "Identity": false, "Relu": false, "Clip": false,
}

// inplace are the operators whose kernels on ONNX Runtime's CPU provider may write
// their output onto inputs (MayInplace of their registrations).
var InPlace = map[string][]int{
	"Relu": {0}, "LeakyRelu": {0}, "Sigmoid": {0}, "Tanh": {0}, "Elu": {0}, "Selu": {0}, "Celu": {0}, "HardSigmoid": {0}, "HardSwish": {0},
	"Softplus": {0}, "Softsign": {0}, "ThresholdedRelu": {0}, "Clip": {0}, "Cast": {0}, "Softmax": {0}, "LogSoftmax": {0},
	"com.microsoft.nchwc:Conv": {3}, "com.microsoft:FusedConv": {3}, "com.microsoft:NhwcFusedConv": {3},
}

// onWord are operators whose output's shape depends on values: where these are
// not known, the shape stated in the file is taken.
var onWord = map[string]bool{"Reshape": true, "Resize": true, "Upsample": true, "Slice": true, "Expand": true, "Tile": true, "Pad": true,
	"Squeeze": true, "Unsqueeze": true, "Flatten": true, "ReduceMean": true, "ReduceSum": true, "ReduceMax": true, "ReduceL2": true,
	"ReduceMin": true, "ReduceProd": true, "ReduceL1": true, "ReduceSumSquare": true}

type compiled struct {
	fusion
	tree *graph.Pattern
}

// compiledRules are the rules by the operator at their root.
var compiledRules = func() map[string][]compiled {
	out := map[string][]compiled{}
	for _, r := range fusions {
		p, rest, err := graph.ParsePattern(r.pattern)
		if err != nil || rest != "" {
			panic(fmt.Sprintf("onnxreader: rule %s: %v at %q", r.name, err, rest)) // a mistake in rules.go, found by any test
		}
		out[p.Root()] = append(out[p.Root()], compiled{r, p})
	}
	return out
}()

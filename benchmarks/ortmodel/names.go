package ortmodel

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

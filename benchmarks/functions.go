package benchmarks

import (
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
)

// functions are the element-wise operators of one input, one entry per operator that says all of
// it. Those that blocks have inside come first, in the order in which messages list them.
var functions = []function{
	{
		name: "relu", doc: "max(0, x)",
		value:  func(x float64) float64 { return max(0, x) },
		spread: rectified, span: upTo(0), act: fusedClamp, streams: true, frame: clamp,
		onnx:   onnxwriter.Op("Relu"),
		tflite: tflitewriter.Op(tflitefb.Relu, 2).FusedAs(tflitefb.ActRelu),
		tf:     tfgraph.Op("Relu"),
	},
	{
		name: "relu6", doc: "min(6, max(0, x))",
		value:  func(x float64) float64 { return min(6, max(0, x)) },
		spread: rectified, act: fusedClamp, streams: true, frame: clamp,
		span: func(stat) *graph.Quant { return positive(6) }, // the clamp is part of the number format
		onnx: onnxwriter.Function("Clip from 0 to 6", func(w *onnxwriter.Writer, x, out string, t onnx.DataType) {
			w.Emit("Clip", []string{x, w.Scalar("zero."+t.String(), t, 0), w.Scalar("six."+t.String(), t, 6)}, out)
		}),
		tflite: tflitewriter.Op(tflitefb.Relu6, 2).FusedAs(tflitefb.ActRelu6),
		tf:     tfgraph.Op("Relu6"),
	},
	{
		name: "hswish", doc: "x·relu6(x+3)/6",
		value:  func(x float64) float64 { return x * min(6, max(0, x+3)) / 6 },
		spread: leaking, span: upTo(-0.375), act: insideAct, frame: fuses, // its minimum is −3/8
		onnx:   onnxwriter.Op("HardSwish"),
		tflite: tflitewriter.Op(tflitefb.HardSwish, 1).With(tflitefb.HardSwishOptions, nil),
		tf: tfgraph.Function("x·relu6(x+3)·⅙", func(b tfgraph.Builder, n *graph.Node, x tfgraph.Tensor) tfgraph.Tensor {
			return b.Op("Mul", nil, x, hardSigmoidTF(b, n, x))
		}),
	},
	{
		name: "silu", doc: "x·sigmoid(x)",
		value:  func(x float64) float64 { return x / (1 + math.Exp(-x)) },
		spread: leaking, span: upTo(-0.2785), act: insideAct, frame: fuses, // its minimum is −0.278…
		onnx: onnxwriter.Function("Mul(x, Sigmoid(x))", func(w *onnxwriter.Writer, x, out string, _ onnx.DataType) {
			s := w.Emit("Sigmoid", []string{x}, out+".sigmoid").Outputs[0]
			w.Emit("Mul", []string{x, s}, out)
		}).Or("Swish", "com.microsoft:QuickGelu"),
		tflite: tflitewriter.Function("LOGISTIC, MUL", siluTFLite),
		tf: tfgraph.Function("x·Sigmoid(x)", func(b tfgraph.Builder, _ *graph.Node, x tfgraph.Tensor) tfgraph.Tensor {
			return b.Op("Mul", nil, x, b.Op("Sigmoid", nil, x))
		}),
	},
	{
		name: "gelu", doc: "exact, with erf",
		value:  func(x float64) float64 { return 0.5 * x * (1 + math.Erf(x/math.Sqrt2)) },
		spread: leaking, span: upTo(-0.17), act: insideAct, frame: fuses, // its minimum is −0.16997…
		onnx:   onnxwriter.Op("Gelu").Or("com.microsoft:Gelu", "com.microsoft:BiasGelu"),
		tflite: tflitewriter.Op(tflitefb.Gelu, 2).With(tflitefb.GeluOptions, nil),
		tf: tfgraph.Function("½x·(1 + Erf(x/√2))", func(b tfgraph.Builder, n *graph.Node, x tfgraph.Tensor) tfgraph.Tensor {
			t := n.Out[0].DType
			e := b.Op("Erf", nil, b.Op("Mul", nil, x, b.Number(math.Sqrt2/2, t)))
			return b.Op("Mul", nil, b.Op("Mul", nil, x, b.Number(0.5, t)), b.Op("AddV2", nil, e, b.Number(1, t)))
		}),
	},
	{
		name: "sigmoid", doc: "1/(1+exp(−x))",
		value:  func(x float64) float64 { return 1 / (1 + math.Exp(-x)) },
		spread: gated, span: unit, act: insideAct, frame: fuses,
		onnx:   onnxwriter.Op("Sigmoid").Or("com.microsoft:QLinearSigmoid"),
		tflite: tflitewriter.Op(tflitefb.Logistic, 2),
		tf:     tfgraph.Op("Sigmoid"),
	},
	{
		name: "hsigmoid", doc: "relu6(x+3)/6",
		value:  func(x float64) float64 { return min(6, max(0, x+3)) / 6 },
		spread: gated, span: unit, act: insideAct, frame: fuses,
		onnx:   onnxwriter.Op("HardSigmoid", onnx.FloatAttr("alpha", 1.0/6), onnx.FloatAttr("beta", 0.5)),
		tflite: tflitewriter.Function("ADD with RELU6, MUL", hardSigmoidTFLite),
		tf:     tfgraph.Function("relu6(x+3)·⅙", hardSigmoidTF),
	},
	// Operators that no block of ours has but exported models do.
	{
		name: "erf", doc: "the error function, as exporters leave it of GELU",
		value: math.Erf, spread: func(s stat) stat { return stat{0, min(s.ms, 1)} }, frame: fuses,
		onnx:   onnxwriter.Op("Erf"),
		tflite: tflitewriter.Function("a rational function of x cut to ±4, as XLA and MLIR write it", erfTFLite).InFloat(),
		tf:     tfgraph.Op("Erf"),
	},
	{
		name: "tanh", doc: "hyperbolic tangent",
		value: math.Tanh, spread: func(s stat) stat { return stat{0, min(s.ms, 1)} }, frame: fuses,
		onnx:   onnxwriter.Op("Tanh"),
		tflite: tflitewriter.Op(tflitefb.Tanh, 2),
		tf:     tfgraph.Op("Tanh"),
	},
	{
		name: "exp", doc: "e to the power x",
		value: math.Exp, spread: func(stat) stat { return stat{1.65, 7.4} }, frame: fuses, // of a standard normal number: e^½ and e²
		onnx:   onnxwriter.Op("Exp"),
		tflite: tflitewriter.Op(tflitefb.Exp, 2).InFloatWhere(classic),
		tf:     tfgraph.Op("Exp"),
	},
	{
		name: "sqrt", doc: "square root, of numbers from 0 to 1",
		value:  math.Sqrt,
		spread: func(s stat) stat { return stat{0.8 * math.Sqrt(s.std()), max(s.std(), s.mean)} }, frame: ofPositive,
		onnx: onnxwriter.Op("Sqrt"),
		// Outside a layer normalisation found as one, a reciprocal root is priced as a root.
		tflite: tflitewriter.Op(tflitefb.Sqrt, 1).Or(tflitefb.Rsqrt).InFloat(),
		tf:     tfgraph.Op("Sqrt"),
	},
	{
		name: "log", doc: "natural logarithm, of numbers from 0 to 1",
		value: math.Log, spread: func(stat) stat { return stat{0, 1.3} }, frame: ofPositive,
		onnx:   onnxwriter.Op("Log"),
		tflite: tflitewriter.Op(tflitefb.Log, 2).InFloatWhere(classic),
		tf:     tfgraph.Op("Log"),
	},
	{
		name: "neg", doc: "−x",
		value: func(x float64) float64 { return -x }, spread: func(s stat) stat { return stat{-s.mean, s.ms} }, frame: fuses,
		onnx:   onnxwriter.Op("Neg"),
		tflite: tflitewriter.Op(tflitefb.Neg, 1).InFloat(),
		tf:     tfgraph.Op("Neg"),
	},
	{
		name: "abs", doc: "|x|",
		value: math.Abs, spread: func(s stat) stat { return stat{0.8 * math.Sqrt(s.ms), s.ms} }, frame: fuses,
		onnx:   onnxwriter.Op("Abs"),
		tflite: tflitewriter.Op(tflitefb.Abs, 2),
		tf:     tfgraph.Op("Abs"),
	},
	{
		name: "elu", doc: "exp(x)−1 below 0",
		value: func(x float64) float64 {
			if x < 0 {
				return math.Expm1(x)
			}
			return x
		},
		spread: func(s stat) stat { return stat{0, max(0.5*s.ms, 0.3)} }, frame: fuses,
		onnx:   onnxwriter.Op("Elu").Or("Celu"), // with α = 1 they are one; no kernel depends on α
		tflite: tflitewriter.Op(tflitefb.Elu, 1),
		tf:     tfgraph.Op("Elu"),
	},
	{
		name: "softplus", doc: "log(1+exp(x))",
		value: softplus, spread: func(s stat) stat { return stat{0.8, 0.7 + s.ms/2} }, frame: fuses,
		onnx:   onnxwriter.Op("Softplus"),
		tflite: tflitewriter.Function("max(x, 0) + LOG(1 + EXP(−|x|)), which does not overflow", softplusTFLite).InFloat(),
		tf:     tfgraph.Op("Softplus"),
	},
	{
		name: "reciprocal", doc: "1/x",
		value: func(x float64) float64 { return 1 / x }, spread: func(stat) stat { return stat{0, 4} }, frame: fuses, steep: true,
		onnx: onnxwriter.Op("Reciprocal"),
		tflite: tflitewriter.Function("DIV of one", func(w *tflitewriter.Writer, _ *graph.Node, x, y int32) {
			w.Into(y, tflitefb.Div, w.Scalar(1, x), x)
		}).InFloat(),
		tf: tfgraph.Op("Reciprocal"),
	},
	{
		name: "sin", doc: "sine",
		value: math.Sin, spread: func(stat) stat { return stat{0, 0.5} }, frame: fuses,
		onnx:   onnxwriter.Op("Sin"),
		tflite: tflitewriter.Op(tflitefb.Sin, 1).InFloat(),
		tf:     tfgraph.Op("Sin"),
	},
	{
		name: "cos", doc: "cosine",
		value: math.Cos, spread: func(stat) stat { return stat{0.6, 0.5} }, frame: fuses,
		onnx:   onnxwriter.Op("Cos"),
		tflite: tflitewriter.Op(tflitefb.Cos, 1).InFloat(),
		tf:     tfgraph.Op("Cos"),
	},
	{
		name: "mish", doc: "x·tanh(softplus(x)), which ONNX Runtime takes apart",
		value: func(x float64) float64 { return x * math.Tanh(softplus(x)) }, spread: rectified, frame: fuses,
		onnx:   onnxwriter.Op("Mish"),
		tflite: tflitewriter.Function("x·TANH(softplus(x))", mishTFLite).InFloat(),
		tf: tfgraph.Function("x·Tanh(Softplus(x))", func(b tfgraph.Builder, _ *graph.Node, x tfgraph.Tensor) tfgraph.Tensor {
			return b.Op("Mul", nil, x, b.Op("Tanh", nil, b.Op("Softplus", nil, x)))
		}),
	},
	{
		name: "gelutanh", doc: "gelu by its tanh approximation",
		value: func(x float64) float64 {
			return 0.5 * x * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(x+0.044715*x*x*x)))
		},
		spread: rectified, frame: fuses,
		onnx:   onnxwriter.OpVariant("Gelu", "approximate", "tanh").Or("com.microsoft:FastGelu"),
		tflite: tflitewriter.Op(tflitefb.Gelu, 2).With(tflitefb.GeluOptions, map[string]float64{"approximate": 1}).VariantOf("approximate"),
		tf: tfgraph.Function("½x·(1 + Tanh(√(2/π)·(x + 0.044715·x³)))", func(b tfgraph.Builder, n *graph.Node, x tfgraph.Tensor) tfgraph.Tensor {
			// Hendrycks & Gimpel 2016, as tf.nn.gelu writes it.
			mul := func(u, v tfgraph.Tensor) tfgraph.Tensor { return b.Op("Mul", nil, u, v) }
			add := func(u, v tfgraph.Tensor) tfgraph.Tensor { return b.Op("AddV2", nil, u, v) }
			number := func(f float64) tfgraph.Tensor { return b.Number(f, n.Out[0].DType) }
			cube := mul(mul(x, x), x)
			inner := mul(add(x, mul(cube, number(0.044715))), number(math.Sqrt(2/math.Pi)))
			return mul(mul(x, number(0.5)), add(b.Op("Tanh", nil, inner), number(1)))
		}),
	},
	{
		name: "round", doc: "to the nearest integer, half to even",
		value: math.RoundToEven, spread: unchanged, integers: true, frame: fuses,
		onnx:   onnxwriter.Op("Round"),
		tflite: tflitewriter.Op(tflitefb.Round, 1).InFloat(),
		tf:     tfgraph.Op("Round"),
	},
	{
		name: "floor", doc: "to the next lower integer",
		value: math.Floor, spread: func(s stat) stat { return stat{s.mean - 0.5, s.ms - s.mean + 1.0/3} }, frame: fuses,
		onnx:   onnxwriter.Op("Floor"),
		tflite: tflitewriter.Op(tflitefb.Floor, 1).InFloat(),
		tf:     tfgraph.Op("Floor"),
	},
	{
		name: "ceil", doc: "to the next higher integer",
		value: math.Ceil, spread: func(s stat) stat { return stat{s.mean + 0.5, s.ms + s.mean + 1.0/3} }, frame: fuses,
		onnx:   onnxwriter.Op("Ceil"),
		tflite: tflitewriter.Op(tflitefb.Ceil, 1).InFloat(),
		tf:     tfgraph.Op("Ceil"),
	},
	{
		name: "selu", doc: "λ·x, below 0 λα·(exp(x)−1), which keeps mean 0 and variance 1 (Klambauer et al. 2017)",
		value: func(x float64) float64 {
			if x < 0 {
				return seluScale * seluAlpha * math.Expm1(x)
			}
			return seluScale * x
		},
		spread: func(s stat) stat { return stat{0, max(s.ms, 1)} }, frame: fuses,
		onnx: onnxwriter.Op("Selu"),
		tflite: tflitewriter.Function("λ·(max(x, 0) + α·(EXP(min(x, 0)) − 1))", func(w *tflitewriter.Writer, n *graph.Node, x, y int32) {
			below := w.Step(n.Name+".exp", tflitefb.Exp, w.Step(n.Name+".min", tflitefb.Minimum, x, w.Scalar(0, x)))
			below = w.Step(n.Name+".below", tflitefb.Mul, w.Step(n.Name+".minus", tflitefb.Sub, below, w.Scalar(1, x)), w.Scalar(seluAlpha, x))
			sum := w.Step(n.Name+".sum", tflitefb.Add, below, w.Step(n.Name+".relu", tflitefb.Relu, x))
			w.Into(y, tflitefb.Mul, sum, w.Scalar(seluScale, x))
		}).InFloat(),
		tf: tfgraph.Op("Selu"),
	},
	{
		name: "softsign", doc: "x/(1+|x|)",
		value: func(x float64) float64 { return x / (1 + math.Abs(x)) }, spread: func(s stat) stat { return stat{0, min(0.2*s.ms, 0.5)} }, frame: fuses,
		onnx: onnxwriter.Op("Softsign"),
		tflite: tflitewriter.Function("DIV by one more than ABS", func(w *tflitewriter.Writer, n *graph.Node, x, y int32) {
			w.Into(y, tflitefb.Div, x, w.Step(n.Name+".more", tflitefb.Add, w.Step(n.Name+".abs", tflitefb.Abs, x), w.Scalar(1, x)))
		}).InFloat(),
		tf: tfgraph.Op("Softsign"),
	},
	{
		name: "leakyrelu", doc: "slope 0.01 below 0",
		value: func(x float64) float64 {
			if x < 0 {
				return 0.01 * x
			}
			return x
		},
		spread: rectified, act: runtimeAct, streams: true, frame: fuses,
		onnx:   onnxwriter.Op("LeakyRelu").Or("com.microsoft:QLinearLeakyRelu"),
		tflite: tflitewriter.Op(tflitefb.LeakyRelu, 2).With(tflitefb.LeakyReluOptions, map[string]float64{"alpha": 0.01}),
		tf:     tfgraph.OpWith("LeakyRelu", tfgraph.Attrs{"alpha": float32(0.01)}),
	},
	{
		name: "clip", doc: "cut to ±1",
		value:  func(x float64) float64 { return min(1, max(-1, x)) },
		spread: func(s stat) stat { return stat{0, min(s.ms, 0.6)} }, streams: true, frame: clamp,
		onnx: onnxwriter.Function("Clip from −1 to 1", func(w *onnxwriter.Writer, x, out string, t onnx.DataType) {
			w.Emit("Clip", []string{x, w.Scalar("minusone."+t.String(), t, -1), w.Scalar("one."+t.String(), t, 1)}, out)
		}),
		tflite: tflitewriter.Op(tflitefb.ReluN1To1, 1),
		tf: tfgraph.Function("ClipByValue", func(b tfgraph.Builder, n *graph.Node, x tfgraph.Tensor) tfgraph.Tensor {
			t := n.Out[0].DType
			return b.Op("ClipByValue", nil, x, b.Number(-1, t), b.Number(1, t))
		}),
	},
}

// The constants of selu, to the digits of its paper.
const seluScale, seluAlpha = 1.0507009873554804934193349852946, 1.6732632423543772848170429916717

func softplus(x float64) float64 { return math.Log1p(math.Exp(x)) }

// classic says that TensorFlow Lite 2.9 has no integer form of the operator; newer
// libraries have.
func classic(w *tflitewriter.Writer, _ *graph.Node) bool { return w.Classic() }

func hardSigmoidTF(b tfgraph.Builder, n *graph.Node, x tfgraph.Tensor) tfgraph.Tensor {
	t := n.Out[0].DType
	return b.Op("Mul", nil, b.Op("Relu6", nil, b.Op("AddV2", nil, x, b.Number(3, t))), b.Number(1.0/6, t))
}

// Functions that stand before operators in their frames: squashing makes positive numbers
// of any, bounding keeps their sign and clamps nothing, clamping is fused with a layer.
const squashing, bounding, clamping = "sigmoid", "tanh", "relu"

// siluTFLite is x·sigmoid(x).
func siluTFLite(w *tflitewriter.Writer, n *graph.Node, x, y int32) {
	s := w.Like(x, n.Name+".sigmoid")
	if w.Tensor(x).Type == tflitefb.Int8 { // the scale TensorFlow Lite's quantisation specification demands
		w.Tensor(s).Quant = &tflitefb.Quant{Scale: []float32{1.0 / 256}, Zero: []int64{-128}}
	}
	w.Emit(tflitefb.Logistic, w.Version(x, 2), []int32{x}, []int32{s}, tflitefb.Options{})
	w.Arithmetic(tflitefb.Mul, tflitefb.ActNone, y, x, s)
}

// hardSigmoidTFLite is relu6(x + 3) · 1/6.
func hardSigmoidTFLite(w *tflitewriter.Writer, n *graph.Node, x, y int32) {
	r := w.Like(x, n.Name+".relu6")
	if w.Tensor(x).Type == tflitefb.Int8 {
		w.Tensor(r).Quant = &tflitefb.Quant{Scale: []float32{6.0 / 255}, Zero: []int64{-128}}
	}
	w.Arithmetic(tflitefb.Add, tflitefb.ActRelu6, r, x, w.Scalar(3, x))
	w.Arithmetic(tflitefb.Mul, tflitefb.ActNone, y, r, w.Scalar(1.0/6, x))
}

// softplusTFLite is max(x, 0) + log(1 + exp(−|x|)), which does not overflow.
func softplusTFLite(w *tflitewriter.Writer, n *graph.Node, x, y int32) {
	e := w.Step(n.Name+".exp", tflitefb.Exp, w.Step(n.Name+".minus", tflitefb.Neg, w.Step(n.Name+".abs", tflitefb.Abs, x)))
	rest := w.Step(n.Name+".log", tflitefb.Log, w.Step(n.Name+".one", tflitefb.Add, e, w.Scalar(1, x)))
	w.Into(y, tflitefb.Add, rest, w.Step(n.Name+".relu", tflitefb.Relu, x))
}

// mishTFLite is x·tanh(softplus(x)).
func mishTFLite(w *tflitewriter.Writer, n *graph.Node, x, y int32) {
	s := w.Like(x, n.Name+".softplus")
	softplusTFLite(w, n, x, s)
	w.Into(y, tflitefb.Mul, x, w.Step(n.Name+".tanh", tflitefb.Tanh, s))
}

// The error function as the rational function x·P(x²)/Q(x²) of x cut to ±4, beyond
// which it is ±1 in float32: Eigen's generic_fast_erf_float, which XLA and MLIR's
// CHLO dialect have as well and by which converters write a network's erf as
// operators that TensorFlow Lite has. Coefficients of the highest power first.
var (
	erfP = []float32{-2.72614225801306e-10, 2.77068142495902e-08, -2.10102402082508e-06, -5.69250639462346e-05,
		-7.34990630326855e-04, -2.95459980854025e-03, -1.60960333262415e-02}
	erfQ = []float32{-1.45660718464996e-05, -2.13374055278905e-04, -1.68282697438203e-03, -7.37332916720468e-03, -1.42647390514189e-02}
)

const erfCut = 4

func erfTFLite(w *tflitewriter.Writer, n *graph.Node, x, y int32) {
	cut := w.Step(n.Name+".cut", tflitefb.Minimum, w.Step(n.Name+".low", tflitefb.Maximum, x, w.Scalar(-erfCut, x)), w.Scalar(erfCut, x))
	square := w.Step(n.Name+".square", tflitefb.Square, cut)
	polynomial := func(name string, c []float32) int32 { // Horner's scheme
		z := w.Step(name, tflitefb.Mul, square, w.Scalar(c[0], x))
		for _, a := range c[1 : len(c)-1] {
			z = w.Step(name, tflitefb.Mul, w.Step(name, tflitefb.Add, z, w.Scalar(a, x)), square)
		}
		return w.Step(name, tflitefb.Add, z, w.Scalar(c[len(c)-1], x))
	}
	top := w.Step(n.Name+".top", tflitefb.Mul, cut, polynomial(n.Name+".p", erfP))
	w.Into(y, tflitefb.Div, top, polynomial(n.Name+".q", erfQ))
}

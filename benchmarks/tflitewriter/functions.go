package tflitewriter

import (
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// function is a built-in operator of one input.
type function struct {
	code    tflitefb.Op
	int8    int32 // its version for int8 values
	options tflitefb.Options
}

// functions are the graph's functions of one number that are one operator in the
// file.
var functions = map[string]function{
	graph.Relu:     {tflitefb.Relu, 2, tflitefb.Options{}},
	graph.Relu6:    {tflitefb.Relu6, 2, tflitefb.Options{}},
	graph.Sigmoid:  {tflitefb.Logistic, 2, tflitefb.Options{}},
	graph.Tanh:     {tflitefb.Tanh, 2, tflitefb.Options{}},
	graph.Exp:      {tflitefb.Exp, 2, tflitefb.Options{}},
	graph.HSwish:   {tflitefb.HardSwish, 1, tflitefb.Options{Type: tflitefb.HardSwishOptions}},
	graph.Gelu:     {tflitefb.Gelu, 2, tflitefb.Options{Type: tflitefb.GeluOptions}},
	graph.Abs:      {tflitefb.Abs, 2, tflitefb.Options{}},
	graph.Elu:      {tflitefb.Elu, 1, tflitefb.Options{}},
	graph.Log:      {tflitefb.Log, 2, tflitefb.Options{}},
	graph.Sqrt:     {tflitefb.Sqrt, 1, tflitefb.Options{}},
	graph.Neg:      {tflitefb.Neg, 1, tflitefb.Options{}},
	graph.Sin:      {tflitefb.Sin, 1, tflitefb.Options{}},
	graph.Cos:      {tflitefb.Cos, 1, tflitefb.Options{}},
	graph.Round:    {tflitefb.Round, 1, tflitefb.Options{}},
	graph.GeluTanh: {tflitefb.Gelu, 2, tflitefb.Options{Type: tflitefb.GeluOptions, Values: map[string]float64{"approximate": 1}}},
	// A clip to ±1, which is what the graph's is, has an operator of its own.
	graph.Clip: {tflitefb.ReluN1To1, 1, tflitefb.Options{}},
	// The slope is what the graph's LeakyRelu means.
	graph.LeakyRelu: {tflitefb.LeakyRelu, 2, tflitefb.Options{Type: tflitefb.LeakyReluOptions, Values: map[string]float64{"alpha": 0.01}}},
}

// composed are the functions that are several operators in the file.
var composed = map[string]func(w *writer, n *graph.Node, x, y int32){
	graph.SiLU:       (*writer).silu,
	graph.HSigmoid:   (*writer).hardSigmoid,
	graph.Erf:        (*writer).erf,
	graph.Softplus:   (*writer).softplus,
	graph.Mish:       (*writer).mish,
	graph.Reciprocal: (*writer).reciprocal,
	graph.Pow:        (*writer).pow,
}

// into emits a floating-point operator of numbers.
func (w *writer) into(y int32, code tflitefb.Op, in ...int32) {
	switch code {
	case tflitefb.Add, tflitefb.Sub, tflitefb.Mul, tflitefb.Div:
		w.arithmetic(code, tflitefb.ActNone, y, in...)
	case tflitefb.Square:
		w.emit(code, 1, in, []int32{y}, tflitefb.Options{Type: tflitefb.SquareOptions})
	default:
		w.emit(code, 1, in, []int32{y}, tflitefb.Options{})
	}
}

// step is into a tensor of its own, like the first operand.
func (w *writer) step(name string, code tflitefb.Op, in ...int32) int32 {
	y := w.like(in[0], name)
	w.into(y, code, in...)
	return y
}

// silu is x·sigmoid(x).
func (w *writer) silu(n *graph.Node, x, y int32) {
	s := w.like(x, n.Name+".sigmoid")
	if w.m.Tensors[x].Type == tflitefb.Int8 { // the scale TensorFlow Lite's quantisation specification demands
		w.m.Tensors[s].Quant = &tflitefb.Quant{Scale: []float32{1.0 / 256}, Zero: []int64{-128}}
	}
	w.emit(tflitefb.Logistic, w.version(x, 2), []int32{x}, []int32{s}, tflitefb.Options{})
	w.arithmetic(tflitefb.Mul, tflitefb.ActNone, y, x, s)
}

// hardSigmoid is relu6(x + 3) · 1/6.
func (w *writer) hardSigmoid(n *graph.Node, x, y int32) {
	r := w.like(x, n.Name+".relu6")
	if w.m.Tensors[x].Type == tflitefb.Int8 {
		w.m.Tensors[r].Quant = &tflitefb.Quant{Scale: []float32{6.0 / 255}, Zero: []int64{-128}}
	}
	w.arithmetic(tflitefb.Add, tflitefb.ActRelu6, r, x, w.scalar(3, x))
	w.arithmetic(tflitefb.Mul, tflitefb.ActNone, y, r, w.scalar(1.0/6, x))
}

// softplus is max(x, 0) + log(1 + exp(−|x|)), which does not overflow.
func (w *writer) softplus(n *graph.Node, x, y int32) {
	e := w.step(n.Name+".exp", tflitefb.Exp, w.step(n.Name+".minus", tflitefb.Neg, w.step(n.Name+".abs", tflitefb.Abs, x)))
	rest := w.step(n.Name+".log", tflitefb.Log, w.step(n.Name+".one", tflitefb.Add, e, w.scalar(1, x)))
	w.into(y, tflitefb.Add, rest, w.step(n.Name+".relu", tflitefb.Relu, x))
}

// mish is x·tanh(softplus(x)).
func (w *writer) mish(n *graph.Node, x, y int32) {
	s := w.like(x, n.Name+".softplus")
	w.softplus(n, x, s)
	w.into(y, tflitefb.Mul, x, w.step(n.Name+".tanh", tflitefb.Tanh, s))
}

func (w *writer) reciprocal(_ *graph.Node, x, y int32) { w.into(y, tflitefb.Div, w.scalar(1, x), x) }

// pow multiplies a square and a cube out, as converters do.
func (w *writer) pow(n *graph.Node, x, y int32) {
	switch e := n.Attrs.Floats["exponent"]; e {
	case 2:
		w.into(y, tflitefb.Square, x)
	case 3:
		w.into(y, tflitefb.Mul, x, w.step(n.Name+".square", tflitefb.Square, x))
	default:
		w.into(y, tflitefb.Pow, x, w.scalar(e, x))
	}
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

func (w *writer) erf(n *graph.Node, x, y int32) {
	cut := w.step(n.Name+".cut", tflitefb.Minimum, w.step(n.Name+".low", tflitefb.Maximum, x, w.scalar(-erfCut, x)), w.scalar(erfCut, x))
	square := w.step(n.Name+".square", tflitefb.Square, cut)
	polynomial := func(name string, c []float32) int32 { // Horner's scheme
		z := w.step(name, tflitefb.Mul, square, w.scalar(c[0], x))
		for _, a := range c[1 : len(c)-1] {
			z = w.step(name, tflitefb.Mul, w.step(name, tflitefb.Add, z, w.scalar(a, x)), square)
		}
		return w.step(name, tflitefb.Add, z, w.scalar(c[len(c)-1], x))
	}
	top := w.step(n.Name+".top", tflitefb.Mul, cut, polynomial(n.Name+".p", erfP))
	w.into(y, tflitefb.Div, top, polynomial(n.Name+".q", erfQ))
}

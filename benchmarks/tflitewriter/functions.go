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
	graph.Relu:    {tflitefb.Relu, 2, tflitefb.Options{}},
	graph.Relu6:   {tflitefb.Relu6, 2, tflitefb.Options{}},
	graph.Sigmoid: {tflitefb.Logistic, 2, tflitefb.Options{}},
	graph.Tanh:    {tflitefb.Tanh, 2, tflitefb.Options{}},
	graph.Exp:     {tflitefb.Exp, 2, tflitefb.Options{}},
	graph.HSwish:  {tflitefb.HardSwish, 1, tflitefb.Options{Type: tflitefb.HardSwishOptions}},
	graph.Gelu:    {tflitefb.Gelu, 2, tflitefb.Options{Type: tflitefb.GeluOptions}},
	// A clip to ±1, which is what the graph's is, has an operator of its own.
	graph.Clip: {tflitefb.ReluN1To1, 1, tflitefb.Options{}},
	// The slope is what the graph's LeakyRelu means.
	graph.LeakyRelu: {tflitefb.LeakyRelu, 2, tflitefb.Options{Type: tflitefb.LeakyReluOptions, Values: map[string]float64{"alpha": 0.01}}},
}

// silu is x·sigmoid(x).
func (w *writer) silu(n *graph.Node) {
	x, y, _ := w.inPlace(n)
	s := w.like(x, n.Name+".sigmoid")
	if w.m.Tensors[x].Type == tflitefb.Int8 { // the scale TensorFlow Lite's quantisation specification demands
		w.m.Tensors[s].Quant = &tflitefb.Quant{Scale: []float32{1.0 / 256}, Zero: []int64{-128}}
	}
	w.emit(tflitefb.Logistic, w.version(x, 2), []int32{x}, []int32{s}, tflitefb.Options{})
	w.arithmetic(tflitefb.Mul, tflitefb.ActNone, y, x, s)
}

// hardSigmoid is relu6(x + 3) · 1/6.
func (w *writer) hardSigmoid(n *graph.Node) {
	x, y, _ := w.inPlace(n)
	r := w.like(x, n.Name+".relu6")
	if w.m.Tensors[x].Type == tflitefb.Int8 {
		w.m.Tensors[r].Quant = &tflitefb.Quant{Scale: []float32{6.0 / 255}, Zero: []int64{-128}}
	}
	w.arithmetic(tflitefb.Add, tflitefb.ActRelu6, r, x, w.scalar(3, x))
	w.arithmetic(tflitefb.Mul, tflitefb.ActNone, y, r, w.scalar(1.0/6, x))
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

func (w *writer) erf(n *graph.Node) {
	x, y, _ := w.inPlace(n)
	next := func(name string, code tflitefb.Op, in ...int32) int32 {
		z := w.like(x, n.Name+"."+name)
		if code == tflitefb.Maximum || code == tflitefb.Minimum {
			w.emit(code, 1, in, []int32{z}, tflitefb.Options{})
		} else {
			w.arithmetic(code, tflitefb.ActNone, z, in...)
		}
		return z
	}
	cut := next("cut", tflitefb.Minimum, next("low", tflitefb.Maximum, x, w.scalar(-erfCut, x)), w.scalar(erfCut, x))
	square := next("square", tflitefb.Mul, cut, cut)
	polynomial := func(name string, c []float32) int32 { // Horner's scheme
		z := next(name, tflitefb.Mul, square, w.scalar(c[0], x))
		for _, a := range c[1 : len(c)-1] {
			z = next(name, tflitefb.Mul, next(name, tflitefb.Add, z, w.scalar(a, x)), square)
		}
		return next(name, tflitefb.Add, z, w.scalar(c[len(c)-1], x))
	}
	top := next("top", tflitefb.Mul, cut, polynomial("p", erfP))
	w.arithmetic(tflitefb.Div, tflitefb.ActNone, y, top, polynomial("q", erfQ))
}

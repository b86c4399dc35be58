package benchmarks

import (
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
)

// function is an operator that computes each number of its result from one number of its
// input: everything there is to know of it.
type function struct {
	name, doc string
	value     func(x float64) float64
	// spread is the distribution of the results, and span the int8 range that holds
	// them; nil: symmetric about 0.
	spread func(s stat) stat
	span   func(out stat) *graph.Quant
	act    act
	// integers says that the results are integers.
	integers bool
	steep    bool // near 0 it magnifies every rounding
	streams  bool // one instruction per number: it costs what its bytes do
	frame    frame
	onnx     onnxwriter.Form
	tflite   tflitewriter.Form
	tf       tfgraph.Form
}

// act says whether the function is an activation that keys may name beside a layer.
type act uint8

const (
	notFused   act = iota
	fusedClamp     // part of the layer's own node
	insideAct      // a node after the layer's
	runtimeAct     // likewise; no block of ours has it, but runtimes fuse it
)

// activations are the functions that an operator or a block can have fused or inside.
func activations() []string {
	var names []string
	for _, f := range functions {
		if f.act == fusedClamp || f.act == insideAct {
			names = append(names, f.name)
		}
	}
	return names
}

// canFuse reports that the attribute act can be the function.
func canFuse(name string) bool {
	f, ok := functionOf(name)
	return ok && f.act != notFused
}

func functionOf(name string) (function, bool) {
	for _, f := range functions {
		if f.name == name {
			return f, true
		}
	}
	return function{}, false
}

func init() {
	for _, f := range functions {
		define(f.kind())
	}
}

// kind is the catalogue's entry of the function: on maps and sequences, one number from one.
func (f function) kind() kind {
	value := reference.Function(f.value)
	if f.integers {
		value = value.ToIntegers()
	}
	k := kind{
		name: f.name, doc: f.doc, axes: mapAxes, sequence: true, in: mapShape, out: mapShape,
		build: func(b *builder, _ args, x *graph.Value) *graph.Value { return b.apply(f, x, b.layer+"."+f.name) },
		frame: f.frame, weights: noWeights, grid: mapGrid(nil), example: f.name + mapExample,
		operator: &operator{value: value, work: each, onnx: f.onnx, tflite: f.tflite, tf: f.tf},
	}
	if f.frame.how == needsPositive || f.steep {
		k.example = squashing + mapExample + " " + k.example
	}
	return k
}

// mapExample is the end of an element-wise operator's example.
const mapExample = "/P@c=16,h=16,w=16"

// apply adds the function of x as a node.
func (b *builder) apply(f function, x *graph.Value, name string) *graph.Value {
	out := f.spread(b.stats[x])
	n := b.node(f.name, name, x.Shape, out, x)
	if q := &n.Out[0].Quant; *q != nil && f.span != nil {
		*q = f.span(out)
	}
	return n.Out[0]
}

// activate puts an activation on a node that can fuse one: a clamp becomes the node's own
// and renames its output to name.act, others are nodes after it.
func (b *builder) activate(n *graph.Node, act string) *graph.Value {
	y := n.Out[0]
	if act == "" {
		return y
	}
	f, _ := functionOf(act)
	switch f.act {
	case fusedClamp:
		n.Fused = Operator(act)
		y.Name += ".act"
		b.stats[y] = f.spread(b.stats[y])
		if y.Quant != nil {
			y.Quant = f.span(b.stats[y])
		}
		return y
	case runtimeAct:
		f.spread = leaking
	}
	return b.apply(f, y, y.Name+".act")
}

// rectified is max(0, x) of a normal x: E = σφ(μ/σ) + μΦ(μ/σ), and the second
// moment accordingly.
func rectified(s stat) stat {
	sd := max(s.std(), 1e-9)
	z := s.mean / sd
	pdf := math.Exp(-z*z/2) / math.Sqrt(2*math.Pi)
	cdf := 0.5 * math.Erfc(-z/math.Sqrt2)
	return stat{sd*pdf + s.mean*cdf, s.ms*cdf + s.mean*sd*pdf}
}

// leaking is below rectified by what leaks through.
func leaking(s stat) stat {
	out := rectified(s)
	return stat{0.7 * out.mean, 0.8 * out.ms}
}

// gated is between 0 and 1, with slope ¼ around 0.
func gated(s stat) stat { return stat{0.5, 0.25 + 0.04*min(s.ms, 4)} }

func unchanged(s stat) stat { return s }

// upTo is the int8 range from least, a function's minimum, to clip times the rms before
// rectifying.
func upTo(least float64) func(out stat) *graph.Quant {
	return func(out stat) *graph.Quant {
		hi := clip * math.Sqrt(2*out.ms)
		if least == 0 {
			return positive(hi)
		}
		return between(least, hi)
	}
}

// unit is the int8 range from 0 to 1, as TensorFlow Lite's quantisation specification
// demands it of sigmoid and softmax.
func unit(stat) *graph.Quant { return perTensor(1.0/256, -128) }

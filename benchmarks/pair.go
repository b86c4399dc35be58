package benchmarks

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/lut"
)

// pair is an operator that computes each number of its result from one of its input and
// one of a second operand, which may be smaller and is broadcast.
type pair struct {
	name, doc string
	value     func(u, v float64) float64
	spread    func(s, t stat) stat
	attrs     []attribute
	fuses     bool // an activation
	// fusedSum says that convolutions take it in: fused=1.
	fusedSum bool
	clamps   bool // with one number as the second operand
	streams  bool // one instruction per number: it costs what its bytes do
	grid     grid
	// cancels says that the operator of a number and itself is constant: the example is with
	// a constant second operand.
	cancels bool
	onnx    onnxwriter.Form
	tflite  tflitewriter.Form
	tf      tfgraph.Form
}

func init() {
	for _, p := range pairs {
		define(p.kind())
	}
}

// other is the attribute b: what the second operand is.
var other = attribute{name: "b", doc: "the second operand: one number per channel (`c`), one number (`s`), anything else that is broadcast (`x`)",
	absent: "the latest earlier value of the same shape", valid: oneOf("c", "s", "x")}

func (p pair) kind() kind {
	k := kind{
		name: p.name, doc: p.doc, attrs: append([]attribute{other}, p.attrs...), axes: mapAxes, sequence: true, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.pair(p, x, b.operand(a, x), p.name, a.str("act"))
		},
		frame:   frame{how: fusesBefore, pairs: true, own: pairFrame, clamps: func(op lut.Op) bool { return p.clamps && op.Attr("b") == "s" }},
		weights: noWeights, grid: p.grid, example: p.name + mapExample,
		operator: &operator{value: reference.Pair(p.value), work: each, onnx: p.onnx, tflite: p.tflite, tf: p.tf},
	}
	if p.cancels {
		k.example = p.name + "[b=s]" + mapExample
	}
	if p.fusedSum {
		k.check = func(a args) error {
			if a.str("fused") != "" && (a.str("b") != "" || a.str("act") != "" || a.has("seq")) {
				return fmt.Errorf("the addition fused into a convolution is of two equal maps")
			}
			return nil
		}
	}
	return k
}

// pair adds the operator of x and y as a node.
func (b *builder) pair(p pair, x, y *graph.Value, name, act string) *graph.Value {
	return b.activate(b.node(p.name, b.layer+"."+name, x.Shape, p.spread(b.stats[x], b.stats[y]), x, y), act)
}

// pairFrame is the frame of what a plain one does not hold: an addition alone, inside the
// convolution that it is fused into; and a product with one number per channel, as in
// squeeze-excite, which lies between convolutions and in the plain layout: the change of
// layout on either side is part of it. The clamp keeps a constant operand from being
// folded into the producer.
func pairFrame(op lut.Op, in Shape) Sum {
	p := framePrecision(op.Precision)
	if op.Attr("fused") == "1" {
		return residualFrame(in, p)
	}
	if op.Attr("b") != "c" || len(in) != 3 || isImage(in) {
		return nil
	}
	pre := Chain{pointwise(p, preChannels, in[0], in[1], in[2], clamping)}
	return difference(join(pre, Chain{op}, after(in, p)), join(pre, after(in, p)))
}

// operand is the second operand of a binary operator: for a broadcast a graph
// input with one number per channel (a constant would be folded into the weights of
// a convolution before it), else the latest earlier value of the same type, and x
// itself when there is none.
func (b *builder) operand(a args, x *graph.Value) *graph.Value {
	var shape Shape
	switch a.str("b") {
	case "s":
		return b.scalar(x)
	case "x":
		shape = Shape{1, x.Shape[2]}
		if len(x.Shape) == 3 {
			shape = Shape{x.Shape[1], 1}
		} else {
			shape = append(shape, x.Shape[3])
		}
	case "c":
		shape = Shape{x.Shape[1], 1, 1}
		if len(x.Shape) == 3 {
			shape = Shape{1, x.Shape[2]}
		}
	}
	if shape != nil {
		v := b.input(b.layer+".operand", shape, floatType(b.prec))
		return b.convert(v, activationType(b.prec), b.layer+".operand.in")
	}
	for i := len(b.history) - 2; i >= 0; i-- {
		if v := b.history[i]; v != x && v.DType == x.DType && Shape(v.Shape).equal(x.Shape) {
			return v
		}
	}
	return x
}

// scalar is the second operand of a binary operator with b=s: one constant number,
// neither 0 nor 1, which a runtime would leave out. In int8 it is a graph input:
// as a constant it would have the weights' type, signed, and the runtime's int8
// operators want one type for both.
func (b *builder) scalar(x *graph.Value) *graph.Value {
	if b.prec == lut.INT8 {
		shape := make(Shape, len(x.Shape)-1)
		for i := range shape {
			shape[i] = 1
		}
		v := b.input(b.layer+".operand", shape, floatType(b.prec))
		return b.convert(v, activationType(b.prec), b.layer+".operand.in")
	}
	v := b.vector(b.layer+".operand", 1, 1.5, 0.1)
	b.stats[v] = stat{1.5, 2.26}
	return v
}

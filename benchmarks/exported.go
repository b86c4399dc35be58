package benchmarks

import (
	"math"
	"slices"
	"strconv"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/lut"
)

// exportedKinds are operators that no block of ours has but exported models do:
// what an exporter leaves of an activation the runtime does not fuse (GELU as div,
// erf, add, mul, mul), and cuts of a tensor.
var exportedKinds = map[string]kind{
	"sub": binaryKind(graph.Sub),
	"div": binaryKind(graph.Div),
	"erf": functionKind(graph.Erf, func(s stat) stat { return stat{0, min(s.ms, 1)} }),
	"tanh": functionKind(graph.Tanh, func(s stat) stat {
		return stat{0, min(s.ms, 1)}
	}),
	"min":        binaryKind(graph.Min),
	"max":        binaryKind(graph.Max),
	"sqrt":       functionKind(graph.Sqrt, func(s stat) stat { return stat{0.8 * math.Sqrt(s.std()), max(s.std(), s.mean)} }),
	"log":        functionKind(graph.Log, func(stat) stat { return stat{0, 1.3} }),
	"neg":        functionKind(graph.Neg, func(s stat) stat { return stat{-s.mean, s.ms} }),
	"abs":        functionKind(graph.Abs, func(s stat) stat { return stat{0.8 * math.Sqrt(s.ms), s.ms} }),
	"elu":        functionKind(graph.Elu, func(s stat) stat { return stat{0, max(0.5*s.ms, 0.3)} }),
	"softplus":   functionKind(graph.Softplus, func(s stat) stat { return stat{0.8, 0.7 + s.ms/2} }),
	"reciprocal": functionKind(graph.Reciprocal, func(stat) stat { return stat{0, 4} }),
	"sin":        functionKind(graph.Sin, func(stat) stat { return stat{0, 0.5} }),
	"cos":        functionKind(graph.Cos, func(stat) stat { return stat{0.6, 0.5} }),
	"mish":       functionKind(graph.Mish, rectified),
	"gelutanh":   functionKind(graph.GeluTanh, rectified),
	"round":      functionKind(graph.Round, func(s stat) stat { return s }),
	// A slope for every channel (feature).
	"prelu": {
		axes: []string{"c", "h", "w"}, sequence: true, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			shape := []int{x.Shape[1], 1, 1}
			if a.has("seq") {
				shape = []int{x.Shape[2]}
			}
			slope := b.floats(".slope", shape[0], 0.25)
			slope.Shape = shape
			return b.node(graph.PRelu, b.layer+".prelu", x.Shape, rectified(b.stats[x]), x, slope).Out[0]
		},
	},
	// To a constant power: e=2, e=3, which runtimes multiply out, and e=0.7 for any other.
	"pow": {
		attrs: []string{"e!"}, axes: []string{"c", "h", "w"}, sequence: true, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			e, _ := strconv.ParseFloat(a.str("e"), 64)
			st := b.stats[x]
			n := b.node(graph.Pow, b.layer+".pow", x.Shape, stat{math.Pow(st.ms, e/2) / 2, 3 * math.Pow(st.ms, e)}, x)
			return b.float(n, "exponent", float32(e)).Out[0]
		},
	},
	"exp":       functionKind(graph.Exp, func(s stat) stat { return stat{1.65, 7.4} }), // of a standard normal number: e^½ and e²
	"leakyrelu": functionKind(graph.LeakyRelu, rectified),
	"clip":      functionKind(graph.Clip, func(s stat) stat { return stat{0, min(s.ms, 0.6)} }), // to ±1
	// Every map (row) of the result is the one of the input.
	"expand": {
		axes: []string{"c", "h", "w"}, sequence: true, out: mapShape,
		in: func(a args) Shape {
			s := mapShape(a)
			s[0] = 1
			return s
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.move(graph.Expand, x, b.layer+".expand", append([]int{x.Shape[0]}, mapShape(a)...)).Out[0]
		},
	},
	// m rows of n numbers to one number each; with axis=inner b×m×n to b×n.
	"reduce": {
		attrs: []string{"op!", "axis"}, axesOf: rowsOrInner, in: rowsOrInnerShape,
		out: func(a args) Shape {
			if a.str("axis") == "inner" {
				return Shape{a.axis("b"), a.axis("n")}
			}
			return Shape{a.axis("m")}
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			s, st := b.stats[x], stat{}
			axis := reducedAxis
			n := float64(x.Shape[axis])
			switch a.str("op") {
			case "sum":
				st = stat{n * s.mean, n*n*s.mean*s.mean + n*s.ms}
			case "max":
				st = stat{s.mean + 2*s.std(), 6 * s.ms}
			case "min":
				st = stat{s.mean - 2*s.std(), 6 * s.ms}
			case "l2":
				st = stat{math.Sqrt(n * s.ms), n * s.ms}
			case "l1":
				st = stat{0.8 * n * math.Sqrt(s.ms), n * n * s.ms}
			case "sumsquare":
				st = stat{n * s.ms, 3 * n * n * s.ms * s.ms}
			case "prod":
				st = stat{0, math.Pow(s.ms, n)}
			default:
				st = stat{s.mean, s.mean*s.mean + s.ms/n}
			}
			y := b.node(graph.Reduce, b.layer+".reduce", slices.Delete(slices.Clone(x.Shape), axis, axis+1), st, x)
			b.str(b.ints(y, "axis", axis), "op", a.str("op"))
			return y.Out[0]
		},
	},
	"instancenorm": {
		axes: []string{"c", "h", "w"}, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			c := a.axis("c")
			return b.node(graph.InstanceNorm, b.layer+".instancenorm", x.Shape, stat{0, 1}, x, b.floats(".gamma", c, 1), b.floats(".beta", c, 0)).Out[0]
		},
	},
	// The first half (or other part) of a tensor's channels (rows): a copy of what the key names.
	"slice":  cutKind(),
	"gather": cutKind(),
	// A row of zeros below and a column to the right, as stride-2 convolutions of
	// TensorFlow's padding want; the key's shape is the padded one.
	"pad": {
		axes: []string{"c", "h", "w"}, sequence: true, out: mapShape,
		in: func(a args) Shape {
			s := mapShape(a)
			s[len(s)-1]--
			if len(s) == 3 {
				s[1]--
			}
			return s
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.move(graph.Pad, x, b.layer+".pad", append([]int{x.Shape[0]}, mapShape(a)...)).Out[0]
		},
	},
	// A batch normalisation that stands where no convolution can take it in: a scale
	// and a shift for every channel. One of a sequence takes its rows as the batch.
	"batchnorm": {
		axes: []string{"c", "h", "w"}, sequence: true, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			in, c := x, x.Shape[1]
			if a.has("seq") {
				c = x.Shape[2]
				in = b.move(graph.Reshape, x, b.layer+".rows", []int{x.Shape[0] * x.Shape[1], c}).Out[0]
			}
			y := b.node(graph.BatchNorm, b.layer+".batchnorm", in.Shape, b.stats[x], in,
				b.floats(".gamma", c, 1), b.floats(".beta", c, 0), b.floats(".mean", c, 0), b.floats(".var", c, 1)).Out[0]
			if a.has("seq") {
				y = b.move(graph.Reshape, y, b.layer+".sequence", x.Shape).Out[0]
			}
			return y
		},
	},
}

// reductions are the ways to make one number of several.
var reductions = []string{"mean", "sum", "max", "min", "prod", "l1", "l2", "sumsquare"}

// rowsOrInner are the axes of what works on every row of a matrix m×n, or with
// axis=inner on every column of b matrices: numbers that lie apart in memory.
func rowsOrInner(a args) []string {
	if a.str("axis") == "inner" {
		return []string{"b", "m", "n"}
	}
	return []string{"m", "n"}
}

func rowsOrInnerShape(a args) Shape {
	var s Shape
	for _, axis := range rowsOrInner(a) {
		s = append(s, a.axis(axis))
	}
	return s
}

// reducedAxis is the axis that goes, of a tensor N×m×n or N×b×m×n.
const reducedAxis = 2

func binaryKind(op string) kind {
	return kind{
		attrs: []string{"b"}, axes: []string{"c", "h", "w"}, sequence: true, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			y := b.operand(a, x)
			s, t := b.stats[x], b.stats[y]
			return b.node(op, b.layer+"."+op, x.Shape, stat{s.mean, s.ms + t.ms}, x, y).Out[0]
		},
	}
}

func functionKind(op string, st func(stat) stat) kind {
	return kind{
		axes: []string{"c", "h", "w"}, sequence: true, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.node(op, b.layer+"."+op, x.Shape, st(b.stats[x]), x).Out[0]
		},
	}
}

// cutKind keeps one part in of=n of the channels (rows), the first; a half when not said.
func cutKind() kind {
	return kind{
		attrs: []string{"of"}, axes: []string{"c", "h", "w"}, sequence: true, out: mapShape,
		in: func(a args) Shape {
			s := mapShape(a)
			s[0] *= a.int("of", 2)
			return s
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			n := b.move(graph.Slice, x, b.layer+".slice", append([]int{x.Shape[0]}, mapShape(a)...))
			b.ints(n, "axis", 1)
			return n.Out[0]
		},
	}
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

// floats is a constant vector that stays float in every precision.
func (b *builder) floats(name string, n int, mean float32) *graph.Value {
	v := b.vector(b.layer+name, n, mean, 0.1)
	if b.prec == lut.INT8 {
		v.DType = graph.Float32
	}
	return v
}

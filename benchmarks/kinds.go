package benchmarks

import (
	"fmt"
	"maps"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/lut"
)

// kinds is the catalogue.
var kinds = map[string]kind{}

func init() {
	for _, part := range []map[string]kind{convKinds, elementKinds, activationKinds(), movingKinds, mobileBlocks, residualBlocks, transformerKinds, exportedKinds} {
		for name := range part {
			if _, twice := kinds[name]; twice {
				panic("benchmarks: kind " + name + " is defined twice")
			}
		}
		maps.Copy(kinds, part)
	}
}

func convIn(a args) Shape { return Shape{a.axis("cin"), a.axis("h"), a.axis("w")} }

func convOut(a args) Shape {
	win := a.slide(a.axis("h"), a.axis("w"))
	return Shape{a.axis("cout"), win.h, win.w}
}

func poolOut(a args) Shape {
	win := a.slide(a.axis("h"), a.axis("w"))
	return Shape{a.axis("c"), win.h, win.w}
}

var convKinds = map[string]kind{
	"conv": {
		attrs: []string{"k!", "s", "g", "d", "p", "act"}, axes: []string{"h", "w", "cin", "cout"}, in: convIn, out: convOut,
		check: func(a args) error {
			g := a.int("g", 1)
			if a.axis("cin")%g != 0 || a.axis("cout")%g != 0 {
				return fmt.Errorf("%d groups do not divide %d → %d channels", g, a.axis("cin"), a.axis("cout"))
			}
			if g > 1 && g == a.axis("cin") && g == a.axis("cout") {
				return fmt.Errorf("one group a channel is a dwconv")
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			win := a.slide(a.axis("h"), a.axis("w"))
			return b.conv(x, convSpec{name: "conv", cout: a.axis("cout"), groups: a.int("g", 1), act: a.str("act"), win: &win})
		},
	},
	"dwconv": {
		attrs: []string{"k!", "s", "d", "p", "act"}, axes: []string{"h", "w", "c"}, in: mapShape, out: poolOut,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			win := a.slide(a.axis("h"), a.axis("w"))
			c := a.axis("c")
			return b.conv(x, convSpec{name: "dwconv", cout: c, groups: c, act: a.str("act"), win: &win})
		},
	},
	"linear": {
		attrs: []string{"act"}, axes: []string{"m", "cin", "cout"},
		in:  func(a args) Shape { return rows(a, "cin") },
		out: func(a args) Shape { return rows(a, "cout") },
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.linear(x, "linear", a.axis("cout"), a.str("act"))
		},
	},
}

// rows is a linear layer's shape: a vector for one row, else a sequence.
func rows(a args, axis string) Shape {
	if m := a.axis("m"); m > 1 {
		return Shape{m, a.axis(axis)}
	}
	return Shape{a.axis(axis)}
}

var elementKinds = map[string]kind{
	"gap": {
		axes: []string{"c", "h", "w"}, sequence: true, in: mapShape,
		out: func(a args) Shape {
			if a.has("seq") {
				return Shape{a.axis("dim")}
			}
			return Shape{a.axis("c"), 1, 1}
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			if a.has("seq") {
				return b.meanOverSequence(x, "gap")
			}
			return b.gap(x, "gap")
		},
	},
	"maxpool": {
		attrs: []string{"k!", "s", "p"}, axes: []string{"c", "h", "w"}, in: mapShape, out: poolOut,
		build: func(b *builder, a args, x *graph.Value) *graph.Value { return b.pool(graph.MaxPool, a, x) },
	},
	"avgpool": {
		attrs: []string{"k!", "s", "p"}, axes: []string{"c", "h", "w"}, in: mapShape, out: poolOut,
		build: func(b *builder, a args, x *graph.Value) *graph.Value { return b.pool(graph.AvgPool, a, x) },
	},
	"add": {
		attrs: []string{"b", "act", "fused"}, axes: []string{"c", "h", "w"}, sequence: true, in: mapShape, out: mapShape,
		check: func(a args) error {
			if a.str("fused") != "" && (a.str("b") != "" || a.str("act") != "" || a.has("seq")) {
				return fmt.Errorf("the addition fused into a convolution is of two equal maps")
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.add(x, b.operand(a, x), "add", a.str("act"))
		},
	},
	"mul": {
		attrs: []string{"b"}, axes: []string{"c", "h", "w"}, sequence: true, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value { return b.mul(x, b.operand(a, x), "mul") },
	},
	"relayout": {
		axes: []string{"c", "h", "w"}, in: mapShape, out: mapShape,
		build: func(_ *builder, _ args, x *graph.Value) *graph.Value { return x },
	},
	"quantize":   conversion(lut.FP32, lut.INT8),
	"dequantize": conversion(lut.INT8, lut.FP32),
	"switch": {
		attrs: []string{"from!", "to!", "plain", "res"}, axes: []string{"c", "h", "w"}, sequence: true, in: mapShape, out: mapShape,
		check: func(a args) error {
			from, to := lut.Precision(a.str("from")), lut.Precision(a.str("to"))
			if !slices.Contains(lut.Precisions, to) {
				return fmt.Errorf("unknown precision %q", to)
			}
			if !NeedsSwitch(from, to) {
				return fmt.Errorf("%s and %s have activations of one type: there is nothing to switch", from, to)
			}
			if (a.str("plain") != "" || a.str("res") != "") && a.has("seq") {
				return fmt.Errorf("a sequence has one layout: plain and res are of maps")
			}
			if a.op.Precision != to {
				return fmt.Errorf("a switch to %s carries that precision", to)
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			from := activationType(lut.Precision(a.str("from")))
			return b.convert(b.convert(x, from, b.layer+".in"), activationType(b.prec), b.layer+".switch")
		},
	},
}

// activationKinds are the activations as operators of their own.
func activationKinds() map[string]kind {
	m := map[string]kind{}
	for _, act := range activations {
		m[act] = kind{
			axes: []string{"c", "h", "w"}, sequence: true, in: mapShape, out: mapShape,
			build: func(b *builder, a args, x *graph.Value) *graph.Value { return b.unary(act, x, b.layer+"."+act) },
		}
	}
	return m
}

// conversion is the operator quantize or dequantize, whose key's precision is
// int8 whichever way it goes.
func conversion(from, to lut.Precision) kind {
	return kind{
		axes: []string{"c", "h", "w"}, sequence: true, in: mapShape, out: mapShape,
		check: func(a args) error {
			if a.op.Precision != lut.INT8 {
				return fmt.Errorf("its precision is int8")
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			b.prec = to
			return b.convert(b.convert(x, activationType(from), b.layer+".from"), activationType(to), b.layer+".to")
		},
	}
}

// operand is the second operand of a binary operator: for a broadcast a graph
// input with one number a channel (a constant would be folded into the weights of
// a convolution before it), else the latest earlier value of the same type, and x
// itself when there is none.
func (b *builder) operand(a args, x *graph.Value) *graph.Value {
	switch a.str("b") {
	case "s":
		return b.scalar(x)
	case "x":
		shape := Shape{1, x.Shape[2]}
		if len(x.Shape) == 3 {
			shape = Shape{x.Shape[1], 1}
		} else {
			shape = append(shape, x.Shape[3])
		}
		v := b.input(b.layer+".operand", shape, floatType(b.prec))
		return b.convert(v, activationType(b.prec), b.layer+".operand.in")
	}
	if a.str("b") == "c" {
		shape := Shape{x.Shape[1], 1, 1}
		if len(x.Shape) == 3 {
			shape = Shape{1, x.Shape[2]}
		}
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

func (b *builder) pool(op string, a args, x *graph.Value) *graph.Value {
	win := a.slide(a.axis("h"), a.axis("w"))
	st := b.stats[x]
	n := b.node(op, b.layer+"."+a.op.Kind, []int{x.Shape[0], x.Shape[1], win.h, win.w}, st, x)
	n.Out[0].Quant = x.Quant // a maximum or mean of the same numbers: runtimes want the scale kept
	b.ints(n, "kernel", win.k[:]...)
	b.ints(n, "strides", win.s[:]...)
	b.ints(n, "pads", win.p[:]...)
	return n.Out[0]
}

// meanOverSequence is the global pooling of a sequence: [N,S,D] → [N,D].
func (b *builder) meanOverSequence(x *graph.Value, name string) *graph.Value {
	st := b.stats[x]
	st.ms = st.mean*st.mean + (st.ms-st.mean*st.mean)/max(1, float64(x.Shape[1])/4)
	n := b.ints(b.node(graph.Mean, b.layer+"."+name, []int{x.Shape[0], x.Shape[2]}, st, x), "axis", 1)
	n.Out[0].Quant = x.Quant
	return n.Out[0]
}

package benchmarks

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/lut"
)

// convSpec is a convolution inside an operator or block.
type convSpec struct {
	name   string // of its value, without the layer
	cout   int
	k, s   int // sides, when win is nil
	groups int // 0 or 1: dense; cin with cout = cin: depthwise
	act    string
	win    *window
	plain  bool // a bias of its own, no batch normalisation folded in
}

func (b *builder) conv(x *graph.Value, c convSpec) *graph.Value {
	cin, h, w := x.Shape[1], x.Shape[2], x.Shape[3]
	if c.win == nil {
		k, s := c.k, max(1, c.s)
		win := args{lut.NewOp("", "", map[string]string{"k": fmt.Sprint(k), "s": fmt.Sprint(s)}, nil)}.slide(h, w)
		c.win = &win
	}
	g := max(1, c.groups)
	name := b.layer + "." + c.name
	op, wshape := graph.Conv, []int{c.cout, cin / g, c.win.k[0], c.win.k[1]}
	if g > 1 && g == cin && c.cout == cin {
		op = graph.DWConv
	}
	weight := b.weight(name+".w", wshape, wshape[1]*wshape[2]*wshape[3], x, 0)
	bias := b.bias(name+".b", c.cout, x, weight)
	n := b.node(op, name, []int{x.Shape[0], c.cout, c.win.h, c.win.w}, stat{0, 1}, x, weight, bias)
	b.ints(n, "strides", c.win.s[:]...)
	b.ints(n, "pads", c.win.p[:]...)
	b.ints(n, "dilations", c.win.d[:]...)
	if op == graph.Conv {
		b.ints(n, "groups", g)
	}
	b.mode(n)
	if !c.plain {
		b.str(n, "folded", graph.BatchNorm)
	}
	return b.activate(n, c.act)
}

// mode says how a node with float activations uses an int8 weight.
func (b *builder) mode(n *graph.Node) {
	switch b.prec {
	case lut.INT8Dyn:
		b.str(n, "quant", graph.QuantDynamic)
	case lut.INT8W:
		b.str(n, "quant", graph.QuantWeight)
	}
}

// linear takes sequences too, but the node is a matrix product of plain matrices
// – Gemm in ONNX, fully connected in TFLite – with reshapes that copy nothing
// around it, as ONNX Runtime itself rewrites MatMul + Add of a sequence.
func (b *builder) linear(x *graph.Value, name string, cout int, act string) *graph.Value {
	cin := x.Shape[len(x.Shape)-1]
	name = b.layer + "." + name
	full := x.Shape
	if len(full) > 2 {
		x = b.move(graph.Reshape, x, name+".flat", []int{x.Len() / cin, cin}).Out[0]
	}
	w := b.weight(name+".w", []int{cout, cin}, cin, x, 0)
	bias := b.bias(name+".b", cout, x, w)
	n := b.node(graph.Linear, name, []int{x.Shape[0], cout}, stat{0, 1}, x, w, bias)
	b.mode(n)
	y := b.activate(n, act)
	if len(full) > 2 {
		y = b.move(graph.Reshape, y, y.Name+".unflat", append(slices.Clone(full[:len(full)-1]), cout)).Out[0]
	}
	return y
}

func (b *builder) add(x, y *graph.Value, name, act string) *graph.Value {
	s, t := b.stats[x], b.stats[y]
	mean := s.mean + t.mean
	n := b.node(graph.Add, b.layer+"."+name, x.Shape, stat{mean, s.ms + t.ms + 2*s.mean*t.mean}, x, y)
	return b.activate(n, act)
}

func (b *builder) mul(x, y *graph.Value, name string) *graph.Value {
	s, t := b.stats[x], b.stats[y]
	return b.node(graph.Mul, b.layer+"."+name, x.Shape, stat{s.mean * t.mean, s.ms * t.ms}, x, y).Out[0]
}

func (b *builder) gap(x *graph.Value, name string) *graph.Value {
	st, n := b.stats[x], x.Shape[2]*x.Shape[3]
	// The mean of n elements; neighbours are correlated, so its spread shrinks less
	// than 1/n: a quarter of the elements count as independent.
	st.ms = st.mean*st.mean + (st.ms-st.mean*st.mean)/max(1, float64(n)/4)
	node := b.node(graph.GAP, b.layer+"."+name, []int{x.Shape[0], x.Shape[1], 1, 1}, st, x)
	if x.Quant != nil { // runtimes want the scale kept
		node.Out[0].Quant = x.Quant
	}
	return node.Out[0]
}

// squeezeExcite is Hu et al. 2018 with a hidden layer of mid/r channels rounded
// to a multiple of 8 (Howard et al. 2019): gap, 1×1, relu (silu in a silu block),
// 1×1, hard sigmoid (sigmoid in a silu block), times the map.
func (b *builder) squeezeExcite(x *graph.Value, r int, act string) *graph.Value {
	c := x.Shape[1]
	inner, gate := "relu", "hsigmoid"
	if act == "silu" {
		inner, gate = "silu", "sigmoid"
	}
	s := b.gap(x, "se.pool")
	s = b.conv(s, convSpec{name: "se.squeeze", cout: squeezed(c, r), k: 1, act: inner, plain: true})
	s = b.conv(s, convSpec{name: "se.excite", cout: c, k: 1, act: gate, plain: true})
	return b.mul(x, s, "se.scale")
}

// squeezed is the hidden width of a squeeze-excite: a multiple of 8, at least 8,
// and never below 90 % of c/r (make_divisible of the MobileNet code).
func squeezed(c, r int) int {
	v := max(8, (c/r+4)/8*8)
	if 10*v < 9*(c/r) {
		v += 8
	}
	return v
}

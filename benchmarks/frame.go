package benchmarks

import (
	"fmt"

	"github.com/isocost/isocost/lut"
)

// Summand is Coef times the latency of a chain.
type Summand struct {
	Coef  float64
	Chain Chain
}

// Sum is a linear combination of latencies: what a marginal cost is made of.
type Sum []Summand

// Frame returns the operator's marginal cost inside a network as a difference of
// whole models, +T(pre, op, post) − T(pre, post).
//
// pre is a small producer (a 1×1 convolution or a linear layer of 8 inputs) that
// hands op its input in the runtime's own layout and precision; without it the
// reorder at a model's entry would be charged to op. post reads one pixel a
// channel (a pool of kernel 1 whose stride is the map), so that it costs next to
// nothing whatever the shape before it, keeps the runtime's blocked layout up to
// the model's exit, and shrinks what is converted there to a vector: both members
// of the difference then have the same entry and exit. Sequences and vectors are
// row-major everywhere and need no post.
//
// Operators that a runtime would merge with their neighbours, or that cannot be
// measured alone, have frames of their own:
//   - the first layer of a network (a map of at most 4 channels) has no pre: the
//     model's entry is its own;
//   - a block comes after another, the smallest there is, in both members: what stood
//     alone would find its weights and buffers in nearer caches than inside a network
//     (docs/decisions/0203);
//   - switch, quantize and dequantize: the change before some use, less that use
//     without the change. The use begins with a convolution, since runtimes move
//     conversions past operators that only move data. The switch of a network's
//     input is measured at the entry;
//   - matmul and transpose come after a sigmoid, since no convolution makes what they
//     take; a transpose of more axes, or in int8, is set against one that changes
//     nothing and is therefore removed;
//   - activations and binary operators come after an average pool or a normalisation,
//     into which nothing fuses them; cuts at constant numbers after a tanh besides;
//     quantised maps need none of it.
//
// It fails like Check.
func Frame(op lut.Op) (Sum, error) {
	if err := Check(op); err != nil {
		return nil, err
	}
	a := args{op}
	in, out := kinds[op.Kind].in(a), kinds[op.Kind].out(a)
	switch op.Kind {
	case "switch":
		return switchFrame(in, lut.Precision(a.str("from")), lut.Precision(a.str("to")), a.str("plain") == "1", a.str("res") == "1"), nil
	case "matmul":
		return matMulFrame(op, in), nil
	case "transpose":
		return transposeFrame(op, in), nil
	case "relayout":
		return relayoutFrame(in, op.Precision), nil
	case "quantize":
		return switchFrame(in, lut.FP32, lut.INT8, false, false), nil
	case "dequantize":
		return switchFrame(in, lut.INT8, lut.FP32, false, false), nil
	}
	p := framePrecision(op.Precision)
	pre := before(in, p)
	if op.Attr("fused") == "1" { // the addition alone, inside the convolution it is fused into
		return residualFrame(in, p), nil
	}
	if a.str("b") == "c" && len(in) == 3 && !isImage(in) {
		// A product with one number a channel, as in squeeze-excite, lies between
		// convolutions and in the plain layout: the change of layout on either side is
		// part of it. The relu keeps a constant operand from being folded into pre.
		pre := Chain{lut.NewOp("conv", p, map[string]string{"k": "1", "act": "relu"}, map[string]int{"cin": preChannels, "cout": in[0], "h": in[1], "w": in[2]})}
		return difference(join(pre, Chain{op}, after(out, p)), join(pre, after(in, p))), nil
	}
	if neighboured(op) {
		return frameBeside(op, shortcut(in, p)), nil
	}
	switch {
	case ofPositive[op.Kind]:
		pre = append(pre, lut.NewOp("sigmoid", p, nil, coordinates(in)))
	case fusible[op.Kind] || op.Attr("skip") == "1":
		pre = append(pre, apart(op, in, p)...)
	case op.Kind == "concat" && !in.equal(laterShape(a)):
		// Unequal parts: the first and an earlier value of the width of the others.
		pre = join(before(laterShape(a), p), widen(laterShape(a), in, p))
	}
	return difference(
		join(pre, Chain{op}, tap(out, p)),
		join(pre, tap(in, p))), nil
}

// repeated are the blocks that convolutional networks consist of.
var repeated = map[string]bool{"mbconv": true, "fusedmbconv": true, "resbasic": true, "resbottleneck": true}

// neighboured says whether an operator's frame has a block beside it.
func neighboured(op lut.Op) bool {
	return repeated[op.Kind] && kinds[op.Kind].in(args{op})[0] > stemChannels
}

// frameBeside is the marginal cost of a block that comes after another.
func frameBeside(op, neighbour lut.Op) Sum {
	a := args{op}
	in, out := kinds[op.Kind].in(a), kinds[op.Kind].out(a)
	p := framePrecision(op.Precision)
	pre := join(before(in, p), Chain{neighbour})
	return difference(join(pre, Chain{op}, tap(out, p)), join(pre, tap(in, p)))
}

// inverted is a neighbour as networks have it: an inverted bottleneck of expansion 3.
func inverted(op lut.Op) lut.Op {
	s := kinds[op.Kind].in(args{op})
	return lut.NewOp("mbconv", framePrecision(op.Precision), map[string]string{"k": "3", "act": "relu6", "res": "1"},
		map[string]int{"cin": s[0], "mid": 3 * s[0], "cout": s[0], "h": s[1], "w": s[2]})
}

// fusible operators disappear into the operator before them.
var fusible = map[string]bool{"add": true, "mul": true, "relu": true, "relu6": true, "hswish": true, "silu": true,
	"gelu": true, "sigmoid": true, "hsigmoid": true,
	"sub": true, "div": true, "erf": true, "tanh": true, "exp": true, "batchnorm": true, "pad": true, "leakyrelu": true, "clip": true,
	"min": true, "max": true, "neg": true, "abs": true, "elu": true, "softplus": true, "reciprocal": true, "sin": true, "cos": true, "mish": true, "prelu": true,
	"gelutanh": true, "round": true}

// clamps reports that an operator cuts its input at constant numbers.
func clamps(op lut.Op) bool {
	switch op.Kind {
	case "relu", "relu6", "clip":
		return true
	case "min", "max":
		return op.Attr("b") == "s"
	}
	return false
}

// ofPositive are operators without a result below 0, where an average of random
// numbers is half of the time.
var ofPositive = map[string]bool{"sqrt": true, "log": true, "pow": true}

// laterShape is the shape of the second to last part of a concat.
func laterShape(a args) Shape {
	s := partShape(a)
	if a.has("seq") {
		s[1] = laterPart(a)
	} else {
		s[0] = laterPart(a)
	}
	return s
}

// widen turns a tensor of shape from into one of shape to, which differs in its
// channels.
func widen(from, to Shape, p lut.Precision) Chain {
	if len(from) == 2 {
		return Chain{lut.NewOp("linear", p, nil, map[string]int{"m": from[0], "cin": from[1], "cout": to[1]})}
	}
	return Chain{lut.NewOp("conv", p, map[string]string{"k": "1"}, map[string]int{"cin": from[0], "cout": to[0], "h": from[1], "w": from[2]})}
}

// residualFrame is what adding a map to a convolution's result costs where the
// runtime does it in the convolution: a 1×1 convolution with a shortcut around it,
// less the same without.
func residualFrame(in Shape, p lut.Precision) Sum {
	at := map[string]int{"cin": in[0], "mid": in[0], "cout": in[0], "h": in[1], "w": in[2]}
	conv := lut.NewOp("fusedmbconv", p, map[string]string{"k": "1", "noexp": "1"}, at)
	res := lut.NewOp("fusedmbconv", p, map[string]string{"k": "1", "noexp": "1", "res": "1"}, at)
	return difference(join(before(in, p), Chain{res}, tap(in, p)), join(before(in, p), Chain{conv}, tap(in, p)))
}

// Slope returns the marginal cost as the slope of the least-squares line through
// T(pre, op×n, post) over n = 1…k copies of a shape-preserving operator. Against
// Frame it averages over k−1 copies and shares no frame with other cells, but holds
// more in the cache. Four copies or more also tell how far the latencies are from a
// line (Term.Copies): a runtime lays out the memory of each length differently, which
// moves a single length by some percent. With an odd k the middle length has no
// weight and is left out. It fails when the operator changes the shape or k < 2, and
// for operators of which a runtime removes the second copy.
func Slope(op lut.Op, k int) (Sum, error) {
	if err := Check(op); err != nil {
		return nil, err
	}
	a := args{op}
	in, out := kinds[op.Kind].in(a), kinds[op.Kind].out(a)
	if !in.equal(out) || op.Kind == "switch" || op.Kind == "quantize" || op.Kind == "dequantize" {
		return nil, fmt.Errorf("operator %s: it turns %v into %v, so copies cannot be chained", op, in, out)
	}
	switch op.Kind {
	case "relayout", "transpose", "reshape":
		// A change of layout after a change of layout is none; ONNX Runtime merges
		// transpositions and reshapes in a row.
		return nil, fmt.Errorf("operator %s: copies in a row cancel each other", op)
	}
	if k < 2 {
		return nil, fmt.Errorf("slope over %d copies: at least 2 are needed", k)
	}
	p := framePrecision(op.Precision)
	middle := float64(k+1) / 2
	squares := 0.0
	for n := 1; n <= k; n++ {
		squares += (float64(n) - middle) * (float64(n) - middle)
	}
	var sum Sum
	copies := Chain{}
	for n := 1; n <= k; n++ {
		copies = append(copies, op)
		if c := (float64(n) - middle) / squares; c != 0 {
			sum = append(sum, Summand{c, join(before(in, p), copies, tap(out, p))})
		}
	}
	return sum, nil
}

// framePrecision is what an operator's neighbours in a frame compute in: its own
// precision, or fp32 where only its weights are narrower.
func framePrecision(p lut.Precision) lut.Precision {
	switch p {
	case lut.INT8Dyn, lut.INT8W:
		return lut.FP32
	}
	return p
}

func difference(with, without Chain) Sum {
	if len(without) == 0 {
		return Sum{{1, with}}
	}
	return Sum{{1, with}, {-1, without}}
}

func join(parts ...Chain) Chain {
	var c Chain
	for _, p := range parts {
		c = append(c, p...)
	}
	return c
}

// preChannels is the input width of a frame's producer: a multiple of every
// runtime's vector of channels that is cheap beside any operator.
const preChannels = 8

// stemChannels is the widest input taken for an image, that is for the network's
// own input: RGB, RGBD.
const stemChannels = 4

// isImage tells a network's input from a few channels squeezed to one pixel.
func isImage(s Shape) bool { return len(s) == 3 && s[0] <= stemChannels && s[1]*s[2] > 1 }

// matMulFrame has a sigmoid as producer, because the product's operands are no map.
// The conversion of the second operand, a graph input, stays in the difference.
func matMulFrame(op lut.Op, in Shape) Sum {
	pre := Chain{lut.NewOp("sigmoid", framePrecision(op.Precision), nil, coordinates(in))}
	return difference(join(pre, Chain{op}), pre)
}

// transposeFrame has a sigmoid as producer as well. (A float model of a removed
// transposition alone would have to copy its input to its output, which is about what a
// transposition costs: the difference of the two was as low as a fifth of it.) Of int8
// the conversions on both sides keep the idle member from being a copy, and no other
// kind has a tensor of four axes.
func transposeFrame(op lut.Op, in Shape) Sum {
	if op.Precision != lut.INT8 && len(in) <= 3 {
		pre := Chain{lut.NewOp("sigmoid", framePrecision(op.Precision), nil, coordinates(in))}
		return difference(join(pre, Chain{op}), pre)
	}
	idle := lut.NewOp("transpose", op.Precision, map[string]string{"perm": identity(len(in))}, axesOf(in))
	return difference(Chain{op}, Chain{idle})
}

// before is the producer of a tensor of shape s; empty for a network's input.
func before(s Shape, p lut.Precision) Chain {
	switch {
	case isImage(s):
		return nil
	case len(s) == 3:
		return Chain{lut.NewOp("conv", p, map[string]string{"k": "1"}, map[string]int{"cin": preChannels, "cout": s[0], "h": s[1], "w": s[2]})}
	case len(s) == 2:
		return Chain{lut.NewOp("linear", p, nil, map[string]int{"m": s[0], "cin": preChannels, "cout": s[1]})}
	}
	return Chain{lut.NewOp("linear", p, nil, map[string]int{"m": 1, "cin": preChannels, "cout": s[0]})}
}

// tap reads one pixel a channel of a map; nothing for what has one already.
func tap(s Shape, p lut.Precision) Chain {
	if len(s) < 3 || s[1] == 1 && s[2] == 1 {
		return nil
	}
	return Chain{lut.NewOp("maxpool", p, map[string]string{"k": "1", "s": side(s[1], s[2])}, map[string]int{"c": s[0], "h": s[1], "w": s[2]})}
}

func side(h, w int) string {
	if h == w {
		return fmt.Sprint(h)
	}
	return fmt.Sprintf("%dx%d", h, w)
}

// apart is what stands between the producer and an operator that would fuse with it.
//
// Among quantised maps only a clamp fuses. There an average pool computes in floats
// and takes up to a hundred times as long as the operator, which is then lost in its
// noise (a sigmoid of a megabyte: 256 µs ±150); all that is needed is a second operand.
func apart(op lut.Op, in Shape, p lut.Precision) Chain {
	if p == lut.INT8 && len(in) == 3 && !clamps(op) {
		if binary[op.Kind] && op.Attr("b") == "" {
			// No function of the first operand alone: XNNPACK would make one table of both.
			return Chain{lut.NewOp("dwconv", p, map[string]string{"k": "3", "s": "1"}, coordinates(in))}
		}
		return nil
	}
	pre := unfused(in, p)
	if clamps(op) && p != lut.INT8 { // XNNPACK lets float pools and sums clamp their results
		pre = append(pre, lut.NewOp("tanh", p, nil, coordinates(in)))
	}
	return pre
}

// binary operators take an earlier tensor as their second operand (builder.operand).
var binary = map[string]bool{"add": true, "mul": true, "sub": true, "div": true, "min": true, "max": true}

// unfused keeps an operator after it from fusing with the producer: an average
// pool of a map, a normalisation of a sequence.
func unfused(s Shape, p lut.Precision) Chain {
	switch len(s) {
	case 3:
		return Chain{lut.NewOp("avgpool", p, map[string]string{"k": "3"}, map[string]int{"c": s[0], "h": s[1], "w": s[2]})}
	case 2:
		return Chain{lut.NewOp("layernorm", p, nil, map[string]int{"seq": s[0], "dim": s[1]})}
	}
	return nil
}

// switchFrame is T(pre, use) − T(pre, post) − [T(pre′, use) − T(pre′, post)], where
// pre is in the precision before, pre′ and use in the one after: what remains beside
// the same use without the change. With res the use begins with an identity
// shortcut. With plain, pre is itself a shortcut after a change, and its own use is
// taken off.
func switchFrame(s Shape, from, to lut.Precision, plain, res bool) Sum {
	from, to = framePrecision(from), framePrecision(to)
	if isImage(s) && activationType(from) == floatType(from) {
		// The network's input: the conversion stands at the entry, where Build puts it
		// for the first operator's precision.
		return difference(tap(s, to), tap(s, from))
	}
	use := after(s, to)
	if res {
		use = join(Chain{shortcut(s, to)}, use)
	}
	alone := func(p lut.Precision, use Chain, sign float64) Sum {
		return Sum{{sign, join(before(s, p), use)}, {-sign, join(before(s, p), tap(s, p))}}
	}
	if !plain {
		return append(Sum{{1, join(before(s, from), use)}, {-1, join(before(s, from), tap(s, from))}}, alone(to, use, -1)...)
	}
	stuck := join(before(s, to), Chain{shortcut(s, from)})
	sum := Sum{{1, join(stuck, use)}, {-1, join(stuck, after(s, from))}}
	return append(append(sum, alone(from, after(s, from), 1)...), alone(to, use, -1)...)
}

// relayoutFrame is what a second shortcut after a change costs beyond a second
// shortcut without one.
func relayoutFrame(s Shape, p lut.Precision) Sum {
	other := lut.INT8
	if p == lut.INT8 {
		other = lut.FP32
	}
	once := join(Chain{shortcut(s, p)}, after(s, p))
	twice := join(Chain{shortcut(s, p)}, once)
	return Sum{
		{1, join(before(s, other), twice)}, {-1, join(before(s, other), once)},
		{-1, join(before(s, p), twice)}, {1, join(before(s, p), once)},
	}
}

// shortcut is the smallest block with an identity shortcut: a 1×1 convolution and
// the addition.
func shortcut(s Shape, p lut.Precision) lut.Op {
	return lut.NewOp("fusedmbconv", p, map[string]string{"k": "1", "res": "1", "noexp": "1"},
		map[string]int{"cin": s[0], "mid": s[0], "cout": s[0], "h": s[1], "w": s[2]})
}

// after is a small consumer that computes on every element of a tensor.
func after(s Shape, p lut.Precision) Chain {
	switch len(s) {
	case 3:
		conv := lut.NewOp("conv", p, map[string]string{"k": "1"}, map[string]int{"cin": s[0], "cout": preChannels, "h": s[1], "w": s[2]})
		return join(Chain{conv}, tap(Shape{preChannels, s[1], s[2]}, p))
	case 2:
		return Chain{lut.NewOp("linear", p, nil, map[string]int{"m": s[0], "cin": s[1], "cout": preChannels})}
	}
	return Chain{lut.NewOp("linear", p, nil, map[string]int{"m": 1, "cin": s[0], "cout": preChannels})}
}

// Anchor is the model that a campaign re-measures throughout to see the device
// drift: a mid-sized inverted bottleneck, 11 million multiply-adds.
func Anchor() Chain {
	block := lut.NewOp("mbconv", lut.FP32, map[string]string{"k": "3", "act": "relu6", "res": "1"},
		map[string]int{"h": 28, "w": 28, "cin": 40, "mid": 160, "cout": 40})
	s := Shape{40, 28, 28}
	return join(before(s, lut.FP32), Chain{block}, tap(s, lut.FP32))
}

// Overhead is the model whose latency is the fixed cost of one inference: the
// smallest that does something, 64 multiply-adds.
func Overhead() Chain { return before(Shape{preChannels, 1, 1}, lut.FP32) }

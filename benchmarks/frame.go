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

// frame says how an operator stands among its neighbours, and so what it is measured in.
type frame struct {
	how framing
	// own is a frame of the operator's own; it returns nil where the plain one will do.
	own func(op lut.Op, in Shape) Sum
	// clamps reports that the operator cuts its input at constant numbers, pairs that it
	// takes an earlier tensor as its second operand (builder.operand).
	clamps func(op lut.Op) bool
	pairs  bool
	copies copying
	// lazy says that a runtime moves no more of the tensor than what is read behind it.
	lazy bool
}

type framing uint8

const (
	_             framing = iota // says nothing
	standsAlone                  // nothing merges it with its neighbours
	fusesBefore                  // it disappears into the operator before it
	needsPositive                // it has no result below 0, where an average of random numbers is half of the time
	repeatsItself                // a block that networks consist of: it comes after another
	ownFrame                     // own says all of it
)

type copying uint8

const (
	chainable  copying = iota // where the shapes allow
	cancelling                // a runtime removes the second of two in a row
	converting                // the result is of another type than the input
)

// The frames that most operators have.
var (
	alone      = frame{how: standsAlone}
	fuses      = frame{how: fusesBefore}
	clamp      = frame{how: fusesBefore, clamps: func(lut.Op) bool { return true }}
	ofPositive = frame{how: needsPositive}
	repeats    = frame{how: repeatsItself}
)

func (f frame) clampsInput(op lut.Op) bool { return f.clamps != nil && f.clamps(op) }

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
//     take; a transpose of more axes, or in int8, is set against one that moves nothing,
//     which LiteRT removes and ONNX Runtime copies;
//   - activations and binary operators come after an average pool or a normalisation,
//     into which nothing fuses them; cuts at constant numbers after a tanh besides;
//     quantised maps need none of it.
//
// It fails like Check.
func Frame(op lut.Op) (Sum, error) {
	if err := Check(op); err != nil {
		return nil, err
	}
	k := kinds[op.Kind]
	in := k.in(args{op})
	p := framePrecision(op.Precision)
	if k.frame.own != nil {
		if sum := k.frame.own(op, in); sum != nil {
			return sum, nil
		}
	}
	if neighboured(op) {
		return frameBeside(op, shortcut(in, p)), nil
	}
	pre := before(in, p)
	switch k.frame.how {
	case needsPositive:
		pre = append(pre, squash(in, p))
	case fusesBefore:
		pre = append(pre, apart(op, in, p)...)
	}
	return framed(op, pre), nil
}

// framed is the difference that the operator makes after what pre is.
func framed(op lut.Op, pre Chain) Sum {
	a := args{op}
	in, out := kinds[op.Kind].in(a), kinds[op.Kind].out(a)
	p := framePrecision(op.Precision)
	return difference(join(pre, Chain{op}, tap(out, p)), join(pre, tap(in, p)))
}

// neighboured says whether an operator's frame has a block beside it.
func neighboured(op lut.Op) bool {
	k := kinds[op.Kind]
	in := k.in(args{op})
	return k.frame.how == repeatsItself && len(in) == 3 && in[0] > stemChannels
}

// frameBeside is the marginal cost of a block that comes after another.
func frameBeside(op, neighbour lut.Op) Sum {
	in := kinds[op.Kind].in(args{op})
	return framed(op, join(before(in, framePrecision(op.Precision)), Chain{neighbour}))
}

// residualFrame measures what adding a map to a convolution's result costs where the
// runtime does it in the convolution: two narrow 1×1 convolutions with a shortcut around
// both, less the same without. Around one alone the shortcut would be what the convolution
// reads, so that the runtime could not add in its place and would copy it first, which no network pays.
func residualFrame(in Shape, p lut.Precision) Sum {
	framed := func(res bool) Chain { return join(before(in, p), Chain{narrow(in, p, res)}, tap(in, p)) }
	return difference(framed(true), framed(false))
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
	switch copies := kinds[op.Kind].frame.copies; {
	case !in.equal(out) || copies == converting:
		return nil, fmt.Errorf("operator %s: it turns %v into %v, so copies cannot be chained", op, in, out)
	case copies == cancelling:
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

// framePrecision returns the precision of an operator's neighbours in a frame: its own
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

// squash makes numbers from 0 to 1 of a tensor.
func squash(s Shape, p lut.Precision) lut.Op { return lut.NewOp(squashing, p, nil, coordinates(s)) }

// before is the producer of a tensor of shape s; empty for a network's input.
func before(s Shape, p lut.Precision) Chain {
	switch {
	case isImage(s):
		return nil
	case len(s) == 3:
		return Chain{pointwise(p, preChannels, s[0], s[1], s[2], "")}
	case len(s) == 2:
		return Chain{fullyConnected(p, s[0], preChannels, s[1])}
	}
	return Chain{fullyConnected(p, 1, preChannels, s[0])}
}

// tap reads one pixel per channel of a map; nothing for what has one already.
func tap(s Shape, p lut.Precision) Chain {
	if len(s) < 3 || s[1] == 1 && s[2] == 1 {
		return nil
	}
	return Chain{onePixel(s, p)}
}

// apart returns what stands between the producer and an operator that would fuse with it.
//
// Among quantised maps only a clamp fuses. There an average pool computes in floats
// and takes up to a hundred times as long as the operator, which is then lost in its
// noise (a sigmoid of a megabyte: 256 µs ±150); all that is needed is a second operand.
func apart(op lut.Op, in Shape, p lut.Precision) Chain {
	f := kinds[op.Kind].frame
	clamps := f.clampsInput(op)
	if p == lut.INT8 && len(in) == 3 && !clamps {
		if f.pairs && op.Attr("b") == "" {
			// No function of the first operand alone: XNNPACK would make one table of both.
			return Chain{blurred(in, p)}
		}
		return nil
	}
	pre := unfused(in, p)
	if clamps && p != lut.INT8 { // XNNPACK lets float pools and sums clamp their results
		pre = append(pre, lut.NewOp(bounding, p, nil, coordinates(in)))
	}
	return pre
}

// unfused keeps an operator after it from fusing with the producer: an average
// pool of a map, a normalisation of a sequence.
func unfused(s Shape, p lut.Precision) Chain {
	switch len(s) {
	case 3:
		return Chain{averaged(s, p)}
	case 2:
		return Chain{normalised(s, p)}
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

// relayoutFrame measures what a second shortcut after a change costs beyond a second
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

// after is a small consumer that computes on every element of a tensor.
func after(s Shape, p lut.Precision) Chain {
	switch len(s) {
	case 3:
		conv := pointwise(p, s[0], preChannels, s[1], s[2], "")
		return join(Chain{conv}, tap(Shape{preChannels, s[1], s[2]}, p))
	case 2:
		return Chain{fullyConnected(p, s[0], s[1], preChannels)}
	}
	return Chain{fullyConnected(p, 1, s[0], preChannels)}
}

// DriftReference is the model that a campaign re-measures throughout to see the device
// drift: a mid-sized inverted bottleneck, 11 million multiply-adds.
func DriftReference() Chain {
	block := referenceBlock()
	s := kinds[block.Kind].in(args{block})
	return join(before(s, lut.FP32), Chain{block}, tap(s, lut.FP32))
}

// Overhead is the model whose latency is the fixed cost of one inference: the
// smallest that does something, 64 multiply-adds.
func Overhead() Chain { return before(Shape{preChannels, 1, 1}, lut.FP32) }

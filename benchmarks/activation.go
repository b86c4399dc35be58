package benchmarks

import (
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
)

// activate puts an activation on a node that can fuse one: relu and relu6 become
// the node's own act and rename its output to name.act, others a node after it.
func (b *builder) activate(n *graph.Node, act string) *graph.Value {
	y := n.Out[0]
	switch act {
	case "":
		return y
	case "relu", "relu6":
		b.str(n, "act", act)
		y.Name += ".act"
		b.stats[y] = rectified(b.stats[y])
		if y.Quant != nil {
			y.Quant = actRange(act, b.stats[y])
		}
		return y
	}
	return b.unary(act, y, y.Name+".act")
}

// unary adds an activation node.
func (b *builder) unary(act string, x *graph.Value, name string) *graph.Value {
	st := b.stats[x]
	var out stat
	switch act {
	case "relu", "relu6":
		out = rectified(st)
	case "sigmoid", "hsigmoid":
		out = stat{0.5, 0.25 + 0.04*min(st.ms, 4)} // slope ¼ around 0
	default: // hswish, silu, gelu: below relu by what leaks through
		out = rectified(st)
		out = stat{0.7 * out.mean, 0.8 * out.ms}
	}
	n := b.node(act, name, x.Shape, out, x)
	if q := &n.Out[0].Quant; *q != nil {
		*q = actRange(act, out)
	}
	return n.Out[0]
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

// actRange is the int8 range of an activation's result. Those of sigmoid,
// hsigmoid and softmax are what TensorFlow Lite's quantisation specification
// demands; that of relu6 makes the clamp part of the number format.
func actRange(act string, out stat) *graph.Quant {
	hi := clip * math.Sqrt(2*out.ms) // the rms before rectifying
	switch act {
	case "relu6":
		return positive(6)
	case "sigmoid", "hsigmoid", "softmax":
		return perTensor(1.0/256, -128)
	case "relu":
		return positive(hi)
	case "hswish": // its minimum is −3/8
		return between(-0.375, hi)
	case "silu": // its minimum is −0.278…
		return between(-0.2785, hi)
	case "gelu": // its minimum is −0.16997…
		return between(-0.17, hi)
	}
	return symmetric(out)
}

package ortmodel

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// What ONNX Runtime does with kinds of the catalogue, whichever operators of ONNX they
// came from. With operators.go and fusions.go this is where a kind may be named.

// runsInBlocks reports an element-wise kind that has a kernel for maps in blocks of channels
// (core/optimizer/nchwc_transformer.cc).
func runsInBlocks(kind string) bool {
	return slices.Contains([]string{"relu", "sigmoid", "tanh", "add", "mul"}, kind)
}

// RunsAlone reports an activation that no convolution or product computes with its result:
// it is a kernel of its own behind it.
func RunsAlone(act string) bool { return act == "silu" || act == "gelu" }

// takesBias reports an activation that adds a bias first.
func takesBias(act string) bool { return act == "gelu" }

// endsInProduct reports an activation whose last part stays a product of the runtime's.
func endsInProduct(act string) bool { return act == "hswish" }

// isFusedLate reports an activation whose parts the runtime fuses behind those of most others.
func isFusedLate(act string) bool { return act == "silu" }

// summed is the addition that a convolution does to its result.
func summed(prec lut.Precision, at map[string]int) lut.Op {
	return lut.NewOp("add", prec, map[string]string{"fused": "1"}, at)
}

// turned is the transposition of a quantised map.
func turned(rows, columns int) lut.Op {
	return lut.NewOp("transpose", lut.INT8, map[string]string{"perm": "1-0"}, map[string]int{"d0": rows, "d1": columns})
}

// widened is the dequantisation of n constants.
func widened(n int) lut.Op {
	return lut.NewOp("dequantize", lut.INT8, nil, map[string]int{"seq": n, "dim": 1})
}

// dispatched stands for any operator on a few numbers, which costs a dispatch and little else.
func dispatched() lut.Op {
	return lut.NewOp("sub", lut.FP32, map[string]string{"b": "s"}, map[string]int{"seq": 1, "dim": 1})
}

// castOf is a change between floating-point types.
func castOf(from, to lut.Precision, at map[string]int) lut.Op {
	return lut.NewOp("switch", to, map[string]string{"from": string(from), "to": string(to)}, at)
}

// Work says what a kernel does: an operator with its size. Where the rules and the runtime
// differ by design, the difference is taken out:
//   - the runtime pads channels to its vector (16 floats) and its graph shows the padded
//     width, so widths are rounded up;
//   - an activation after a linear layer, and one after a convolution that no key can name
//     beside it, is one kernel with it on one side, whose cell is measured as both, and two
//     nodes on the other, as the runtime computes the layer: they are taken apart;
//   - the runtime keeps int8 maps channels last and views of sequences as it likes,
//     so where every element is treated alike only their number counts;
//   - transpositions are where the two differ most and are left out: the runtime adds
//     those of its layout (the weights' is in a key's cell).
func Work(o lut.Op) (what []string) {
	switch o.Kind {
	case "transpose":
		return nil
	case "conv", "dwconv", "matmul", "softmax", "layernorm", "gap", "maxpool", "avgpool":
		if act := o.Attr("act"); act != "" && !benchmarks.CanFuse(act) {
			n := 1
			for _, axis := range []string{"h", "w", "cout", "c"} {
				if v, ok := o.Coord(axis); ok {
					n *= padded(lut.Coord{Axis: axis, Value: v})
				}
			}
			what = append(what, fmt.Sprintf("%s/%s of %d", act, o.Precision, n))
			o = without(o, "act")
		}
		for _, c := range o.At {
			o = o.With(c.Axis, padded(c))
		}
		return append(what, o.String())
	case "linear":
		if act := o.Attr("act"); act != "" {
			m, _ := o.Coord("m")
			n, _ := o.Coord("cout")
			p := o.Precision
			if p == lut.INT8Dyn || p == lut.INT8W {
				p = lut.FP32
			}
			if p == lut.FP32 && m == 1 {
				n = padded(lut.Coord{Axis: "c", Value: n})
			}
			what = []string{fmt.Sprintf("%s/%s of %d", act, p, m*n)}
			o = without(o, "act")
		}
		return append(what, o.String())
	case "mish": // the runtime takes it apart
		for _, part := range []string{"softplus", "tanh", "mul"} {
			dim, _ := o.Coord("dim")
			seq, _ := o.Coord("seq")
			what = append(what, fmt.Sprintf("%s/%s of %d", part, o.Precision, dim*seq))
		}
		return what
	}
	n := 1
	for _, c := range o.At {
		if o.Precision == lut.INT8 {
			n *= c.Value
		} else {
			n *= padded(c)
		}
	}
	return []string{fmt.Sprintf("%s/%s of %d", o.Kind, o.Precision, n)}
}

// padded is a width rounded up to the runtime's vector; an image's three stay.
func padded(c lut.Coord) int {
	if !slices.Contains([]string{"c", "cin", "cout"}, c.Axis) || c.Value <= 3 {
		return c.Value
	}
	return (c.Value + 15) / 16 * 16
}

// without is a key without an attribute.
func without(o lut.Op, attr string) lut.Op {
	o.Attrs = slices.DeleteFunc(slices.Clone(o.Attrs), func(a lut.Attr) bool { return a.Name == attr })
	return o
}

package benchmarks

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

func init() {
	define(kind{
		// Equal parts are all the chain's value; of unequal ones the first is, and the others
		// are an earlier value of the chain.
		name: "concat", doc: "joins n parts to c channels (dim features): equal ones where n divides c, else all but the first a multiple of 16 or 8",
		attrs: []attribute{need(parts), flag("rescale", "`1`, int8: the parts' scale is not the result's, so that joining computes on every element instead of copying rows", "it is")},
		axes:  mapAxes, sequence: true, out: mapShape, in: partShape,
		check: func(a args) error {
			if a.str("rescale") != "" && activationType(a.op.Precision) != graph.Int8 {
				return fmt.Errorf("rescale=1 needs int8")
			}
			return checkParts(a, 1)
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			n := b.move("concat", x, b.layer+".concat", append([]int{x.Shape[0]}, mapShape(a)...))
			part := b.part(a, x)
			for len(n.In) < a.int("n", 1) {
				n.In = append(n.In, part)
			}
			if a.str("rescale") == "1" {
				n.Out[0].Quant = perTensor(1.25*float64(x.Quant.Scale[0]), 0)
			}
			return b.ints(n, "axis", channelAxis(x)).Out[0]
		},
		frame: frame{how: standsAlone, own: func(op lut.Op, in Shape) Sum {
			a, p := args{op}, framePrecision(op.Precision)
			later := laterShape(a)
			if in.equal(later) {
				return nil
			}
			// Unequal parts: the first and an earlier value of the width of the others.
			return framed(op, join(before(later, p), widen(later, in, p)))
		}},
		weights: noWeights, grid: asInModel, example: "concat[n=2]/P@c=32,h=16,w=16",
		// Joins all inputs. Ints: axis.
		operator: &operator{
			value: reference.Fill(concatReference).Moving(), work: each,
			onnx:   onnxwriter.OpBy("Concat", concatONNX),
			tflite: tflitewriter.OpBy(tflitefb.Concatenation, concatTFLite),
			tf:     tfgraph.OpBy("ConcatV2", concatTF).Moving(),
		},
	})
}

// parts is the attribute n.
var parts = attribute{name: "n", doc: "number of parts", absent: "–", valid: isCount}

// channelAxis is the axis of channels of a map, of features of a sequence.
func channelAxis(x *graph.Value) int {
	if len(x.Shape) == 3 {
		return 2
	}
	return 1
}

// partShape is the first of n parts of a map or a sequence.
func partShape(a args) Shape {
	s := mapShape(a)
	i := 0
	if a.has("seq") {
		i = 1
	}
	s[i] -= (a.int("n", 1) - 1) * laterPart(a)
	return s
}

// laterShape is the shape of the second to last part.
func laterShape(a args) Shape {
	s := partShape(a)
	if a.has("seq") {
		s[1] = laterPart(a)
	} else {
		s[0] = laterPart(a)
	}
	return s
}

// laterPart is the width of the second to last of n parts. Where n divides the whole
// all are equal. Otherwise these are the largest multiple of a runtime's vector of
// channels (16 or 8 numbers) that an n-th holds, and the first part is what remains:
// parts that are not multiples are joined in another layout than real networks' are.
func laterPart(a args) int {
	whole, n := a.axis("c"), a.int("n", 1)
	if a.has("seq") {
		whole = a.axis("dim")
	}
	q := whole / n
	for _, vector := range []int{16, 8} {
		if whole%n != 0 && q >= vector {
			return q / vector * vector
		}
	}
	return q
}

func checkParts(a args, least int) error {
	whole := a.axis("c")
	if a.has("seq") {
		whole = a.axis("dim")
	}
	if n := a.int("n", 1); n < least || n > whole {
		return fmt.Errorf("%v in %d parts", mapShape(a), n)
	}
	return nil
}

// part is a value of the width of the later parts of a concat to which x is the
// first: x itself, an earlier value of the chain, or a graph input.
func (b *builder) part(a args, x *graph.Value) *graph.Value {
	want := slices.Clone(x.Shape)
	want[channelAxis(x)] = laterPart(a)
	for i := len(b.history) - 1; i >= 0; i-- {
		if v := b.history[i]; v.DType == x.DType && slices.Equal(v.Shape, want) {
			return v
		}
	}
	v := b.input(b.layer+".part", want[1:], floatType(b.prec))
	return b.convert(v, activationType(b.prec), b.layer+".part.in")
}

// widen turns a tensor of shape from into one of shape to, which differs in its
// channels.
func widen(from, to Shape, p lut.Precision) Chain {
	if len(from) == 2 {
		return Chain{fullyConnected(p, from[0], from[1], to[1])}
	}
	return Chain{pointwise(p, from[0], to[0], from[1], from[2], "")}
}

func concatTFLite(w *tflitewriter.Writer, n *graph.Node) {
	l := w.LayoutOf(n.In[0])
	var in []int32
	for _, v := range n.In {
		in = append(in, w.Get(v, l))
	}
	y := w.Activation(n.Out[0], l)
	w.Emit(tflitefb.Concatenation, w.Version(y, 2), in, []int32{y}, tflitefb.Options{Type: tflitefb.ConcatenationOptions,
		Values: map[string]float64{"axis": float64(l.Axis(n.Int("axis", 1)))}})
}

func concatONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	w.Emit("Concat", w.Ins(n), out, onnx.IntAttr("axis", int64(n.Int("axis", 1))))
}

func concatReference(e *reference.Env, n *graph.Node, out []float32) {
	y, axis := n.Out[0], n.Int("axis", 1)
	inner := reference.Product(y.Shape[axis+1:])
	for i := range out {
		at := i / inner % y.Shape[axis] // position on the joined axis
		for _, v := range n.In {
			if size := v.Shape[axis]; at >= size {
				at -= size
			} else {
				out[i] = e.Of(v)[(i/inner/y.Shape[axis]*size+at)*inner+i%inner]
				break
			}
		}
	}
}

// axisTF says where a value's axis stands, in the first value's order.
func axisTF(b tfgraph.Builder, n *graph.Node) (axis int, plain bool) {
	x := n.In[0]
	plain = len(x.Shape) != 4 || b.IsPlain(x)
	axis = n.Int("axis", 0)
	if !plain {
		axis = []int{0, 3, 1, 2}[axis]
	}
	return axis, plain
}

func concatTF(b tfgraph.Builder, n *graph.Node) {
	axis, plain := axisTF(b, n)
	if len(n.In) == 1 { // ConcatV2 wants two
		b.Set(n.Out[0], b.Op("Identity", nil, b.Get(n.In[0], plain)), plain)
		return
	}
	var list []tfgraph.Tensor
	for _, v := range n.In {
		list = append(list, b.Get(v, plain))
	}
	b.Set(n.Out[0], b.Op("ConcatV2", nil, list, b.Int(axis)), plain)
}

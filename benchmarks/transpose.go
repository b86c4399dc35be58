package benchmarks

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

func init() {
	define(kind{
		// Axis i of the result is axis perm[i] of the input, of a tensor of axes d0, d1, d2
		// (2 to 6 of them, the batch left out).
		name: "transpose", doc: "axis i of the result is axis perm[i]",
		attrs:  []attribute{need(attribute{name: "perm", doc: "`0-2-1` of axes d0 d1 d2 (2 to 6, without the batch)", absent: "–", valid: anything})},
		axesOf: permAxes, axesDoc: "d0 d1 …", in: permIn,
		out: func(a args) Shape {
			in, out := permIn(a), Shape{}
			for _, p := range a.perm() {
				out = append(out, in[p])
			}
			return out
		},
		check: func(a args) error {
			p := a.perm()
			sorted := slices.Sorted(slices.Values(p))
			for i, v := range sorted {
				if v != i {
					return fmt.Errorf("perm=%s is not a permutation", a.str("perm"))
				}
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			perm := []int{0}
			for _, p := range a.perm() {
				perm = append(perm, p+1)
			}
			return b.transpose(x, "transpose", perm...)
		},
		frame:   frame{how: ownFrame, own: transposeFrame, copies: cancelling, lazy: true},
		weights: noWeights, grid: asInModel, example: "transpose[perm=0-2-1-3]/P@d0=1,d1=4,d2=8,d3=16",
		// Ints perm; y.Shape[i] = x.Shape[perm[i]].
		operator: &operator{
			value: reference.Fill(transposeReference).Moving(), work: each,
			onnx: onnxwriter.OpBy("Transpose", transposeONNX),
			// Left out where it only undoes the difference of the file's layout.
			tflite: tflitewriter.OpBy(tflitefb.Transpose, (*tflitewriter.Writer).Permute),
			tf: tfgraph.OpBy("Transpose", func(b tfgraph.Builder, n *graph.Node) {
				b.Set(n.Out[0], b.Op("Transpose", nil, b.Get(n.In[0], true), b.Ints(n.Attrs.Ints["perm"]...)), true)
			}).Moving(),
		},
	})
}

// perm reads "0-2-1"; nil when it is not a list of 2 to 6 numbers.
func (a args) perm() []int {
	var p []int
	for part := range strings.SplitSeq(a.str("perm"), "-") {
		v, err := strconv.Atoi(part)
		if err != nil || v < 0 || strconv.Itoa(v) != part {
			return nil
		}
		p = append(p, v)
	}
	if len(p) < 2 || len(p) > 6 {
		return nil
	}
	return p
}

func permAxes(a args) []string {
	axes := []string{}
	for i := range a.perm() {
		axes = append(axes, fmt.Sprintf("d%d", i))
	}
	return axes
}

func permIn(a args) Shape {
	var s Shape
	for _, name := range permAxes(a) {
		s = append(s, a.axis(name))
	}
	return s
}

// transposeFrame has as producer a function that keeps shapes. (A float model of a removed
// transposition alone would have to copy its input to its output, which is about what a
// transposition costs: the difference of the two was as low as a fifth of it.) Of int8
// the conversions on both sides keep the idle member from being a copy, and no other
// kind has a tensor of four axes.
func transposeFrame(op lut.Op, in Shape) Sum {
	if op.Precision != lut.INT8 && len(in) <= 3 {
		pre := Chain{squash(in, framePrecision(op.Precision))}
		return difference(join(pre, Chain{op}), pre)
	}
	idle := lut.NewOp("transpose", op.Precision, map[string]string{"perm": identity(len(in))}, axesOf(in))
	return difference(Chain{op}, Chain{idle})
}

// identity is the permutation that changes nothing, axesOf the coordinates of a
// transpose of shape s.
func identity(n int) string {
	p := make([]string, n)
	for i := range p {
		p[i] = strconv.Itoa(i)
	}
	return strings.Join(p, "-")
}

func axesOf(s Shape) map[string]int {
	m := map[string]int{}
	for i, d := range s {
		m[fmt.Sprintf("d%d", i)] = d
	}
	return m
}

func (b *builder) transpose(x *graph.Value, name string, perm ...int) *graph.Value {
	shape := make([]int, len(perm))
	for i, p := range perm {
		shape[i] = x.Shape[p]
	}
	return b.ints(b.move("transpose", x, b.layer+"."+name, shape), "perm", perm...).Out[0]
}

func transposeONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	w.Emit("Transpose", w.Ins(n), out, onnxwriter.IntsAttr("perm", n.Attrs.Ints["perm"]))
}

func transposeReference(e *reference.Env, n *graph.Node, out []float32) {
	x, y, perm := n.In[0], n.Out[0], n.Attrs.Ints["perm"]
	for i := range out {
		at := make([]int, len(x.Shape)) // index into x
		for r, j := i, len(perm)-1; j >= 0; j-- {
			at[perm[j]] = r % y.Shape[j]
			r /= y.Shape[j]
		}
		k := 0
		for j, v := range at {
			k = k*x.Shape[j] + v
		}
		out[i] = e.Of(x)[k]
	}
}

// Moved tells transpositions apart by what goes in one piece, as ONNX Runtime does (core/providers/cpu/tensor/transpose.cc):
// rows, where the last axis stays; else all that lies between where one axis was and where it goes; or single elements,
// at ten times the cost of the others for each.
func Moved(perm string) string {
	axes := strings.Split(perm, "-")
	n := len(axes)
	if axes[n-1] == strconv.Itoa(n-1) {
		return "rows"
	}
	for from := range axes { // one axis taken out and put in elsewhere: the others keep their order
		if slices.IsSorted(slices.Delete(slices.Clone(axes), from, from+1)) { // of one digit each
			return "axis"
		}
	}
	return "elements"
}

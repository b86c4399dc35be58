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
)

func init() {
	define(kind{
		// The chain goes on with the first part, the others are outputs of the graph, so that
		// no part is dead.
		name: "split", doc: "cuts into n parts, as concat joins them",
		attrs: []attribute{need(parts)}, axes: mapAxes, sequence: true, in: mapShape, out: partShape,
		check: func(a args) error { return checkParts(a, 2) },
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			axis := channelAxis(x)
			sizes := []int{partShape(a)[axis-1]}
			for len(sizes) < a.int("n", 1) {
				sizes = append(sizes, laterPart(a))
			}
			parts := b.split(x, "part", axis, sizes...)
			b.results = append(b.results, parts[1:]...)
			return parts[0]
		},
		frame: alone, weights: noWeights, grid: asInModel, example: "split[n=2]/P@c=32,h=16,w=16",
		// Into parts of the outputs' sizes. Ints: axis.
		operator: &operator{
			value: reference.FillAll(splitReference).Moving(), work: each,
			onnx:   onnxwriter.OpWhole("Split", splitONNX),
			tflite: tflitewriter.By("SPLIT, or SPLIT_V for parts of several sizes", splitTFLite),
			tf: tfgraph.OpBy("SplitV", func(b tfgraph.Builder, n *graph.Node) {
				axis, plain := axisTF(b, n)
				var sizes []int
				for _, v := range n.Out {
					sizes = append(sizes, v.Shape[n.Int("axis", 0)])
				}
				out := b.Outputs(len(sizes), "SplitV", tfgraph.Attrs{"num_split": int64(len(sizes))}, b.Get(n.In[0], plain), b.Ints(sizes...), b.Int(axis))
				for i, v := range n.Out {
					b.Set(v, out[i], plain)
				}
			}).Moving(),
		},
	})
}

// split cuts x into parts of these sizes along an axis.
func (b *builder) split(x *graph.Value, name string, axis int, sizes ...int) []*graph.Value {
	n := &graph.Node{Op: Operator("split"), Name: b.layer + "." + name, In: []*graph.Value{x}}
	for i, size := range sizes {
		shape := append([]int{}, x.Shape...)
		shape[axis] = size
		y := &graph.Value{Name: fmt.Sprintf("%s%d", n.Name, i), DType: x.DType, Shape: shape, Quant: x.Quant}
		b.stats[y] = b.stats[x]
		n.Out = append(n.Out, y)
	}
	b.g.Nodes = append(b.g.Nodes, b.ints(n, "axis", axis))
	return n.Out
}

// splitTFLite writes SPLIT, or SPLIT_V for parts of several sizes.
func splitTFLite(w *tflitewriter.Writer, n *graph.Node) {
	l := w.LayoutOf(n.In[0])
	x := w.Get(n.In[0], l)
	at := l.Axis(n.Int("axis", 1))
	axis := w.Int32s(int32(at))
	var out, sizes []int32
	for _, v := range n.Out {
		i := w.Activation(v, l)
		out, sizes = append(out, i), append(sizes, w.Tensor(i).Shape[at])
	}
	values := map[string]float64{"num_splits": float64(len(out))}
	if slices.Min(sizes) == slices.Max(sizes) {
		w.Emit(tflitefb.Split, w.Version(x, 2), []int32{axis, x}, out, tflitefb.Options{Type: tflitefb.SplitOptions, Values: values})
		return
	}
	// The axis is a number here, and not a list of one.
	number := w.Int32(n.Name+".axis", int32(at))
	w.Emit(tflitefb.SplitV, w.Version(x, 2), []int32{x, w.Int32s(sizes...), number}, out, tflitefb.Options{Type: tflitefb.SplitVOptions, Values: values})
}

// splitONNX has several outputs, each of them quantised when it is int8.
func splitONNX(w *onnxwriter.Writer, n *graph.Node) {
	node := &onnx.Node{Name: n.Name, Op: "Split", Inputs: []string{w.In(n.In[0])},
		Attrs: []*onnx.Attr{onnx.IntAttr("axis", int64(n.Int("axis", 1)))}}
	var sizes []int
	for _, v := range n.Out {
		sizes = append(sizes, v.Shape[n.Int("axis", 1)])
	}
	if slices.Min(sizes) == slices.Max(sizes) {
		node.Attrs = append(node.Attrs, onnx.IntAttr("num_outputs", int64(len(n.Out))))
	} else {
		node.Inputs = append(node.Inputs, w.Int64s(n.Name+".sizes", sizes...))
	}
	w.Outputs(node, n.Out)
}

func splitReference(e *reference.Env, n *graph.Node, out [][]float32) {
	x, axis := n.In[0], n.Int("axis", 1)
	inner := reference.Product(x.Shape[axis+1:])
	start := 0
	for j, part := range out {
		size := n.Out[j].Shape[axis]
		for i := range part {
			part[i] = e.Of(x)[(i/inner/size*x.Shape[axis]+start+i/inner%size)*inner+i%inner]
		}
		start += size
	}
}

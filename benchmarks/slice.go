package benchmarks

import (
	"strconv"

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
		name: "slice", doc: "the first part of the channels (rows); the axes are the result's",
		attrs: []attribute{oneIn}, axes: mapAxes, sequence: true, in: wholeShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value { return b.slice(x, ".slice", mapShape(a)) },
		frame: frame{how: standsAlone, lazy: true}, weights: noWeights, grid: asInModel, example: "slice/P@c=16,h=16,w=16",
		// The first y.Shape[axis] entries of an axis. Ints: axis.
		operator: &operator{
			value: reference.Fill(sliceReference).Moving(), work: each,
			onnx:   onnxwriter.OpBy("Slice", sliceONNX),
			tflite: tflitewriter.OpBy(tflitefb.Slice, sliceTFLite),
			tf: tfgraph.OpBy("Slice", func(b tfgraph.Builder, n *graph.Node) {
				shape := n.Out[0].Shape
				b.Set(n.Out[0], b.Op("Slice", nil, b.Get(n.In[0], true), b.Ints(make([]int, len(shape))...), b.Ints(shape...)), true)
			}).Moving(),
		},
	})
}

// oneIn is the attribute of.
var oneIn = attribute{name: "of", doc: "one part in so many is kept, the first", absent: "2", valid: isCount}

// wholeShape returns the shape that is cut.
func wholeShape(a args) Shape {
	s := mapShape(a)
	s[0] *= a.int("of", 2)
	return s
}

// firstRow is the key of the first row of a sequence.
func firstRow(s Shape, p lut.Precision) lut.Op {
	return lut.NewOp("slice", p, map[string]string{"of": strconv.Itoa(s[0])}, map[string]int{"seq": 1, "dim": s[1]})
}

// slice keeps the first part of x, of shape s without the batch.
func (b *builder) slice(x *graph.Value, name string, s Shape) *graph.Value {
	return b.ints(b.move("slice", x, b.layer+name, append([]int{x.Shape[0]}, s...)), "axis", 1).Out[0]
}

// sliceTFLite keeps the first entries of an axis.
func sliceTFLite(w *tflitewriter.Writer, n *graph.Node) {
	x, y, l := w.InPlace(n)
	w.SliceOp(x, y, make([]int32, len(l))...)
}

func sliceONNX(w *onnxwriter.Writer, n *graph.Node, out string) {
	axis := n.Int("axis", 1)
	start, end, axes := w.Int64s(n.Name+".start", 0), w.Int64s(n.Name+".end", n.Out[0].Shape[axis]), w.Int64s(n.Name+".axes", axis)
	w.Emit("Slice", []string{w.In(n.In[0]), start, end, axes}, out)
}

// sliceReference keeps the first part of an axis.
func sliceReference(e *reference.Env, n *graph.Node, out []float32) {
	x, axis := n.In[0], n.Int("axis", 1)
	row, full := reference.Product(n.Out[0].Shape[axis:]), reference.Product(x.Shape[axis:])
	for i := range out {
		out[i] = e.Of(x)[i/row*full+i%row]
	}
}

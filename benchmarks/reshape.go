package benchmarks

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/tflitefb"
)

func init() {
	define(kind{
		name: "reshape", doc: "the same numbers under another shape",
		attrs: []attribute{need(attribute{name: "to", doc: "`flat`: a vector; `seq`: a map's channels as tokens [c h·w]", absent: "–", valid: anything})},
		axes:  mapAxes, sequence: true, in: mapShape, out: reshaped,
		check: func(a args) error {
			if to := a.str("to"); to != "flat" && (to != "seq" || a.has("seq")) {
				return fmt.Errorf("to=%s: a map becomes flat or seq, a sequence flat", to)
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.reshape(x, b.layer+".reshape", reshaped(a))
		},
		frame: frame{how: standsAlone, copies: cancelling}, weights: noWeights, grid: asInModel, example: "reshape[to=seq]/P@c=16,h=16,w=16",
		// Row-major, to y.Shape.
		operator: &operator{
			value: reference.Same().Moving(), work: work{how: view},
			onnx:   onnxwriter.ToShape("Reshape"),
			tflite: tflitewriter.OpBy(tflitefb.Reshape, (*tflitewriter.Writer).Reinterpret),
			tf: tfgraph.OpBy("Reshape", func(b tfgraph.Builder, n *graph.Node) {
				b.Set(n.Out[0], b.Op("Reshape", nil, b.Get(n.In[0], true), b.Ints(n.Out[0].Shape...)), true)
			}).Moving(),
		},
	})
}

func reshaped(a args) Shape {
	s := mapShape(a)
	if a.str("to") == "seq" {
		return Shape{s[0], s[1] * s[2]}
	}
	n := 1
	for _, d := range s {
		n *= d
	}
	return Shape{n}
}

// as gives x another shape.
func (b *builder) as(x *graph.Value, name string, shape []int) *graph.Value {
	return b.move("reshape", x, name, shape).Out[0]
}

// reshape to a shape without the batch; the scale of int8 stays.
func (b *builder) reshape(x *graph.Value, name string, s Shape) *graph.Value {
	return b.as(x, name, append([]int{b.batch}, s...))
}

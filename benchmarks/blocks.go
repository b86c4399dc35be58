package benchmarks

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/tflitefb"
)

func init() {
	for _, k := range []struct {
		name, doc, onnx, tf string
		tflite              tflitefb.Op
		out                 func(a args) Shape
	}{
		{"depthtospace", "f² channels become f×f pixels; the axes are the input's", "DepthToSpace", "DepthToSpace", tflitefb.DepthToSpace, func(a args) Shape {
			s, f := mapShape(a), a.int("f", 1)
			return Shape{s[0] / (f * f), s[1] * f, s[2] * f}
		}},
		{"spacetodepth", "f×f pixels become f² channels", "SpaceToDepth", "SpaceToDepth", tflitefb.SpaceToDepth, func(a args) Shape {
			s, f := mapShape(a), a.int("f", 1)
			return Shape{s[0] * f * f, s[1] / f, s[2] / f}
		}},
	} {
		define(kind{
			name: k.name, doc: k.doc, attrs: []attribute{need(attribute{name: "f", doc: "side of a block", absent: "–", valid: isCount})},
			axes: mapAxes, in: mapShape, out: k.out,
			check: func(a args) error {
				s, o, f := mapShape(a), k.out(a), a.int("f", 1)
				if f < 2 || s[0]*s[1]*s[2] != o[0]*o[1]*o[2] {
					return fmt.Errorf("%v does not divide into blocks of %d", s, f)
				}
				return nil
			},
			build: func(b *builder, a args, x *graph.Value) *graph.Value {
				n := b.move(k.name, x, b.layer+"."+k.name, append([]int{x.Shape[0]}, k.out(a)...))
				return b.ints(n, "factor", a.int("f", 1)).Out[0]
			},
			frame: alone, weights: noWeights, grid: asInModel, example: k.name + "[f=2]/P@c=16,h=8,w=8",
			// x[N,f²·C,H,W] → y[N,C,f·H,f·W], the first f channel groups in a row (ONNX's
			// DCR), or its inverse. Ints: factor.
			operator: &operator{
				value: reference.Fill(blocksReference).Moving(), work: each,
				onnx:   onnxwriter.OpBy(k.onnx, blocksONNX(k.onnx)),
				tflite: tflitewriter.OpBy(k.tflite, blocksTFLite).OfImages(),
				tf: tfgraph.OpBy(k.tf, func(b tfgraph.Builder, n *graph.Node) {
					b.Set(n.Out[0], b.Op(k.tf, tfgraph.Attrs{"block_size": int64(n.Int("factor", 1))}, b.Get(n.In[0], false)), false)
				}).Moving(),
			},
		})
	}
}

// toDepth tells the one from the other.
func toDepth(n *graph.Node) bool { return n.Op.String() == "spacetodepth" }

// blocksTFLite writes DEPTH_TO_SPACE and SPACE_TO_DEPTH, in which the channels of one
// pixel of a block stand together, as in the graph. Version 2 of the latter is int8.
func blocksTFLite(w *tflitewriter.Writer, n *graph.Node) {
	x, y := w.Ends(n, tflitewriter.ChannelsLast(4), tflitewriter.ChannelsLast(4))
	code, options := tflitefb.DepthToSpace, tflitefb.DepthToSpaceOptions
	if toDepth(n) {
		code, options = tflitefb.SpaceToDepth, tflitefb.SpaceToDepthOptions
	}
	w.Emit(code, w.Version(x, 2), []int32{x}, []int32{y}, tflitefb.Options{Type: options,
		Values: map[string]float64{"block_size": float64(n.Int("factor", 1))}})
}

func blocksONNX(op string) func(*onnxwriter.Writer, *graph.Node, string) {
	return func(w *onnxwriter.Writer, n *graph.Node, out string) {
		w.Emit(op, w.Ins(n), out, onnx.IntAttr("blocksize", int64(n.Int("factor", 1))))
	}
}

// blocksReference moves channels to blocks of pixels, or back.
func blocksReference(e *reference.Env, n *graph.Node, out []float32) {
	a := e.Of(n.In[0])
	deep, wide, from, to := n.In[0], n.Out[0], a, out
	if toDepth(n) {
		deep, wide, from, to = n.Out[0], n.In[0], out, a
	}
	f, c := n.Int("factor", 1), wide.Shape[1]
	for i := range wide.Len() {
		ox, oy, ch, img := i%wide.Shape[3], i/wide.Shape[3]%wide.Shape[2], i/(wide.Shape[2]*wide.Shape[3])%c, i/(wide.Shape[2]*wide.Shape[3])/c
		j := ((img*deep.Shape[1]+(oy%f*f+ox%f)*c+ch)*deep.Shape[2]+oy/f)*deep.Shape[3] + ox/f
		if !toDepth(n) {
			to[i] = from[j]
		} else {
			from[j] = to[i]
		}
	}
}

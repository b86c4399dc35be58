package benchmarks

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/onnxwriter"
	"github.com/isocost/isocost/benchmarks/reference"
	"github.com/isocost/isocost/benchmarks/tfgraph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/lut"
)

func init() {
	define(conversion("quantize", "float → int8; the key's precision is int8", lut.FP32, lut.INT8, "quantize/P@c=16,h=16,w=16",
		tflitewriter.OpBy(tflitefb.Quantize, (*tflitewriter.Writer).Convert)))
	define(conversion("dequantize", "int8 → float; the key's precision is int8", lut.INT8, lut.FP32, "dequantize/P@c=16,h=16,w=16",
		tflitewriter.OpBy(tflitefb.Dequantize, (*tflitewriter.Writer).Convert)))
	// Between float types, which are all float32 in a .tflite file.
	defineOperator(conversionOperator("cast", tflitewriter.By("nothing: half precision is float32 in the file", (*tflitewriter.Writer).Convert)))
	define(kind{
		name: "switch", doc: "change of precision between two layers; the key's precision is `to`",
		attrs: []attribute{
			need(attribute{name: "from", doc: "the precision before", absent: "–", valid: func(v string) bool { return slices.Contains(lut.Precisions, lut.Precision(v)) }}),
			need(attribute{name: "to", doc: "the precision after", absent: "–", valid: anything}),
			flag("plain", "`1`: the tensor comes out of a block with an identity shortcut after a switch", "it does not"),
			residual.named("res", "`1`: the next block has an identity shortcut", "it has none"),
		},
		axes: mapAxes, sequence: true, in: mapShape, out: mapShape,
		check: func(a args) error {
			from, to := lut.Precision(a.str("from")), lut.Precision(a.str("to"))
			if !slices.Contains(lut.Precisions, to) {
				return fmt.Errorf("unknown precision %q", to)
			}
			if !NeedsSwitch(from, to) {
				return fmt.Errorf("%s and %s have activations of one type: there is nothing to switch", from, to)
			}
			if (a.str("plain") != "" || a.str("res") != "") && a.has("seq") {
				return fmt.Errorf("a sequence has one layout: plain and res are of maps")
			}
			if a.op.Precision != to {
				return fmt.Errorf("a switch to %s carries that precision", to)
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			from := activationType(lut.Precision(a.str("from")))
			return b.convert(b.convert(x, from, b.layer+".in"), activationType(b.prec), b.layer+".switch")
		},
		converts: true,
		frame: frame{how: ownFrame, copies: converting, own: func(op lut.Op, in Shape) Sum {
			return switchFrame(in, lut.Precision(op.Attr("from")), lut.Precision(op.Attr("to")), op.Attr("plain") == "1", op.Attr("res") == "1")
		}},
		weights: noWeights, grid: asInModel, example: "switch[from=fp32,to=P]/P@c=16,h=16,w=16",
	})
	define(kind{
		name: "relayout", doc: "a block with an identity shortcut that runs in the plain layout after a switch; nothing is built",
		axes: mapAxes, in: mapShape, out: mapShape,
		build:   func(_ *builder, _ args, x *graph.Value) *graph.Value { return x },
		frame:   frame{how: ownFrame, copies: cancelling, own: func(op lut.Op, in Shape) Sum { return relayoutFrame(in, op.Precision) }},
		weights: noWeights, grid: asInModel, example: "relayout/P@c=16,h=16,w=16",
	})
}

// conversion is the operator quantize or dequantize, whose key's precision is
// int8 whichever way it goes.
func conversion(name, doc string, from, to lut.Precision, example string, tflite tflitewriter.Form) kind {
	o := conversionOperator(name, tflite)
	return kind{
		name: name, doc: doc, axes: mapAxes, sequence: true, in: mapShape, out: mapShape,
		check: func(a args) error {
			if a.op.Precision != lut.INT8 {
				return fmt.Errorf("its precision is int8")
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			b.prec = to
			return b.convert(b.convert(x, activationType(from), b.layer+".from"), activationType(to), b.layer+".to")
		},
		frame: frame{how: ownFrame, copies: converting, own: func(_ lut.Op, in Shape) Sum {
			return switchFrame(in, from, to, false, false)
		}},
		weights: noWeights, grid: asInModel, example: example, operator: &o,
	}
}

// conversionOperator is a change of number format: float → int8 with y.Quant, back, from
// int8 to int8 of another scale, between float types.
func conversionOperator(name string, tflite tflitewriter.Form) operator {
	onnxNames := map[bool]string{true: "QuantizeLinear", false: "DequantizeLinear"}
	o := operator{
		name: name, value: reference.Same(), work: each, tflite: tflite,
		onnx: onnxwriter.OpWhole(onnxNames[name == "quantize"], (*onnxwriter.Writer).Convert),
		tf: tfgraph.By("Cast between float types; int8 is FakeQuant of float32", func(b tfgraph.Builder, n *graph.Node) {
			x, y := n.In[0], n.Out[0]
			plain := b.IsPlain(x)
			b.Set(y, b.Cast(b.Get(x, plain), x.DType, y.DType), plain)
		}),
	}
	if name == "cast" {
		o.onnx = onnxwriter.OpWhole("Cast", (*onnxwriter.Writer).Convert)
	}
	return o
}

// convert brings x to element type t: quantize, dequantize, cast, or nothing.
func (b *builder) convert(x *graph.Value, t graph.DType, name string) *graph.Value {
	if x.DType == t {
		return x
	}
	y := &graph.Value{Name: name, DType: t, Shape: x.Shape}
	b.stats[y] = b.stats[x]
	op := "cast"
	switch {
	case t == graph.Int8:
		op, y.Quant = "quantize", symmetric(b.stats[x])
		if q := b.grids[x]; q != nil {
			y.Quant = q
		}
	case x.DType == graph.Int8:
		op = "dequantize"
	}
	b.g.Nodes = append(b.g.Nodes, &graph.Node{Op: Operator(op), Name: name, In: []*graph.Value{x}, Out: []*graph.Value{y}})
	return y
}

// switchKey is the key of a change of precision of a tensor of shape s.
func switchKey(l Layout, to lut.Precision, s Shape, res bool) lut.Op {
	attrs := map[string]string{"from": string(l.Precision), "to": string(to)}
	if l.Plain {
		attrs["plain"] = "1"
	}
	if res && len(s) == 3 {
		attrs["res"] = "1"
	}
	return lut.NewOp("switch", to, attrs, coordinates(s))
}

// relayoutKey is the key of a block in the plain layout.
func relayoutKey(s Shape, p lut.Precision) lut.Op {
	return lut.NewOp("relayout", p, nil, coordinates(s))
}

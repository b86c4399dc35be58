//go:build tensorflow

package tensorflow

import (
	tf "github.com/tensorflow/tensorflow/tensorflow/go"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/tfgraph"
)

// builder is the writer as operators' forms see it; a tfgraph.Tensor is a tf.Output.
type builder struct{ w *writer }

var _ tfgraph.Builder = builder{}

// inputs are operands as TensorFlow wants them: outputs and lists of them.
func (b builder) inputs(in []any) []tf.Input {
	list := make([]tf.Input, len(in))
	for i, x := range in {
		switch x := x.(type) {
		case tf.Output:
			list[i] = x
		case []tfgraph.Tensor:
			var outputs tf.OutputList
			for _, y := range x {
				outputs = append(outputs, y.(tf.Output))
			}
			list[i] = outputs
		}
	}
	return list
}

func (b builder) Op(typ string, attrs tfgraph.Attrs, in ...any) tfgraph.Tensor {
	return b.w.op(typ, attrs, b.inputs(in)...)
}

func (b builder) Outputs(n int, typ string, attrs tfgraph.Attrs, in ...any) []tfgraph.Tensor {
	first := b.w.op(typ, attrs, b.inputs(in)...)
	out := make([]tfgraph.Tensor, n)
	for i := range out {
		out[i] = tf.Output{}
		if b.w.err == nil {
			out[i] = first.Op.Output(i)
		}
	}
	return out
}

func (b builder) Number(f float64, t graph.DType) tfgraph.Tensor { return b.w.number(f, t) }
func (b builder) Int(v int) tfgraph.Tensor                       { return b.w.constant(intTensor([]int{v}, true)) }
func (b builder) Ints(v ...int) tfgraph.Tensor                   { return b.w.ints(v...) }

func (b builder) Pairs(v [][2]int) tfgraph.Tensor {
	rows := make([][]int32, len(v))
	for i, p := range v {
		rows[i] = []int32{int32(p[0]), int32(p[1])}
	}
	return b.w.constant(tf.NewTensor(rows))
}

func (b builder) Floats(data []float32, shape ...int) tfgraph.Tensor {
	return b.w.constant(floatTensor(data, shape))
}

func (b builder) Weight(v *graph.Value, data []float32, shape ...int) tfgraph.Tensor {
	return b.w.weight(v, data, shape)
}

func (b builder) Data(v *graph.Value) []float32                    { return b.w.data(v) }
func (b builder) Get(v *graph.Value, plain bool) tfgraph.Tensor    { return b.w.get(v, plain) }
func (b builder) IsPlain(v *graph.Value) bool                      { return b.w.at[v].plain }
func (b builder) Set(v *graph.Value, x tfgraph.Tensor, plain bool) { b.w.set(v, x.(tf.Output), plain) }

func (b builder) Cast(x tfgraph.Tensor, from, to graph.DType) tfgraph.Tensor {
	return b.w.cast(x.(tf.Output), from, to)
}

func (b builder) Activate(n *graph.Node, x tfgraph.Tensor) tfgraph.Tensor {
	return b.w.act(n, x.(tf.Output))
}

func (b builder) Bias(n *graph.Node, x tfgraph.Tensor) tfgraph.Tensor {
	return b.w.bias(n, x.(tf.Output))
}

func (b builder) Quantised(n *graph.Node, x tfgraph.Tensor) tfgraph.Tensor {
	return b.w.quantisedInput(n, x.(tf.Output))
}

func (b builder) Refuse(format string, args ...any) { b.w.unsupported(format, args...) }

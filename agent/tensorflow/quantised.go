//go:build tensorflow

package tensorflow

import (
	tf "github.com/tensorflow/tensorflow/tensorflow/go"

	"github.com/isocost/isocost/benchmarks/graph"
)

// TensorFlow's own integer operations are deprecated and nobody deploys them. A
// quantised graph runs here as quantisation-aware training has it: in float32, every
// int8 value rounded to its grid by a FakeQuant operation (Jacob et al. 2018), weights
// rounded beforehand. The results are those of the integers, the arithmetic is not:
// Execution says emulated.

// data are a weight's elements, on their grid where it is quantised.
func (w *writer) data(v *graph.Value) []float32 {
	if v.Quant == nil {
		return v.Data
	}
	out := make([]float32, len(v.Data))
	for i, q := range v.Integers() {
		out[i] = float32(v.Dequantized(i, q))
	}
	return out
}

// rounded is x on the grid of v.
func (w *writer) rounded(x tf.Output, v *graph.Value) tf.Output {
	scale, zero := v.Quant.Scale[0], float32(v.Quant.Zero[0])
	return w.op("FakeQuantWithMinMaxArgs", map[string]any{"min": (-128 - zero) * scale, "max": (127 - zero) * scale, "num_bits": int64(8)}, x)
}

// input of a convolution or linear layer: where its weights are quantised for
// dynamic quantisation, rounded to 255 steps of the range it has at run time.
func (w *writer) quantisedInput(n *graph.Node, x tf.Output) tf.Output {
	if n.Attrs.Strings["quant"] != graph.QuantDynamic {
		return x
	}
	flat := w.op("Reshape", nil, x, w.ints(-1))
	end := func(reduce, with string) tf.Output {
		y := w.op(reduce, map[string]any{"keep_dims": false}, flat, w.ints(0))
		return w.op(with, nil, y, w.number(0, graph.Float32)) // the range holds zero
	}
	return w.op("FakeQuantWithMinMaxVars", map[string]any{"num_bits": int64(8)}, x, end("Min", "Minimum"), end("Max", "Maximum"))
}

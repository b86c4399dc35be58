package tflitewriter

import (
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// Convert changes a tensor's number format: QUANTIZE, DEQUANTIZE, or nothing between the
// float types, which are float32 in the file.
func (w *Writer) Convert(n *graph.Node) {
	switch from, to := n.In[0].DType, n.Out[0].DType; {
	case to == graph.Int8:
		if p := w.at[n.In[0]]; w.handed[p.tensor] {
			if q, ok := w.dequantisedFrom(p.tensor, fileQuant(n.Out[0], 0)); ok {
				w.Alias(n.Out[0], q, p.layout)
				return
			}
		}
		x, y, _ := w.InPlace(n)
		w.QuantizeOp(x, y)
	case from == graph.Int8:
		x, y, _ := w.InPlace(n)
		w.Emit(tflitefb.Dequantize, 2, []int32{x}, []int32{y}, tflitefb.Options{Type: tflitefb.DequantizeOptions})
	default:
		p, ok := w.at[n.In[0]]
		if !ok {
			Fail("%w: the cast of a constant", ErrNoForm)
		}
		w.Alias(n.Out[0], p.tensor, p.layout)
	}
}

// inFloat writes a node of int8 values in floating point, as TensorFlow's converter
// leaves what it cannot quantise: its inputs are dequantised, its result is
// quantised again.
func (w *Writer) inFloat(n *graph.Node) {
	wide := *n
	wide.In = nil
	for _, v := range n.In {
		wide.In = append(wide.In, w.dequantised(v))
	}
	y := n.Out[0]
	result := floatOf(y)
	wide.Out = []*graph.Value{result}
	w.node(&wide)
	w.Convert(&graph.Node{Name: y.Name, In: []*graph.Value{result}, Out: []*graph.Value{y}})
}

// dequantised is an int8 activation in floating point, made once.
func (w *Writer) dequantised(v *graph.Value) *graph.Value {
	if v.DType != graph.Int8 || w.weights[v] {
		return v
	}
	f, ok := w.floats[v]
	if !ok {
		f = floatOf(v)
		w.floats[v] = f
		w.Convert(&graph.Node{Name: f.Name, In: []*graph.Value{v}, Out: []*graph.Value{f}})
	}
	return f
}

func floatOf(v *graph.Value) *graph.Value {
	return &graph.Value{Name: v.Name + ".float", DType: graph.Float32, Shape: v.Shape}
}

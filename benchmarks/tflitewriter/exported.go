package tflitewriter

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// leakySlope is what the graph's LeakyRelu means.
const leakySlope = 0.01

// exported writes the floating-point operators that only networks exported from
// elsewhere have.
func (w *writer) exported(n *graph.Node) error {
	switch n.Op {
	case graph.Sub, graph.Div:
		return w.binary(n)
	case graph.Tanh:
		return w.simple(n, tflitefb.Tanh, tflitefb.NoOptions, 1)
	case graph.Exp:
		return w.simple(n, tflitefb.Exp, tflitefb.NoOptions, 1)
	}
	l := w.layoutOf(n.In[0])
	if n.Op == graph.Reduce {
		l = rowMajor(len(n.In[0].Shape))
	}
	x, err := w.get(n.In[0], l)
	if err != nil {
		return err
	}
	out := l
	if n.Op == graph.Reduce {
		out = rowMajor(len(n.Out[0].Shape))
	}
	y, err := w.out(n, out)
	if err != nil {
		return err
	}
	rank := len(l)
	switch n.Op {
	case graph.LeakyRelu:
		w.emit(tflitefb.LeakyRelu, 1, []int32{x}, []int32{y}, tflitefb.Options{Type: tflitefb.LeakyReluOptions, Values: map[string]float64{"alpha": leakySlope}})
	case graph.Clip:
		low := w.like(x, n.Name+".low")
		w.emit(tflitefb.Maximum, 1, []int32{x, w.scalar(-1, x)}, []int32{low}, tflitefb.Options{})
		w.emit(tflitefb.Minimum, 1, []int32{low, w.scalar(1, x)}, []int32{y}, tflitefb.Options{})
	case graph.Reduce:
		if n.Int("axis", rank-1) != rank-1 {
			return fmt.Errorf("%w: reduction over another axis than the last", ErrNoForm)
		}
		code, ok := map[string]tflitefb.Op{"mean": tflitefb.Mean, "sum": tflitefb.Sum, "max": tflitefb.ReduceMax}[n.Attrs.Strings["op"]]
		if !ok {
			return fmt.Errorf("%w: reduction %q", ErrNoForm, n.Attrs.Strings["op"])
		}
		w.emit(code, 1, []int32{x, w.int32s(int32(rank - 1))}, []int32{y}, tflitefb.Options{Type: tflitefb.ReducerOptions})
	case graph.Slice:
		begin := w.int32s(make([]int32, rank)...)
		w.emit(tflitefb.Slice, 1, []int32{x, begin, w.int32s(w.m.Tensors[y].Shape...)}, []int32{y}, tflitefb.Options{Type: tflitefb.SliceOptions})
	case graph.Pad:
		var amounts []int
		for i, to := range w.m.Tensors[y].Shape {
			amounts = append(amounts, 0, int(to-w.m.Tensors[x].Shape[i]))
		}
		pads := w.add(tflitefb.Tensor{Name: n.Name + ".pads", Type: tflitefb.Int32, Shape: []int32{int32(rank), 2}, Data: int32Bytes(amounts...)})
		w.emit(tflitefb.Pad, 1, []int32{x, pads}, []int32{y}, tflitefb.Options{Type: tflitefb.PadOptions})
	}
	return nil
}

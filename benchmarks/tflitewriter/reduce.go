package tflitewriter

import (
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// mean writes the mean over axes of the graph's order; those that keep stay, of
// length one.
func (w *writer) mean(n *graph.Node, axes []int, keep bool) {
	l := channelsLast(4)
	if !keep {
		l = w.layoutOf(n.In[0])
	}
	// The result keeps the order of the axes that are left.
	out := slices.Clone(l)
	if !keep {
		out = slices.Delete(out, l.axis(axes[0]), l.axis(axes[0])+1)
		for i := range out {
			if out[i] > axes[0] {
				out[i]--
			}
		}
	}
	x, y := w.ends(n, l, out)
	var at []int32
	for _, a := range axes {
		at = append(at, int32(l.axis(a)))
	}
	w.reduceOp(tflitefb.Mean, x, y, keep, at...)
}

func (w *writer) reduceOp(code tflitefb.Op, x, y int32, keep bool, axes ...int32) {
	values := map[string]float64{"keep_dims": 0}
	if keep {
		values["keep_dims"] = 1
	}
	w.emit(code, w.version(x, 2), []int32{x, w.int32s(axes...)}, []int32{y}, tflitefb.Options{Type: tflitefb.ReducerOptions, Values: values})
}

// reduce writes reductions of the last axis. The integer maximum has no scale of
// its own: it is taken in the input's and then rescaled.
func (w *writer) reduce(n *graph.Node) {
	rank := len(n.In[0].Shape)
	x, y := w.ends(n, rowMajor(rank), rowMajor(rank-1))
	last := int32(rank - 1)
	switch op := n.Attrs.Strings["op"]; op {
	case "mean":
		w.reduceOp(tflitefb.Mean, x, y, false, last)
	case "sum":
		w.reduceOp(tflitefb.Sum, x, y, false, last)
	case "max":
		if w.m.Tensors[y].Type != tflitefb.Int8 {
			w.reduceOp(tflitefb.ReduceMax, x, y, false, last)
			return
		}
		top := w.shapedLike(x, n.Name+".max", w.m.Tensors[y].Shape...)
		w.reduceOp(tflitefb.ReduceMax, x, top, false, last)
		w.quantizeOp(top, y)
	case "l2":
		square, sum := w.like(x, n.Name+".square"), w.like(y, n.Name+".sum")
		w.arithmetic(tflitefb.Mul, tflitefb.ActNone, square, x, x)
		w.reduceOp(tflitefb.Sum, square, sum, false, last)
		w.emit(tflitefb.Sqrt, 1, []int32{sum}, []int32{y}, tflitefb.Options{})
	default:
		fail("%w: reduction %q", ErrNoForm, op)
	}
}

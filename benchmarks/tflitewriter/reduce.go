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
	out := l
	if !keep {
		l = w.layoutOf(n.In[0])
		out = l.without(axes[0])
	}
	x, y := w.ends(n, l, out)
	var at []int32
	for _, a := range axes {
		at = append(at, int32(l.axis(a)))
	}
	w.reduceOp(tflitefb.Mean, x, y, keep, at...)
}

// without is the order of the axes that are left when one goes.
func (l layout) without(axis int) layout {
	out := slices.Delete(slices.Clone(l), l.axis(axis), l.axis(axis)+1)
	for i := range out {
		if out[i] > axis {
			out[i]--
		}
	}
	return out
}

func (w *writer) reduceOp(code tflitefb.Op, x, y int32, keep bool, axes ...int32) {
	values := map[string]float64{"keep_dims": 0}
	if keep {
		values["keep_dims"] = 1
	}
	w.emit(code, w.version(x, 2), []int32{x, w.int32s(axes...)}, []int32{y}, tflitefb.Options{Type: tflitefb.ReducerOptions, Values: values})
}

// reductions are those that are one operator in the file.
var reductions = map[string]tflitefb.Op{"mean": tflitefb.Mean, "sum": tflitefb.Sum, "max": tflitefb.ReduceMax, "min": tflitefb.ReduceMin,
	"prod": tflitefb.ReduceProd}

// reduce writes reductions of one axis. The integer maximum and minimum have no
// scale of their own: they are taken in the input's and then rescaled.
func (w *writer) reduce(n *graph.Node) {
	l := w.layoutOf(n.In[0])
	axis := n.Int("axis", len(l)-1)
	x, y := w.ends(n, l, l.without(axis))
	at := int32(l.axis(axis))
	op := n.Attrs.Strings["op"]
	sum := func(y int32, code tflitefb.Op) {
		w.reduceOp(tflitefb.Sum, w.step(n.Name+".each", code, x), y, false, at)
	}
	switch {
	case w.m.Tensors[y].Type == tflitefb.Int8 && (op == "max" || op == "min"):
		z := w.shapedLike(x, n.Name+"."+op, w.m.Tensors[y].Shape...)
		w.reduceOp(reductions[op], x, z, false, at)
		w.quantizeOp(z, y)
	case op == "l1":
		sum(y, tflitefb.Abs)
	case op == "sumsquare":
		sum(y, tflitefb.Square)
	case op == "l2":
		z := w.like(y, n.Name+".sum")
		sum(z, tflitefb.Square)
		w.into(y, tflitefb.Sqrt, z)
	default:
		code, ok := reductions[op]
		if !ok {
			fail("%w: reduction %q", ErrNoForm, op)
		}
		w.reduceOp(code, x, y, false, at)
	}
}

package litertmodel

import (
	"github.com/isocost/isocost/internal/tflitefb/graph"
	"github.com/isocost/isocost/lut"
)

// products are the kinds of a product with weights and of one of two activations.
type products struct{ layer, both string }

func (k products) connected(r *Fused, o *graph.Operator) (lut.Op, string) {
	x, w := r.In(o, 0), r.In(o, 1)
	if len(w.Shape) != 2 || graph.Size(x.Shape)%int(w.Shape[1]) != 0 {
		return lut.Op{}, "its weights do not fit its input"
	}
	if !r.Constant[o.Inputs[1]] {
		return lut.Op{}, "its weight is computed"
	}
	prec, why := r.precision(o.Inputs[0], o.Inputs[1])
	if why != "" {
		return lut.Op{}, why
	}
	attrs := map[string]string{}
	if act, why := clamp(o, prec); why != "" {
		return lut.Op{}, why
	} else if act != "" {
		attrs["act"] = act
	}
	rows := graph.Size(x.Shape) / int(w.Shape[1])
	if rows%r.Batch == 0 {
		rows /= r.Batch
	}
	return lut.NewOp(k.layer, prec, attrs, map[string]int{"m": rows, "cin": int(w.Shape[1]), "cout": int(w.Shape[0])}), ""
}

// batched is a product of two activations, or by a constant matrix, which is a layer.
func (k products) batched(r *Fused, o *graph.Operator) (lut.Op, string) {
	a, b, out := r.In(o, 0).Shape, r.In(o, 1).Shape, r.Out(o).Shape
	if len(a) < 2 || len(b) < 2 || len(out) < 2 {
		return lut.Op{}, "not a product of matrices"
	}
	prec, why := r.precision(o.Inputs[0], o.Inputs[1])
	if why != "" {
		return lut.Op{}, why
	}
	m, n := int(out[len(out)-2]), int(out[len(out)-1])
	depth := int(a[len(a)-1])
	if o.Options.Value("adj_x") == 1 {
		depth = int(a[len(a)-2])
	}
	if r.Constant[o.Inputs[1]] && graph.Size(b[:len(b)-2]) == 1 {
		return lut.NewOp(k.layer, prec, nil, map[string]int{"m": r.outer(out[:len(out)-1]), "cin": depth, "cout": n}), ""
	}
	return lut.NewOp(k.both, prec, nil, map[string]int{"b": r.outer(out[:len(out)-2]), "m": m, "k": depth, "n": n}), ""
}

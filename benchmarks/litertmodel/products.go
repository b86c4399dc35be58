package litertmodel

import (
	"github.com/isocost/isocost/internal/tflitefb/graph"
	"github.com/isocost/isocost/lut"
)

func (r *Fused) linear(o *graph.Operator) (lut.Op, string) {
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
	return lut.NewOp("linear", prec, attrs, map[string]int{"m": rows, "cin": int(w.Shape[1]), "cout": int(w.Shape[0])}), ""
}

// matmul is a product of two activations, or by a constant matrix, which is a layer.
func (r *Fused) matmul(o *graph.Operator) (lut.Op, string) {
	a, b, out := r.In(o, 0).Shape, r.In(o, 1).Shape, r.Out(o).Shape
	if len(a) < 2 || len(b) < 2 || len(out) < 2 {
		return lut.Op{}, "not a product of matrices"
	}
	prec, why := r.precision(o.Inputs[0], o.Inputs[1])
	if why != "" {
		return lut.Op{}, why
	}
	m, n := int(out[len(out)-2]), int(out[len(out)-1])
	k := int(a[len(a)-1])
	if o.Options.Value("adj_x") == 1 {
		k = int(a[len(a)-2])
	}
	if r.Constant[o.Inputs[1]] && graph.Size(b[:len(b)-2]) == 1 {
		return lut.NewOp("linear", prec, nil, map[string]int{"m": r.outer(out[:len(out)-1]), "cin": k, "cout": n}), ""
	}
	return lut.NewOp("matmul", prec, nil, map[string]int{"b": r.outer(out[:len(out)-2]), "m": m, "k": k, "n": n}), ""
}

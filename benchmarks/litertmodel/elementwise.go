package litertmodel

import (
	"math"
	"strconv"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/internal/tflitefb/graph"
	"github.com/isocost/isocost/lut"
)

func (r *Fused) function(o *graph.Operator, kind string) (lut.Op, string) {
	return r.element(o, kind, o.Inputs[0], nil)
}

func (r *Fused) binary(o *graph.Operator) (lut.Op, string) {
	kind := benchmarks.TFLitePair(o.Code)
	attrs := map[string]string{}
	if !broadcasts(r.In(o, 0).Shape, r.In(o, 1).Shape, r.Out(o).Shape) {
		return lut.Op{}, "its inputs do not fit its output"
	}
	if b := r.broadcast(o); b != "" {
		attrs["b"] = b
	}
	prec, why := r.precision(o.Outputs[0], -1)
	if why != "" {
		return lut.Op{}, why
	}
	act, why := clamp(o, prec)
	if why != "" {
		return lut.Op{}, why
	}
	if act != "" && o.Code == tflitefb.Add {
		attrs["act"] = act
	} // the kernels of the others clamp as well, in the same pass
	return r.element(o, kind, o.Outputs[0], attrs)
}

// broadcasts reports that two shapes join to a third as numpy has it.
func broadcasts(a, b, out []int32) bool {
	at := func(s []int32, back int) int32 {
		if back > len(s) {
			return 1
		}
		return s[len(s)-back]
	}
	for i := 1; i <= max(len(a), len(b), len(out)); i++ {
		x, y := at(a, i), at(b, i)
		if i > len(out) || x != y && x != 1 && y != 1 || out[len(out)-i] != max(x, y) {
			return false
		}
	}
	return true
}

// broadcast is the attribute b of an operator of two inputs: "" for equal shapes, s for
// a scalar, c for one number per channel (or feature), x for anything else.
func (r *Fused) broadcast(o *graph.Operator) string {
	out := r.Out(o).Shape
	small := r.In(o, 0).Shape
	if b := r.In(o, 1).Shape; graph.Size(b) < graph.Size(small) {
		small = b
	}
	switch n := graph.Size(small); {
	case n == graph.Size(out):
		return ""
	case n == 1:
		return "s"
	case n == int(out[len(out)-1]) && int(small[len(small)-1]) == n:
		return "c"
	}
	return "x"
}

// power is a square, or a power of a constant exponent.
func (r *Fused) power(o *graph.Operator, kind string) (lut.Op, string) {
	e := 2.0
	if o.Code == tflitefb.Pow {
		var ok bool
		if e, ok = r.Number(o.Inputs[1]); !ok {
			return lut.Op{}, "its exponent is not one constant"
		}
	}
	name := "0.7"
	if e == 2 || e == 3 {
		name = strconv.Itoa(int(math.Round(e)))
	}
	return r.element(o, kind, o.Inputs[0], map[string]string{"e": name})
}

// normalised is over the last axis.
func (r *Fused) normalised(o *graph.Operator, kind string) (lut.Op, string) {
	s := r.In(o, 0).Shape
	prec, why := r.precision(o.Inputs[0], -1)
	if why != "" {
		return lut.Op{}, why
	}
	if len(s) == 0 {
		return lut.Op{}, "the softmax of one number"
	}
	return lut.NewOp(kind, prec, nil, map[string]int{"m": r.outer(s[:len(s)-1]), "n": int(s[len(s)-1])}), ""
}

// conversions are the kinds of a change from floats to bytes and back.
type conversions struct{ narrow, widen string }

func (k conversions) key(r *Fused, o *graph.Operator) (lut.Op, string) {
	from, to := r.In(o, 0).Type, r.Out(o).Type
	kind := ""
	switch {
	case from == tflitefb.Float32 && to == tflitefb.Int8:
		kind = k.narrow
	case from == tflitefb.Int8 && to == tflitefb.Float32:
		kind = k.widen
	default:
		return lut.Op{}, "from " + from.String() + " to " + to.String()
	}
	return lut.NewOp(kind, lut.INT8, nil, r.at(r.Out(o).Shape)), ""
}

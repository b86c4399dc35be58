package litertmodel

import (
	"slices"
	"strconv"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/internal/tflitefb/graph"
	"github.com/isocost/isocost/lut"
)

// parts is the key of a join or a cut: of a map's channels, or of rows.
func (r *Fused) parts(o *graph.Operator, kind string) (lut.Op, string) {
	whole, parts := o.Inputs[0], len(o.Outputs)
	axis, ok := 0, true
	switch o.Code {
	case tflitefb.Concatenation:
		whole, parts = o.Outputs[0], len(o.Inputs)
		axis = int(o.Options.Value("axis"))
	case tflitefb.Split:
		whole = o.Inputs[1]
		axis, ok = r.Integer(o, 0)
	case tflitefb.SplitV:
		axis, ok = r.Integer(o, 2)
	}
	s := r.Model.Tensors[whole].Shape
	if axis < 0 {
		axis += len(s)
	}
	if !ok || axis < 0 || axis >= len(s) || parts < 1 {
		return lut.Op{}, "its axis is not one of its input"
	}
	prec, why := r.precision(whole, -1)
	if why != "" {
		return lut.Op{}, why
	}
	attrs := map[string]string{"n": strconv.Itoa(parts)}
	if o.Code == tflitefb.Concatenation && prec == lut.INT8 && r.rescaled(o) {
		attrs["rescale"] = "1"
	}
	if axis == 3 && r.isMap(s) {
		return lut.NewOp(kind, prec, attrs, r.at(s)), ""
	}
	return lut.NewOp(kind, prec, attrs, map[string]int{"seq": r.outer(s[:axis]), "dim": graph.Size(s[axis:])}), ""
}

// rescaled reports that most of a quantised join's bytes have another scale than the
// result.
func (r *Fused) rescaled(o *graph.Operator) bool {
	differ := 0
	scale := func(t tflitefb.Tensor) float32 {
		if t.Quant == nil || len(t.Quant.Scale) == 0 {
			return 0
		}
		return t.Quant.Scale[0]
	}
	for _, t := range o.Inputs {
		if t >= 0 && scale(r.Model.Tensors[t]) != scale(*r.Out(o)) {
			differ += graph.Size(r.Model.Tensors[t].Shape)
		}
	}
	return 2*differ > graph.Size(r.Out(o).Shape)
}

// gathered is by constant indices.
func (r *Fused) gathered(o *graph.Operator, kind string) (lut.Op, string) {
	if !r.Constant[o.Inputs[1]] {
		return lut.Op{}, "its indices are computed"
	}
	return r.element(o, kind, o.Outputs[0], nil)
}

// copied is an operator that copies its output together, row by row.
func (r *Fused) copied(o *graph.Operator, kind string) (op lut.Op, free, why string) {
	if o.Code == tflitefb.StridedSlice {
		strides, ok := r.Integers(o, 3)
		in := r.In(o, 0).Shape
		if !ok {
			return op, "", "its strides are computed"
		}
		for i, s := range strides {
			if s < 0 && i < len(in) && in[i] > 1 {
				return op, "", "it reads backwards"
			}
		}
	}
	if pads := o.Code == tflitefb.Pad || o.Code == tflitefb.PadV2; !pads && graph.Size(r.In(o, 0).Shape) == graph.Size(r.Out(o).Shape) {
		return op, network.FreeView, ""
	}
	op, why = r.element(o, kind, o.Outputs[0], nil)
	return op, "", why
}

// reshaped copies whole tensors on XNNPACK; of a lone row it is not worth a cell.
func (r *Fused) reshaped(o *graph.Operator, kind string) (op lut.Op, free, why string) {
	at := r.at(r.Out(o).Shape)
	if r.isMap(r.Out(o).Shape) {
		s := r.Out(o).Shape
		at = r.rows(s, 3)
	}
	if at["c"] > 0 {
		return op, network.FreeView, ""
	}
	prec, why := r.precision(o.Outputs[0], -1)
	return lut.NewOp(kind, prec, map[string]string{"to": "flat"}, at), "", why
}

// permuted is free when only dimensions of size 1 change places.
func (r *Fused) permuted(o *graph.Operator, kind string) (op lut.Op, free, why string) {
	prec, why := r.precision(o.Inputs[0], -1)
	if why != "" {
		return op, "", why
	}
	order, ok := r.Integers(o, 1)
	shape := make([]int, len(r.In(o, 0).Shape))
	for i, n := range r.In(o, 0).Shape {
		shape[i] = int(n)
	}
	if sorted := slices.Sorted(slices.Values(order)); !ok || len(order) != len(shape) || !slices.Equal(sorted, ascending(len(shape))) {
		return op, "", "its order is not that of its input's dimensions"
	}
	perm, dims := benchmarks.Transposition(order, shape, r.Batch)
	if len(perm) < 2 {
		return op, network.FreeView, ""
	}
	if len(perm) > 6 {
		return op, "", "a transposition of more than 6 dimensions"
	}
	text, at := "", map[string]int{}
	for i, v := range perm {
		text += "-" + strconv.Itoa(v)
		at["d"+strconv.Itoa(i)] = dims[i]
	}
	return lut.NewOp(kind, prec, map[string]string{"perm": text[1:]}, at), "", ""
}

func ascending(n int) []int {
	v := make([]int, n)
	for i := range v {
		v[i] = i
	}
	return v
}

func (r *Fused) resized(o *graph.Operator, kind string) (lut.Op, string) {
	in, out := r.In(o, 0).Shape, r.Out(o).Shape
	if !r.isMap(in) || !r.isMap(out) {
		return lut.Op{}, "not a map made larger or smaller"
	}
	attrs := map[string]string{"mode": "nearest"}
	if o.Code == tflitefb.ResizeBilinear {
		attrs["mode"] = "linear"
	}
	if f := out[1] / in[1]; out[1] == f*in[1] && out[2] == f*in[2] {
		attrs["f"] = strconv.Itoa(int(f))
	} else {
		attrs["size"] = pair(int(out[1]), int(out[2]))
	}
	return r.element(o, kind, o.Inputs[0], attrs)
}

// blocks is a change between channels and blocks of pixels.
func (r *Fused) blocks(o *graph.Operator, kind string) (lut.Op, string) {
	if !r.isMap(r.In(o, 0).Shape) {
		return lut.Op{}, "not blocks of a map"
	}
	return r.element(o, kind, o.Inputs[0], map[string]string{"f": strconv.Itoa(int(o.Options.Value("block_size")))})
}

// reduction is the kind of an operator over one run of neighbouring dimensions, with its
// attribute op; where it is over the pixels of a map, or a sequence's rows, it may be another.
type reduction struct{ kind, op, overPixels string }

func (k reduction) key(r *Fused, o *graph.Operator) (lut.Op, string) {
	s := r.In(o, 0).Shape
	axes, ok := r.Integers(o, 1)
	if !ok {
		return lut.Op{}, "its axes are not constant"
	}
	on := make([]bool, len(s))
	for _, a := range axes {
		if a < 0 {
			a += len(s)
		}
		if a < 0 || a >= len(s) {
			return lut.Op{}, "its axes are not its input's"
		}
		on[a] = true
	}
	if k.overPixels != "" {
		switch {
		case r.isMap(s) && slices.Equal(on, []bool{false, true, true, false}):
			return r.element(o, k.overPixels, o.Inputs[0], nil)
		case len(s) == 3 && int(s[0]) == r.Batch && slices.Equal(on, []bool{false, true, false}):
			return r.element(o, k.overPixels, o.Inputs[0], nil)
		}
	}
	prec, why := r.precision(o.Inputs[0], -1)
	if why != "" {
		return lut.Op{}, why
	}
	lo, hi := slices.Index(on, true), len(on)
	if lo < 0 {
		return lut.Op{}, "it reduces over nothing"
	}
	for !on[hi-1] {
		hi--
	}
	if slices.Contains(on[lo:hi], false) {
		return lut.Op{}, "it reduces over dimensions that are not neighbours"
	}
	attrs := map[string]string{"op": k.op}
	at := map[string]int{"m": r.outer(s[:lo]), "n": graph.Size(s[lo:hi])}
	if inner := graph.Size(s[hi:]); inner > 1 {
		attrs["axis"] = "inner"
		at = map[string]int{"b": r.outer(s[:lo]), "m": graph.Size(s[lo:hi]), "n": inner}
	}
	return lut.NewOp(k.kind, prec, attrs, at), ""
}

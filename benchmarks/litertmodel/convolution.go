package litertmodel

import (
	"fmt"
	"strconv"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/internal/tflitefb/graph"
	"github.com/isocost/isocost/lut"
)

// window are the attributes k, s, d and, where the output is not that of same padding, p
// of a kernel over a map.
func (r *Fused) window(o *graph.Operator, kernel, in, out [2]int) (map[string]string, string) {
	option := func(name string) int { return int(o.Options.Value(name)) }
	s := [2]int{option("stride_h"), option("stride_w")}
	d := [2]int{max(1, option("dilation_h_factor")), max(1, option("dilation_w_factor"))}
	if s[0] < 1 || s[1] < 1 || kernel[0] < 1 || kernel[1] < 1 {
		return nil, "its kernel or stride is zero"
	}
	attrs := map[string]string{"k": pair(kernel[0], kernel[1]), "s": pair(s[0], s[1])}
	if d != [2]int{1, 1} {
		attrs["d"] = pair(d[0], d[1])
	}
	same := true
	for i := range 2 {
		same = same && out[i] == (in[i]+s[i]-1)/s[i]
	}
	if same {
		return attrs, ""
	}
	pad := r.of(o).pad
	if pad == nil {
		pad = make([]int, 4)
	}
	for i := range 2 {
		if pad[i] < 0 || pad[i+2] < 0 || (out[i]-1)*s[i]+(kernel[i]-1)*d[i]+1 > in[i]+pad[i]+pad[i+2] {
			return nil, "its window does not fit its input"
		}
	}
	attrs["p"] = fmt.Sprintf("%d-%d-%d-%d", pad[0], pad[1], pad[2], pad[3])
	if pad[0] == pad[1] && pad[0] == pad[2] && pad[0] == pad[3] {
		attrs["p"] = strconv.Itoa(pad[0])
	}
	return attrs, ""
}

// sides are height and width of a map.
func sides(s []int32) [2]int { return [2]int{int(s[1]), int(s[2])} }

// convolutions are the kinds of one with a kernel for all channels or per channel.
type convolutions struct{ whole, depthwise string }

// key is of CONV_2D and DEPTHWISE_CONV_2D; the map is the one before a Pad that it has
// taken in.
func (k convolutions) key(r *Fused, o *graph.Operator) (lut.Op, string) {
	x := o.Inputs[0]
	if r.of(o).pad != nil {
		x = r.From[x].Inputs[0]
	}
	in, w, out := r.Model.Tensors[x].Shape, r.In(o, 1).Shape, r.Out(o).Shape
	if !r.isMap(in) || !r.isMap(out) || len(w) != 4 {
		return lut.Op{}, "not a convolution of a map"
	}
	if !r.Constant[o.Inputs[1]] {
		return lut.Op{}, "its weight is computed"
	}
	prec, why := r.precision(x, o.Inputs[1])
	if why != "" {
		return lut.Op{}, why
	}
	attrs, why := r.window(o, sides(w), sides(in), sides(out))
	if why != "" {
		return lut.Op{}, why
	}
	act, why := clamp(o, prec)
	if why != "" {
		return lut.Op{}, why
	}
	if act != "" {
		attrs["act"] = act
	}
	cin, cout := int(in[3]), int(out[3])
	groups := cin
	if o.Code == tflitefb.Conv2D {
		if w[3] < 1 || cin%int(w[3]) != 0 {
			return lut.Op{}, "its weights do not fit its input"
		}
		groups = cin / int(w[3])
	}
	at := map[string]int{"h": int(in[1]), "w": int(in[2])}
	if groups == cin && groups == cout && groups > 1 {
		at["c"] = cin
		return lut.NewOp(k.depthwise, prec, attrs, at), ""
	}
	at["cin"], at["cout"] = cin, cout
	if groups > 1 {
		attrs["g"] = strconv.Itoa(groups)
	}
	return lut.NewOp(k.whole, prec, attrs, at), ""
}

// transposed is the key of TRANSPOSE_CONV, whose inputs are the output's shape, the weight
// and the map.
func (r *Fused) transposed(o *graph.Operator, kind string) (lut.Op, string) {
	in, w, out := r.In(o, 2).Shape, r.In(o, 1).Shape, r.Out(o).Shape
	if !r.isMap(in) || !r.isMap(out) || len(w) != 4 || !r.Constant[o.Inputs[1]] {
		return lut.Op{}, "not a transposed convolution of a map by a constant"
	}
	prec, why := r.precision(o.Inputs[2], o.Inputs[1])
	if why != "" {
		return lut.Op{}, why
	}
	if prec == lut.INT8Dyn {
		return lut.Op{}, "a transposed convolution of floats by bytes"
	}
	k, s := sides(w), [2]int{int(o.Options.Value("stride_h")), int(o.Options.Value("stride_w"))}
	if s[0] < 1 || s[1] < 1 || k[0] < s[0] || k[1] < s[1] {
		return lut.Op{}, "its kernel is smaller than its stride"
	}
	attrs := map[string]string{"k": pair(k[0], k[1]), "s": pair(s[0], s[1])}
	if act, why := clamp(o, prec); why != "" {
		return lut.Op{}, why
	} else if act != "" {
		attrs["act"] = act
	}
	whole := sides(in)
	for i := range whole {
		whole[i] *= s[i]
	}
	if sides(out) != whole { // not what same padding gives
		if o.Options.Value("padding") != tflitefb.PaddingValid {
			return lut.Op{}, "its output is not its input times the stride"
		}
		attrs["p"] = "0"
	}
	return lut.NewOp(kind, prec, attrs, map[string]int{"h": int(in[1]), "w": int(in[2]), "cin": int(in[3]), "cout": int(out[3])}), ""
}

// pool is the key of a pooling; one whose window is the map may have the kind global.
func (r *Fused) pool(o *graph.Operator, kind, global string) (op lut.Op, free, why string) {
	if v := o.Options.Value; v("filter_height") == 1 && v("filter_width") == 1 && v("stride_h") == 1 && v("stride_w") == 1 && v("fused_activation_function") == tflitefb.ActNone {
		return op, network.FreeNoop, "" // XNNPACK leaves it out
	}
	op, why = r.pooled(o, kind, global)
	return op, "", why
}

func (r *Fused) pooled(o *graph.Operator, kind, global string) (lut.Op, string) {
	in, out := r.In(o, 0).Shape, r.Out(o).Shape
	if !r.isMap(in) || !r.isMap(out) {
		return lut.Op{}, "not the pooling of a map"
	}
	k := [2]int{int(o.Options.Value("filter_height")), int(o.Options.Value("filter_width"))}
	if global != "" && k == sides(in) && sides(out) == [2]int{1, 1} {
		return r.element(o, global, o.Inputs[0], nil)
	}
	attrs, why := r.window(o, k, sides(in), sides(out))
	if why != "" {
		return lut.Op{}, why
	}
	if act, _ := clamp(o, lut.FP32); act != "" {
		return lut.Op{}, "a pooling with an activation"
	}
	return r.element(o, kind, o.Inputs[0], attrs)
}

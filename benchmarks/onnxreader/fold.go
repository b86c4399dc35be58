package onnxreader

import (
	"math"
	"slices"

	"github.com/isocost/isocost/internal/onnx"
)

// folds evaluate operators that shapes are computed with, on small constants. All
// numbers are float64: shapes are exact up to 2^53; what has type float is rounded to it. Inputs and the output have
// known shapes; ok is false when an input's elements are not known.
var folds map[string]func(*graph, *node) ([]float64, bool)

func init() {
	folds = map[string]func(*graph, *node) ([]float64, bool){
		"Shape":           foldShape,
		"Size":            func(_ *graph, n *node) ([]float64, bool) { return []float64{float64(elements(n.in[0].shape))}, true },
		"Gather":          foldGather,
		"Slice":           foldSlice,
		"Concat":          foldConcat,
		"ConstantOfShape": foldConstantOfShape,
		"EyeLike":         foldEyeLike,
		"Range":           foldRange,
		"Where":           foldWhere,
		"Cast":            foldCast,
		"Transpose":       foldTranspose,
		"Clip":            foldClip,
		"QuantizeLinear":  foldQuantize, "DequantizeLinear": foldDequantize,
		"Expand":     func(_ *graph, n *node) ([]float64, bool) { return spread(n.in[0], n.out[0].shape) },
		"ReduceProd": foldReduce(1, func(a, b float64) float64 { return a * b }),
		"ReduceSum":  foldReduce(0, func(a, b float64) float64 { return a + b }),
		"ReduceMax":  foldReduce(math.Inf(-1), math.Max),
		"ReduceMin":  foldReduce(math.Inf(1), math.Min),
	}
	const ms = "com.microsoft:"
	folds[ms+"QuantizeLinear"], folds[ms+"DequantizeLinear"], folds[ms+"QLinearConcat"] = foldQuantize, foldDequantize, foldQLinearConcat
	folds[ms+"QLinearAdd"] = foldQLinear(func(a, b float64) float64 { return a + b })
	folds[ms+"QLinearMul"] = foldQLinear(func(a, b float64) float64 { return a * b })
	for _, op := range []string{"Unsqueeze", "Squeeze", "Reshape", "Flatten", "Identity"} {
		folds[op] = func(_ *graph, n *node) ([]float64, bool) { return n.data(0) }
	}
	for op, f := range map[string]func(float64) float64{"Ceil": math.Ceil, "Floor": math.Floor, "Sqrt": math.Sqrt, "Neg": func(v float64) float64 { return -v },
		"Abs": math.Abs, "Exp": math.Exp, "Log": math.Log, "Round": math.RoundToEven, "Reciprocal": func(v float64) float64 { return 1 / v },
		"Not": func(v float64) float64 { return truth(v == 0) }} {
		folds[op] = func(_ *graph, n *node) ([]float64, bool) {
			d, ok := n.data(0)
			if !ok {
				return nil, false
			}
			out := make([]float64, len(d))
			for i, v := range d {
				out[i] = f(v)
			}
			return out, true
		}
	}
	for op, f := range map[string]func(a, b float64) float64{"Add": func(a, b float64) float64 { return a + b }, "Sub": func(a, b float64) float64 { return a - b },
		"Mul": func(a, b float64) float64 { return a * b }, "Div": func(a, b float64) float64 { return a / b }, "Pow": math.Pow, "Min": math.Min, "Max": math.Max,
		"Mod": math.Mod, "Equal": func(a, b float64) float64 { return truth(a == b) }, "Greater": func(a, b float64) float64 { return truth(a > b) },
		"Less": func(a, b float64) float64 { return truth(a < b) }, "GreaterOrEqual": func(a, b float64) float64 { return truth(a >= b) },
		"LessOrEqual": func(a, b float64) float64 { return truth(a <= b) }, "And": func(a, b float64) float64 { return truth(a != 0 && b != 0) },
		"Or": func(a, b float64) float64 { return truth(a != 0 || b != 0) }} {
		folds[op] = func(_ *graph, n *node) ([]float64, bool) { return foldBinary(n, f) }
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

func isInt(t onnx.DataType) bool {
	switch t {
	case onnx.Float, onnx.Double, onnx.Float16, onnx.BFloat16:
		return false
	}
	return true
}

func foldShape(_ *graph, n *node) ([]float64, bool) {
	lo, hi := shapeRange(n)
	out := make([]float64, 0, hi-lo)
	for _, d := range n.in[0].shape[lo:hi] {
		out = append(out, float64(d))
	}
	return out, true
}

// spread broadcasts a constant to a shape it is known to fit.
func spread(v *value, shape []int) ([]float64, bool) {
	if v == nil || !v.hasData {
		return nil, false
	}
	total := elements(shape)
	if total < 0 || total > maxConstant {
		return nil, false
	}
	if slices.Equal(v.shape, shape) {
		return v.data, true
	}
	off := len(shape) - len(v.shape)
	stride := make([]int, len(shape)) // of v, 0 where it is broadcast
	s := 1
	for i := len(v.shape) - 1; i >= 0; i-- {
		if v.shape[i] != 1 {
			if v.shape[i] != shape[off+i] {
				return nil, false
			}
			stride[off+i] = s
		}
		s *= v.shape[i]
	}
	out := make([]float64, total)
	idx := make([]int, len(shape))
	at := 0
	for i := range out {
		if at >= len(v.data) {
			return nil, false
		}
		out[i] = v.data[at]
		for d := len(shape) - 1; d >= 0; d-- {
			idx[d]++
			at += stride[d]
			if idx[d] < shape[d] {
				break
			}
			at -= stride[d] * shape[d]
			idx[d] = 0
		}
	}
	return out, true
}

func foldBinary(n *node, f func(a, b float64) float64) ([]float64, bool) {
	if len(n.in) != 2 {
		return nil, false
	}
	a, ok1 := spread(n.in[0], n.out[0].shape)
	b, ok2 := spread(n.in[1], n.out[0].shape)
	if !ok1 || !ok2 || len(a) != len(b) {
		return nil, false
	}
	integer := isInt(n.in[0].dtype)
	out := make([]float64, len(a))
	for i := range out {
		v := f(a[i], b[i])
		if integer {
			if math.IsNaN(v) || math.IsInf(v, 0) { // a division by zero
				return nil, false
			}
			v = math.Trunc(v)
		}
		out[i] = v
	}
	return out, true
}

func foldGather(_ *graph, n *node) ([]float64, bool) {
	d, ok1 := n.data(0)
	idx, ok2 := n.data(1)
	in := n.in[0].shape
	a, ok := axis(n.int("axis", 0), len(in))
	if !ok1 || !ok2 || !ok {
		return nil, false
	}
	outer, size, inner := elements(in[:a]), in[a], elements(in[a+1:])
	out := make([]float64, 0, elements(n.out[0].shape))
	for o := range outer {
		for _, i := range dataInts(idx) {
			if i < 0 {
				i += size
			}
			if i < 0 || i >= size {
				return nil, false
			}
			at := (o*size + i) * inner
			out = append(out, d[at:at+inner]...)
		}
	}
	return out, true
}

func foldSlice(_ *graph, n *node) ([]float64, bool) {
	d, ok := n.data(0)
	if !ok {
		return nil, false
	}
	start, step, count, ok := n.sliceSpec()
	if !ok {
		return nil, false
	}
	total := elements(count)
	out := make([]float64, 0, total)
	in := n.in[0].shape
	idx := make([]int, len(in))
	for range total {
		at := 0
		for i := range in {
			at = at*in[i] + start[i] + idx[i]*step[i]
		}
		if at < 0 || at >= len(d) {
			return nil, false
		}
		out = append(out, d[at])
		for i := len(idx) - 1; i >= 0; i-- {
			if idx[i]++; idx[i] < count[i] {
				break
			}
			idx[i] = 0
		}
	}
	return out, true
}

func foldConcat(_ *graph, n *node) ([]float64, bool) {
	a, ok := axis(n.int("axis", 1), len(n.in[0].shape))
	if !ok {
		return nil, false
	}
	outer := elements(n.in[0].shape[:a])
	var out []float64
	for o := range outer {
		for i, v := range n.in {
			d, ok := n.data(i)
			if !ok {
				return nil, false
			}
			k := elements(v.shape[a:])
			if (o+1)*k > len(d) {
				return nil, false
			}
			out = append(out, d[o*k:(o+1)*k]...)
		}
	}
	return out, true
}

func foldConstantOfShape(_ *graph, n *node) ([]float64, bool) {
	v := 0.0
	if a := n.src.Attr("value"); a != nil && a.T != nil {
		if fs, err := a.T.Floats(); err == nil && len(fs) == 1 {
			v = float64(fs[0])
		} else if is, err := a.T.Ints(); err == nil && len(is) == 1 {
			v = float64(is[0])
		} else {
			return nil, false
		}
	}
	out := make([]float64, elements(n.out[0].shape))
	for i := range out {
		out[i] = v
	}
	return out, true
}

func foldEyeLike(_ *graph, n *node) ([]float64, bool) {
	if _, ok := n.data(0); !ok {
		return nil, false
	}
	rows, cols, k := n.out[0].shape[0], n.out[0].shape[1], n.int("k", 0)
	out := make([]float64, rows*cols)
	for r := range rows {
		if c := r + k; c >= 0 && c < cols {
			out[r*cols+c] = 1
		}
	}
	return out, true
}

func foldRange(_ *graph, n *node) ([]float64, bool) {
	a, ok1 := n.data(0)
	d, ok2 := n.data(2)
	if !ok1 || !ok2 {
		return nil, false
	}
	out := make([]float64, elements(n.out[0].shape))
	for i := range out {
		out[i] = a[0] + float64(i)*d[0]
	}
	return out, true
}

func foldWhere(_ *graph, n *node) ([]float64, bool) {
	if len(n.in) != 3 {
		return nil, false
	}
	var d [3][]float64
	for i := range d {
		var ok bool
		if d[i], ok = spread(n.in[i], n.out[0].shape); !ok {
			return nil, false
		}
	}
	out := make([]float64, len(d[0]))
	for i := range out {
		out[i] = d[2][i]
		if d[0][i] != 0 {
			out[i] = d[1][i]
		}
	}
	return out, true
}

func foldCast(_ *graph, n *node) ([]float64, bool) {
	d, ok := n.data(0)
	if !ok || !isInt(n.out[0].dtype) {
		return d, ok
	}
	out := make([]float64, len(d))
	for i, v := range d {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, false
		}
		out[i] = math.Trunc(v)
		if n.out[0].dtype == onnx.Bool {
			out[i] = truth(v != 0)
		}
	}
	return out, true
}

func foldClip(_ *graph, n *node) ([]float64, bool) {
	lo, hi, ok := clipBounds(n)
	d, has := n.data(0)
	if !ok || !has {
		return nil, false
	}
	out := make([]float64, len(d))
	for i, v := range d {
		out[i] = math.Min(hi, math.Max(lo, v))
	}
	return out, true
}

// grid are the scale and zero point, inputs i and i+1, of a tensor with one of each.
func (n *node) grid(i int) (scale, zero float64, ok bool) {
	s, ok := n.data(i)
	if !ok || len(s) != 1 || !(s[0] > 0) {
		return 0, 0, false
	}
	if n.input(i+1) != nil {
		z, ok := n.data(i + 1)
		if !ok || len(z) != 1 {
			return 0, 0, false
		}
		zero = z[0]
	}
	return s[0], zero, true
}

// onGrid rounds d to integers of type t; ok is false for another type.
func onGrid(d []float64, scale, zero float64, t onnx.DataType) ([]float64, bool) {
	lo, hi := 0.0, 255.0
	switch t {
	case onnx.Int8:
		lo, hi = -128, 127
	case onnx.Uint8:
	default:
		return nil, false
	}
	out := make([]float64, len(d))
	for i, v := range d {
		out[i] = math.Min(hi, math.Max(lo, math.RoundToEven(v/scale)+zero))
	}
	return out, true
}

func foldQuantize(_ *graph, n *node) ([]float64, bool) {
	d, ok := n.data(0)
	scale, zero, one := n.grid(1)
	if !ok || !one {
		return nil, false
	}
	return onGrid(d, scale, zero, n.out[0].dtype)
}

func foldDequantize(_ *graph, n *node) ([]float64, bool) { return n.real(0) }

// real is the quantised input i, whose scale and zero point follow it, as numbers.
func (n *node) real(i int) ([]float64, bool) {
	d, ok := n.data(i)
	scale, zero, one := n.grid(i + 1)
	if !ok || !one {
		return nil, false
	}
	out := make([]float64, len(d))
	for j, v := range d {
		out[j] = (v - zero) * scale
	}
	return out, true
}

// foldQLinear: a, its scale and zero point, b and its, those of the result. The
// quantiser takes shape arithmetic in floats for a part of the network.
func foldQLinear(f func(a, b float64) float64) func(*graph, *node) ([]float64, bool) {
	return func(_ *graph, n *node) ([]float64, bool) {
		a, ok1 := n.real(0)
		b, ok2 := n.real(3)
		scale, zero, ok3 := n.grid(6)
		if !ok1 || !ok2 || !ok3 || len(a)*len(b) == 0 || len(a) != len(b) && len(a) != 1 && len(b) != 1 {
			return nil, false
		}
		out := make([]float64, max(len(a), len(b)))
		for i := range out {
			out[i] = f(a[i%len(a)], b[i%len(b)])
		}
		return onGrid(out, scale, zero, n.out[0].dtype)
	}
}

// foldQLinearConcat joins vectors: the scale and zero point of the result, then each
// part with its own.
func foldQLinearConcat(_ *graph, n *node) ([]float64, bool) {
	scale, zero, ok := n.grid(0)
	if !ok || len(n.out[0].shape) != 1 {
		return nil, false
	}
	var out []float64
	for i := 2; i+2 < len(n.in); i += 3 {
		part, ok := n.real(i)
		if !ok {
			return nil, false
		}
		out = append(out, part...)
	}
	return onGrid(out, scale, zero, n.out[0].dtype)
}

func foldTranspose(_ *graph, n *node) ([]float64, bool) {
	d, ok := n.data(0)
	p := n.perm()
	if !ok || p == nil {
		return nil, false
	}
	in, out := n.in[0].shape, n.out[0].shape
	stride := make([]int, len(in))
	s := 1
	for i := len(in) - 1; i >= 0; i-- {
		stride[i] = s
		s *= in[i]
	}
	res := make([]float64, len(d))
	idx := make([]int, len(out))
	for i := range res {
		at := 0
		for j := range idx {
			at += idx[j] * stride[p[j]]
		}
		res[i] = d[at]
		for j := len(idx) - 1; j >= 0; j-- {
			if idx[j]++; idx[j] < out[j] {
				break
			}
			idx[j] = 0
		}
	}
	return res, true
}

func foldReduce(start float64, f func(a, b float64) float64) func(*graph, *node) ([]float64, bool) {
	return func(_ *graph, n *node) ([]float64, bool) {
		d, ok := n.data(0)
		if !ok || elements(n.out[0].shape) != 1 { // shapes are reduced to one number
			return nil, false
		}
		v := start
		for _, x := range d {
			v = f(v, x)
		}
		return []float64{v}, true
	}
}

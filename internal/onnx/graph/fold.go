package graph

import (
	"math"
	"slices"

	"github.com/isocost/isocost/internal/onnx"
)

// folds evaluate operators that shapes are computed with, on small constants. All
// numbers are float64, brought back to their type's range and rounding (hold). The output's
// shape follows by the operator's rule, so that its inputs fit; ok is false when an input's
// elements are not known.
var folds map[string]Fold

func init() {
	folds = map[string]Fold{
		"Shape":           foldShape,
		"Size":            func(_ *Graph, n *Node) ([]float64, bool) { return []float64{float64(Elements(n.In[0].Shape))}, true },
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
		"OneHot":          foldOneHot,
		"Tile":            foldTile,
		"QuantizeLinear":  FoldQuantize, "DequantizeLinear": FoldDequantize,
		"Expand":     func(_ *Graph, n *Node) ([]float64, bool) { return spread(n.In[0], n.Out[0].Shape) },
		"ReduceProd": foldReduce(1, func(a, b float64) float64 { return a * b }),
		"ReduceSum":  foldReduce(0, func(a, b float64) float64 { return a + b }),
		"ReduceMax":  foldReduce(math.Inf(-1), math.Max),
		"ReduceMin":  foldReduce(math.Inf(1), math.Min),
	}
	folds["Mod"] = foldMod
	for _, op := range []string{"Unsqueeze", "Squeeze", "Reshape", "Flatten", "Identity"} {
		folds[op] = func(_ *Graph, n *Node) ([]float64, bool) { return n.Data(0) }
	}
	for op, f := range map[string]func(float64) float64{"Ceil": math.Ceil, "Floor": math.Floor, "Sqrt": math.Sqrt, "Neg": func(v float64) float64 { return -v },
		"Abs": math.Abs, "Exp": math.Exp, "Log": math.Log, "Round": math.RoundToEven, "Reciprocal": func(v float64) float64 { return 1 / v },
		"Not": func(v float64) float64 { return truth(v == 0) }} {
		folds[op] = func(_ *Graph, n *Node) ([]float64, bool) {
			d, ok := n.Data(0)
			if !ok {
				return nil, false
			}
			out := make([]float64, len(d))
			for i, v := range d {
				out[i] = f(v)
			}
			return hold(n.Out[0].Type, out)
		}
	}
	for op, f := range map[string]func(a, b float64) float64{"Add": func(a, b float64) float64 { return a + b }, "Sub": func(a, b float64) float64 { return a - b },
		"Mul": func(a, b float64) float64 { return a * b }, "Div": func(a, b float64) float64 { return a / b }, "Pow": math.Pow, "Min": math.Min, "Max": math.Max,
		"Equal": func(a, b float64) float64 { return truth(a == b) }, "Greater": func(a, b float64) float64 { return truth(a > b) },
		"Less": func(a, b float64) float64 { return truth(a < b) }, "GreaterOrEqual": func(a, b float64) float64 { return truth(a >= b) },
		"LessOrEqual": func(a, b float64) float64 { return truth(a <= b) }, "And": func(a, b float64) float64 { return truth(a != 0 && b != 0) },
		"Or": func(a, b float64) float64 { return truth(a != 0 || b != 0) }} {
		folds[op] = func(_ *Graph, n *Node) ([]float64, bool) { return foldBinary(n, f) }
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

func foldShape(_ *Graph, n *Node) ([]float64, bool) {
	lo, hi := shapeRange(n)
	out := make([]float64, 0, hi-lo)
	for _, d := range n.In[0].Shape[lo:hi] {
		out = append(out, float64(d))
	}
	return out, true
}

// spread broadcasts a constant to a shape it is known to fit.
func spread(v *Value, shape []int) ([]float64, bool) {
	if v == nil || !v.HasData {
		return nil, false
	}
	total := Elements(shape)
	if total < 0 || total > maxConstant {
		return nil, false
	}
	if slices.Equal(v.Shape, shape) {
		return v.Data, true
	}
	off := len(shape) - len(v.Shape)
	stride := make([]int, len(shape)) // of v, 0 where it is broadcast
	s := 1
	for i := len(v.Shape) - 1; i >= 0; i-- {
		if v.Shape[i] != 1 {
			if v.Shape[i] != shape[off+i] {
				return nil, false
			}
			stride[off+i] = s
		}
		s *= v.Shape[i]
	}
	out := make([]float64, total)
	idx := make([]int, len(shape))
	at := 0
	for i := range out {
		if at >= len(v.Data) {
			return nil, false
		}
		out[i] = v.Data[at]
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

func foldBinary(n *Node, f func(a, b float64) float64) ([]float64, bool) {
	if len(n.In) != 2 {
		return nil, false
	}
	a, ok1 := spread(n.In[0], n.Out[0].Shape)
	b, ok2 := spread(n.In[1], n.Out[0].Shape)
	if !ok1 || !ok2 || len(a) != len(b) {
		return nil, false
	}
	out := make([]float64, len(a))
	for i := range out {
		out[i] = f(a[i], b[i])
	}
	if n.Op == "Min" || n.Op == "Max" { // they choose: what is too large to add may be chosen, as the end of a Slice
		return out, true
	}
	return hold(n.Out[0].Type, out)
}

// foldMod is the remainder with the divisor's sign, of numbers with fmod with the
// dividend's, as C has it.
func foldMod(_ *Graph, n *Node) ([]float64, bool) {
	if n.Int("fmod", 0) != 0 {
		return foldBinary(n, math.Mod)
	}
	if !isInt(n.In[0].Type) {
		return nil, false
	}
	return foldBinary(n, func(a, b float64) float64 {
		r := math.Mod(a, b)
		if r != 0 && (r < 0) != (b < 0) {
			r += b
		}
		return r
	})
}

// hold gives computed elements the range and the rounding of their type: integers are cut
// towards zero and wrap, a Float is rounded. ok is false where that is not known here:
// for integers beyond 2^53, where float64 has gaps, for what no integer is (a division by
// zero) and for halves that are not exact.
func hold(t onnx.DataType, d []float64) (held []float64, ok bool) {
	bits := map[onnx.DataType]int{onnx.Int8: 8, onnx.Uint8: -8, onnx.Int16: 16, onnx.Uint16: -16, onnx.Int32: 32, onnx.Uint32: -32, onnx.Int64: 64, onnx.Uint64: -64}[t]
	held = make([]float64, len(d))
	for i, v := range d {
		switch {
		case t == onnx.Double:
			held[i] = v
		case t == onnx.Float:
			held[i] = float64(float32(v))
		case t == onnx.Bool:
			held[i] = truth(v != 0)
		case t == onnx.Float16 || t == onnx.BFloat16:
			f := math.Float32bits(float32(v))
			gap, small := uint32(1<<13-1), math.Abs(v) < 1<<16 && (v == 0 || math.Abs(v) >= 1.0/(1<<14))
			if t == onnx.BFloat16 {
				gap, small = 1<<16-1, !math.IsInf(v, 0)
			}
			if float64(float32(v)) != v || f&gap != 0 || !small {
				return nil, false
			}
			held[i] = v
		case bits == 0 || !(math.Abs(v) <= 1<<53):
			return nil, false
		default:
			x := int64(v)
			switch bits {
			case 8:
				x = int64(int8(x))
			case -8:
				x = int64(uint8(x))
			case 16:
				x = int64(int16(x))
			case -16:
				x = int64(uint16(x))
			case 32:
				x = int64(int32(x))
			case -32:
				x = int64(uint32(x))
			case -64:
				if x < 0 {
					return nil, false
				}
			}
			held[i] = float64(x)
		}
	}
	return held, true
}

func foldGather(_ *Graph, n *Node) ([]float64, bool) {
	d, ok1 := n.Data(0)
	idx, ok2 := n.Data(1)
	in := n.In[0].Shape
	a, ok := Axis(n.Int("axis", 0), len(in))
	if !ok1 || !ok2 || !ok {
		return nil, false
	}
	outer, size, inner := Elements(in[:a]), in[a], Elements(in[a+1:])
	out := make([]float64, 0, Elements(n.Out[0].Shape))
	for o := range outer {
		for _, i := range Integers(idx) {
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

func foldSlice(_ *Graph, n *Node) ([]float64, bool) {
	d, ok := n.Data(0)
	if !ok {
		return nil, false
	}
	start, step, count, ok := n.Slice()
	if !ok {
		return nil, false
	}
	total := Elements(count)
	out := make([]float64, 0, total)
	in := n.In[0].Shape
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

// foldOneHot: values are what is off and what is on; an index beyond the depth turns nothing on.
func foldOneHot(_ *Graph, n *Node) ([]float64, bool) {
	idx, ok1 := n.Data(0)
	values, ok2 := n.Data(2)
	out := n.Out[0].Shape
	a, ok := Axis(n.Int("axis", -1), len(out))
	if !ok1 || !ok2 || !ok || len(values) != 2 || !isInt(n.In[0].Type) {
		return nil, false
	}
	depth, inner := out[a], Elements(out[a+1:])
	made := slices.Repeat(values[:1], Elements(out))
	for i, v := range Integers(idx) {
		if v < 0 {
			v += depth
		}
		if v >= 0 && v < depth {
			made[(i/inner*depth+v)*inner+i%inner] = values[1]
		}
	}
	return made, true
}

func foldTile(_ *Graph, n *Node) ([]float64, bool) {
	d, ok := n.Data(0)
	if !ok {
		return nil, false
	}
	in, out := n.In[0].Shape, n.Out[0].Shape
	made := make([]float64, Elements(out))
	for i := range made {
		at, stride := 0, 1
		for a, rest := len(out)-1, i; a >= 0; a-- {
			at += rest % out[a] % in[a] * stride
			rest /= out[a]
			stride *= in[a]
		}
		made[i] = d[at]
	}
	return made, true
}

func foldConcat(_ *Graph, n *Node) ([]float64, bool) {
	a, ok := Axis(n.Int("axis", 1), len(n.In[0].Shape))
	if !ok {
		return nil, false
	}
	outer := Elements(n.In[0].Shape[:a])
	var out []float64
	for o := range outer {
		for i, v := range n.In {
			d, ok := n.Data(i)
			if !ok {
				return nil, false
			}
			k := Elements(v.Shape[a:])
			if (o+1)*k > len(d) {
				return nil, false
			}
			out = append(out, d[o*k:(o+1)*k]...)
		}
	}
	return out, true
}

func foldConstantOfShape(_ *Graph, n *Node) ([]float64, bool) {
	v := 0.0
	if a := n.Src.Attr("value"); a != nil && a.T != nil {
		if fs, err := a.T.Floats(); err == nil && len(fs) == 1 {
			v = float64(fs[0])
		} else if is, err := a.T.Ints(); err == nil && len(is) == 1 {
			v = float64(is[0])
		} else {
			return nil, false
		}
	}
	out := make([]float64, Elements(n.Out[0].Shape))
	for i := range out {
		out[i] = v
	}
	return out, true
}

func foldEyeLike(_ *Graph, n *Node) ([]float64, bool) {
	if _, ok := n.Data(0); !ok {
		return nil, false
	}
	rows, cols, k := n.Out[0].Shape[0], n.Out[0].Shape[1], n.Int("k", 0)
	out := make([]float64, rows*cols)
	for r := range rows {
		if c := r + k; c >= 0 && c < cols {
			out[r*cols+c] = 1
		}
	}
	return out, true
}

func foldRange(_ *Graph, n *Node) ([]float64, bool) {
	a, ok1 := n.Data(0)
	d, ok2 := n.Data(2)
	if !ok1 || !ok2 {
		return nil, false
	}
	out := make([]float64, Elements(n.Out[0].Shape))
	for i, v := 0, a[0]; i < len(out); i, v = i+1, v+d[0] { // the runtime adds step by step
		if n.Out[0].Type == onnx.Float {
			v = float64(float32(v))
		}
		out[i] = v
	}
	return hold(n.Out[0].Type, out)
}

func foldWhere(_ *Graph, n *Node) ([]float64, bool) {
	if len(n.In) != 3 {
		return nil, false
	}
	var d [3][]float64
	for i := range d {
		var ok bool
		if d[i], ok = spread(n.In[i], n.Out[0].Shape); !ok {
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

func foldCast(_ *Graph, n *Node) ([]float64, bool) {
	d, ok := n.Data(0)
	from, to := n.In[0].Type, n.Out[0].Type
	if !ok || from == to {
		return d, ok
	}
	out, ok := hold(to, d)
	if !ok || isInt(from) || !isInt(to) || to == onnx.Bool {
		return out, ok
	}
	for i, v := range d { // integers wrap; what a float beyond the range becomes, the machine says
		if out[i] != math.Trunc(v) {
			return nil, false
		}
	}
	return out, true
}

func foldClip(_ *Graph, n *Node) ([]float64, bool) {
	lo, hi, ok := ClipBounds(n)
	d, has := n.Data(0)
	if !ok || !has {
		return nil, false
	}
	out := make([]float64, len(d))
	for i, v := range d {
		out[i] = math.Min(hi, math.Max(lo, v))
	}
	return out, true
}

// Grid are the scale and zero point, inputs i and i+1, of a tensor with one of each.
func (n *Node) Grid(i int) (scale, zero float64, ok bool) {
	s, ok := n.Data(i)
	if !ok || len(s) != 1 || !(s[0] > 0) {
		return 0, 0, false
	}
	if n.Input(i+1) != nil {
		z, ok := n.Data(i + 1)
		if !ok || len(z) != 1 {
			return 0, 0, false
		}
		zero = z[0]
	}
	return s[0], zero, true
}

// OnGrid rounds d to integers of type t, dividing in the 32 bits of a Float; ok is false for another type.
func OnGrid(d []float64, scale, zero float64, t onnx.DataType) ([]float64, bool) {
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
		out[i] = math.Min(hi, math.Max(lo, math.RoundToEven(float64(float32(v/scale)))+zero))
	}
	return out, true
}

// FoldQuantize evaluates QuantizeLinear with one scale.
func FoldQuantize(_ *Graph, n *Node) ([]float64, bool) {
	d, ok := n.Data(0)
	scale, zero, one := n.Grid(1)
	if !ok || !one {
		return nil, false
	}
	return OnGrid(d, scale, zero, n.Out[0].Type)
}

// FoldDequantize evaluates DequantizeLinear with one scale.
func FoldDequantize(_ *Graph, n *Node) ([]float64, bool) { return n.Real(0) }

// Real is the quantised input i, whose scale and zero point follow it, as numbers.
func (n *Node) Real(i int) ([]float64, bool) {
	d, ok := n.Data(i)
	scale, zero, one := n.Grid(i + 1)
	if !ok || !one {
		return nil, false
	}
	out := make([]float64, len(d))
	for j, v := range d {
		out[j] = (v - zero) * scale
	}
	return out, true
}

func foldTranspose(_ *Graph, n *Node) ([]float64, bool) {
	d, ok := n.Data(0)
	p := n.Perm()
	if !ok || p == nil {
		return nil, false
	}
	in, out := n.In[0].Shape, n.Out[0].Shape
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

func foldReduce(start float64, f func(a, b float64) float64) Fold {
	return func(_ *Graph, n *Node) ([]float64, bool) {
		d, ok := n.Data(0)
		if !ok || Elements(n.Out[0].Shape) != 1 { // shapes are reduced to one number
			return nil, false
		}
		if len(d) == 0 && math.IsInf(start, 0) {
			return nil, false // the largest of nothing
		}
		v := start
		for _, x := range d {
			v = f(v, x)
		}
		if math.IsNaN(v) {
			return nil, false // whether it is passed on depends on where it stands in the runtime's vectors
		}
		t := n.Out[0].Type
		held, ok := hold(t, []float64{v})
		if ok && t != onnx.Float && t != onnx.Double && held[0] != v {
			return nil, false // an overflow: the runtime need not wrap
		}
		return held, ok
	}
}

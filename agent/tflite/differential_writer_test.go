//go:build cgo

package tflite

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/isocost/isocost/internal/tflitefb"
	"github.com/isocost/isocost/internal/tflitefb/graph"
)

// graphWriter makes random .tflite graphs of valid operators, asking the reader for the shapes
// that the next operator has to fit.
type graphWriter struct {
	t      *testing.T
	rng    *rand.Rand
	m      *tflitefb.Model
	floats []int32 // float tensors to go on from
	made   []int32 // everything computed
}

// Operators that have no name in tflitefb, by their codes in the schema.
const (
	shapeOf    = 77
	pack       = 83
	logSoftmax = 50
)

func newGraphWriter(t *testing.T, seed, stream uint64) *graphWriter {
	w := &graphWriter{t: t, rng: rand.New(rand.NewPCG(seed, stream))}
	shape := [][]int32{{1, 8, 8, 4}, {1, 7, 9, 3}, {2, 6, 6, 8}, {1, 5, 16}, {2, 4, 8}, {1, 16}, {6, 8}}[w.rng.IntN(7)]
	w.m = &tflitefb.Model{Signature: "serving_default", Inputs: []int32{0}, Tensors: []tflitefb.Tensor{{Name: "x", Shape: shape}}}
	w.floats = []int32{0}
	return w
}

func (w *graphWriter) between(lo, hi int) int { return lo + w.rng.IntN(hi-lo+1) }
func (w *graphWriter) coin() bool             { return w.rng.IntN(2) == 0 }
func (w *graphWriter) shape(t int32) []int32  { return w.m.Tensors[t].Shape }

func (w *graphWriter) tensor(t tflitefb.Tensor) int32 {
	t.Name = fmt.Sprintf("t%d", len(w.m.Tensors))
	w.m.Tensors = append(w.m.Tensors, t)
	return int32(len(w.m.Tensors) - 1)
}

// weights are constants of floats.
func (w *graphWriter) weights(shape ...int32) int32 {
	var b []byte
	for range graph.Size(shape) {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(float32(w.rng.IntN(9)-4)/8))
	}
	return w.tensor(tflitefb.Tensor{Shape: shape, Data: b})
}

func (w *graphWriter) number(v float32) int32 {
	return w.tensor(tflitefb.Tensor{Shape: []int32{}, Data: binary.LittleEndian.AppendUint32(nil, math.Float32bits(v))})
}

// ints are constants of int32, a lone one a scalar where scalar says so.
func (w *graphWriter) ints(v ...int) int32 { return w.intsOf([]int32{int32(len(v))}, v...) }

func (w *graphWriter) intsOf(shape []int32, v ...int) int32 {
	b := []byte{}
	for _, n := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(int32(n)))
	}
	return w.tensor(tflitefb.Tensor{Type: tflitefb.Int32, Shape: shape, Data: b})
}

// add appends an operator whose outputs are like the tensor given, of the shapes that the reader
// finds.
func (w *graphWriter) add(code tflitefb.Op, like tflitefb.Tensor, outputs int, options tflitefb.Options, in ...int32) []int32 {
	w.t.Helper()
	var out []int32
	for range outputs {
		out = append(out, w.tensor(tflitefb.Tensor{Type: like.Type, Quant: like.Quant, Shape: []int32{1}}))
	}
	w.m.Operators = append(w.m.Operators, tflitefb.Operator{Code: code, Version: version(code, like.Type), Inputs: in, Outputs: out, Options: options})
	g, err := graph.Load(w.m, graph.Options{})
	if err != nil {
		w.t.Fatalf("the reader refuses what it is to read: %v", err)
	}
	for _, t := range out {
		w.m.Tensors[t].Shape = g.Model.Tensors[t].Shape
	}
	w.made = append(w.made, out...)
	return out
}

// version is one that both know.
func version(code tflitefb.Op, t tflitefb.TensorType) int32 {
	switch {
	case code == tflitefb.BroadcastTo:
		return 2
	case t != tflitefb.Int8 || code == tflitefb.Reshape:
		return 1
	case code == tflitefb.Conv2D || code == tflitefb.DepthwiseConv2D:
		return 3
	}
	return 2
}

func b2i(b bool) int32 {
	if b {
		return 1
	}
	return 0
}

func opts(typ tflitefb.OptionsType, pairs ...any) tflitefb.Options {
	o := tflitefb.Options{Type: typ, Values: map[string]float64{}}
	for i := 0; i < len(pairs); i += 2 {
		switch v := pairs[i+1].(type) {
		case int:
			o.Values[pairs[i].(string)] = float64(v)
		case bool:
			o.Values[pairs[i].(string)] = float64(b2i(v))
		}
	}
	return o
}

var float = tflitefb.Tensor{}

// goOn appends an operator of one float output to go on from.
func (w *graphWriter) goOn(code tflitefb.Op, options tflitefb.Options, in ...int32) {
	w.t.Helper()
	w.floats = append(w.floats, w.add(code, float, 1, options, in...)...)
}

func (w *graphWriter) last() (int32, []int32) {
	x := w.floats[len(w.floats)-1]
	if w.rng.IntN(4) == 0 {
		x = w.floats[w.rng.IntN(len(w.floats))]
	}
	return x, w.shape(x)
}

// act is a fused activation.
func (w *graphWriter) act() int {
	return []int{tflitefb.ActNone, tflitefb.ActNone, tflitefb.ActRelu, tflitefb.ActRelu6}[w.rng.IntN(4)]
}

// step appends one operator, or what converters write for one.
func (w *graphWriter) step() {
	x, s := w.last()
	if len(s) == 0 || graph.Size(s) > 1<<14 || graph.Size(s) == 0 {
		x, s = 0, w.shape(0)
	}
	k := len(s)
	axis := w.rng.IntN(k)
	steps := []func(){w.unary(x), w.unary(x), w.binary(x), w.binary(x), w.moved(x), w.moved(x), w.cut(x, axis), w.reduce(x), func() {
		w.goOn(tflitefb.Concatenation, opts(tflitefb.ConcatenationOptions, "axis", axis-k*w.rng.IntN(2)), x, x)
	}, func() { w.idiom(x) }, func() { w.linear(x) }, func() { w.linear(x) }, func() { w.quantised(x) }}
	if k >= 2 {
		steps = append(steps, func() { w.product(x) })
	}
	if k == 4 {
		conv := func() { w.conv(x) }
		steps = append(steps, conv, conv, conv, conv, func() { w.pool(x) }, func() { w.pool(x) }, func() { w.images(x) }, func() { w.images(x) })
	}
	steps[w.rng.IntN(len(steps))]()
}

func (w *graphWriter) unary(x int32) func() {
	return func() {
		switch code := []tflitefb.Op{tflitefb.Relu, tflitefb.Relu6, tflitefb.ReluN1To1, tflitefb.Logistic, tflitefb.Tanh, tflitefb.Elu, tflitefb.HardSwish, tflitefb.LeakyRelu, tflitefb.Abs,
			tflitefb.Neg, tflitefb.Exp, tflitefb.Square, tflitefb.Floor, tflitefb.Ceil, tflitefb.Round, tflitefb.Sin, tflitefb.Cos, tflitefb.Gelu, tflitefb.Softmax, logSoftmax}[w.rng.IntN(20)]; code {
		case tflitefb.LeakyRelu:
			w.goOn(code, tflitefb.Options{Type: tflitefb.LeakyReluOptions, Values: map[string]float64{"alpha": 0.1}}, x)
		case tflitefb.Softmax:
			w.goOn(code, tflitefb.Options{Type: tflitefb.SoftmaxOptions, Values: map[string]float64{"beta": 1}}, x)
		case tflitefb.Gelu:
			w.goOn(code, opts(tflitefb.GeluOptions, "approximate", w.coin()), x)
		default:
			w.goOn(code, tflitefb.Options{}, x)
		}
	}
}

// binary combines a tensor with a constant of a compatible shape, or with another tensor.
func (w *graphWriter) binary(x int32) func() {
	return func() {
		s := w.shape(x)
		other := slices.Clone(s)
		for i := range other {
			if w.rng.IntN(3) == 0 {
				other[i] = 1
			}
		}
		if w.coin() {
			other = other[w.rng.IntN(len(other)+1):]
		}
		y := x
		if w.rng.IntN(3) > 0 {
			y = w.weights(other...)
		}
		if w.rng.IntN(8) == 0 {
			w.goOn(tflitefb.Prelu, tflitefb.Options{}, x, w.weights(s[len(s)-1]))
			return
		}
		ops := map[tflitefb.Op]tflitefb.OptionsType{tflitefb.Add: tflitefb.AddOptions, tflitefb.Sub: tflitefb.SubOptions, tflitefb.Mul: tflitefb.MulOptions, tflitefb.Div: tflitefb.DivOptions}
		code := []tflitefb.Op{tflitefb.Add, tflitefb.Sub, tflitefb.Mul, tflitefb.Div, tflitefb.Maximum, tflitefb.Minimum, tflitefb.SquaredDifference}[w.rng.IntN(7)]
		o := tflitefb.Options{}
		if t, ok := ops[code]; ok {
			o = opts(t, "fused_activation_function", w.act())
		}
		in := []int32{x, y}
		if w.coin() {
			in = []int32{y, x}
		}
		w.goOn(code, o, in...)
	}
}

// moved is an operator that only moves numbers.
func (w *graphWriter) moved(x int32) func() {
	return func() {
		s := w.shape(x)
		k := len(s)
		switch w.rng.IntN(9) {
		case 0:
			w.goOn(tflitefb.Transpose, opts(tflitefb.TransposeOptions), x, w.ints(w.rng.Perm(k)...))
		case 1:
			want := []int{-1, int(s[k-1])}
			if k > 2 && w.coin() {
				want = []int{int(s[0]), -1, int(s[k-1])}
			}
			if w.coin() {
				o := opts(tflitefb.ReshapeOptions)
				for _, n := range want {
					o.NewShape = append(o.NewShape, int32(n))
				}
				w.goOn(tflitefb.Reshape, o, x)
				return
			}
			w.goOn(tflitefb.Reshape, opts(tflitefb.ReshapeOptions), x, w.ints(want...))
		case 2:
			o := opts(tflitefb.SqueezeOptions)
			for i, d := range s {
				if d == 1 && w.coin() {
					o.NewShape = append(o.NewShape, int32(i))
				}
			}
			w.goOn(tflitefb.Squeeze, o, x)
		case 3:
			if k < 4 {
				w.goOn(tflitefb.ExpandDims, tflitefb.Options{}, x, w.ints(w.between(-k-1, k)))
			}
		case 4:
			amounts := make([]int, 2*k)
			for i := range amounts {
				amounts[i] = w.between(0, 2) * w.rng.IntN(2)
			}
			o := w.intsOf([]int32{int32(k), 2}, amounts...)
			if w.coin() {
				w.goOn(tflitefb.Pad, opts(tflitefb.PadOptions), x, o)
			} else {
				w.goOn(tflitefb.PadV2, tflitefb.Options{}, x, o, w.number(1))
			}
		case 5:
			a := w.rng.IntN(k)
			idx := make([]int, w.between(1, 4))
			for i := range idx {
				idx[i] = w.rng.IntN(int(s[a]))
			}
			w.goOn(tflitefb.Gather, opts(tflitefb.GatherOptions, "axis", a), x, w.ints(idx...))
		case 6:
			want := make([]int, k)
			for i, d := range s {
				if want[i] = int(d); d == 1 {
					want[i] = w.between(1, 3)
				}
			}
			w.goOn(tflitefb.BroadcastTo, tflitefb.Options{}, x, w.ints(want...))
		case 7: // the shape is computed, as of a batch that is open
			shape := w.add(shapeOf, tflitefb.Tensor{Type: tflitefb.Int32}, 1, opts(tflitefb.ShapeOptions, "out_type", int(tflitefb.Int32)), x)[0]
			n := w.add(tflitefb.StridedSlice, tflitefb.Tensor{Type: tflitefb.Int32}, 1, opts(tflitefb.StridedSliceOptions, "shrink_axis_mask", 1), shape, w.ints(0), w.ints(1), w.ints(1))[0]
			all := w.add(pack, tflitefb.Tensor{Type: tflitefb.Int32}, 1, opts(tflitefb.PackOptions, "values_count", 2), n, w.intsOf([]int32{}, -1))[0]
			w.goOn(tflitefb.Reshape, opts(tflitefb.ReshapeOptions), x, all)
		case 8:
			w.goOn(pack, opts(tflitefb.PackOptions, "values_count", 2, "axis", w.rng.IntN(k)), x, x)
		}
		if w.rng.IntN(3) == 0 && len(w.shape(w.floats[len(w.floats)-1])) > 4 {
			w.floats = w.floats[:len(w.floats)-1]
		}
	}
}

func (w *graphWriter) cut(x int32, a int) func() {
	return func() {
		s := w.shape(x)
		k, d := len(s), int(s[a])
		switch w.rng.IntN(4) {
		case 0:
			n := w.between(1, 2)
			if d%n == 0 {
				w.floats = append(w.floats, w.add(tflitefb.Split, float, n, opts(tflitefb.SplitOptions, "num_splits", n), w.intsOf([]int32{}, a), x)...)
			}
		case 1:
			if d > 1 {
				n := w.between(1, d-1)
				w.floats = append(w.floats, w.add(tflitefb.SplitV, float, 2, opts(tflitefb.SplitVOptions, "num_splits", 2), x, w.ints(n, []int{d - n, -1}[w.rng.IntN(2)]), w.intsOf([]int32{}, a))...)
			}
		case 2:
			begin, size := make([]int, k), make([]int, k)
			for i, n := range s {
				begin[i] = w.rng.IntN(int(n))
				if size[i] = w.between(1, int(n)-begin[i]); w.coin() {
					size[i] = -1
				}
			}
			w.goOn(tflitefb.Slice, opts(tflitefb.SliceOptions), x, w.ints(begin...), w.ints(size...))
		case 3:
			n := w.between(1, k)
			begin, end, stride := make([]int, n), make([]int, n), make([]int, n)
			for i := range n {
				begin[i], end[i], stride[i] = w.between(-int(s[i])-1, int(s[i])+1), w.between(-int(s[i])-1, int(s[i])+1), []int{1, 1, 1, 2, -1, -2}[w.rng.IntN(6)]
			}
			mask := func() int { return w.rng.IntN(1<<n) | w.rng.IntN(1<<n) }
			w.goOn(tflitefb.StridedSlice, opts(tflitefb.StridedSliceOptions, "begin_mask", mask(), "end_mask", mask()), x, w.ints(begin...), w.ints(end...), w.ints(stride...))
		}
	}
}

func (w *graphWriter) reduce(x int32) func() {
	return func() {
		k := len(w.shape(x))
		code := []tflitefb.Op{tflitefb.Mean, tflitefb.Sum, tflitefb.ReduceMax, tflitefb.ReduceMin, tflitefb.ReduceProd}[w.rng.IntN(5)]
		axes := w.rng.Perm(k)[:w.between(1, k)]
		for i := range axes {
			axes[i] -= k * w.rng.IntN(2)
		}
		w.goOn(code, opts(tflitefb.ReducerOptions, "keep_dims", w.coin()), x, w.ints(axes...))
	}
}

func (w *graphWriter) conv(x int32) {
	s := w.shape(x)
	h, v := int32([]int{1, 3, 3, 5}[w.rng.IntN(4)]), int32([]int{1, 3}[w.rng.IntN(2)])
	stride, dilation := w.between(1, 2), 1
	if stride == 1 {
		dilation = w.between(1, 2)
	}
	padding := w.rng.IntN(2)
	if padding == tflitefb.PaddingValid && w.coin() {
		p := w.intsOf([]int32{4, 2}, 0, 0, w.between(0, 2), w.between(0, 2), w.between(0, 2), w.between(0, 2), 0, 0)
		x = w.add(tflitefb.Pad, float, 1, opts(tflitefb.PadOptions), x, p)[0]
		s = w.shape(x)
		if w.rng.IntN(4) == 0 {
			w.floats = append(w.floats, x)
		}
	}
	common := []any{"padding", padding, "stride_w", stride, "stride_h", w.between(1, 2), "dilation_w_factor", dilation, "dilation_h_factor", dilation, "fused_activation_function", w.act()}
	if stride != 1 || dilation > 1 {
		common[5] = stride
	}
	if padding == tflitefb.PaddingValid && (int(s[1]) < int(h-1)*dilation+1 || int(s[2]) < int(v-1)*dilation+1) {
		return
	}
	if w.rng.IntN(3) == 0 {
		m := int32(w.between(1, 2))
		w.goOn(tflitefb.DepthwiseConv2D, opts(tflitefb.DepthwiseConv2DOptions, append(common, "depth_multiplier", int(m))...), x, w.weights(1, h, v, s[3]*m), w.weights(s[3]*m))
		return
	}
	in, out := s[3], int32(4*w.between(1, 3))
	if in%2 == 0 && w.rng.IntN(5) == 0 { // grouped
		in /= 2
	}
	w.goOn(tflitefb.Conv2D, opts(tflitefb.Conv2DOptions, common...), x, w.weights(out, h, v, in), w.weights(out))
}

func (w *graphWriter) pool(x int32) {
	s := w.shape(x)
	k, padding := w.between(1, 3), w.rng.IntN(2)
	if int(min(s[1], s[2])) < k {
		return
	}
	code := []tflitefb.Op{tflitefb.MaxPool2D, tflitefb.AveragePool2D}[w.rng.IntN(2)]
	w.goOn(code, opts(tflitefb.Pool2DOptions, "padding", padding, "stride_w", w.between(1, 2), "stride_h", w.between(1, 2), "filter_width", k, "filter_height", k, "fused_activation_function", w.act()), x)
}

// images are the other operators on maps.
func (w *graphWriter) images(x int32) {
	s := w.shape(x)
	size := func() int32 { return w.ints(w.between(1, 2*int(s[1])), w.between(1, 2*int(s[2]))) }
	switch w.rng.IntN(5) {
	case 0:
		w.goOn(tflitefb.ResizeBilinear, opts(tflitefb.ResizeBilinearOptions, "half_pixel_centers", w.coin()), x, size())
	case 1:
		w.goOn(tflitefb.ResizeNearestNeighbor, opts(tflitefb.ResizeNearestNeighborOptions, "half_pixel_centers", w.coin()), x, size())
	case 2:
		if s[3]%4 == 0 {
			w.goOn(tflitefb.DepthToSpace, opts(tflitefb.DepthToSpaceOptions, "block_size", 2), x)
		}
	case 3:
		if s[1]%2 == 0 && s[2]%2 == 0 {
			w.goOn(tflitefb.SpaceToDepth, opts(tflitefb.SpaceToDepthOptions, "block_size", 2), x)
		}
	case 4:
		n, out := w.between(1, 2), int32(4)
		k := int32(w.between(n, 3))
		padding := w.rng.IntN(2)
		h, v := int(s[1])*n, int(s[2])*n
		if padding == tflitefb.PaddingValid {
			h, v = (int(s[1])-1)*n+int(k), (int(s[2])-1)*n+int(k)
		}
		w.goOn(tflitefb.TransposeConv, opts(tflitefb.TransposeConvOptions, "padding", padding, "stride_w", n, "stride_h", n), w.ints(int(s[0]), h, v, int(out)), w.weights(out, k, k, s[3]), x)
	}
}

func (w *graphWriter) linear(x int32) {
	s := w.shape(x)
	n := int32(4 * w.between(1, 4))
	w.goOn(tflitefb.FullyConnected, opts(tflitefb.FullyConnectedOptions, "keep_num_dims", w.coin(), "fused_activation_function", w.act()), x, w.weights(n, s[len(s)-1]), w.weights(n))
}

// product multiplies a tensor with itself or with constants, turned.
func (w *graphWriter) product(x int32) {
	s := w.shape(x)
	k := len(s)
	if w.coin() {
		w.goOn(tflitefb.BatchMatMul, opts(tflitefb.BatchMatMulOptions, "adj_y", true), x, x)
		return
	}
	b := append(slices.Clone(s[:k-2]), s[k-1], int32(w.between(1, 6)))
	for i := range k - 2 {
		if w.coin() {
			b[i] = 1
		}
	}
	w.goOn(tflitefb.BatchMatMul, opts(tflitefb.BatchMatMulOptions), x, w.weights(b...))
}

// idiom is a function that converters write as several operators.
func (w *graphWriter) idiom(x int32) {
	one := func(code tflitefb.Op, o tflitefb.Options, in ...int32) int32 {
		return w.add(code, float, 1, o, in...)[0]
	}
	mul := opts(tflitefb.MulOptions)
	if w.coin() {
		w.goOn(tflitefb.Mul, mul, x, one(tflitefb.Logistic, tflitefb.Options{}, x))
		return
	}
	a := one(tflitefb.Add, opts(tflitefb.AddOptions, "fused_activation_function", tflitefb.ActRelu6), x, w.number(3))
	w.goOn(tflitefb.Mul, mul, a, w.number(1.0/6))
}

// quantised puts an operator on bytes between conversions.
func (w *graphWriter) quantised(x int32) {
	grid := func(scale float32, zero int64) tflitefb.Tensor {
		return tflitefb.Tensor{Type: tflitefb.Int8, Quant: &tflitefb.Quant{Scale: []float32{scale}, Zero: []int64{zero}}}
	}
	b := w.add(tflitefb.Quantize, grid(0.25, int64(w.between(-2, 2))), 1, opts(tflitefb.QuantizeOptions), x)[0]
	weights := func(axis int32, shape ...int32) int32 {
		q := &tflitefb.Quant{Axis: axis}
		for range shape[axis] {
			q.Scale, q.Zero = append(q.Scale, 0.05), append(q.Zero, 0)
		}
		b := make([]byte, graph.Size(shape))
		for i := range b {
			b[i] = byte(int8(w.rng.IntN(255) - 127))
		}
		return w.tensor(tflitefb.Tensor{Type: tflitefb.Int8, Shape: shape, Data: b, Quant: q})
	}
	bias := func(n int32) int32 {
		q := &tflitefb.Quant{}
		for range n {
			q.Scale, q.Zero = append(q.Scale, 0.05*w.m.Tensors[b].Quant.Scale[0]), append(q.Zero, 0)
		}
		return w.tensor(tflitefb.Tensor{Type: tflitefb.Int32, Shape: []int32{n}, Data: make([]byte, 4*n), Quant: q})
	}
	out := grid(0.5, 1)
	one := func(code tflitefb.Op, like tflitefb.Tensor, o tflitefb.Options, in ...int32) {
		b = w.add(code, like, 1, o, in...)[0]
	}
	for range w.between(1, 2) {
		s := w.shape(b)
		k := len(s)
		if k == 0 {
			break
		}
		like := tflitefb.Tensor{Type: tflitefb.Int8, Quant: w.m.Tensors[b].Quant}
		switch c := w.rng.IntN(7); {
		case c == 0 && k == 4 && min(s[1], s[2]) >= 3:
			n := int32(8)
			one(tflitefb.Conv2D, out, opts(tflitefb.Conv2DOptions, "padding", w.rng.IntN(2), "stride_w", 1, "stride_h", 1, "fused_activation_function", w.act()), b, weights(0, n, 3, 3, s[3]), bias(n))
		case c == 1 && k == 4:
			one(tflitefb.DepthwiseConv2D, out, opts(tflitefb.DepthwiseConv2DOptions, "stride_w", 1, "stride_h", 1, "depth_multiplier", 1, "fused_activation_function", w.act()), b, weights(3, 1, 3, 3, s[3]), bias(s[3]))
		case c == 2:
			one(tflitefb.Add, out, opts(tflitefb.AddOptions), b, b)
		case c == 3:
			one(tflitefb.Reshape, like, opts(tflitefb.ReshapeOptions), b, w.ints(-1, int(s[k-1])))
		case c == 4 && k == 4:
			one(tflitefb.MaxPool2D, like, opts(tflitefb.Pool2DOptions, "stride_w", 2, "stride_h", 2, "filter_width", 2, "filter_height", 2), b)
		case c == 5:
			one(tflitefb.Mul, out, opts(tflitefb.MulOptions), b, b)
		default:
			one(tflitefb.Transpose, like, opts(tflitefb.TransposeOptions), b, w.ints(w.rng.Perm(k)...))
		}
	}
	w.goOn(tflitefb.Dequantize, opts(tflitefb.DequantizeOptions), b)
}

package graph

import (
	"math"
	"slices"

	"github.com/isocost/isocost/internal/onnx"
)

// shapes are the shape rules of ONNX's own operators; an operator not here keeps
// the shape that the file states, or none. (ONNX operator schemas, opset 11–21:
// https://onnx.ai/onnx/operators/.)
var shapes map[string]Rule

func init() {
	shapes = map[string]Rule{
		"Constant": constantShape, "Shape": shapeShape, "Size": func(_ *Graph, n *Node) { n.Set(0, onnx.Int64, []int{}) },
		"Conv": ConvShape(0, 1), "ConvInteger": ConvShape(0, 1), "QLinearConv": ConvShape(0, 3), "ConvTranspose": deconvShape,
		"MaxPool": PoolShape, "AveragePool": PoolShape, "LpPool": PoolShape,
		"GlobalAveragePool": GlobalPoolShape, "GlobalMaxPool": GlobalPoolShape, "GlobalLpPool": GlobalPoolShape,
		"MatMul": MatMulShape(0, 1, 0), "MatMulInteger": MatMulShape(0, 1, onnx.Int32), "QLinearMatMul": MatMulShape(0, 3, 0),
		"Gemm": GemmShape, "Reshape": reshapeShape, "Flatten": flattenShape, "Squeeze": squeezeShape, "Unsqueeze": unsqueezeShape,
		"Transpose": transposeShape, "Concat": concatShape, "Split": splitShape, "Slice": sliceShape, "Gather": gatherShape,
		"Expand": expandShape, "Tile": tileShape, "Pad": padShape, "Resize": resizeShape, "Upsample": resizeShape,
		"DepthToSpace": depthToSpaceShape, "SpaceToDepth": spaceToDepthShape, "ConstantOfShape": constantOfShapeShape, "EyeLike": eyeLikeShape,
		"Range": rangeShape, "Cast": castShape, "Where": broadcastAs(0), "Einsum": einsumShape,
		"LSTM": recurrentShape, "GRU": recurrentShape, "RNN": recurrentShape,
		"ArgMax": argShape, "ArgMin": argShape, "GatherElements": gatherElementsShape, "GatherND": gatherNDShape, "OneHot": oneHotShape, "GridSample": gridSampleShape, "TopK": topKShape,
		"QuantizeLinear": QuantizeShape, "DequantizeLinear": DequantizeShape, "DynamicQuantizeLinear": dynamicQuantizeShape,
	}
	for _, op := range []string{"Relu", "Sigmoid", "Tanh", "Erf", "Sqrt", "Exp", "Log", "Neg", "Abs", "Clip", "HardSigmoid", "HardSwish",
		"LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "Softplus", "Softsign", "Mish", "Identity", "Dropout", "BatchNormalization",
		"InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization", "Softmax", "LogSoftmax", "Hardmax",
		"LpNormalization", "MeanVarianceNormalization", "LRN", "Ceil", "Floor", "Round", "Reciprocal", "Not", "Sign",
		"ThresholdedRelu", "ReverseSequence", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Cosh", "Sinh", "Tan", "CumSum", "Trilu", "Sin", "Cos", "Swish", "ScatterND", "ScatterElements", "Shrink", "BitwiseNot"} {
		shapes[op] = Same
	}
	for _, op := range []string{"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Mean", "Sum", "Mod", "PRelu", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"} {
		shapes[op] = broadcastFirst
	}
	for _, op := range []string{"And", "Or", "Xor", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "IsNaN", "IsInf"} {
		shapes[op] = broadcastAs(onnx.Bool)
	}
	for _, op := range []string{"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "ReduceLogSum"} {
		shapes[op] = reduceShape
	}
}

func broadcastFirst(g *Graph, n *Node) {
	broadcastAs(0)(g, n)
	if len(n.Out) > 0 && n.Out[0] != nil && n.Out[0].Known && n.In[0] != nil {
		n.Out[0].Type = n.In[0].Type
	}
}

func constantShape(g *Graph, n *Node) {
	if n.Src == nil || len(n.Out) == 0 || n.Out[0] == nil {
		return
	}
	for _, a := range n.Src.Attrs {
		switch {
		case a.Name == "value" && a.T != nil:
			_ = g.constant(n.Out[0], a.T) // a broken one stays of unknown shape
		case a.Name == "value_int":
			n.Set(0, onnx.Int64, []int{})
			n.Out[0].Data, n.Out[0].HasData = []float64{float64(a.I)}, true
		case a.Name == "value_float":
			n.Set(0, onnx.Float, []int{})
			n.Out[0].Data, n.Out[0].HasData = []float64{float64(a.F)}, true
		case a.Name == "value_ints" && len(a.Ints) <= maxConstant:
			n.Set(0, onnx.Int64, []int{len(a.Ints)})
			for _, v := range a.Ints {
				n.Out[0].Data = append(n.Out[0].Data, float64(v))
			}
			n.Out[0].HasData = true
		case a.Name == "value_floats" && len(a.Floats) <= maxConstant:
			n.Set(0, onnx.Float, []int{len(a.Floats)})
			for _, v := range a.Floats {
				n.Out[0].Data = append(n.Out[0].Data, float64(v))
			}
			n.Out[0].HasData = true
		}
	}
}

func shapeShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) {
		return
	}
	lo, hi := shapeRange(n)
	n.Set(0, onnx.Int64, []int{hi - lo})
}

// shapeRange is the part of the shape that Shape returns (opset 15: start, end).
func shapeRange(n *Node) (int, int) {
	r := len(n.In[0].Shape)
	clamp := func(v int) int {
		if v < 0 {
			v += r
		}
		return min(max(v, 0), r)
	}
	lo, hi := clamp(n.Int("start", 0)), clamp(n.Int("end", r))
	return lo, max(lo, hi)
}

// ConvShape is the rule of convolutions whose map and weight are inputs x and w.
func ConvShape(x, w int) Rule {
	return func(_ *Graph, n *Node) {
		if n.Input(x) == nil || n.Input(w) == nil || !n.In[x].Known || !n.In[w].Known {
			return
		}
		in, wt := n.In[x].Shape, n.In[w].Shape
		if len(in) < 3 || len(wt) != len(in) {
			return
		}
		groups := n.Int("group", 1)
		if groups < 1 || in[1] != wt[1]*groups || wt[0]%groups != 0 {
			return
		}
		win, ok := n.Slide(in[2:], n.KernelOf(w))
		if ok && slices.Equal(win.Kernel, wt[2:]) {
			dtype := n.In[x].Type
			if n.Op == "ConvInteger" {
				dtype = onnx.Int32
			}
			n.Set(0, dtype, append([]int{in[0], wt[0]}, win.Out...))
		}
	}
}

func deconvShape(_ *Graph, n *Node) {
	if !n.KnownInputs(2) {
		return
	}
	in, wt := n.In[0].Shape, n.In[1].Shape
	if len(in) < 3 || len(wt) != len(in) || in[1] != wt[0] {
		return
	}
	groups := n.Int("group", 1)
	k, s, pads, extra := n.KernelOf(1), n.Ints("strides"), n.Ints("pads"), n.Ints("output_padding")
	if groups < 1 || len(k) != len(in)-2 || n.Has("output_shape") || n.Src.Str("auto_pad", "NOTSET") != "NOTSET" {
		return
	}
	out := []int{in[0], wt[1] * groups}
	for i := range k {
		at := func(v []int, i, def int) int {
			if i < len(v) {
				return v[i]
			}
			return def
		}
		o := (in[2+i]-1)*at(s, i, 1) + at(extra, i, 0) + (k[i]-1)*at(n.Ints("dilations"), i, 1) + 1 - at(pads, i, 0) - at(pads, i+len(k), 0)
		if o < 1 {
			return
		}
		out = append(out, o)
	}
	n.Set(0, n.In[0].Type, out)
}

// PoolShape is the rule of pools.
func PoolShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) || len(n.In[0].Shape) < 3 {
		return
	}
	in := n.In[0].Shape
	if win, ok := n.Slide(in[2:], n.Ints("kernel_shape")); ok {
		out := append(slices.Clone(in[:2]), win.Out...)
		n.Set(0, n.In[0].Type, out)
		n.Set(1, onnx.Int64, slices.Clone(out))
	}
}

// GlobalPoolShape is the rule of pools over whole maps.
func GlobalPoolShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) || len(n.In[0].Shape) < 3 {
		return
	}
	out := slices.Clone(n.In[0].Shape)
	for i := 2; i < len(out); i++ {
		out[i] = 1
	}
	n.Set(0, n.In[0].Type, out)
}

// MatMulShape is the rule of products of inputs a and b with results of type t, 0 for that of a.
func MatMulShape(a, b int, t onnx.DataType) Rule {
	return func(_ *Graph, n *Node) {
		if n.Input(a) == nil || n.Input(b) == nil || !n.In[a].Known || !n.In[b].Known {
			return
		}
		x, y := n.In[a].Shape, n.In[b].Shape
		if len(x) < 1 || len(y) < 1 || len(x) == 1 || len(y) == 1 {
			return // vectors do not occur in networks
		}
		if n.Int("transA", 0) == 1 {
			x = SwapLast(x)
		}
		if n.Int("transB", 0) == 1 {
			y = SwapLast(y)
		}
		if x[len(x)-1] != y[len(y)-2] {
			return
		}
		batch, ok := Broadcast(x[:len(x)-2], y[:len(y)-2])
		if !ok {
			return
		}
		typ := t
		if typ == 0 {
			typ = n.In[a].Type
		}
		n.Set(0, typ, append(slices.Clone(batch), x[len(x)-2], y[len(y)-1]))
	}
}

// SwapLast is a shape with its last two dimensions swapped.
func SwapLast(s []int) []int {
	s = slices.Clone(s)
	k := len(s)
	s[k-1], s[k-2] = s[k-2], s[k-1]
	return s
}

// GemmShape is the rule of Gemm.
func GemmShape(_ *Graph, n *Node) {
	if !n.KnownInputs(2) || len(n.In[0].Shape) != 2 || len(n.In[1].Shape) != 2 {
		return
	}
	a, b := n.In[0].Shape, n.In[1].Shape
	if n.Int("transA", 0) == 1 {
		a = SwapLast(a)
	}
	if n.Int("transB", 0) == 1 {
		b = SwapLast(b)
	}
	if a[1] == b[0] {
		n.Set(0, n.In[0].Type, []int{a[0], b[1]})
	}
}

func reshapeShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) {
		return
	}
	want, ok := n.Data(1)
	if !ok {
		return
	}
	in, zero := n.In[0].Shape, n.Int("allowzero", 0) == 1
	out, open, rest := make([]int, len(want)), -1, 1
	for i, d := range Integers(want) {
		switch {
		case d == 0 && !zero:
			if i >= len(in) {
				return
			}
			out[i] = in[i]
		case d == -1:
			if open >= 0 {
				return
			}
			open = i
			continue
		case d < 0:
			return
		default:
			out[i] = d
		}
		if out[i] > 0 && rest > MaxElements/out[i] {
			return
		}
		rest *= out[i]
	}
	total := Elements(in)
	if open >= 0 {
		if rest == 0 || total%rest != 0 {
			return
		}
		out[open] = total / rest
	} else if rest != total {
		return
	}
	n.Set(0, n.In[0].Type, out)
}

func flattenShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) {
		return
	}
	in := n.In[0].Shape
	a := n.Int("axis", 1)
	if a < 0 {
		a += len(in)
	}
	if a < 0 || a > len(in) {
		return
	}
	n.Set(0, n.In[0].Type, []int{Elements(in[:a]), Elements(in[a:])})
}

func squeezeShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) {
		return
	}
	in := n.In[0].Shape
	drop, all := make([]bool, len(in)), true
	if n.listed("axes", 1) {
		axes, ok := n.listInput("axes", 1)
		if !ok {
			return
		}
		for _, a := range axes {
			i, ok := Axis(a, len(in))
			if !ok || in[i] != 1 {
				return
			}
			drop[i] = true
		}
		all = len(axes) == 0
	}
	if all {
		for i, d := range in {
			drop[i] = d == 1
		}
	}
	out := []int{}
	for i, d := range in {
		if !drop[i] {
			out = append(out, d)
		}
	}
	n.Set(0, n.In[0].Type, out)
}

func unsqueezeShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) {
		return
	}
	axes, ok := n.listInput("axes", 1)
	if !ok || len(axes) > maxRank {
		return
	}
	in := n.In[0].Shape
	rank := len(in) + len(axes)
	out := make([]int, rank)
	for _, a := range axes {
		i, ok := Axis(a, rank)
		if !ok || out[i] == 1 {
			return
		}
		out[i] = 1
	}
	k := 0
	for i := range out {
		if out[i] == 0 {
			if k >= len(in) {
				return
			}
			out[i] = in[k]
			k++
		}
	}
	if k == len(in) {
		n.Set(0, n.In[0].Type, out)
	}
}

// Perm is a Transpose's permutation.
func (n *Node) Perm() []int {
	if n.Input(0) == nil {
		return nil
	}
	p := n.Ints("perm")
	r := len(n.In[0].Shape)
	if p == nil {
		for i := range r {
			p = append(p, r-1-i)
		}
	}
	if len(p) != r {
		return nil
	}
	seen := make([]bool, r)
	for _, v := range p {
		if v < 0 || v >= r || seen[v] {
			return nil
		}
		seen[v] = true
	}
	return p
}

func transposeShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) {
		return
	}
	p := n.Perm()
	if p == nil {
		return
	}
	out := make([]int, len(p))
	for i, v := range p {
		out[i] = n.In[0].Shape[v]
	}
	n.Set(0, n.In[0].Type, out)
}

func concatShape(_ *Graph, n *Node) {
	if len(n.In) == 0 || !n.KnownInputs(len(n.In)) {
		return
	}
	out := slices.Clone(n.In[0].Shape)
	a, ok := Axis(n.Int("axis", 1), len(out))
	if !ok {
		return
	}
	for _, v := range n.In[1:] {
		if len(v.Shape) != len(out) {
			return
		}
		for i, d := range v.Shape {
			if i != a && d != out[i] {
				return
			}
		}
		out[a] += v.Shape[a]
	}
	n.Set(0, n.In[0].Type, out)
}

func splitShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) || len(n.Out) == 0 {
		return
	}
	in := n.In[0].Shape
	a, ok := Axis(n.Int("axis", 0), len(in))
	if !ok {
		return
	}
	sizes, given := n.listInput("split", 1)
	if !given {
		if n.listed("split", 1) {
			return
		}
		k := len(n.Out)
		part := (in[a] + k - 1) / k
		for i := range k {
			sizes = append(sizes, max(0, min(part, in[a]-i*part)))
		}
	}
	sum := 0
	for _, s := range sizes {
		sum += s
	}
	if len(sizes) != len(n.Out) || sum != in[a] {
		return
	}
	for i, s := range sizes {
		if s < 0 || s > in[a] {
			return
		}
		out := slices.Clone(in)
		out[a] = s
		n.Set(i, n.In[0].Type, out)
	}
}

// Slice is a Slice worked out: for each dimension start, step and count.
func (n *Node) Slice() (start, step, count []int, ok bool) {
	in := n.In[0].Shape
	starts, ok1 := n.listInput("starts", 1)
	ends, ok2 := n.listInput("ends", 2)
	if !ok1 || !ok2 || len(starts) != len(ends) {
		return nil, nil, nil, false
	}
	var axes, steps []int
	if n.listed("axes", 3) {
		if axes, ok = n.listInput("axes", 3); !ok {
			return nil, nil, nil, false
		}
	} else {
		for i := range starts {
			axes = append(axes, i)
		}
	}
	if n.Input(4) != nil {
		if steps, ok = n.listInput("", 4); !ok {
			return nil, nil, nil, false
		}
	} else {
		for range starts {
			steps = append(steps, 1)
		}
	}
	if len(axes) != len(starts) || len(steps) != len(starts) {
		return nil, nil, nil, false
	}
	start, step, count = make([]int, len(in)), make([]int, len(in)), slices.Clone(in)
	for i := range step {
		step[i] = 1
	}
	for i, ax := range axes {
		a, ok := Axis(ax, len(in))
		if !ok || steps[i] == 0 {
			return nil, nil, nil, false
		}
		d, s, e, st := in[a], starts[i], ends[i], steps[i]
		if st < 0 && (e == math.MaxInt32 || e >= Clamp(math.MaxInt64)) {
			e = Clamp(math.MinInt64) // the largest number is the end in either direction, as runtimes have it
		}
		if s < 0 {
			s += d
		}
		if e < 0 {
			e += d
		}
		if st > 0 {
			s, e = min(max(s, 0), d), min(max(e, 0), d)
			count[a] = max(0, (e-s+st-1)/st)
		} else {
			s, e = min(max(s, 0), d-1), min(max(e, -1), d-1)
			count[a] = max(0, (s-e-st-1)/-st)
		}
		start[a], step[a] = s, st
	}
	return start, step, count, true
}

func sliceShape(_ *Graph, n *Node) {
	if n.KnownInputs(1) {
		if _, _, count, ok := n.Slice(); ok {
			n.Set(0, n.In[0].Type, count)
		}
	}
}

func gatherShape(_ *Graph, n *Node) {
	if !n.KnownInputs(2) {
		return
	}
	in, idx := n.In[0].Shape, n.In[1].Shape
	if a, ok := Axis(n.Int("axis", 0), len(in)); ok {
		n.Set(0, n.In[0].Type, slices.Concat(in[:a], idx, in[a+1:]))
	}
}

func gatherElementsShape(_ *Graph, n *Node) {
	if n.KnownInputs(2) {
		n.Set(0, n.In[0].Type, slices.Clone(n.In[1].Shape))
	}
}

// gatherNDShape: the last dimension of the indices names as many dimensions of what they are taken from, behind
// those that both share as batches.
func gatherNDShape(_ *Graph, n *Node) {
	if !n.KnownInputs(2) {
		return
	}
	in, idx, batch := n.In[0].Shape, n.In[1].Shape, n.Int("batch_dims", 0)
	if batch < 0 || batch >= len(idx) || batch > len(in) {
		return
	}
	last := len(idx) - 1
	if named := batch + idx[last]; idx[last] >= 1 && named <= len(in) && slices.Equal(in[:batch], idx[:batch]) {
		n.Set(0, n.In[0].Type, slices.Concat(idx[:last], in[named:]))
	}
}

func oneHotShape(_ *Graph, n *Node) {
	if !n.KnownInputs(3) {
		return
	}
	in := n.In[0].Shape
	a, ok := Axis(n.Int("axis", -1), len(in)+1)
	depth, known := n.Data(1)
	if ok && known && len(depth) == 1 && depth[0] >= 1 && depth[0] <= MaxElements {
		n.Set(0, n.In[2].Type, slices.Insert(slices.Clone(in), a, int(depth[0])))
	}
}

// gridSampleShape: a map of batches and channels is asked at the points of a grid of batches, whose last dimension are coordinates.
func gridSampleShape(_ *Graph, n *Node) {
	if !n.KnownInputs(2) {
		return
	}
	in, grid := n.In[0].Shape, n.In[1].Shape
	if len(in) >= 3 && len(grid) == len(in) && grid[0] == in[0] && grid[len(grid)-1] == len(in)-2 {
		n.Set(0, n.In[0].Type, slices.Concat(in[:2], grid[1:len(grid)-1]))
	}
}

func expandShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) {
		return
	}
	if want, ok := n.Data(1); ok {
		if out, ok := Broadcast(n.In[0].Shape, Integers(want)); ok {
			n.Set(0, n.In[0].Type, out)
		}
	}
}

func tileShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) {
		return
	}
	reps, ok := n.Data(1)
	if !ok || len(reps) != len(n.In[0].Shape) {
		return
	}
	out := slices.Clone(n.In[0].Shape)
	for i, r := range Integers(reps) {
		if r < 0 || r > 0 && out[i] > MaxElements/r {
			return
		}
		out[i] *= r
	}
	n.Set(0, n.In[0].Type, out)
}

// Pads is a Pad's amounts, begin and end of each dimension.
func (n *Node) Pads() ([]int, bool) {
	pads, ok := n.listInput("pads", 1)
	if !ok {
		return nil, false
	}
	rank := len(n.In[0].Shape)
	if v := n.Input(3); v != nil { // opset 18: axes
		axes, ok := n.Data(3)
		if !ok || len(pads) != 2*len(axes) {
			return nil, false
		}
		full := make([]int, 2*rank)
		for i, a := range Integers(axes) {
			j, ok := Axis(a, rank)
			if !ok {
				return nil, false
			}
			full[j], full[j+rank] = pads[i], pads[i+len(axes)]
		}
		pads = full
	}
	return pads, len(pads) == 2*rank
}

func padShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) {
		return
	}
	pads, ok := n.Pads()
	if !ok {
		return
	}
	out := slices.Clone(n.In[0].Shape)
	for i := range out {
		if out[i] += pads[i] + pads[i+len(out)]; out[i] < 0 {
			return
		}
	}
	n.Set(0, n.In[0].Type, out)
}

func resizeShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) {
		return
	}
	in := n.In[0].Shape
	axes, ok := n.resizeAxes()
	if !ok {
		return
	}
	if sizes, ok := n.Data(3); ok && len(sizes) == len(axes) {
		if out := n.fit(in, axes, Integers(sizes)); out != nil {
			n.Set(0, n.In[0].Type, out)
		}
		return
	}
	i := 2
	if n.Op == "Upsample" {
		i = 1
	}
	scales, ok := n.Data(i)
	if n.Has("scales") { // Upsample-7
		scales, ok = nil, true
		for _, a := range n.Src.Attrs {
			if a.Name == "scales" {
				for _, f := range a.Floats {
					scales = append(scales, float64(f))
				}
			}
		}
	}
	if !ok || len(scales) != len(axes) {
		return
	}
	out := slices.Clone(in)
	for i, s := range scales {
		v := float32(in[axes[i]]) * float32(s)
		if !(v >= 1 && v < MaxElements) {
			return
		}
		out[axes[i]] = int(v)
	}
	n.Set(0, n.In[0].Type, out)
}

// resizeAxes are the dimensions that a Resize's scales or sizes are of: all, or since
// opset 18 those of an attribute.
func (n *Node) resizeAxes() ([]int, bool) {
	rank := len(n.In[0].Shape)
	if !n.Has("axes") {
		axes := make([]int, rank)
		for i := range axes {
			axes[i] = i
		}
		return axes, true
	}
	axes := n.Ints("axes")
	for i, a := range axes {
		var ok bool
		if axes[i], ok = Axis(a, rank); !ok {
			return nil, false
		}
	}
	return axes, true
}

// fit is a Resize's output for the sizes asked for of some axes: these, or where the
// aspect ratio is kept (keep_aspect_ratio_policy, opset 18) the largest that is nowhere
// larger, or the smallest that is nowhere smaller. nil where an input has no size to keep.
func (n *Node) fit(in, axes, sizes []int) []int {
	out := slices.Clone(in)
	policy := n.Src.Str("keep_aspect_ratio_policy", "stretch")
	if policy == "stretch" {
		for i, a := range axes {
			out[a] = sizes[i]
		}
		return out
	}
	var scale float32
	for i, a := range axes {
		if in[a] == 0 {
			return nil
		}
		s := float32(sizes[i]) / float32(in[a])
		if i == 0 || policy == "not_larger" && s < scale || policy == "not_smaller" && s > scale {
			scale = s
		}
	}
	for _, a := range axes {
		out[a] = Clamp(int64(math.Round(float64(scale * float32(in[a])))))
	}
	return out
}

func depthToSpaceShape(_ *Graph, n *Node) {
	b := n.Int("blocksize", 0)
	if !n.KnownInputs(1) || len(n.In[0].Shape) != 4 || b < 1 || b > 1<<10 || n.In[0].Shape[1]%(b*b) != 0 {
		return
	}
	s := n.In[0].Shape
	n.Set(0, n.In[0].Type, []int{s[0], s[1] / (b * b), s[2] * b, s[3] * b})
}

func spaceToDepthShape(_ *Graph, n *Node) {
	b := n.Int("blocksize", 0)
	if !n.KnownInputs(1) || len(n.In[0].Shape) != 4 || b < 1 || b > 1<<10 || n.In[0].Shape[2]%b != 0 || n.In[0].Shape[3]%b != 0 {
		return
	}
	s := n.In[0].Shape
	n.Set(0, n.In[0].Type, []int{s[0], s[1] * b * b, s[2] / b, s[3] / b})
}

func constantOfShapeShape(_ *Graph, n *Node) {
	if want, ok := n.Data(0); ok && len(want) <= maxRank {
		typ := onnx.Float
		if a := n.Src.Attr("value"); a != nil && a.T != nil {
			typ = a.T.Type
		}
		n.Set(0, typ, Integers(want))
	}
}

func eyeLikeShape(_ *Graph, n *Node) {
	if n.KnownInputs(1) && len(n.In[0].Shape) == 2 {
		n.Set(0, onnx.DataType(n.Int("dtype", int(n.In[0].Type))), n.In[0].Shape)
	}
}

func rangeShape(_ *Graph, n *Node) {
	a, ok1 := n.Data(0)
	b, ok2 := n.Data(1)
	d, ok3 := n.Data(2)
	if !ok1 || !ok2 || !ok3 || len(a) != 1 || len(b) != 1 || len(d) != 1 || d[0] == 0 {
		return
	}
	span := b[0] - a[0]
	if n.In[0].Type == onnx.Float {
		span = float64(float32(span))
	}
	k := span / d[0]
	if !(k < MaxElements) {
		return
	}
	count := max(0, int(k))
	if float64(count) < k {
		count++
	}
	n.Set(0, n.In[0].Type, []int{count})
}

func castShape(_ *Graph, n *Node) {
	if n.KnownInputs(1) {
		n.Set(0, onnx.DataType(n.Int("to", 0)), slices.Clone(n.In[0].Shape))
	}
}

func reduceShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) {
		return
	}
	in := n.In[0].Shape
	axes, ok := n.ReduceAxes()
	if !ok {
		return
	}
	keep := n.Int("keepdims", 1) == 1
	out := []int{}
	for i, d := range in {
		switch {
		case !axes[i]:
			out = append(out, d)
		case keep:
			out = append(out, 1)
		}
	}
	n.Set(0, n.In[0].Type, out)
}

// ReduceAxes says which dimensions a Reduce sums over.
func (n *Node) ReduceAxes() ([]bool, bool) {
	rank := len(n.In[0].Shape)
	on := make([]bool, rank)
	axes, ok := n.listInput("axes", 1)
	if !ok && n.listed("axes", 1) {
		return nil, false
	}
	if len(axes) == 0 { // a list of none is as none
		for i := range on {
			on[i] = n.Int("noop_with_empty_axes", 0) == 0
		}
		return on, true
	}
	for _, a := range axes {
		i, ok := Axis(a, rank)
		if !ok {
			return nil, false
		}
		on[i] = true
	}
	return on, true
}

func argShape(_ *Graph, n *Node) {
	if !n.KnownInputs(1) {
		return
	}
	in := slices.Clone(n.In[0].Shape)
	a, ok := Axis(n.Int("axis", 0), len(in))
	if !ok {
		return
	}
	in[a] = 1
	if n.Int("keepdims", 1) == 0 {
		in = slices.Delete(in, a, a+1)
	}
	n.Set(0, onnx.Int64, in)
}

// recurrentShape: X is sequence × batch × features, W directions × gates·hidden ×
// features; Y, Y_h and (of an LSTM) Y_c are what comes out.
func recurrentShape(_ *Graph, n *Node) {
	if !n.KnownInputs(2) || len(n.In[0].Shape) != 3 || len(n.In[1].Shape) != 3 || n.Int("layout", 0) != 0 {
		return
	}
	x, hidden := n.In[0].Shape, n.Int("hidden_size", 0)
	if hidden < 1 {
		return
	}
	dirs := n.In[1].Shape[0]
	n.Set(0, n.In[0].Type, []int{x[0], dirs, x[1], hidden})
	n.Set(1, n.In[0].Type, []int{dirs, x[1], hidden})
	n.Set(2, n.In[0].Type, []int{dirs, x[1], hidden})
}

func topKShape(_ *Graph, n *Node) {
	k, ok := n.Data(1)
	if !n.KnownInputs(1) || !ok || len(k) != 1 {
		return
	}
	out := slices.Clone(n.In[0].Shape)
	a, ok := Axis(n.Int("axis", -1), len(out))
	if !ok || k[0] < 0 || int(k[0]) > out[a] {
		return
	}
	out[a] = int(k[0])
	n.Set(0, n.In[0].Type, out)
	n.Set(1, onnx.Int64, slices.Clone(out))
}

// QuantizeShape is the rule of QuantizeLinear.
func QuantizeShape(_ *Graph, n *Node) {
	if n.KnownInputs(1) {
		typ := onnx.Uint8
		if z := n.Input(2); z != nil && z.Known {
			typ = z.Type
		} else if n.Has("output_dtype") {
			typ = onnx.DataType(n.Int("output_dtype", int(typ)))
		}
		n.Set(0, typ, slices.Clone(n.In[0].Shape))
	}
}

// DequantizeShape is the rule of DequantizeLinear.
func DequantizeShape(_ *Graph, n *Node) {
	if n.KnownInputs(1) {
		typ := onnx.Float
		if s := n.Input(1); s != nil && s.Known {
			typ = s.Type
		}
		n.Set(0, typ, slices.Clone(n.In[0].Shape))
	}
}

func dynamicQuantizeShape(_ *Graph, n *Node) {
	if n.KnownInputs(1) {
		n.Set(0, onnx.Uint8, slices.Clone(n.In[0].Shape))
		n.Set(1, onnx.Float, []int{})
		n.Set(2, onnx.Uint8, []int{})
	}
}

// einsumShape reads equations of letters, without an ellipsis.
func einsumShape(_ *Graph, n *Node) {
	if n.Src == nil || len(n.In) == 0 || !n.KnownInputs(len(n.In)) {
		return
	}
	terms, out, ok := einsum(n.Src.Str("equation", ""))
	if !ok || len(terms) != len(n.In) {
		return
	}
	size := map[byte]int{}
	for i, t := range terms {
		if len(t) != len(n.In[i].Shape) {
			return
		}
		for j := range len(t) {
			size[t[j]] = n.In[i].Shape[j]
		}
	}
	shape := make([]int, len(out))
	for i := range len(out) {
		d, ok := size[out[i]]
		if !ok {
			return
		}
		shape[i] = d
	}
	n.Set(0, n.In[0].Type, shape)
}

// einsum splits "ij,jk->ik".
func einsum(eq string) (terms []string, out string, ok bool) {
	cur := []byte{}
	arrow := false
	for i := 0; i < len(eq); i++ {
		switch c := eq[i]; {
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			cur = append(cur, c)
		case c == ' ':
		case c == ',' && !arrow:
			terms, cur = append(terms, string(cur)), nil
		case c == '-' && !arrow && i+1 < len(eq) && eq[i+1] == '>':
			terms, cur, arrow = append(terms, string(cur)), nil, true
			i++
		default:
			return nil, "", false
		}
	}
	return terms, string(cur), arrow
}

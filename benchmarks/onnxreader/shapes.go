package onnxreader

import (
	"slices"

	"github.com/isocost/isocost/internal/onnx"
)

// shapes are the shape rules of ONNX's own operators; an operator not here keeps
// the shape that the file states, or none. (ONNX operator schemas, opset 11–21:
// https://onnx.ai/onnx/operators/.)
var shapes map[string]func(*graph, *node)

func init() {
	shapes = map[string]func(*graph, *node){
		"Constant": constantShape, "Shape": shapeShape, "Size": func(_ *graph, n *node) { n.set(0, onnx.Int64, []int{}) },
		"Conv": convShape(0, 1), "ConvInteger": convShape(0, 1), "QLinearConv": convShape(0, 3), "ConvTranspose": deconvShape,
		"MaxPool": poolShape, "AveragePool": poolShape, "LpPool": poolShape,
		"GlobalAveragePool": globalPoolShape, "GlobalMaxPool": globalPoolShape, "GlobalLpPool": globalPoolShape,
		"MatMul": matmulShape(0, 1, 0), "MatMulInteger": matmulShape(0, 1, onnx.Int32), "QLinearMatMul": matmulShape(0, 3, 0),
		"Gemm": gemmShape, "Reshape": reshapeShape, "Flatten": flattenShape, "Squeeze": squeezeShape, "Unsqueeze": unsqueezeShape,
		"Transpose": transposeShape, "Concat": concatShape, "Split": splitShape, "Slice": sliceShape, "Gather": gatherShape,
		"Expand": expandShape, "Tile": tileShape, "Pad": padShape, "Resize": resizeShape, "Upsample": resizeShape,
		"DepthToSpace": depthToSpaceShape, "SpaceToDepth": spaceToDepthShape, "ConstantOfShape": constantOfShapeShape, "EyeLike": eyeLikeShape,
		"Range": rangeShape, "Cast": castShape, "Where": broadcastAs(0), "Einsum": einsumShape,
		"LSTM": recurrentShape, "GRU": recurrentShape, "RNN": recurrentShape,
		"ArgMax": argShape, "ArgMin": argShape, "GatherElements": gatherElementsShape, "TopK": topKShape,
		"QuantizeLinear": quantizeShape, "DequantizeLinear": dequantizeShape, "DynamicQuantizeLinear": dynamicQuantizeShape,
	}
	for _, op := range []string{"Relu", "Sigmoid", "Tanh", "Erf", "Sqrt", "Exp", "Log", "Neg", "Abs", "Clip", "HardSigmoid", "HardSwish",
		"LeakyRelu", "Elu", "Selu", "Celu", "Gelu", "Softplus", "Softsign", "Mish", "Identity", "Dropout", "BatchNormalization",
		"InstanceNormalization", "GroupNormalization", "LayerNormalization", "RMSNormalization", "Softmax", "LogSoftmax", "Hardmax",
		"LpNormalization", "MeanVarianceNormalization", "LRN", "Ceil", "Floor", "Round", "Reciprocal", "Not", "Sign", "PRelu",
		"ThresholdedRelu", "CumSum", "Trilu", "Sin", "Cos", "Swish", "ScatterND", "ScatterElements", "Shrink", "BitwiseNot"} {
		shapes[op] = same
	}
	for _, op := range []string{"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Mean", "Sum", "Mod"} {
		shapes[op] = broadcastFirst
	}
	for _, op := range []string{"And", "Or", "Xor", "Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"} {
		shapes[op] = broadcastAs(onnx.Bool)
	}
	for _, op := range []string{"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSumExp", "ReduceLogSum"} {
		shapes[op] = reduceShape
	}
}

func broadcastFirst(g *graph, n *node) {
	broadcastAs(0)(g, n)
	if len(n.out) > 0 && n.out[0] != nil && n.out[0].known && n.in[0] != nil {
		n.out[0].dtype = n.in[0].dtype
	}
}

func constantShape(g *graph, n *node) {
	if n.src == nil || len(n.out) == 0 || n.out[0] == nil {
		return
	}
	for _, a := range n.src.Attrs {
		switch {
		case a.Name == "value" && a.T != nil:
			_ = g.constant(n.out[0], a.T) // a broken one stays of unknown shape
		case a.Name == "value_int":
			n.set(0, onnx.Int64, []int{})
			n.out[0].data, n.out[0].hasData = []float64{float64(a.I)}, true
		case a.Name == "value_float":
			n.set(0, onnx.Float, []int{})
			n.out[0].data, n.out[0].hasData = []float64{float64(a.F)}, true
		case a.Name == "value_ints" && len(a.Ints) <= maxConstant:
			n.set(0, onnx.Int64, []int{len(a.Ints)})
			for _, v := range a.Ints {
				n.out[0].data = append(n.out[0].data, float64(v))
			}
			n.out[0].hasData = true
		case a.Name == "value_floats" && len(a.Floats) <= maxConstant:
			n.set(0, onnx.Float, []int{len(a.Floats)})
			for _, v := range a.Floats {
				n.out[0].data = append(n.out[0].data, float64(v))
			}
			n.out[0].hasData = true
		}
	}
}

func shapeShape(_ *graph, n *node) {
	if !n.knownInputs(1) {
		return
	}
	lo, hi := shapeRange(n)
	n.set(0, onnx.Int64, []int{hi - lo})
}

// shapeRange is the part of the shape that Shape returns (opset 15: start, end).
func shapeRange(n *node) (int, int) {
	r := len(n.in[0].shape)
	clamp := func(v int) int {
		if v < 0 {
			v += r
		}
		return min(max(v, 0), r)
	}
	lo, hi := clamp(n.int("start", 0)), clamp(n.int("end", r))
	return lo, max(lo, hi)
}

func convShape(x, w int) func(*graph, *node) {
	return func(_ *graph, n *node) {
		if n.input(x) == nil || n.input(w) == nil || !n.in[x].known || !n.in[w].known {
			return
		}
		in, wt := n.in[x].shape, n.in[w].shape
		if len(in) < 3 || len(wt) != len(in) {
			return
		}
		n.groups = n.int("group", 1)
		if n.groups < 1 || in[1] != wt[1]*n.groups || wt[0]%n.groups != 0 {
			return
		}
		win, ok := n.slide(in[2:], n.kernelOf(w))
		if ok && slices.Equal(win.k, wt[2:]) {
			dtype := n.in[x].dtype
			if n.op == "ConvInteger" {
				dtype = onnx.Int32
			}
			n.set(0, dtype, append([]int{in[0], wt[0]}, win.out...))
		}
	}
}

func deconvShape(_ *graph, n *node) {
	if !n.knownInputs(2) {
		return
	}
	in, wt := n.in[0].shape, n.in[1].shape
	if len(in) < 3 || len(wt) != len(in) || in[1] != wt[0] {
		return
	}
	n.groups = n.int("group", 1)
	k, s, pads, extra := n.kernelOf(1), n.ints("strides"), n.ints("pads"), n.ints("output_padding")
	if n.groups < 1 || len(k) != len(in)-2 || n.has("output_shape") || n.src.Str("auto_pad", "NOTSET") != "NOTSET" {
		return
	}
	out := []int{in[0], wt[1] * n.groups}
	for i := range k {
		at := func(v []int, i, def int) int {
			if i < len(v) {
				return v[i]
			}
			return def
		}
		o := (in[2+i]-1)*at(s, i, 1) + at(extra, i, 0) + (k[i]-1)*at(n.ints("dilations"), i, 1) + 1 - at(pads, i, 0) - at(pads, i+len(k), 0)
		if o < 1 {
			return
		}
		out = append(out, o)
	}
	n.set(0, n.in[0].dtype, out)
}

func poolShape(_ *graph, n *node) {
	if !n.knownInputs(1) || len(n.in[0].shape) < 3 {
		return
	}
	in := n.in[0].shape
	if win, ok := n.slide(in[2:], n.ints("kernel_shape")); ok {
		out := append(slices.Clone(in[:2]), win.out...)
		n.set(0, n.in[0].dtype, out)
		n.set(1, onnx.Int64, slices.Clone(out))
	}
}

func globalPoolShape(_ *graph, n *node) {
	if !n.knownInputs(1) || len(n.in[0].shape) < 3 {
		return
	}
	out := slices.Clone(n.in[0].shape)
	for i := 2; i < len(out); i++ {
		out[i] = 1
	}
	n.set(0, n.in[0].dtype, out)
}

func matmulShape(a, b int, t onnx.DataType) func(*graph, *node) {
	return func(_ *graph, n *node) {
		if n.input(a) == nil || n.input(b) == nil || !n.in[a].known || !n.in[b].known {
			return
		}
		x, y := n.in[a].shape, n.in[b].shape
		if len(x) < 1 || len(y) < 1 || len(x) == 1 || len(y) == 1 {
			return // vectors do not occur in networks
		}
		if n.int("transA", 0) == 1 {
			x = swapLast(x)
		}
		if n.int("transB", 0) == 1 {
			y = swapLast(y)
		}
		if x[len(x)-1] != y[len(y)-2] {
			return
		}
		batch, ok := broadcast(x[:len(x)-2], y[:len(y)-2])
		if !ok {
			return
		}
		typ := t
		if typ == 0 {
			typ = n.in[a].dtype
		}
		n.set(0, typ, append(slices.Clone(batch), x[len(x)-2], y[len(y)-1]))
	}
}

func swapLast(s []int) []int {
	s = slices.Clone(s)
	k := len(s)
	s[k-1], s[k-2] = s[k-2], s[k-1]
	return s
}

func gemmShape(_ *graph, n *node) {
	if !n.knownInputs(2) || len(n.in[0].shape) != 2 || len(n.in[1].shape) != 2 {
		return
	}
	a, b := n.in[0].shape, n.in[1].shape
	if n.int("transA", 0) == 1 {
		a = swapLast(a)
	}
	if n.int("transB", 0) == 1 {
		b = swapLast(b)
	}
	if a[1] == b[0] {
		n.set(0, n.in[0].dtype, []int{a[0], b[1]})
	}
}

func reshapeShape(_ *graph, n *node) {
	if !n.knownInputs(1) {
		return
	}
	want, ok := n.data(1)
	if !ok {
		return
	}
	in, zero := n.in[0].shape, n.int("allowzero", 0) == 1
	out, open, rest := make([]int, len(want)), -1, 1
	for i, d := range dataInts(want) {
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
		if out[i] > 0 && rest > maxElements/out[i] {
			return
		}
		rest *= out[i]
	}
	total := elements(in)
	if open >= 0 {
		if rest == 0 || total%rest != 0 {
			return
		}
		out[open] = total / rest
	} else if rest != total {
		return
	}
	n.set(0, n.in[0].dtype, out)
}

func flattenShape(_ *graph, n *node) {
	if !n.knownInputs(1) {
		return
	}
	in := n.in[0].shape
	a := n.int("axis", 1)
	if a < 0 {
		a += len(in)
	}
	if a < 0 || a > len(in) {
		return
	}
	n.set(0, n.in[0].dtype, []int{elements(in[:a]), elements(in[a:])})
}

func squeezeShape(_ *graph, n *node) {
	if !n.knownInputs(1) {
		return
	}
	in := n.in[0].shape
	drop := make([]bool, len(in))
	if n.listed("axes", 1) {
		axes, ok := n.listInput("axes", 1)
		if !ok {
			return
		}
		for _, a := range axes {
			i, ok := axis(a, len(in))
			if !ok || in[i] != 1 {
				return
			}
			drop[i] = true
		}
	} else {
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
	n.set(0, n.in[0].dtype, out)
}

func unsqueezeShape(_ *graph, n *node) {
	if !n.knownInputs(1) {
		return
	}
	axes, ok := n.listInput("axes", 1)
	if !ok || len(axes) > maxRank {
		return
	}
	in := n.in[0].shape
	rank := len(in) + len(axes)
	out := make([]int, rank)
	for _, a := range axes {
		i, ok := axis(a, rank)
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
		n.set(0, n.in[0].dtype, out)
	}
}

// perm is a Transpose's permutation.
func (n *node) perm() []int {
	p := n.ints("perm")
	r := len(n.in[0].shape)
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

func transposeShape(_ *graph, n *node) {
	if !n.knownInputs(1) {
		return
	}
	p := n.perm()
	if p == nil {
		return
	}
	out := make([]int, len(p))
	for i, v := range p {
		out[i] = n.in[0].shape[v]
	}
	n.set(0, n.in[0].dtype, out)
}

func concatShape(_ *graph, n *node) {
	if len(n.in) == 0 || !n.knownInputs(len(n.in)) {
		return
	}
	out := slices.Clone(n.in[0].shape)
	a, ok := axis(n.int("axis", 1), len(out))
	if !ok {
		return
	}
	for _, v := range n.in[1:] {
		if len(v.shape) != len(out) {
			return
		}
		out[a] += v.shape[a]
	}
	n.set(0, n.in[0].dtype, out)
}

func splitShape(_ *graph, n *node) {
	if !n.knownInputs(1) || len(n.out) == 0 {
		return
	}
	in := n.in[0].shape
	a, ok := axis(n.int("axis", 0), len(in))
	if !ok {
		return
	}
	sizes, given := n.listInput("split", 1)
	if !given {
		if n.listed("split", 1) {
			return
		}
		k := len(n.out)
		part := (in[a] + k - 1) / k
		for i := range k {
			sizes = append(sizes, max(0, min(part, in[a]-i*part)))
		}
	}
	if len(sizes) != len(n.out) {
		return
	}
	for i, s := range sizes {
		if s < 0 || s > in[a] {
			return
		}
		out := slices.Clone(in)
		out[a] = s
		n.set(i, n.in[0].dtype, out)
	}
}

// sliceSpec is a Slice worked out: for each dimension start, step and count.
func (n *node) sliceSpec() (start, step, count []int, ok bool) {
	in := n.in[0].shape
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
	if n.input(4) != nil {
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
		a, ok := axis(ax, len(in))
		if !ok || steps[i] == 0 {
			return nil, nil, nil, false
		}
		d, s, e, st := in[a], starts[i], ends[i], steps[i]
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

func sliceShape(_ *graph, n *node) {
	if n.knownInputs(1) {
		if _, _, count, ok := n.sliceSpec(); ok {
			n.set(0, n.in[0].dtype, count)
		}
	}
}

func gatherShape(_ *graph, n *node) {
	if !n.knownInputs(2) {
		return
	}
	in, idx := n.in[0].shape, n.in[1].shape
	if a, ok := axis(n.int("axis", 0), len(in)); ok {
		n.set(0, n.in[0].dtype, slices.Concat(in[:a], idx, in[a+1:]))
	}
}

func gatherElementsShape(_ *graph, n *node) {
	if n.knownInputs(2) {
		n.set(0, n.in[0].dtype, slices.Clone(n.in[1].shape))
	}
}

func expandShape(_ *graph, n *node) {
	if !n.knownInputs(1) {
		return
	}
	if want, ok := n.data(1); ok {
		if out, ok := broadcast(n.in[0].shape, dataInts(want)); ok {
			n.set(0, n.in[0].dtype, out)
		}
	}
}

func tileShape(_ *graph, n *node) {
	if !n.knownInputs(1) {
		return
	}
	reps, ok := n.data(1)
	if !ok || len(reps) != len(n.in[0].shape) {
		return
	}
	out := slices.Clone(n.in[0].shape)
	for i, r := range dataInts(reps) {
		if r < 0 || r > 0 && out[i] > maxElements/r {
			return
		}
		out[i] *= r
	}
	n.set(0, n.in[0].dtype, out)
}

// padsOf is a Pad's amounts, begin and end of each dimension.
func (n *node) padsOf() ([]int, bool) {
	pads, ok := n.listInput("pads", 1)
	if !ok {
		return nil, false
	}
	rank := len(n.in[0].shape)
	if v := n.input(3); v != nil { // opset 18: axes
		axes, ok := n.data(3)
		if !ok || len(pads) != 2*len(axes) {
			return nil, false
		}
		full := make([]int, 2*rank)
		for i, a := range dataInts(axes) {
			j, ok := axis(a, rank)
			if !ok {
				return nil, false
			}
			full[j], full[j+rank] = pads[i], pads[i+len(axes)]
		}
		pads = full
	}
	return pads, len(pads) == 2*rank
}

func padShape(_ *graph, n *node) {
	if !n.knownInputs(1) {
		return
	}
	pads, ok := n.padsOf()
	if !ok {
		return
	}
	out := slices.Clone(n.in[0].shape)
	for i := range out {
		if out[i] += pads[i] + pads[i+len(out)]; out[i] < 0 {
			return
		}
	}
	n.set(0, n.in[0].dtype, out)
}

func resizeShape(_ *graph, n *node) {
	if !n.knownInputs(1) {
		return
	}
	in := n.in[0].shape
	if sizes, ok := n.data(3); ok && len(sizes) == len(in) {
		n.set(0, n.in[0].dtype, dataInts(sizes))
		return
	}
	i := 2
	if n.op == "Upsample" {
		i = 1
	}
	scales, ok := n.data(i)
	if n.has("scales") { // Upsample-7
		scales, ok = nil, true
		for _, a := range n.src.Attrs {
			if a.Name == "scales" {
				for _, f := range a.Floats {
					scales = append(scales, float64(f))
				}
			}
		}
	}
	if !ok || len(scales) != len(in) {
		return
	}
	out := make([]int, len(in))
	for i, s := range scales {
		v := float64(in[i]) * s
		if !(v >= 1 && v < maxElements) {
			return
		}
		out[i] = int(v)
	}
	n.set(0, n.in[0].dtype, out)
}

func depthToSpaceShape(_ *graph, n *node) {
	b := n.int("blocksize", 0)
	if !n.knownInputs(1) || len(n.in[0].shape) != 4 || b < 1 || b > 1<<10 {
		return
	}
	s := n.in[0].shape
	n.set(0, n.in[0].dtype, []int{s[0], s[1] / (b * b), s[2] * b, s[3] * b})
}

func spaceToDepthShape(_ *graph, n *node) {
	b := n.int("blocksize", 0)
	if !n.knownInputs(1) || len(n.in[0].shape) != 4 || b < 1 || b > 1<<10 {
		return
	}
	s := n.in[0].shape
	n.set(0, n.in[0].dtype, []int{s[0], s[1] * b * b, s[2] / b, s[3] / b})
}

func constantOfShapeShape(_ *graph, n *node) {
	if want, ok := n.data(0); ok && len(want) <= maxRank {
		typ := onnx.Float
		if a := n.src.Attr("value"); a != nil && a.T != nil {
			typ = a.T.Type
		}
		n.set(0, typ, dataInts(want))
	}
}

func eyeLikeShape(_ *graph, n *node) {
	if n.knownInputs(1) && len(n.in[0].shape) == 2 {
		n.set(0, onnx.DataType(n.int("dtype", int(n.in[0].dtype))), n.in[0].shape)
	}
}

func rangeShape(_ *graph, n *node) {
	a, ok1 := n.data(0)
	b, ok2 := n.data(1)
	d, ok3 := n.data(2)
	if !ok1 || !ok2 || !ok3 || len(a) != 1 || len(b) != 1 || len(d) != 1 || d[0] == 0 {
		return
	}
	k := (b[0] - a[0]) / d[0]
	if !(k < maxElements) {
		return
	}
	count := max(0, int(k))
	if float64(count) < k {
		count++
	}
	n.set(0, n.in[0].dtype, []int{count})
}

func castShape(_ *graph, n *node) {
	if n.knownInputs(1) {
		n.set(0, onnx.DataType(n.int("to", 0)), slices.Clone(n.in[0].shape))
	}
}

func reduceShape(_ *graph, n *node) {
	if !n.knownInputs(1) {
		return
	}
	in := n.in[0].shape
	axes, ok := n.reduceAxes()
	if !ok {
		return
	}
	keep := n.int("keepdims", 1) == 1
	out := []int{}
	for i, d := range in {
		switch {
		case !axes[i]:
			out = append(out, d)
		case keep:
			out = append(out, 1)
		}
	}
	n.set(0, n.in[0].dtype, out)
}

// reduceAxes says which dimensions a Reduce sums over.
func (n *node) reduceAxes() ([]bool, bool) {
	rank := len(n.in[0].shape)
	on := make([]bool, rank)
	if !n.listed("axes", 1) {
		for i := range on {
			on[i] = n.int("noop_with_empty_axes", 0) == 0
		}
		return on, true
	}
	axes, ok := n.listInput("axes", 1)
	if !ok {
		return nil, false
	}
	for _, a := range axes {
		i, ok := axis(a, rank)
		if !ok {
			return nil, false
		}
		on[i] = true
	}
	return on, true
}

func argShape(_ *graph, n *node) {
	if !n.knownInputs(1) {
		return
	}
	in := slices.Clone(n.in[0].shape)
	a, ok := axis(n.int("axis", 0), len(in))
	if !ok {
		return
	}
	in[a] = 1
	if n.int("keepdims", 1) == 0 {
		in = slices.Delete(in, a, a+1)
	}
	n.set(0, onnx.Int64, in)
}

// recurrentShape: X is sequence × batch × features, W directions × gates·hidden ×
// features; Y, Y_h and (of an LSTM) Y_c are what comes out.
func recurrentShape(_ *graph, n *node) {
	if !n.knownInputs(2) || len(n.in[0].shape) != 3 || len(n.in[1].shape) != 3 || n.int("layout", 0) != 0 {
		return
	}
	x, hidden := n.in[0].shape, n.int("hidden_size", 0)
	if hidden < 1 {
		return
	}
	dirs := n.in[1].shape[0]
	n.set(0, n.in[0].dtype, []int{x[0], dirs, x[1], hidden})
	n.set(1, n.in[0].dtype, []int{dirs, x[1], hidden})
	n.set(2, n.in[0].dtype, []int{dirs, x[1], hidden})
}

func topKShape(_ *graph, n *node) {
	k, ok := n.data(1)
	if !n.knownInputs(1) || !ok || len(k) != 1 {
		return
	}
	out := slices.Clone(n.in[0].shape)
	a, ok := axis(n.int("axis", -1), len(out))
	if !ok || k[0] < 0 || int(k[0]) > out[a] {
		return
	}
	out[a] = int(k[0])
	n.set(0, n.in[0].dtype, out)
	n.set(1, onnx.Int64, slices.Clone(out))
}

func quantizeShape(_ *graph, n *node) {
	if n.knownInputs(1) {
		typ := onnx.Uint8
		if z := n.input(2); z != nil && z.known {
			typ = z.dtype
		} else if n.has("output_dtype") {
			typ = onnx.DataType(n.int("output_dtype", int(typ)))
		}
		n.set(0, typ, slices.Clone(n.in[0].shape))
	}
}

func dequantizeShape(_ *graph, n *node) {
	if n.knownInputs(1) {
		typ := onnx.Float
		if s := n.input(1); s != nil && s.known {
			typ = s.dtype
		}
		n.set(0, typ, slices.Clone(n.in[0].shape))
	}
}

func dynamicQuantizeShape(_ *graph, n *node) {
	if n.knownInputs(1) {
		n.set(0, onnx.Uint8, slices.Clone(n.in[0].shape))
		n.set(1, onnx.Float, []int{})
		n.set(2, onnx.Uint8, []int{})
	}
}

// einsumShape reads equations of letters, without an ellipsis.
func einsumShape(_ *graph, n *node) {
	if n.src == nil || len(n.in) == 0 || !n.knownInputs(len(n.in)) {
		return
	}
	terms, out, ok := einsum(n.src.Str("equation", ""))
	if !ok || len(terms) != len(n.in) {
		return
	}
	size := map[byte]int{}
	for i, t := range terms {
		if len(t) != len(n.in[i].shape) {
			return
		}
		for j := range len(t) {
			size[t[j]] = n.in[i].shape[j]
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
	n.set(0, n.in[0].dtype, shape)
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

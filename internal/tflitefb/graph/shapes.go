package graph

import (
	"errors"
	"math"
	"slices"

	"github.com/isocost/isocost/internal/tflitefb"
)

// A rule works out the shapes of an operator's outputs from those of its inputs, as the
// kernels of LiteRT do when they are prepared (tflite/kernels, Prepare). nil is not known: a
// size that is computed, or a form without a rule. It fails where the runtime refuses.
type rule struct {
	inputs int // how many have to be there
	shapes func(*Graph, *Operator) ([][]int32, error)
}

var errFit = errors.New("its inputs do not fit together")

// Operators that have no name in tflitefb, by their codes in the schema.
const (
	l2Normalization = 11
	localResponse   = 13
	logSoftmax      = 50
	less            = 58
	greater         = 61
	greaterEqual    = 62
	lessEqual       = 63
	equal           = 71
	notEqual        = 72
	shapeOf         = 77
	pack            = 83
	logicalOr       = 84
	logicalAnd      = 86
	logicalNot      = 87
	unpack          = 88
	floorDiv        = 90
	floorMod        = 95
)

var rules map[tflitefb.Op]rule

func init() { // they look each other up
	one := func(f func(*Graph, *Operator) ([]int32, error)) func(*Graph, *Operator) ([][]int32, error) {
		return func(g *Graph, o *Operator) ([][]int32, error) {
			s, err := f(g, o)
			if s == nil || err != nil {
				return nil, err
			}
			return [][]int32{s}, nil
		}
	}
	rules = map[tflitefb.Op]rule{
		tflitefb.Conv2D: {2, one(conv)}, tflitefb.DepthwiseConv2D: {2, one(depthwise)}, tflitefb.TransposeConv: {3, one(deconv)},
		tflitefb.AveragePool2D: {1, one(pool)}, tflitefb.MaxPool2D: {1, one(pool)},
		tflitefb.FullyConnected: {2, one(connected)}, tflitefb.BatchMatMul: {2, one(product)},
		tflitefb.Concatenation: {1, one(joined)}, tflitefb.Split: {2, split}, tflitefb.SplitV: {3, splitAt},
		tflitefb.Slice: {3, one(slice)}, tflitefb.StridedSlice: {4, one(stridedSlice)},
		tflitefb.Pad: {2, one(padded)}, tflitefb.PadV2: {2, one(padded)}, tflitefb.BroadcastTo: {2, one(sizesAt(1))},
		tflitefb.Gather: {2, one(gathered)}, tflitefb.Reshape: {1, one(reshaped)}, tflitefb.Squeeze: {1, one(squeezed)},
		tflitefb.ExpandDims: {2, one(expanded)}, tflitefb.Transpose: {2, one(transposed)},
		tflitefb.ResizeBilinear: {2, one(resized)}, tflitefb.ResizeNearestNeighbor: {2, one(resized)},
		tflitefb.DepthToSpace: {1, one(depthToSpace)}, tflitefb.SpaceToDepth: {1, one(spaceToDepth)},
		shapeOf: {1, one(rankOf)}, pack: {1, one(packed)}, unpack: {1, unpacked},
	}
	for _, op := range []tflitefb.Op{tflitefb.Mean, tflitefb.Sum, tflitefb.ReduceMax, tflitefb.ReduceMin, tflitefb.ReduceProd} {
		rules[op] = rule{2, one(reduced)}
	}
	for _, op := range []tflitefb.Op{tflitefb.Add, tflitefb.Sub, tflitefb.Mul, tflitefb.Div, tflitefb.Maximum, tflitefb.Minimum, tflitefb.SquaredDifference, tflitefb.Pow, tflitefb.Prelu,
		less, greater, greaterEqual, lessEqual, equal, notEqual, logicalOr, logicalAnd, floorDiv, floorMod} {
		rules[op] = rule{2, one(broadcast)}
	}
	for _, op := range []tflitefb.Op{tflitefb.Dequantize, tflitefb.Quantize, tflitefb.Cast, tflitefb.Logistic, tflitefb.Tanh, tflitefb.Relu, tflitefb.ReluN1To1, tflitefb.Relu6,
		tflitefb.LeakyRelu, tflitefb.Elu, tflitefb.HardSwish, tflitefb.Gelu, tflitefb.Softmax, tflitefb.Floor, tflitefb.Ceil, tflitefb.Round, tflitefb.Exp, tflitefb.Log, tflitefb.Neg,
		tflitefb.Abs, tflitefb.Sin, tflitefb.Cos, tflitefb.Sqrt, tflitefb.Rsqrt, tflitefb.Square, l2Normalization, localResponse, logSoftmax, logicalNot} {
		rules[op] = rule{1, one(same)}
	}
}

// shape is that of the i-th input, which is there.
func (g *Graph) shape(o *Operator, i int) []int32 { return g.Model.Tensors[o.Inputs[i]].Shape }

func same(g *Graph, o *Operator) ([]int32, error) { return slices.Clone(g.shape(o, 0)), nil }

// axisOf makes a possibly negative axis one of a rank.
func axisOf(a, rank int) (int, error) {
	if a < 0 {
		a += rank
	}
	if a < 0 || a >= rank {
		return 0, errFit
	}
	return a, nil
}

// broadcast joins two shapes as numpy does.
func broadcast(g *Graph, o *Operator) ([]int32, error) {
	return joinShapes(g.shape(o, 0), g.shape(o, 1))
}

func joinShapes(a, b []int32) ([]int32, error) {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := append([]int32{}, a...)
	off := len(a) - len(b)
	for i, d := range b {
		switch {
		case out[off+i] == d || d == 1:
		case out[off+i] == 1:
			out[off+i] = d
		default:
			return nil, errFit
		}
	}
	return out, nil
}

// window is the size that a kernel leaves of a side; ok is false of a side that is too short for
// it, of which the runtimes make different things.
func window(o *Operator, side, kernel int32, stride, dilation string) (size int32, ok bool, err error) {
	s, d := int32(o.Options.Value(stride)), max(1, int32(o.Options.Value(dilation)))
	if s < 1 || kernel < 1 {
		return 0, false, errFit
	}
	if o.Options.Value("padding") == tflitefb.PaddingSame {
		return (side + s - 1) / s, true, nil
	}
	reach := int64(kernel-1)*int64(d) + 1
	return int32((int64(side)-reach)/int64(s)) + 1, int64(side) >= reach, nil
}

// windows is a map's shape behind a kernel of h·w.
func windows(o *Operator, in []int32, h, w, channels int32) ([]int32, error) {
	y, ok, err := window(o, in[1], h, "stride_h", "dilation_h_factor")
	if !ok || err != nil {
		return nil, err
	}
	x, ok, err := window(o, in[2], w, "stride_w", "dilation_w_factor")
	if !ok || err != nil {
		return nil, err
	}
	return []int32{in[0], y, x, channels}, nil
}

func conv(g *Graph, o *Operator) ([]int32, error) {
	in, w := g.shape(o, 0), g.shape(o, 1)
	if len(in) != 4 || len(w) != 4 || w[3] < 1 || in[3]%w[3] != 0 {
		return nil, errFit
	}
	return windows(o, in, w[1], w[2], w[0])
}

func depthwise(g *Graph, o *Operator) ([]int32, error) {
	in, w := g.shape(o, 0), g.shape(o, 1)
	if len(in) != 4 || len(w) != 4 || in[3] < 1 || w[3]%in[3] != 0 {
		return nil, errFit
	}
	return windows(o, in, w[1], w[2], w[3])
}

func pool(g *Graph, o *Operator) ([]int32, error) {
	in := g.shape(o, 0)
	if len(in) != 4 {
		return nil, errFit
	}
	return windows(o, in, int32(o.Options.Value("filter_height")), int32(o.Options.Value("filter_width")), in[3])
}

// sizesAt are those that an input holds.
func sizesAt(i int) func(*Graph, *Operator) ([]int32, error) {
	return func(g *Graph, o *Operator) ([]int32, error) {
		v, ok := g.Integers(o, i)
		if !ok {
			return nil, nil
		}
		return sizes(v)
	}
}

// sizes are integers as a shape.
func sizes(v []int) ([]int32, error) {
	s := make([]int32, len(v))
	for i, n := range v {
		if n < 0 || n > math.MaxInt32 {
			return nil, errFit
		}
		s[i] = int32(n)
	}
	return s, nil
}

// deconv has the sizes that it is given, where these are what its kernel makes of its input. Of
// other inputs than the file's the library's own kernel still takes them, XNNPACK does not.
func deconv(g *Graph, o *Operator) ([]int32, error) {
	out, err := sizesAt(0)(g, o)
	in, w := g.shape(o, 2), g.shape(o, 1)
	if err != nil || len(out) != 4 || len(in) != 4 || len(w) != 4 || out[0] != in[0] {
		return nil, err
	}
	for i, name := range []string{"stride_h", "stride_w"} {
		if side, ok, err := window(o, out[1+i], w[1+i], name, ""); err != nil || !ok || side != in[1+i] {
			return nil, nil
		}
	}
	return out, nil
}

func connected(g *Graph, o *Operator) ([]int32, error) {
	in, w := g.shape(o, 0), g.shape(o, 1)
	if len(w) != 2 || w[1] < 1 || Size(in)%int(w[1]) != 0 {
		return nil, errFit
	}
	if o.Options.Value("keep_num_dims") != 1 {
		return sizes([]int{Size(in) / int(w[1]), int(w[0])})
	}
	if len(in) == 0 || in[len(in)-1] != w[1] {
		return nil, errFit
	}
	return append(slices.Clone(in[:len(in)-1]), w[0]), nil
}

func product(g *Graph, o *Operator) ([]int32, error) {
	a, b := slices.Clone(g.shape(o, 0)), slices.Clone(g.shape(o, 1))
	if len(a) < 2 || len(b) < 2 {
		return nil, errFit
	}
	for name, s := range map[string][]int32{"adj_x": a, "adj_y": b} {
		if k := len(s); o.Options.Value(name) == 1 {
			s[k-2], s[k-1] = s[k-1], s[k-2]
		}
	}
	if a[len(a)-1] != b[len(b)-2] {
		return nil, errFit
	}
	batch, err := joinShapes(a[:len(a)-2], b[:len(b)-2])
	return append(batch, a[len(a)-2], b[len(b)-1]), err
}

func reduced(g *Graph, o *Operator) ([]int32, error) {
	axes, ok := g.Integers(o, 1)
	if !ok {
		return nil, nil
	}
	in := g.shape(o, 0)
	on := make([]bool, len(in))
	for _, a := range axes {
		i, err := axisOf(a, len(in))
		if err != nil {
			return nil, err
		}
		on[i] = true
	}
	out := []int32{}
	for i, d := range in {
		switch {
		case !on[i]:
			out = append(out, d)
		case o.Options.Value("keep_dims") == 1:
			out = append(out, 1)
		}
	}
	return out, nil
}

func joined(g *Graph, o *Operator) ([]int32, error) {
	out := slices.Clone(g.shape(o, 0))
	a, err := axisOf(int(o.Options.Value("axis")), len(out))
	if err != nil {
		return nil, err
	}
	for i := range o.Inputs[1:] {
		if o.Inputs[i+1] < 0 {
			return nil, errFit
		}
		s := g.shape(o, i+1)
		if len(s) != len(out) {
			return nil, errFit
		}
		for d, n := range s {
			if d != a && n != out[d] {
				return nil, errFit
			}
		}
		out[a] += s[a]
	}
	return out, nil
}

func split(g *Graph, o *Operator) ([][]int32, error) {
	a, ok := g.Integer(o, 0)
	if !ok {
		return nil, nil
	}
	in, parts := g.shape(o, 1), int32(len(o.Outputs))
	a, err := axisOf(a, len(in))
	if err != nil || parts < 1 || in[a]%parts != 0 {
		return nil, errFit
	}
	part := slices.Clone(in)
	part[a] /= parts
	return slices.Repeat([][]int32{part}, int(parts)), nil
}

func splitAt(g *Graph, o *Operator) ([][]int32, error) {
	lengths, ok := g.Integers(o, 1)
	a, too := g.Integer(o, 2)
	if !ok || !too {
		return nil, nil
	}
	in := g.shape(o, 0)
	a, err := axisOf(a, len(in))
	if err != nil || len(lengths) != len(o.Outputs) {
		return nil, errFit
	}
	rest, open := int(in[a]), -1
	for i, n := range lengths {
		if n < 0 {
			open = i
			continue
		}
		rest -= n
	}
	if rest < 0 || open < 0 && rest != 0 {
		return nil, errFit
	}
	var out [][]int32
	for i, n := range lengths {
		if i == open {
			n = rest
		}
		part := slices.Clone(in)
		part[a] = int32(n)
		out = append(out, part)
	}
	return out, nil
}

func slice(g *Graph, o *Operator) ([]int32, error) {
	begin, ok := g.Integers(o, 1)
	size, too := g.Integers(o, 2)
	if !ok || !too {
		return nil, nil
	}
	in := g.shape(o, 0)
	if len(begin) != len(in) || len(size) != len(in) {
		return nil, errFit
	}
	out := make([]int32, len(in))
	for i, d := range in {
		n := size[i]
		if n < 0 {
			n = int(d) - begin[i]
		}
		if begin[i] < 0 || n < 0 || begin[i]+n > int(d) {
			return nil, nil // XNNPACK does not look
		}
		out[i] = int32(n)
	}
	return out, nil
}

func stridedSlice(g *Graph, o *Operator) ([]int32, error) {
	begin, ok := g.Integers(o, 1)
	end, too := g.Integers(o, 2)
	stride, all := g.Integers(o, 3)
	mask := func(name string, i int) bool { return int(o.Options.Value(name))>>i&1 == 1 }
	if !ok || !too || !all || o.Options.Value("ellipsis_mask") != 0 || o.Options.Value("new_axis_mask") != 0 {
		return nil, nil
	}
	in := g.shape(o, 0)
	if len(begin) > len(in) || len(end) != len(begin) || len(stride) != len(begin) {
		return nil, errFit
	}
	out := []int32{}
	for i, n := range in {
		d := int(n)
		if i >= len(begin) {
			out = append(out, n)
			continue
		}
		s := stride[i]
		if s == 0 {
			return nil, errFit
		}
		if mask("shrink_axis_mask", i) {
			continue
		}
		lo, hi, from, to := 0, d, begin[i], end[i]
		if s < 0 {
			lo, hi = -1, d-1
		}
		for _, v := range []*int{&from, &to} {
			if *v < 0 {
				*v += d
			}
			*v = min(max(*v, lo), hi)
		}
		if mask("begin_mask", i) {
			from = lo
			if s < 0 {
				from = hi
			}
		}
		if mask("end_mask", i) {
			to = hi
			if s < 0 {
				to = lo
			}
		}
		count := (to - from + s - 1) / s
		if s < 0 {
			count = (to - from + s + 1) / s
		}
		out = append(out, int32(max(0, count)))
	}
	return out, nil
}

func padded(g *Graph, o *Operator) ([]int32, error) {
	amounts, ok := g.Integers(o, 1)
	if !ok {
		return nil, nil
	}
	in := g.shape(o, 0)
	if len(amounts) != 2*len(in) {
		return nil, errFit
	}
	out := make([]int, len(in))
	for i, d := range in {
		if amounts[2*i] < 0 || amounts[2*i+1] < 0 {
			return nil, errFit
		}
		out[i] = int(d) + amounts[2*i] + amounts[2*i+1]
	}
	return sizes(out)
}

func gathered(g *Graph, o *Operator) ([]int32, error) {
	in, idx := g.shape(o, 0), g.shape(o, 1)
	a, err := axisOf(int(o.Options.Value("axis")), len(in))
	batch := int(o.Options.Value("batch_dims"))
	if batch < 0 {
		batch += len(idx)
	}
	if err != nil || batch < 0 || batch > len(idx) || batch > a {
		return nil, errFit
	}
	return slices.Concat(in[:a], idx[batch:], in[a+1:]), nil
}

func reshaped(g *Graph, o *Operator) ([]int32, error) {
	want, ok := g.Integers(o, 1)
	if g.In(o, 1) == nil {
		ok = o.Options.NewShape != nil
		for _, n := range o.Options.NewShape {
			want = append(want, int(n))
		}
	}
	if !ok {
		return nil, nil
	}
	total, rest, open := Size(g.shape(o, 0)), 1, -1
	for i, n := range want {
		switch {
		case n == -1 && open < 0:
			open = i
		case n < 0:
			return nil, errFit
		case n > 0 && rest > maxElements/n:
			return nil, errFit
		default:
			rest *= n
		}
	}
	out := slices.Clone(want)
	if open >= 0 {
		if rest == 0 {
			return nil, errFit
		}
		out[open] = total / rest
		rest *= out[open]
	}
	if rest != total {
		return nil, errFit
	}
	return sizes(out)
}

func squeezed(g *Graph, o *Operator) ([]int32, error) {
	in := g.shape(o, 0)
	drop := make([]bool, len(in))
	for _, n := range o.Options.NewShape {
		a, err := axisOf(int(n), len(in))
		if err != nil || in[a] != 1 {
			return nil, errFit
		}
		drop[a] = true
	}
	out := []int32{}
	for i, d := range in {
		if !drop[i] && (len(o.Options.NewShape) > 0 || d != 1) {
			out = append(out, d)
		}
	}
	return out, nil
}

func expanded(g *Graph, o *Operator) ([]int32, error) {
	a, ok := g.Integer(o, 1)
	if !ok {
		return nil, nil
	}
	in := g.shape(o, 0)
	a, err := axisOf(a, len(in)+1)
	if err != nil {
		return nil, err
	}
	return slices.Insert(slices.Clone(in), a, 1), nil
}

func transposed(g *Graph, o *Operator) ([]int32, error) {
	order, ok := g.Integers(o, 1)
	if !ok {
		return nil, nil
	}
	in := g.shape(o, 0)
	if len(order) != len(in) {
		return nil, errFit
	}
	out, seen := make([]int32, len(in)), make([]bool, len(in))
	for i, a := range order {
		a, err := axisOf(a, len(in))
		if err != nil || seen[a] {
			return nil, errFit
		}
		out[i], seen[a] = in[a], true
	}
	return out, nil
}

func resized(g *Graph, o *Operator) ([]int32, error) {
	size, ok := g.Integers(o, 1)
	if !ok {
		return nil, nil
	}
	in := g.shape(o, 0)
	if len(in) != 4 || len(size) != 2 {
		return nil, errFit
	}
	return sizes([]int{int(in[0]), size[0], size[1], int(in[3])})
}

// blockSize is of an operator between channels and pixels of a map.
func blockSize(g *Graph, o *Operator) (in []int32, b int32, err error) {
	in, b = g.shape(o, 0), int32(o.Options.Value("block_size"))
	if len(in) != 4 || b < 1 || b > 1<<10 {
		return nil, 0, errFit
	}
	return in, b, nil
}

func depthToSpace(g *Graph, o *Operator) ([]int32, error) {
	in, b, err := blockSize(g, o)
	if err != nil || in[3]%(b*b) != 0 {
		return nil, errFit
	}
	return sizes([]int{int(in[0]), int(in[1]) * int(b), int(in[2]) * int(b), int(in[3] / (b * b))})
}

func spaceToDepth(g *Graph, o *Operator) ([]int32, error) {
	in, b, err := blockSize(g, o)
	if err != nil || in[1]%b != 0 || in[2]%b != 0 {
		return nil, errFit
	}
	return sizes([]int{int(in[0]), int(in[1] / b), int(in[2] / b), int(in[3]) * int(b*b)})
}

func rankOf(g *Graph, o *Operator) ([]int32, error) { return []int32{int32(len(g.shape(o, 0)))}, nil }

func packed(g *Graph, o *Operator) ([]int32, error) {
	in := g.shape(o, 0)
	a, err := axisOf(int(o.Options.Value("axis")), len(in)+1)
	if err != nil {
		return nil, err
	}
	for i := range o.Inputs {
		if o.Inputs[i] < 0 || !slices.Equal(g.shape(o, i), in) {
			return nil, errFit
		}
	}
	return slices.Insert(slices.Clone(in), a, int32(len(o.Inputs))), nil
}

func unpacked(g *Graph, o *Operator) ([][]int32, error) {
	in := g.shape(o, 0)
	a, err := axisOf(int(o.Options.Value("axis")), len(in))
	if err != nil || int(in[a]) != len(o.Outputs) {
		return nil, errFit
	}
	return slices.Repeat([][]int32{slices.Delete(slices.Clone(in), a, a+1)}, len(o.Outputs)), nil
}

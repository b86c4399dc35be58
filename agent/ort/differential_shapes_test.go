//go:build cgo

package ort

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// Law: the shape and the type that the reader infers for a tensor are those with which ONNX
// Runtime computes it, of random graphs of valid operators in all forms of the opsets 9 to 21,
// each tensor an output.
func TestShapesAgreeWithRuntime(t *testing.T) {
	b := backend(t)
	ran, compared, kinds := 0, 0, map[string]int{}
	d := backendtest.NewDifferential(t, 250)
	for seed := range d.Seeds {
		w := newWriter(seed, 2)
		for range 2 + w.rng.IntN(4) {
			w.step()
			if err := w.infer(); err != nil {
				t.Fatalf("seed %d: the reader refuses what it is to read: %v", seed, err)
			}
		}
		var out []agent.Tensor
		s, err := b.Open(t.Context(), agent.Model{Name: "shapes", Bytes: onnx.Encode(w.model(w.made...))}, agent.Options{Threads: 1, Provider: "cpu"})
		if err == nil {
			if err = s.Run(); err == nil {
				out, err = s.(agent.OutputReader).Outputs()
			}
			s.Close()
		}
		if err != nil {
			continue // the writer knows less than the runtime of what fits together
		}
		ran++
		for _, o := range out {
			v := w.read.Values[o.Name]
			if v == nil || !v.Known {
				continue
			}
			compared++
			kinds[v.From.Op]++
			if !slices.Equal(v.Shape, o.Shape) || v.Type.String() != o.DType {
				t.Errorf("seed %d, opset %d: %s is %s%v, ONNX Runtime's %s%v", seed, w.opset, w.describe(v.From), v.Type, v.Shape, o.DType, o.Shape)
			}
		}
	}
	d.Enough(ran, compared, fmt.Sprintf("the shapes and types of %d tensors of %d operators, as inferred and as computed", compared, len(kinds)))
}

// writer makes random graphs of valid operators, asking the reader for the shapes that the
// next operator has to fit.
type writer struct {
	rng    *rand.Rand
	opset  int64
	g      onnx.Graph
	made   []string
	floats []string // names of float tensors to go on from
	read   *graph.Graph
}

func newWriter(seed, stream uint64) *writer {
	w := &writer{rng: rand.New(rand.NewPCG(seed, stream))}
	w.opset = int64(9 + w.rng.IntN(13))
	shape := []int{1 + w.rng.IntN(2), 4 * (1 + w.rng.IntN(2)), 3 + w.rng.IntN(6), 3 + w.rng.IntN(6)}
	switch w.rng.IntN(4) {
	case 0:
		shape = shape[1:]
	case 1:
		shape = shape[2:]
	}
	w.g.Inputs = []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, shape...)}
	w.floats = []string{"x"}
	return w
}

// model is the graph with these outputs.
func (w *writer) model(outputs ...string) *onnx.Model {
	g := w.g
	g.Outputs = nil
	for _, name := range outputs {
		g.Outputs = append(g.Outputs, &onnx.ValueInfo{Name: name})
	}
	return &onnx.Model{IRVersion: 8, Opsets: []onnx.Opset{{Version: w.opset}}, Graph: &g}
}

// infer reads the graph so far.
func (w *writer) infer() (err error) {
	if w.read, err = graph.Load(w.model(w.made...), graph.Options{}); err != nil {
		return err
	}
	return w.read.Infer(nil)
}

func (w *writer) describe(n *graph.Node) string {
	text := fmt.Sprintf("%s(", n.Op)
	for i, v := range n.In {
		if i > 0 {
			text += ", "
		}
		if v != nil {
			text += fmt.Sprintf("%s%v", v.Type, v.Shape)
			if v.HasData && len(v.Data) < 9 {
				text += fmt.Sprintf("=%v", v.Data)
			}
		}
	}
	for _, a := range n.Src.Attrs {
		switch a.Type {
		case onnx.AttrInt:
			text += fmt.Sprintf(", %s=%d", a.Name, a.I)
		case onnx.AttrInts:
			text += fmt.Sprintf(", %s=%v", a.Name, a.Ints)
		case onnx.AttrFloats:
			text += fmt.Sprintf(", %s=%v", a.Name, a.Floats)
		case onnx.AttrString:
			text += fmt.Sprintf(", %s=%s", a.Name, a.S)
		}
	}
	return text + ")"
}

func (w *writer) coin() bool             { return w.rng.IntN(2) == 0 }
func (w *writer) one(s ...string) string { return s[w.rng.IntN(len(s))] }
func (w *writer) between(lo, hi int) int { return lo + w.rng.IntN(hi-lo+1) }

// ints is an attribute, or since the opset that made it one an input.
func intsAttr(name string, v ...int) *onnx.Attr {
	a := &onnx.Attr{Name: name, Type: onnx.AttrInts}
	for _, x := range v {
		a.Ints = append(a.Ints, int64(x))
	}
	return a
}

// list is a constant vector of integers.
func (w *writer) list(v ...int) string {
	name, data := fmt.Sprintf("c%d", len(w.g.Initializers)), make([]int64, len(v))
	for i, x := range v {
		data[i] = int64(x)
	}
	w.g.Initializers = append(w.g.Initializers, onnx.IntTensor(name, onnx.Int64, data, len(v)))
	return name
}

// vector is a constant vector of floats.
func (w *writer) vector(v ...float32) string {
	name := fmt.Sprintf("c%d", len(w.g.Initializers))
	w.g.Initializers = append(w.g.Initializers, onnx.FloatTensor(name, onnx.Float, v, len(v)))
	return name
}

// tensor is a constant of small random numbers.
func (w *writer) tensor(typ onnx.DataType, dims ...int) string {
	name, n := fmt.Sprintf("c%d", len(w.g.Initializers)), graph.Elements(dims)
	if typ == onnx.Float {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(w.rng.IntN(9)-4) / 4
		}
		w.g.Initializers = append(w.g.Initializers, onnx.FloatTensor(name, typ, v, dims...))
		return name
	}
	v := make([]int64, n)
	for i := range v {
		v[i] = int64(w.rng.IntN(2))
	}
	w.g.Initializers = append(w.g.Initializers, onnx.IntTensor(name, typ, v, dims...))
	return name
}

func (w *writer) scalar(typ onnx.DataType, v int64) string {
	name := fmt.Sprintf("c%d", len(w.g.Initializers))
	if typ == onnx.Float {
		w.g.Initializers = append(w.g.Initializers, onnx.FloatTensor(name, typ, []float32{float32(v) / 16}))
	} else {
		w.g.Initializers = append(w.g.Initializers, onnx.IntTensor(name, typ, []int64{v}))
	}
	return name
}

// add appends a node and returns the names of its outputs.
func (w *writer) add(op string, outputs int, attrs []*onnx.Attr, in ...string) []string {
	n := &onnx.Node{Op: op, Name: fmt.Sprintf("n%d", len(w.g.Nodes)), Inputs: in, Attrs: attrs}
	for range outputs {
		name := fmt.Sprintf("v%d", len(w.made))
		n.Outputs, w.made = append(n.Outputs, name), append(w.made, name)
	}
	w.g.Nodes = append(w.g.Nodes, n)
	return n.Outputs
}

// goOn appends a node whose first output is a float tensor to go on from.
func (w *writer) goOn(op string, attrs []*onnx.Attr, in ...string) {
	w.floats = append(w.floats, w.add(op, 1, attrs, in...)[0])
}

// windows are attributes of a window over the pixels of a map, as they may stand in a file.
func (w *writer) windows(pixels []int, pool bool) (attrs []*onnx.Attr, kernel []int) {
	n := len(pixels)
	kernel, strides, dilations, pads := make([]int, n), make([]int, n), make([]int, n), make([]int, 2*n)
	dilated := w.rng.IntN(3) == 0
	for i, d := range pixels {
		kernel[i], strides[i], dilations[i] = w.between(1, min(3, d)), w.between(1, 3), 1
		if dilated && (kernel[i]-1)*2 < d {
			dilations[i] = 2
		}
		pads[i], pads[n+i] = w.between(0, kernel[i]-1), w.between(0, kernel[i]-1)
	}
	if pool || w.coin() {
		attrs = append(attrs, intsAttr("kernel_shape", kernel...))
	}
	if w.rng.IntN(3) > 0 {
		attrs = append(attrs, intsAttr("strides", strides...))
	}
	if dilated {
		attrs = append(attrs, intsAttr("dilations", dilations...))
	}
	switch w.rng.IntN(4) {
	case 0:
		attrs = append(attrs, onnx.StringAttr("auto_pad", w.one("SAME_UPPER", "SAME_LOWER", "VALID")))
	case 1, 2:
		attrs = append(attrs, intsAttr("pads", pads...))
	}
	return attrs, kernel
}

// axes is the attribute, or since an opset the input, that lists dimensions.
func (w *writer) axes(since int64, v ...int) (attrs []*onnx.Attr, in []string) {
	if w.opset < since {
		return []*onnx.Attr{intsAttr("axes", v...)}, nil
	}
	return nil, []string{w.list(v...)}
}

// step appends one operator to a random float tensor, or what it takes to write it down.
func (w *writer) step() {
	x, s := w.floats[w.rng.IntN(len(w.floats))], []int(nil)
	switch v := w.valueOf(x); {
	case v == nil:
		s = shapeOf(w.g.Inputs[0])
	case !v.Known || graph.Elements(v.Shape) > 4096 || graph.Elements(v.Shape) == 0:
		x, s = "x", shapeOf(w.g.Inputs[0])
	default:
		s = v.Shape
	}
	rank := len(s)
	axis := 0
	if rank > 0 {
		axis = w.between(-rank, rank-1)
	}
	at := axis
	if at < 0 {
		at += rank
	}
	one := func(name string, v int) []*onnx.Attr { return []*onnx.Attr{onnx.IntAttr(name, int64(v))} }
	steps := []func(){w.unary(x), w.reduce(x, s), w.resize(x, s), w.shapeArithmetic(x, s), w.quantised(x, s), w.broadcast(x, s)}
	always := len(steps)
	if rank >= 3 {
		steps = append(steps, w.convolution(x, s), w.pool(x, s), w.convolution(x, s), w.pool(x, s), w.deconvolution(x, s), func() {
			w.goOn(w.one("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), nil, x)
		}, func() {
			w.goOn("InstanceNormalization", nil, x, w.tensor(onnx.Float, s[1]), w.tensor(onnx.Float, s[1]))
		})
	}
	if rank == 3 {
		steps = append(steps, w.recurrent(x, s))
	}
	if rank == 4 {
		steps = append(steps, func() {
			b := w.between(1, 2)
			if s[1]%(b*b) == 0 {
				w.goOn("DepthToSpace", one("blocksize", b), x)
			}
		}, func() {
			b := w.between(1, 3)
			if s[2]%b == 0 && s[3]%b == 0 {
				w.goOn("SpaceToDepth", one("blocksize", b), x)
			}
		}, func() {
			w.goOn("LRN", one("size", 3), x)
		}, func() {
			if w.opset >= 16 {
				w.goOn("GridSample", nil, x, w.tensor(onnx.Float, s[0], w.between(1, 4), w.between(1, 4), 2))
			}
		})
	}
	if rank >= 2 {
		steps = append(steps, w.product(x, s), func() {
			if rank > 2 || w.opset >= 9 {
				w.goOn("BatchNormalization", nil, x, w.tensor(onnx.Float, s[1]), w.tensor(onnx.Float, s[1]), w.tensor(onnx.Float, s[1]), w.tensor(onnx.Float, s[1]))
			}
		})
	}
	if rank == 2 {
		steps = append(steps, func() {
			attrs := one("transB", w.rng.IntN(2))
			k, n := s[1], w.between(1, 5)
			if w.coin() {
				attrs, k = append(attrs, onnx.IntAttr("transA", 1)), s[0]
			}
			b := w.tensor(onnx.Float, k, n)
			if attrs[0].I == 1 {
				b = w.tensor(onnx.Float, n, k)
			}
			w.goOn("Gemm", attrs, x, b, w.tensor(onnx.Float, n))
		}, func() {
			w.goOn("EyeLike", nil, x)
		})
	}
	if rank >= 1 {
		steps = append(steps, func() {
			perm := w.rng.Perm(rank)
			if w.rng.IntN(4) == 0 {
				w.goOn("Transpose", nil, x)
				return
			}
			w.goOn("Transpose", []*onnx.Attr{intsAttr("perm", perm...)}, x)
		}, func() {
			other := slices.Clone(s)
			other[at] = w.between(0, 3)
			w.goOn("Concat", one("axis", axis), x, w.tensor(onnx.Float, other...), x)
		}, w.split(x, s, axis, at), w.slice(x, s), w.pad(x, s), func() {
			idx := [][]int{{}, {2}, {1, 3}}[w.rng.IntN(3)]
			w.goOn("Gather", one("axis", axis), x, w.indices(s[at], idx...))
		}, func() {
			idx := slices.Clone(s)
			idx[at] = w.between(1, 3)
			w.goOn("GatherElements", one("axis", axis), x, w.indices(s[at], idx...))
		}, func() {
			if w.opset >= 11 {
				k := w.between(1, s[at])
				w.floats = append(w.floats, w.add("TopK", 2, one("axis", axis), x, w.list(k))[0])
			}
		}, func() {
			attrs := one("axis", axis)
			if w.coin() {
				attrs = append(attrs, onnx.IntAttr("keepdims", int64(w.rng.IntN(2))))
			}
			w.add(w.one("ArgMax", "ArgMin"), 1, attrs, x)
		}, func() {
			w.goOn(w.one("Softmax", "LogSoftmax", "Hardmax"), one("axis", axis), x)
		}, func() {
			if w.opset >= 11 {
				w.goOn("CumSum", nil, x, w.scalar(onnx.Int64, int64(axis)))
			}
		}, func() {
			idx := w.indices(4, [][]int{{}, {2}, {1, 3}}[w.rng.IntN(3)]...)
			if w.coin() {
				idx = w.add("ArgMax", 1, one("axis", axis), x)[0]
			}
			w.goOn("OneHot", one("axis", w.between(-1, 0)), idx, w.scalar(onnx.Int64, int64(w.between(1, 5))), w.vector(-0.5, 1))
		}, func() {
			if named := w.between(1, rank); w.opset >= 11 {
				w.goOn("GatherND", nil, x, w.indices(slices.Min(s[:named]), w.between(1, 3), named))
			}
		}, func() {
			if w.opset >= 10 {
				w.add(w.one("IsNaN", "IsInf"), 1, nil, x)
			}
		}, func() {
			reps := make([]int, rank)
			for i := range reps {
				reps[i] = w.between(1, 2)
			}
			reps[at] = w.between(0, 3)
			w.goOn("Tile", nil, x, w.list(reps...))
		}, func() {
			w.goOn("LpNormalization", one("axis", axis), x)
		})
	}
	steps = append(steps, w.reshape(x, s), w.squeeze(x, s), w.unsqueeze(x, s), func() {
		if a := w.between(-rank, rank); a >= 0 || w.opset >= 11 {
			w.goOn("Flatten", one("axis", a), x)
		}
	}, func() {
		want := slices.Clone(s)
		for i := range want {
			if w.coin() {
				want[i] = 1
			}
		}
		if w.coin() {
			want = append([]int{w.between(1, 3)}, want...)
		}
		w.goOn("Expand", nil, x, w.list(want...))
	})
	if w.rng.IntN(4) == 0 {
		steps[w.rng.IntN(always)]()
		return
	}
	steps[w.rng.IntN(len(steps))]()
}

// valueOf returns what the reader knows of a tensor of the graph, nil of its input.
func (w *writer) valueOf(name string) *graph.Value {
	if w.read == nil || name == "x" {
		return nil
	}
	return w.read.Values[name]
}

func shapeOf(v *onnx.ValueInfo) (s []int) {
	for _, d := range v.Type.Shape {
		s = append(s, int(d.Value))
	}
	return s
}

// indices are constants that may stand for one of n places.
func (w *writer) indices(n int, dims ...int) string {
	name, v := fmt.Sprintf("c%d", len(w.g.Initializers)), make([]int64, graph.Elements(dims))
	for i := range v {
		v[i] = int64(w.between(-n, n-1))
	}
	w.g.Initializers = append(w.g.Initializers, onnx.IntTensor(name, onnx.Int64, v, dims...))
	return name
}

func (w *writer) unary(x string) func() {
	return func() {
		ops := []string{"Relu", "Sigmoid", "Tanh", "Erf", "Sqrt", "Exp", "Neg", "Abs", "HardSigmoid", "LeakyRelu", "Elu", "Selu", "Softplus", "Softsign", "Identity", "Ceil", "Floor", "Reciprocal", "Sign", "Sin", "Cos", "ThresholdedRelu", "Shrink", "Dropout", "Atan", "Asinh", "Sinh", "Cosh", "Tan"}
		if w.opset >= 11 {
			ops = append(ops, "Round", "Clip")
		}
		if w.opset >= 14 {
			ops = append(ops, "HardSwish")
		}
		if w.opset >= 18 {
			ops = append(ops, "Mish")
		}
		if w.opset >= 20 {
			ops = append(ops, "Gelu")
		}
		w.goOn(w.one(ops...), nil, x)
	}
}

// broadcast combines a tensor with one of another, compatible shape.
func (w *writer) broadcast(x string, s []int) func() {
	return func() {
		other := slices.Clone(s)
		for i := range other {
			if w.rng.IntN(3) == 0 {
				other[i] = 1
			}
		}
		if w.coin() && len(other) > 0 {
			other = other[w.rng.IntN(len(other)):]
		}
		if w.rng.IntN(4) == 0 {
			other = append([]int{w.between(1, 2)}, other...)
		}
		y := w.tensor(onnx.Float, other...)
		in := []string{x, y}
		if w.coin() {
			in = []string{y, x}
		}
		switch w.rng.IntN(4) {
		case 0:
			w.add(w.one("Equal", "Greater", "Less"), 1, nil, in...)
		case 1:
			w.goOn("Where", nil, w.tensor(onnx.Bool, other...), x, x)
		case 2:
			w.goOn(w.one("Min", "Max", "Sum", "Mean"), nil, append(in, x)...)
		default:
			w.goOn(w.one("Add", "Sub", "Mul", "Div", "Pow", "PRelu"), nil, in...)
		}
	}
}

func (w *writer) reduce(x string, s []int) func() {
	return func() {
		op := w.one("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp")
		since := int64(18)
		if op == "ReduceSum" {
			since = 13
		}
		var attrs []*onnx.Attr
		in := []string{x}
		axes := w.rng.Perm(len(s))
		if len(axes) > 0 {
			axes = axes[:w.between(0, len(axes))]
		}
		for i, a := range axes {
			if w.coin() && w.opset >= 11 {
				axes[i] = a - len(s)
			}
		}
		if len(axes) > 0 || w.opset >= since && w.coin() {
			more, list := w.axes(since, axes...)
			attrs, in = append(attrs, more...), append(in, list...)
		}
		if w.coin() {
			attrs = append(attrs, onnx.IntAttr("keepdims", int64(w.rng.IntN(2))))
		}
		if w.opset >= since && w.coin() {
			attrs = append(attrs, onnx.IntAttr("noop_with_empty_axes", int64(w.rng.IntN(2))))
		}
		w.goOn(op, attrs, in...)
	}
}

func (w *writer) convolution(x string, s []int) func() {
	return func() {
		attrs, kernel := w.windows(s[2:], false)
		group, out := 1, w.between(1, 4)
		switch w.rng.IntN(3) {
		case 0:
			group, out = s[1], s[1]*w.between(1, 2)
		case 1:
			if s[1]%2 == 0 {
				group, out = 2, 2*w.between(1, 3)
			}
		}
		if group > 1 {
			attrs = append(attrs, onnx.IntAttr("group", int64(group)))
		}
		in := []string{x, w.tensor(onnx.Float, append([]int{out, s[1] / group}, kernel...)...)}
		if w.coin() {
			in = append(in, w.tensor(onnx.Float, out))
		}
		w.goOn("Conv", attrs, in...)
	}
}

func (w *writer) deconvolution(x string, s []int) func() {
	return func() {
		n := len(s) - 2
		kernel, strides, extra, pads, want := make([]int, n), make([]int, n), make([]int, n), make([]int, 2*n), make([]int, n)
		for i := range n {
			kernel[i], strides[i] = w.between(1, 3), w.between(1, 3)
			extra[i] = w.between(0, strides[i]-1)
			want[i] = (s[2+i]-1)*strides[i] + kernel[i] - w.between(0, 1)
			pads[i], pads[n+i] = w.between(0, (kernel[i]-1)/2), w.between(0, (kernel[i]-1)/2)
		}
		var attrs []*onnx.Attr
		if w.coin() {
			attrs = append(attrs, intsAttr("kernel_shape", kernel...))
		}
		if w.rng.IntN(4) > 0 {
			attrs = append(attrs, intsAttr("strides", strides...))
			if w.coin() {
				attrs = append(attrs, intsAttr("output_padding", extra...))
			}
			if w.rng.IntN(5) == 0 {
				attrs = append(attrs, intsAttr("output_shape", want...))
			}
		}
		switch w.rng.IntN(3) {
		case 0:
			attrs = append(attrs, intsAttr("pads", pads...))
		case 1:
			attrs = append(attrs, onnx.StringAttr("auto_pad", w.one("SAME_UPPER", "SAME_LOWER", "VALID")))
		}
		if s[1]%2 == 0 && w.coin() {
			attrs = append(attrs, onnx.IntAttr("group", 2))
		}
		w.goOn("ConvTranspose", attrs, x, w.tensor(onnx.Float, append([]int{s[1], w.between(1, 3)}, kernel...)...))
	}
}

func (w *writer) pool(x string, s []int) func() {
	return func() {
		attrs, _ := w.windows(s[2:], true)
		op := w.one("MaxPool", "AveragePool", "MaxPool", "AveragePool", "LpPool")
		dilates := map[string]int64{"MaxPool": 10, "AveragePool": 19, "LpPool": 18}[op]
		if w.opset < dilates {
			attrs = slices.DeleteFunc(attrs, func(a *onnx.Attr) bool { return a.Name == "dilations" })
		}
		if w.coin() && w.opset >= map[string]int64{"MaxPool": 10, "AveragePool": 10, "LpPool": 18}[op] {
			attrs = append(attrs, onnx.IntAttr("ceil_mode", 1))
		}
		if op == "AveragePool" && w.coin() {
			attrs = append(attrs, onnx.IntAttr("count_include_pad", 1))
		}
		if op == "MaxPool" && w.rng.IntN(3) == 0 {
			w.floats = append(w.floats, w.add(op, 2, attrs, x)[0])
			return
		}
		w.goOn(op, attrs, x)
	}
}

func (w *writer) product(x string, s []int) func() {
	return func() {
		k := len(s)
		n := w.between(1, 4)
		switch w.rng.IntN(4) {
		case 0:
			w.goOn("MatMul", nil, x, w.tensor(onnx.Float, s[k-1]))
		case 1:
			w.goOn("MatMul", nil, w.tensor(onnx.Float, s[k-2]), x)
		case 2:
			w.goOn("MatMul", nil, w.tensor(onnx.Float, n, s[k-2]), x)
		default:
			b := append(slices.Clone(s[:k-2]), s[k-1], n)
			for i := range k - 2 {
				if w.coin() {
					b[i] = 1
				}
			}
			w.goOn("MatMul", nil, x, w.tensor(onnx.Float, b[w.rng.IntN(k-1):]...))
		}
	}
}

func (w *writer) recurrent(x string, s []int) func() {
	return func() {
		op, hidden, dirs := w.one("LSTM", "GRU", "RNN"), w.between(1, 4), w.between(1, 2)
		gates := map[string]int{"LSTM": 4, "GRU": 3, "RNN": 1}[op]
		attrs := []*onnx.Attr{onnx.IntAttr("hidden_size", int64(hidden))}
		if dirs == 2 {
			attrs = append(attrs, onnx.StringAttr("direction", "bidirectional"))
		}
		if w.opset >= 14 && w.rng.IntN(3) == 0 {
			attrs = append(attrs, onnx.IntAttr("layout", 1))
		}
		outputs := map[string]int{"LSTM": 3, "GRU": 2, "RNN": 2}[op]
		w.floats = append(w.floats, w.add(op, outputs, attrs, x, w.tensor(onnx.Float, dirs, gates*hidden, s[2]), w.tensor(onnx.Float, dirs, gates*hidden, hidden))[0])
	}
}

func (w *writer) split(x string, s []int, axis, at int) func() {
	return func() {
		d := s[at]
		attrs := []*onnx.Attr{onnx.IntAttr("axis", int64(axis))}
		if w.coin() {
			a := w.between(0, d)
			if w.opset < 13 {
				w.floats = append(w.floats, w.add("Split", 2, append(attrs, intsAttr("split", a, d-a)), x)...)
			} else {
				w.floats = append(w.floats, w.add("Split", 2, attrs, x, w.list(a, d-a))...)
			}
			return
		}
		k := w.between(1, 3)
		switch {
		case w.opset >= 18:
			if d < k {
				return
			}
			attrs = append(attrs, onnx.IntAttr("num_outputs", int64(k)))
		case d%k != 0:
			return
		}
		w.floats = append(w.floats, w.add("Split", k, attrs, x)...)
	}
}

func (w *writer) slice(x string, s []int) func() {
	return func() {
		axes := w.rng.Perm(len(s))[:w.between(1, len(s))]
		starts, ends, steps := make([]int, len(axes)), make([]int, len(axes)), make([]int, len(axes))
		for i, a := range axes {
			starts[i], ends[i], steps[i] = w.between(-s[a]-1, s[a]+1), w.between(-s[a]-1, s[a]+1), []int{1, 1, 2, -1, -2, 3}[w.rng.IntN(6)]
			switch w.rng.IntN(5) {
			case 0:
				ends[i] = math.MaxInt64
			case 1:
				ends[i] = math.MinInt64
			case 2:
				starts[i] = []int{math.MaxInt64, math.MinInt64 + 1, math.MaxInt32}[w.rng.IntN(3)]
			}
			if w.coin() {
				axes[i] = a - len(s)
			}
		}
		if w.opset < 10 {
			for i, a := range axes {
				axes[i] = (a + len(s)) % len(s)
			}
			w.goOn("Slice", []*onnx.Attr{intsAttr("axes", axes...), intsAttr("starts", starts...), intsAttr("ends", ends...)}, x)
			return
		}
		in := []string{x, w.list(starts...), w.list(ends...), w.list(axes...)}
		if w.rng.IntN(3) > 0 {
			in = append(in, w.list(steps...))
		}
		w.goOn("Slice", nil, in...)
	}
}

func (w *writer) pad(x string, s []int) func() {
	return func() {
		n := len(s)
		pads := make([]int, 2*n)
		mode := w.one("constant", "constant", "edge", "reflect")
		for i, d := range s {
			for _, j := range []int{i, n + i} {
				pads[j] = w.between(0, min(2, d-1))
				if mode == "constant" && w.rng.IntN(4) == 0 {
					pads[j] = -w.between(0, d/2)
				}
			}
		}
		attrs := []*onnx.Attr{onnx.StringAttr("mode", mode)}
		switch {
		case w.opset < 11:
			w.goOn("Pad", append(attrs, intsAttr("pads", pads...)), x)
		case w.opset >= 18 && w.coin():
			a := w.rng.IntN(n)
			w.goOn("Pad", attrs, x, w.list(pads[a], pads[n+a]), "", w.list(a-n))
		default:
			w.goOn("Pad", attrs, x, w.list(pads...))
		}
	}
}

func (w *writer) reshape(x string, s []int) func() {
	return func() {
		want := slices.Clone(s)
		if len(want) > 1 && w.coin() {
			i := w.rng.IntN(len(want) - 1)
			want = slices.Concat(want[:i], []int{want[i] * want[i+1]}, want[i+2:])
		}
		if w.coin() {
			want = slices.Insert(want, w.rng.IntN(len(want)+1), 1)
		}
		for i := range want {
			if i < len(s) && want[i] == s[i] && w.rng.IntN(3) == 0 {
				want[i] = 0
			}
		}
		if len(want) > 0 && w.coin() {
			want[w.rng.IntN(len(want))] = -1
		}
		w.goOn("Reshape", nil, x, w.list(want...))
	}
}

func (w *writer) squeeze(x string, s []int) func() {
	return func() {
		var axes []int
		for i, d := range s {
			if d == 1 && w.coin() {
				axes = append(axes, i)
			}
		}
		if len(axes) == 0 {
			w.goOn("Squeeze", nil, x)
			return
		}
		if w.opset >= 11 && w.coin() {
			axes[0] -= len(s)
		}
		attrs, in := w.axes(13, axes...)
		w.goOn("Squeeze", attrs, append([]string{x}, in...)...)
	}
}

func (w *writer) unsqueeze(x string, s []int) func() {
	return func() {
		if len(s) > 4 {
			return
		}
		rank := len(s) + w.between(1, 2)
		axes := w.rng.Perm(rank)[:rank-len(s)]
		if w.opset >= 11 && w.coin() {
			axes[0] -= rank
		}
		if w.opset < 11 {
			slices.Sort(axes)
		}
		attrs, in := w.axes(13, axes...)
		w.goOn("Unsqueeze", attrs, append([]string{x}, in...)...)
	}
}

func (w *writer) resize(x string, s []int) func() {
	return func() {
		n := len(s)
		if n == 0 {
			return
		}
		scales, sizes := make([]float32, n), make([]int, n)
		for i, d := range s {
			scales[i] = []float32{1, 2, 0.5, 1.5, 0.7, 1.3}[w.rng.IntN(6)]
			sizes[i] = w.between(1, 2*d)
			if n == 4 && i < 2 {
				scales[i], sizes[i] = 1, d
			}
			if float32(d)*scales[i] < 1 {
				scales[i] = 1
			}
			if w.opset < 10 {
				scales[i] = max(1, scales[i])
			}
		}
		mode := []*onnx.Attr{onnx.StringAttr("mode", "nearest")}
		switch {
		case w.opset < 10:
			w.goOn("Upsample", mode, x, w.vector(scales...))
		case w.opset < 11:
			w.goOn("Resize", mode, x, w.vector(scales...))
		case w.opset >= 18 && w.coin():
			axes := w.rng.Perm(n)[:w.between(1, min(2, n))]
			var some []int
			var by []float32
			policy := w.one("stretch", "not_larger", "not_smaller")
			for i, a := range axes {
				some, by = append(some, sizes[a]), append(by, scales[a])
				if policy == "stretch" && w.coin() { // with a policy 1.32 reads beside its list where an axis is negative
					axes[i] -= n
				}
			}
			mode = append(mode, intsAttr("axes", axes...))
			if w.coin() {
				w.goOn("Resize", mode, x, "", w.vector(by...))
				return
			}
			w.goOn("Resize", append(mode, onnx.StringAttr("keep_aspect_ratio_policy", policy)), x, "", "", w.list(some...))
		case w.coin():
			w.goOn("Resize", mode, x, w.empty(), w.vector(scales...))
		default:
			w.goOn("Resize", mode, x, w.empty(), w.empty(), w.list(sizes...))
		}
	}
}

// empty is an optional float input that is left out in the way of the opset.
func (w *writer) empty() string {
	if w.opset >= 13 && w.coin() {
		return ""
	}
	return w.vector()
}

// shapeArithmetic makes a shape of a tensor's shape, and a tensor of that shape.
func (w *writer) shapeArithmetic(x string, s []int) func() {
	return func() {
		if len(s) == 0 {
			return
		}
		var attrs []*onnx.Attr
		if w.opset >= 15 && w.coin() {
			attrs = append(attrs, onnx.IntAttr("start", int64(w.between(-len(s), len(s)-1))))
			if w.coin() {
				attrs = append(attrs, onnx.IntAttr("end", int64(w.between(-len(s), len(s)))))
			}
		}
		shape := w.add("Shape", 1, attrs, x)[0]
		if len(attrs) > 0 {
			w.goOn("ConstantOfShape", nil, shape)
			return
		}
		d := w.add("Gather", 1, []*onnx.Attr{onnx.IntAttr("axis", 0)}, shape, w.scalar(onnx.Int64, int64(w.between(-len(s), len(s)-1))))[0]
		switch w.rng.IntN(5) {
		case 0:
			w.add("Range", 1, nil, w.scalar(onnx.Int64, int64(w.between(-3, 3))), d, w.scalar(onnx.Int64, int64(w.between(1, 3))))
		case 1:
			half := w.add(w.one("Div", "Mod"), 1, nil, d, w.scalar(onnx.Int64, int64(w.between(1, 3))))[0]
			more, in := w.axes(13, 0)
			v := w.add("Unsqueeze", 1, more, append([]string{half}, in...)...)[0]
			w.goOn("ConstantOfShape", nil, w.add("Concat", 1, []*onnx.Attr{onnx.IntAttr("axis", 0)}, v, w.list(2), shape)[0])
		case 2:
			w.goOn("Reshape", nil, w.floats[len(w.floats)-1], w.list(-1))
		case 3:
			w.goOn("Expand", nil, x, w.add("Concat", 1, []*onnx.Attr{onnx.IntAttr("axis", 0)}, w.list(2), shape)[0])
		default:
			w.add("Size", 1, nil, x)
		}
	}
}

// quantised quantises and back, with an integer product between.
func (w *writer) quantised(x string, s []int) func() {
	return func() {
		typ := []onnx.DataType{onnx.Uint8, onnx.Int8}[w.rng.IntN(2)]
		if w.opset >= 11 && w.rng.IntN(3) == 0 {
			q := w.add("DynamicQuantizeLinear", 3, nil, x)
			if len(s) == 2 {
				w.add("MatMulInteger", 1, nil, q[0], w.tensor(onnx.Uint8, s[1], 3), q[2])
			}
			if len(s) == 4 {
				w.add("ConvInteger", 1, nil, q[0], w.tensor(onnx.Uint8, 2, s[1], 1, 2), q[2])
			}
			return
		}
		if w.opset < 10 {
			return
		}
		q := w.add("QuantizeLinear", 1, nil, x, w.scalar(onnx.Float, 1), w.scalar(typ, 1))[0]
		w.goOn("DequantizeLinear", nil, q, w.scalar(onnx.Float, 1), w.scalar(typ, 1))
	}
}

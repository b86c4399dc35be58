//go:build cgo

package ort

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/agent/backendtest"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/onnxreader"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/onnx"
)

// Law: the kernels that the reader's rules make of a graph are those of the graph that ONNX
// Runtime optimises, by number and by what they do, of random graphs of what networks are
// made of, fused and not.
func TestFusionsAgreeWithRuntime(t *testing.T) {
	agreeOnKernels(t, backendtest.NewDifferential(t, 200), func(seed uint64) sample {
		w := newLayers(seed, 3, layerShapes...)
		w.grow(t, seed, w.layer)
		return w.sample()
	})
}

// layerShapes are an input's: images and sequences.
var layerShapes = [][]int{{1, 3, 8, 8}, {1, 3, 7, 9}, {2, 3, 5, 5}, {1, 5, 16}, {2, 4, 32}, {1, 16}, {3, 16}}

// sample is a random model.
type sample struct {
	model *onnx.Model
	text  string // of its graph
	skip  bool
	file  string // where it is written, with its tensors beside it
}

// sample is the graph as a model, whose ends are its outputs. Which of two equal nodes stays
// depends on the order in which the runtime looks at them, so that those are left out.
func (w *fusions) sample() sample {
	return sample{model: w.model(w.ends()...), text: w.text(), skip: w.repeats()}
}

// agreeOnKernels compares the kernels of the graphs that make makes. Some of many thousand
// differ, so that the long form counts them.
func agreeOnKernels(t *testing.T, d *backendtest.Differential, make func(seed uint64) sample) {
	b, on := backend(t), thisMachine(t)
	ran, compared := 0, 0
	kinds := map[string]bool{}
	d.Open = true
	for seed := range d.Seeds {
		s := make(seed)
		if s.skip {
			continue
		}
		model := agent.Model{Name: "fusions", Path: s.file}
		if s.file == "" {
			model.Bytes = onnx.Encode(s.model)
		}
		optimised, err := b.Optimised(t.Context(), model, oneThread)
		if err != nil {
			continue // the writer knows less than the runtime of what fits together
		}
		ran++
		opt := onnxreader.Options{Target: on}
		if s.file != "" {
			opt.Root = onnx.Folder(s.file)
		}
		rules, err := onnxreader.ReadModel(s.model, opt)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
			continue
		}
		lowered, err := onnxreader.Read(optimised, onnxreader.Options{Target: on, Root: opt.Root, Lowered: true})
		if err != nil {
			t.Errorf("seed %d, as ONNX Runtime has it: %v", seed, err)
			continue
		}
		compared += len(rules.Kernels)
		for _, k := range rules.Kernels {
			kinds[k.Op.Kind] = true
		}
		unpriced(rules)
		unpriced(lowered)
		if diff := network.Differences(rules, lowered, ortmodel.Work); len(diff) > 0 {
			var text []string
			for _, d := range diff {
				text = append(text, d.String())
			}
			if len(rules.Warnings) > 0 || slices.ContainsFunc(diff, func(d network.Difference) bool { return len(d.Rules) > 0 && strings.HasSuffix(d.Work, "no key") }) {
				d.Said("seed %d: of %s the rules (-) and the runtime (+) make\n  %s", seed, s.text, strings.Join(text, "\n  "))
				continue
			}
			d.Differs("seed %d: of %s the rules (-) and the runtime (+) make\n  %s", seed, s.text, strings.Join(text, "\n  "))
		}
	}
	d.Enough(ran, compared, fmt.Sprintf("%d kernels of %d kinds%s, by rules and in the runtime's optimised graph", compared, len(kinds), d.Of))
}

// unpriced reduces what has no key to the operators that are the reason: the rules list all
// nodes of a kernel, the runtime has one of its own for them.
func unpriced(net *network.Network) {
	var all []network.Unpriced
	for _, u := range net.Unpriced {
		switch op := strings.TrimPrefix(u.Op[strings.LastIndexByte(u.Op, ':')+1:], "Fused"); op {
		case "QuantizeLinear", "DequantizeLinear", "Add", "Relu", "Clip":
		case "ReorderInput", "ReorderOutput", "Reshape", "Transpose": // part of kernels or nothing where their shapes are known; transpositions are not compared
		case "MatMul", "Gemm":
			all = append(all, network.Unpriced{Name: u.Name, Op: "product"})
		default:
			all = append(all, network.Unpriced{Name: u.Name, Op: op})
		}
	}
	net.Unpriced = all
}

// fusions makes random graphs of layers, as networks have them, with branches.
// Channels and features fill whole blocks and an input is an image or a sequence, so that both sides state the same sizes.
type fusions struct{ *writer }

// newLayers begins a graph of layers of an input that has one of the shapes.
func newLayers(seed, stream uint64, shapes ...[]int) *fusions {
	w := &fusions{newWriter(seed, stream)}
	w.opset = []int64{9, 10, 11, 12, 13, 17, 18, 19, 20, 21}[w.rng.IntN(10)]
	shape := shapes[0]
	if len(shapes) > 1 {
		shape = shapes[w.rng.IntN(len(shapes))]
	}
	w.g.Inputs = []*onnx.ValueInfo{onnx.NewValue("x", onnx.Float, shape...)}
	return w
}

// grow appends two to six layers.
func (w *fusions) grow(t *testing.T, seed uint64, layer func()) {
	t.Helper()
	for range 2 + w.rng.IntN(5) {
		layer()
		if err := w.infer(); err != nil {
			t.Fatalf("seed %d: the reader refuses what it is to read: %v", seed, err)
		}
	}
}

// ends are the tensors that nothing uses.
func (w *fusions) ends() (names []string) {
	used := map[string]bool{}
	for _, n := range w.g.Nodes {
		for _, in := range n.Inputs {
			used[in] = true
		}
	}
	for _, name := range w.made {
		if !used[name] {
			names = append(names, name)
		}
	}
	return names
}

// repeats reports two equal nodes of which one computes an output of the graph.
func (w *fusions) repeats() bool {
	ends, seen, first, canonical := w.ends(), map[string]bool{}, map[string]string{}, map[string]string{}
	for _, n := range w.g.Nodes {
		key := n.Op
		for _, in := range n.Inputs {
			if v := w.read.Values[in]; v.HasData && len(v.Data) == 1 {
				in = fmt.Sprint(v.Data)
			}
			key += " " + cmp.Or(canonical[in], in)
		}
		for _, a := range n.Attrs {
			key += fmt.Sprintf(" %s=%d %v", a.Name, a.I, a.Ints)
		}
		end := slices.Contains(ends, n.Outputs[0])
		if before, ok := seen[key]; ok && (before || end) {
			return true
		}
		if first[key] == "" {
			first[key] = n.Outputs[0]
		}
		canonical[n.Outputs[0]] = first[key]
		seen[key] = end
	}
	return false
}

// text is the graph on one line.
func (w *fusions) text() string {
	var parts []string
	for _, n := range w.read.Nodes {
		if n.Gone || len(n.Out) == 0 {
			continue
		}
		in := []string{}
		for _, v := range n.In {
			if v != nil && !v.Constant {
				in = append(in, v.Name)
			}
		}
		parts = append(parts, n.Out[0].Name+"="+w.describe(n)+"←"+strings.Join(in, ","))
	}
	return strings.Join(parts, "; ")
}

// last is a tensor to go on from: mostly the newest.
func (w *fusions) last() (string, []int) {
	x := w.floats[len(w.floats)-1]
	if w.rng.IntN(4) == 0 {
		x = w.floats[w.rng.IntN(len(w.floats))]
	}
	if v := w.valueOf(x); v != nil {
		return x, v.Shape
	}
	return "x", shapeOf(w.g.Inputs[0])
}

// layer appends one layer.
func (w *fusions) layer() {
	x, s := w.last()
	steps := []func(){func() { w.activation(x) }, func() { w.activation(x) }, func() { w.residual(x, s) }, func() { w.scale(x, s) }}
	if len(s) == 4 {
		steps = append(steps, func() { w.conv(x, s) }, func() { w.conv(x, s) }, func() { w.conv(x, s) }, func() { w.norm(x, s) }, func() { w.norm(x, s) }, func() { w.window(x, s) }, func() { w.goOn("GlobalAveragePool", nil, x) },
			func() {
				if s[1]%16 == 0 {
					w.goOn("Concat", []*onnx.Attr{onnx.IntAttr("axis", 1)}, x, x)
				}
			},
			func() {
				w.goOn("Reshape", nil, w.add("Transpose", 1, []*onnx.Attr{intsAttr("perm", 0, 2, 3, 1)}, x)[0], w.list(s[0], -1, s[1]))
			},
			func() { w.goOn("Flatten", nil, x) })
	} else {
		steps = append(steps, func() { w.linear(x, s) }, func() { w.linear(x, s) }, func() { w.layerNorm(x, s) },
			func() { w.goOn("Softmax", []*onnx.Attr{onnx.IntAttr("axis", -1)}, x) })
	}
	steps[w.rng.IntN(len(steps))]()
}

// window is a pool as networks have them.
func (w *fusions) window(x string, s []int) {
	if s[2] < 2 || s[3] < 2 {
		return
	}
	k := w.between(2, min(3, s[2], s[3]))
	attrs := []*onnx.Attr{intsAttr("kernel_shape", k, k), intsAttr("strides", w.between(1, 2), 2)}
	if w.coin() {
		attrs = append(attrs, intsAttr("pads", k/2, k/2, k/2, k/2))
	}
	w.goOn(w.one("MaxPool", "AveragePool"), attrs, x)
}

// conv is a convolution as networks have them.
func (w *fusions) conv(x string, s []int) {
	k, group, out := []int{1, 3}[w.rng.IntN(2)], 1, 16*w.between(1, 2)
	if w.rng.IntN(3) == 0 {
		group, out = s[1], s[1]
	}
	in := []string{x, w.tensor(onnx.Float, out, s[1]/group, k, k)}
	if w.coin() {
		in = append(in, w.tensor(onnx.Float, out))
	}
	w.goOn("Conv", []*onnx.Attr{intsAttr("pads", k/2, k/2, k/2, k/2), onnx.IntAttr("group", int64(group))}, in...)
}

func (w *fusions) norm(x string, s []int) {
	c := s[1]
	variance := make([]float32, c)
	for i := range variance {
		variance[i] = 0.5 + float32(w.rng.IntN(9))
	}
	w.goOn("BatchNormalization", nil, x, w.tensor(onnx.Float, c), w.tensor(onnx.Float, c), w.tensor(onnx.Float, c), w.vector(variance...))
}

// activation is one as exporters write it.
func (w *fusions) activation(x string) {
	half := func() string { return w.scalar(onnx.Float, 8) }
	switch w.rng.IntN(10) {
	case 0, 1, 2:
		w.goOn("Relu", nil, x)
	case 3:
		w.clip(x, 0, 6)
	case 4:
		w.goOn("Mul", nil, x, w.add("Sigmoid", 1, nil, x)[0])
	case 5:
		w.goOn(w.one("Sigmoid", "Tanh", "LeakyRelu", "HardSigmoid", "Elu", "Softplus", "Erf"), nil, x)
	case 6:
		if w.opset >= 14 {
			w.goOn("HardSwish", nil, x)
		}
	case 7: // gelu by erf
		e := w.add("Erf", 1, nil, w.add("Div", 1, nil, x, w.number(1.4142135))[0])[0]
		w.goOn("Mul", nil, w.add("Mul", 1, nil, x, w.add("Add", 1, nil, e, w.scalar(onnx.Float, 16))[0])[0], half())
	case 8:
		if w.opset >= 14 {
			return
		}
		h := w.add("HardSigmoid", 1, []*onnx.Attr{onnx.FloatAttr("alpha", 1.0/6)}, x)[0]
		w.goOn("Mul", nil, x, h)
	case 9:
		w.clip(x, -0.5, 1)
	}
}

// clip cuts off, with its bounds where the opset has them.
func (w *fusions) clip(x string, lo, hi float32) {
	if w.opset < 11 {
		w.goOn("Clip", []*onnx.Attr{onnx.FloatAttr("min", lo), onnx.FloatAttr("max", hi)}, x)
		return
	}
	w.goOn("Clip", nil, x, w.number(lo), w.number(hi))
}

func (w *fusions) number(v float32) string {
	name := w.vector(v)
	t := w.g.Initializers[len(w.g.Initializers)-1]
	t.Dims = nil
	return name
}

// residual adds a tensor of the same shape.
func (w *fusions) residual(x string, s []int) {
	for range 4 {
		y := w.floats[w.rng.IntN(len(w.floats))]
		v := w.valueOf(y)
		if v != nil && slices.Equal(v.Shape, s) && y != x {
			w.goOn("Add", nil, x, y)
			return
		}
	}
}

// scale combines a tensor with a constant.
func (w *fusions) scale(x string, s []int) {
	op := w.one("Add", "Mul", "Sub", "Div")
	switch {
	case w.coin():
		w.goOn(op, nil, x, w.scalar(onnx.Float, int64([]int{0, 16, 8, 24}[w.rng.IntN(4)])+int64(w.rng.IntN(2))))
	case len(s) == 4:
		w.goOn(op, nil, x, w.tensor(onnx.Float, s[1], 1, 1))
	default:
		w.goOn(op, nil, x, w.tensor(onnx.Float, s[len(s)-1]))
	}
}

func (w *fusions) linear(x string, s []int) {
	if len(s) == 0 {
		return
	}
	n := 16 * w.between(1, 2)
	if len(s) == 2 && w.coin() {
		in := []string{x, w.tensor(onnx.Float, n, s[1])}
		if w.coin() || w.opset < 11 {
			in = append(in, w.tensor(onnx.Float, n))
		}
		w.goOn("Gemm", []*onnx.Attr{onnx.IntAttr("transB", 1)}, in...)
		return
	}
	if len(s) < 2 {
		return
	}
	y := w.add("MatMul", 1, nil, x, w.tensor(onnx.Float, s[len(s)-1], n))[0]
	if w.coin() {
		in := []string{y, w.tensor(onnx.Float, n)}
		if w.coin() {
			in[0], in[1] = in[1], in[0]
		}
		w.goOn("Add", nil, in...)
		return
	}
	w.floats = append(w.floats, y)
}

// layerNorm is one as an operator, or as exporters wrote it before there was one.
func (w *fusions) layerNorm(x string, s []int) {
	if len(s) == 0 {
		return
	}
	d := s[len(s)-1]
	if w.opset >= 17 && w.coin() {
		w.goOn("LayerNormalization", []*onnx.Attr{onnx.IntAttr("axis", -1)}, x, w.tensor(onnx.Float, d), w.tensor(onnx.Float, d))
		return
	}
	attrs, in := w.axes(18, -1)
	mean := w.add("ReduceMean", 1, attrs, append([]string{x}, in...)...)[0]
	c := w.add("Sub", 1, nil, x, mean)[0]
	attrs, in = w.axes(18, -1)
	v := w.add("ReduceMean", 1, attrs, append([]string{w.add("Pow", 1, nil, c, w.number(2))[0]}, in...)...)[0]
	r := w.add("Sqrt", 1, nil, w.add("Add", 1, nil, v, w.number(1e-5))[0])[0]
	y := w.add("Mul", 1, nil, w.add("Div", 1, nil, c, r)[0], w.tensor(onnx.Float, d))[0]
	w.goOn("Add", nil, y, w.tensor(onnx.Float, d))
}

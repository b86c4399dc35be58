package benchmarks

import (
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/onnx"
)

// onnxWhole are operators that write all their nodes themselves.
var onnxWhole = map[string]func(*onnxWriter, *graph.Node){
	graph.MatMul: (*onnxWriter).matMul, graph.Split: (*onnxWriter).split,
	graph.Quantize: (*onnxWriter).quantize, graph.Dequantize: (*onnxWriter).dequantize, graph.Cast: (*onnxWriter).cast,
	graph.Relu: (*onnxWriter).alone, graph.Relu6: (*onnxWriter).alone, graph.Sigmoid: (*onnxWriter).alone, graph.HSigmoid: (*onnxWriter).alone,
	graph.HSwish: (*onnxWriter).alone, graph.SiLU: (*onnxWriter).alone, graph.Gelu: (*onnxWriter).alone,
}

// onnxForms are the others: they write the float result of a node under the name they
// are given; its activation and quantisation follow.
var onnxForms = map[string]func(w *onnxWriter, n *graph.Node, out string){
	graph.Conv: (*onnxWriter).conv, graph.DWConv: (*onnxWriter).conv, graph.Deconv: (*onnxWriter).deconv, graph.Linear: (*onnxWriter).linear,

	graph.AvgPool: onnxPool("AveragePool"), graph.MaxPool: onnxPool("MaxPool"), graph.GAP: onnxOf("GlobalAveragePool"),
	graph.Reduce: (*onnxWriter).reduce, graph.Mean: (*onnxWriter).mean,

	graph.LayerNorm: (*onnxWriter).layerNorm, graph.RMSNorm: (*onnxWriter).rmsNorm, graph.Softmax: (*onnxWriter).softmax,
	graph.BatchNorm:    onnxOf("BatchNormalization", onnx.FloatAttr("epsilon", 1e-5)),
	graph.InstanceNorm: onnxOf("InstanceNormalization", onnx.FloatAttr("epsilon", 1e-5)),

	graph.Concat: (*onnxWriter).concat, graph.Slice: (*onnxWriter).slice, graph.Pad: (*onnxWriter).pad, graph.Expand: (*onnxWriter).expand,
	graph.Reshape: (*onnxWriter).reshape, graph.Transpose: (*onnxWriter).transpose, graph.Resize: (*onnxWriter).resize,
	graph.DepthToSpace: onnxBlocks("DepthToSpace"), graph.SpaceToDepth: onnxBlocks("SpaceToDepth"),

	graph.Add: onnxOf("Add"), graph.Mul: onnxOf("Mul"), graph.Sub: onnxOf("Sub"), graph.Div: onnxOf("Div"),
	graph.Min: onnxOf("Min"), graph.Max: onnxOf("Max"), graph.PRelu: onnxOf("PRelu"),
	graph.Pow: (*onnxWriter).pow, graph.Clip: (*onnxWriter).clip, graph.GeluTanh: onnxOf("Gelu", onnx.StringAttr("approximate", "tanh")),

	graph.Erf: onnxOf("Erf"), graph.Tanh: onnxOf("Tanh"), graph.Exp: onnxOf("Exp"), graph.LeakyRelu: onnxOf("LeakyRelu"), graph.Sqrt: onnxOf("Sqrt"),
	graph.Log: onnxOf("Log"), graph.Neg: onnxOf("Neg"), graph.Abs: onnxOf("Abs"), graph.Elu: onnxOf("Elu"), graph.Softplus: onnxOf("Softplus"),
	graph.Reciprocal: onnxOf("Reciprocal"), graph.Sin: onnxOf("Sin"), graph.Cos: onnxOf("Cos"), graph.Mish: onnxOf("Mish"), graph.Round: onnxOf("Round"),
}

// onnxOf is an operator that takes a node's inputs as they are, and the same
// attributes wherever it stands.
func onnxOf(op string, attrs ...*onnx.Attr) func(*onnxWriter, *graph.Node, string) {
	return func(w *onnxWriter, n *graph.Node, out string) { w.emit(op, w.ins(n), out, attrs...) }
}

// ins are the names of a node's inputs as float tensors.
func (w *onnxWriter) ins(n *graph.Node) []string {
	names := make([]string, len(n.In))
	for i, v := range n.In {
		names[i] = w.in(v)
	}
	return names
}

// alone is an activation that no other operator carries.
func (w *onnxWriter) alone(n *graph.Node) {
	out, done := w.out(n.Out[0])
	w.activation(n.Op, w.in(n.In[0]), out, floatOf(n.Out[0]))
	done()
}

func (w *onnxWriter) quantize(n *graph.Node) {
	name := w.in(n.In[0]) // int8 to int8 goes through float
	scale, zero, attrs := w.quantParams(n.Out[0])
	w.emit("QuantizeLinear", []string{name, scale, zero}, n.Out[0].Name, attrs...)
}

func (w *onnxWriter) dequantize(n *graph.Node) {
	scale, zero, attrs := w.quantParams(n.In[0])
	w.emit("DequantizeLinear", []string{n.In[0].Name, scale, zero}, n.Out[0].Name, attrs...)
}

func (w *onnxWriter) cast(n *graph.Node) {
	w.emit("Cast", []string{n.In[0].Name}, n.Out[0].Name, onnx.IntAttr("to", int64(onnxType(n.Out[0].DType))))
}

// onnxWindows are the attributes that a convolution and its transpose share.
func onnxWindows(n *graph.Node, groups int) []*onnx.Attr {
	return []*onnx.Attr{onnxInts("kernel_shape", n.In[1].Shape[2:]), onnxInts("strides", n.Attrs.Ints["strides"]),
		onnxInts("pads", n.Attrs.Ints["pads"]), onnx.IntAttr("group", int64(groups))}
}

func (w *onnxWriter) conv(n *graph.Node, out string) {
	groups := n.Int("groups", 1)
	if n.Op == graph.DWConv {
		groups = n.Out[0].Shape[1]
	}
	attrs := slices.Insert(onnxWindows(n, groups), 3, onnxInts("dilations", n.Attrs.Ints["dilations"]))
	if n.Attrs.Strings["quant"] == graph.QuantDynamic {
		w.dynamic(n, out, attrs)
		return
	}
	w.emit("Conv", w.ins(n), out, attrs...)
}

func (w *onnxWriter) deconv(n *graph.Node, out string) {
	w.emit("ConvTranspose", w.ins(n), out, onnxWindows(n, n.Int("groups", 1))...)
}

func (w *onnxWriter) linear(n *graph.Node, out string) {
	switch n.Attrs.Strings["quant"] {
	case graph.QuantDynamic:
		w.dynamic(n, out, nil)
	case graph.QuantWeight:
		w.weightOnly(n, out)
	default:
		w.emit("Gemm", w.ins(n), out, onnx.IntAttr("transB", 1))
	}
}

func onnxPool(op string) func(*onnxWriter, *graph.Node, string) {
	return func(w *onnxWriter, n *graph.Node, out string) {
		w.emit(op, w.ins(n), out, onnxInts("kernel_shape", n.Attrs.Ints["kernel"]), onnxInts("strides", n.Attrs.Ints["strides"]), onnxInts("pads", n.Attrs.Ints["pads"]))
	}
}

// onnxReductions are the operators of a Reduce by its attribute op.
var onnxReductions = map[string]string{"mean": "ReduceMean", "sum": "ReduceSum", "max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd",
	"l1": "ReduceL1", "l2": "ReduceL2", "sumsquare": "ReduceSumSquare"}

func (w *onnxWriter) reduce(n *graph.Node, out string) {
	w.along(onnxReductions[n.Attrs.Strings["op"]], n, n.Int("axis", len(n.In[0].Shape)-1), out)
}

func (w *onnxWriter) mean(n *graph.Node, out string) { w.along("ReduceMean", n, n.Int("axis", 1), out) }

// along is a reduction of one axis, which goes.
func (w *onnxWriter) along(op string, n *graph.Node, axis int, out string) {
	axes := w.int64s(n.Name+".axes", axis)
	w.emit(op, []string{w.in(n.In[0]), axes}, out, onnx.IntAttr("keepdims", 0))
}

func (w *onnxWriter) layerNorm(n *graph.Node, out string) {
	w.emit("LayerNormalization", w.ins(n), out, onnx.IntAttr("axis", -1), onnx.FloatAttr("epsilon", n.Attrs.Floats["eps"]))
}

func (w *onnxWriter) softmax(n *graph.Node, out string) {
	w.emit("Softmax", w.ins(n), out, onnx.IntAttr("axis", int64(n.Int("axis", -1))))
}

func (w *onnxWriter) concat(n *graph.Node, out string) {
	w.emit("Concat", w.ins(n), out, onnx.IntAttr("axis", int64(n.Int("axis", 1))))
}

func (w *onnxWriter) slice(n *graph.Node, out string) {
	axis := n.Int("axis", 1)
	start, end, axes := w.int64s(n.Name+".start", 0), w.int64s(n.Name+".end", n.Out[0].Shape[axis]), w.int64s(n.Name+".axes", axis)
	w.emit("Slice", []string{w.in(n.In[0]), start, end, axes}, out)
}

func (w *onnxWriter) pad(n *graph.Node, out string) {
	x, y := n.In[0].Shape, n.Out[0].Shape
	pads := make([]int, 2*len(y))
	for i := range y {
		pads[len(y)+i] = y[i] - x[i]
	}
	amounts := w.int64s(n.Name+".pads", pads...)
	w.emit("Pad", []string{w.in(n.In[0]), amounts}, out)
}

func (w *onnxWriter) expand(n *graph.Node, out string) { w.shaped("Expand", n, out) }

func (w *onnxWriter) reshape(n *graph.Node, out string) { w.shaped("Reshape", n, out) }

// shaped is an operator whose second input is the shape of its output.
func (w *onnxWriter) shaped(op string, n *graph.Node, out string) {
	shape := w.int64s(n.Name+".shape", n.Out[0].Shape...)
	w.emit(op, []string{w.in(n.In[0]), shape}, out)
}

func (w *onnxWriter) transpose(n *graph.Node, out string) {
	w.emit("Transpose", w.ins(n), out, onnxInts("perm", n.Attrs.Ints["perm"]))
}

func onnxBlocks(op string) func(*onnxWriter, *graph.Node, string) {
	return func(w *onnxWriter, n *graph.Node, out string) {
		w.emit(op, w.ins(n), out, onnx.IntAttr("blocksize", int64(n.Int("factor", 1))))
	}
}

func (w *onnxWriter) pow(n *graph.Node, out string) {
	w.emit("Pow", []string{w.in(n.In[0]), w.scalar(n.Name+".exponent", floatOf(n.Out[0]), n.Attrs.Floats["exponent"])}, out)
}

func (w *onnxWriter) clip(n *graph.Node, out string) {
	t := floatOf(n.Out[0])
	w.emit("Clip", []string{w.in(n.In[0]), w.scalar("minusone."+t.String(), t, -1), w.scalar("one."+t.String(), t, 1)}, out)
}

// matMul writes alpha·x·y. In float the factor is a Mul, which runtimes fuse into
// the product. In int8 it is free: the product is quantised with scale/alpha and
// read with scale, and a transposed operand is transposed as integers, so that the
// dequantise – multiply – quantise group stays whole.
func (w *onnxWriter) matMul(n *graph.Node) {
	x, y, out := n.In[0], n.In[1], n.Out[0]
	alpha, scaled := n.Attrs.Floats["alpha"]
	if !scaled {
		alpha = 1
	}
	var perm []int
	if n.Int("transb", 0) == 1 {
		for i := range y.Shape {
			perm = append(perm, i)
		}
		r := len(perm)
		perm[r-2], perm[r-1] = perm[r-1], perm[r-2]
	}
	if out.DType != graph.Int8 {
		b := w.in(y)
		if perm != nil {
			b = w.emit("Transpose", []string{b}, n.Name+".t", onnxInts("perm", perm)).Outputs[0]
		}
		if alpha == 1 {
			w.emit("MatMul", []string{w.in(x), b}, out.Name)
			return
		}
		p := w.emit("MatMul", []string{w.in(x), b}, n.Name+".product").Outputs[0]
		w.emit("Mul", []string{p, w.scalar(n.Name+".alpha", floatOf(out), alpha)}, out.Name)
		return
	}
	b := w.in(y)
	if perm != nil {
		t := w.emit("Transpose", []string{y.Name}, n.Name+".t", onnxInts("perm", perm)).Outputs[0]
		scale, zero, attrs := w.quantParams(y)
		b = w.dequantized(t, scale, zero, t+".dq", attrs)
	}
	w.emit("MatMul", []string{w.in(x), b}, out.Name+".f")
	_, zero, attrs := w.quantParams(out)
	coarse := w.constant(onnx.FloatTensor(out.Name+".product.scale", onnx.Float, []float32{out.Quant.Scale[0] / alpha}))
	w.emit("QuantizeLinear", []string{out.Name + ".f", coarse, zero}, out.Name, attrs...)
}

// rmsNorm is written out: the operator is newer (opset 23) than most runtimes, and
// ONNX Runtime fuses this form.
func (w *onnxWriter) rmsNorm(n *graph.Node, out string) {
	x, t := w.in(n.In[0]), floatOf(n.Out[0])
	name := n.Name
	sq := w.emit("Pow", []string{x, w.scalar("two."+t.String(), t, 2)}, name+".square").Outputs[0]
	mean := w.emit("ReduceMean", []string{sq, w.int64s("last.axis", -1)}, name+".mean", onnx.IntAttr("keepdims", 1)).Outputs[0]
	eps := w.emit("Add", []string{mean, w.scalar(name+".eps", t, n.Attrs.Floats["eps"])}, name+".mean.eps").Outputs[0]
	root := w.emit("Sqrt", []string{eps}, name+".rms").Outputs[0]
	norm := w.emit("Div", []string{x, root}, name+".norm").Outputs[0]
	w.emit("Mul", []string{norm, w.in(n.In[1])}, out)
}

// split has several outputs, each of them quantised when it is int8.
func (w *onnxWriter) split(n *graph.Node) {
	node := &onnx.Node{Name: n.Name, Op: "Split", Inputs: []string{w.in(n.In[0])},
		Attrs: []*onnx.Attr{onnx.IntAttr("axis", int64(n.Int("axis", 1)))}}
	var sizes []int
	for _, v := range n.Out {
		sizes = append(sizes, v.Shape[n.Int("axis", 1)])
	}
	if slices.Min(sizes) == slices.Max(sizes) {
		node.Attrs = append(node.Attrs, onnx.IntAttr("num_outputs", int64(len(n.Out))))
	} else {
		node.Inputs = append(node.Inputs, w.int64s(n.Name+".sizes", sizes...))
	}
	w.g.Nodes = append(w.g.Nodes, node)
	for _, v := range n.Out {
		out, done := w.out(v)
		node.Outputs = append(node.Outputs, out)
		done()
	}
}

func (w *onnxWriter) resize(n *graph.Node, out string) {
	in := []string{w.in(n.In[0]), ""}
	if f := float32(n.Int("factor", 0)); f > 0 {
		in = append(in, w.constant(onnx.FloatTensor(n.Name+".scales", onnx.Float, []float32{1, 1, f, f}, 4)))
	} else {
		in = append(in, "", w.int64s(n.Name+".sizes", n.Out[0].Shape...))
	}
	attrs := []*onnx.Attr{onnx.StringAttr("mode", "nearest"), onnx.StringAttr("coordinate_transformation_mode", "asymmetric"), onnx.StringAttr("nearest_mode", "floor")}
	if mode := n.Attrs.Strings["mode"]; mode != "nearest" {
		attrs = []*onnx.Attr{onnx.StringAttr("mode", mode), onnx.StringAttr("coordinate_transformation_mode", "half_pixel")}
	}
	w.emit("Resize", in, out, attrs...)
}

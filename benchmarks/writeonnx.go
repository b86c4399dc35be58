package benchmarks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/onnx"
)

// onnxOpset and onnxIR are what models are written for: the first operator set
// that ONNX Runtime, all its mobile builds since 1.20 and TensorRT 10 read and in
// which Gelu is an operator (20) and int8 QDQ covers every type (21).
//
// Convolutions and pools of bfloat16 are in the operator set from 22 on, so models
// with such values are written for that.
const (
	onnxOpset         = 21
	onnxOpsetBFloat16 = 22
	onnxIR            = 10
)

// WriteONNX writes the graph as an ONNX model. Equal graphs give equal bytes.
//
// A value keeps its name. An int8 value v is written in QDQ form, the way
// runtimes recognise static quantisation: the operator computes v.f in float,
// QuantizeLinear makes v of it, and its consumers share one DequantizeLinear v.dq.
// Activations are uint8 (zero point + 128) beside signed weights: x86's dot product
// instructions want that, and ONNX Runtime's own change from int8 to uint8 passes
// residual connections over and leaves them unfused. A fused activation v =
// name.act is a node of its own after name. Int8 weights w are stored as w.q.
func WriteONNX(g *graph.Graph) ([]byte, error) {
	m, err := ONNXModel(g)
	if err != nil {
		return nil, err
	}
	return onnx.Encode(m), nil
}

// ONNXModel is WriteONNX before the encoding, for those who add nodes.
func ONNXModel(g *graph.Graph) (*onnx.Model, error) {
	w := &onnxWriter{g: &onnx.Graph{Name: "isocost"}, weights: map[*graph.Value]bool{}, have: map[string]bool{}}
	for _, v := range g.Weights {
		w.weights[v] = true
	}
	for _, v := range g.Inputs {
		w.g.Inputs = append(w.g.Inputs, onnx.NewValue(v.Name, onnxType(v.DType), v.Shape...))
	}
	for _, n := range g.Nodes {
		if err := w.node(n); err != nil {
			return nil, fmt.Errorf("write onnx: node %s: %w", n.Name, err)
		}
	}
	for _, v := range g.Outputs {
		w.g.Outputs = append(w.g.Outputs, onnx.NewValue(v.Name, onnxType(v.DType), v.Shape...))
	}
	m := &onnx.Model{IRVersion: onnxIR, ProducerName: "isocost", Graph: w.g, Opsets: []onnx.Opset{{Version: onnxOpset}}}
	if slices.ContainsFunc(g.Nodes, func(n *graph.Node) bool { return n.Out[0].DType == graph.BFloat16 }) {
		m.Opsets[0].Version = onnxOpsetBFloat16
	}
	if w.microsoft {
		m.Opsets = append(m.Opsets, onnx.Opset{Domain: "com.microsoft", Version: 1})
	}
	return m, nil
}

func onnxType(t graph.DType) onnx.DataType {
	switch t {
	case graph.Float32:
		return onnx.Float
	case graph.Float16:
		return onnx.Float16
	case graph.BFloat16:
		return onnx.BFloat16
	case graph.Int8:
		return onnx.Int8
	case graph.Uint8:
		return onnx.Uint8
	case graph.Int32:
		return onnx.Int32
	case graph.Int64:
		return onnx.Int64
	case graph.Bool:
		return onnx.Bool
	}
	return onnx.Undefined
}

type onnxWriter struct {
	g         *onnx.Graph
	weights   map[*graph.Value]bool
	have      map[string]bool // initializers and dequantised values written
	microsoft bool            // a com.microsoft operator is used
}

// emit adds a node named after its first output.
func (w *onnxWriter) emit(op string, in []string, out string, attrs ...*onnx.Attr) *onnx.Node {
	n := &onnx.Node{Name: out, Op: op, Inputs: in, Outputs: []string{out}, Attrs: attrs}
	w.g.Nodes = append(w.g.Nodes, n)
	return n
}

// constant adds an initializer once and returns its name.
func (w *onnxWriter) constant(t *onnx.Tensor) string {
	if !w.have[t.Name] {
		w.have[t.Name] = true
		w.g.Initializers = append(w.g.Initializers, t)
	}
	return t.Name
}

func (w *onnxWriter) int64s(name string, v ...int) string {
	t := make([]int64, len(v))
	for i, x := range v {
		t[i] = int64(x)
	}
	return w.constant(onnx.IntTensor(name, onnx.Int64, t, len(v)))
}

// quantParams adds the scale and zero point of v and the axis attribute when
// they are per channel.
func (w *onnxWriter) quantParams(v *graph.Value) (scale, zero string, attrs []*onnx.Attr) {
	q := v.Quant
	var dims []int
	if len(q.Scale) > 1 {
		dims = []int{len(q.Scale)}
		attrs = append(attrs, onnx.IntAttr("axis", int64(q.Axis)))
	}
	scale = w.constant(onnx.FloatTensor(v.Name+".scale", onnx.Float, q.Scale, dims...))
	z, typ := make([]int64, len(q.Zero)), onnxType(v.DType)
	for i, x := range q.Zero {
		z[i] = int64(x)
		if v.DType == graph.Int8 && !w.weights[v] {
			z[i], typ = z[i]+128, onnx.Uint8
		}
	}
	return scale, w.constant(onnx.IntTensor(v.Name+".zero", typ, z, dims...)), attrs
}

// in returns the name of v as a float tensor, writing a constant's initializer or
// a DequantizeLinear where needed.
func (w *onnxWriter) in(v *graph.Value) string {
	name := v.Name
	if v.Quant == nil || v.DType == graph.Float32 {
		if w.weights[v] {
			w.constant(onnx.FloatTensor(name, onnxType(v.DType), v.Data, v.Shape...))
		}
		return name
	}
	scale, zero, attrs := w.quantParams(v)
	if w.weights[v] {
		q := w.constant(onnx.IntTensor(name+".q", onnxType(v.DType), v.Integers(), v.Shape...))
		return w.dequantized(q, scale, zero, name, attrs)
	}
	return w.dequantized(name, scale, zero, name+".dq", attrs)
}

func (w *onnxWriter) dequantized(q, scale, zero, out string, attrs []*onnx.Attr) string {
	if !w.have[out] {
		w.have[out] = true
		w.emit("DequantizeLinear", []string{q, scale, zero}, out, attrs...)
	}
	return out
}

// out returns the name under which an operator writes the float form of v, and
// what to do afterwards: quantise it when v is int8.
func (w *onnxWriter) out(v *graph.Value) (string, func()) {
	if v.DType != graph.Int8 {
		return v.Name, func() {}
	}
	f := v.Name + ".f"
	return f, func() {
		scale, zero, attrs := w.quantParams(v)
		w.emit("QuantizeLinear", []string{f, scale, zero}, v.Name, attrs...)
	}
}

// act writes a node with its fused activation: op must write to the name it is given.
func (w *onnxWriter) act(n *graph.Node, op func(out string)) {
	y := n.Out[0]
	out, done := w.out(y)
	defer done()
	pre := out
	if n.Act() != "" {
		pre = strings.TrimSuffix(y.Name, ".act")
	}
	op(pre)
	if n.Act() != "" {
		w.activation(n.Act(), pre, out, floatOf(y))
	}
}

// floatOf is the type a value's operator computes in.
func floatOf(v *graph.Value) onnx.DataType {
	if v.DType == graph.Float16 || v.DType == graph.BFloat16 {
		return onnxType(v.DType)
	}
	return onnx.Float
}

// scalar adds a constant number of type t.
func (w *onnxWriter) scalar(name string, t onnx.DataType, v float32) string {
	return w.constant(onnx.FloatTensor(name, t, []float32{v}))
}

func (w *onnxWriter) activation(act, in, out string, t onnx.DataType) {
	switch act {
	case graph.Relu:
		w.emit("Relu", []string{in}, out)
	case graph.Relu6:
		w.emit("Clip", []string{in, w.scalar("zero."+t.String(), t, 0), w.scalar("six."+t.String(), t, 6)}, out)
	case graph.Sigmoid:
		w.emit("Sigmoid", []string{in}, out)
	case graph.HSigmoid:
		w.emit("HardSigmoid", []string{in}, out, onnx.FloatAttr("alpha", 1.0/6), onnx.FloatAttr("beta", 0.5))
	case graph.HSwish:
		w.emit("HardSwish", []string{in}, out)
	case graph.SiLU:
		s := w.emit("Sigmoid", []string{in}, out+".sigmoid").Outputs[0]
		w.emit("Mul", []string{in, s}, out)
	case graph.Gelu:
		w.emit("Gelu", []string{in}, out)
	}
}

func onnxInts(name string, v []int) *onnx.Attr {
	a := &onnx.Attr{Name: name, Type: onnx.AttrInts}
	for _, x := range v {
		a.Ints = append(a.Ints, int64(x))
	}
	return a
}

func (w *onnxWriter) node(n *graph.Node) error {
	x, y := n.In[0], n.Out[0]
	switch n.Op {
	case graph.Conv, graph.DWConv:
		group := n.Int("groups", 1)
		if n.Op == graph.DWConv {
			group = y.Shape[1]
		}
		attrs := []*onnx.Attr{onnxInts("kernel_shape", n.In[1].Shape[2:]), onnxInts("strides", n.Attrs.Ints["strides"]),
			onnxInts("pads", n.Attrs.Ints["pads"]), onnxInts("dilations", n.Attrs.Ints["dilations"]), onnx.IntAttr("group", int64(group))}
		w.act(n, func(out string) {
			if n.Attrs.Strings["quant"] == graph.QuantDynamic {
				w.dynamic(n, out, attrs)
				return
			}
			w.emit("Conv", []string{w.in(x), w.in(n.In[1]), w.in(n.In[2])}, out, attrs...)
		})
	case graph.Deconv:
		attrs := []*onnx.Attr{onnxInts("kernel_shape", n.In[1].Shape[2:]), onnxInts("strides", n.Attrs.Ints["strides"]), onnxInts("pads", n.Attrs.Ints["pads"]),
			onnx.IntAttr("group", int64(n.Int("groups", 1)))}
		w.act(n, func(out string) {
			w.emit("ConvTranspose", []string{w.in(x), w.in(n.In[1]), w.in(n.In[2])}, out, attrs...)
		})
	case graph.MatMul:
		w.matMul(n)
	case graph.LayerNorm:
		w.act(n, func(out string) {
			w.emit("LayerNormalization", []string{w.in(x), w.in(n.In[1]), w.in(n.In[2])}, out,
				onnx.IntAttr("axis", -1), onnx.FloatAttr("epsilon", n.Attrs.Floats["eps"]))
		})
	case graph.RMSNorm:
		w.act(n, func(out string) { w.rmsNorm(n, out) })
	case graph.Softmax:
		w.act(n, func(out string) {
			w.emit("Softmax", []string{w.in(x)}, out, onnx.IntAttr("axis", int64(n.Int("axis", -1))))
		})
	case graph.Concat:
		var in []string
		for _, v := range n.In {
			in = append(in, w.in(v))
		}
		w.act(n, func(out string) { w.emit("Concat", in, out, onnx.IntAttr("axis", int64(n.Int("axis", 1)))) })
	case graph.Split:
		w.split(n)
	case graph.Resize:
		w.act(n, func(out string) { w.resize(n, out) })
	case graph.Linear:
		w.act(n, func(out string) {
			switch n.Attrs.Strings["quant"] {
			case graph.QuantDynamic:
				w.dynamic(n, out, nil)
				return
			case graph.QuantWeight:
				w.weightOnly(n, out)
				return
			}
			w.emit("Gemm", []string{w.in(x), w.in(n.In[1]), w.in(n.In[2])}, out, onnx.IntAttr("transB", 1))
		})
	case graph.Add:
		w.act(n, func(out string) { w.emit("Add", []string{w.in(x), w.in(n.In[1])}, out) })
	case graph.Mul, graph.Sub, graph.Div, graph.Min, graph.Max, graph.PRelu:
		op := map[string]string{graph.PRelu: "PRelu", graph.Mul: "Mul", graph.Sub: "Sub", graph.Div: "Div", graph.Min: "Min", graph.Max: "Max"}[n.Op]
		w.act(n, func(out string) { w.emit(op, []string{w.in(x), w.in(n.In[1])}, out) })
	case graph.Clip:
		t := floatOf(y)
		w.act(n, func(out string) {
			w.emit("Clip", []string{w.in(x), w.scalar("minusone."+t.String(), t, -1), w.scalar("one."+t.String(), t, 1)}, out)
		})
	case graph.Expand:
		shape := w.int64s(n.Name+".shape", y.Shape...)
		w.act(n, func(out string) { w.emit("Expand", []string{w.in(x), shape}, out) })
	case graph.Reduce:
		op := map[string]string{"mean": "ReduceMean", "sum": "ReduceSum", "max": "ReduceMax", "min": "ReduceMin", "prod": "ReduceProd",
			"l1": "ReduceL1", "l2": "ReduceL2", "sumsquare": "ReduceSumSquare"}[n.Attrs.Strings["op"]]
		axes := w.int64s(n.Name+".axes", n.Int("axis", len(x.Shape)-1))
		w.act(n, func(out string) { w.emit(op, []string{w.in(x), axes}, out, onnx.IntAttr("keepdims", 0)) })
	case graph.InstanceNorm:
		w.act(n, func(out string) {
			w.emit("InstanceNormalization", []string{w.in(x), w.in(n.In[1]), w.in(n.In[2])}, out, onnx.FloatAttr("epsilon", 1e-5))
		})
	case graph.Pow:
		w.act(n, func(out string) {
			w.emit("Pow", []string{w.in(x), w.scalar(n.Name+".exponent", floatOf(y), n.Attrs.Floats["exponent"])}, out)
		})
	case graph.GeluTanh:
		w.act(n, func(out string) { w.emit("Gelu", []string{w.in(x)}, out, onnx.StringAttr("approximate", "tanh")) })
	case graph.DepthToSpace, graph.SpaceToDepth:
		op := map[string]string{graph.DepthToSpace: "DepthToSpace", graph.SpaceToDepth: "SpaceToDepth"}[n.Op]
		w.act(n, func(out string) {
			w.emit(op, []string{w.in(x)}, out, onnx.IntAttr("blocksize", int64(n.Int("factor", 1))))
		})
	case graph.BatchNorm:
		w.act(n, func(out string) {
			in := []string{w.in(x)}
			for _, v := range n.In[1:] {
				in = append(in, w.in(v))
			}
			w.emit("BatchNormalization", in, out, onnx.FloatAttr("epsilon", 1e-5))
		})
	case graph.Pad:
		pads := make([]int, 2*len(y.Shape))
		for i := range y.Shape {
			pads[len(y.Shape)+i] = y.Shape[i] - x.Shape[i]
		}
		amounts := w.int64s(n.Name+".pads", pads...)
		w.act(n, func(out string) { w.emit("Pad", []string{w.in(x), amounts}, out) })
	case graph.Slice:
		axis := n.Int("axis", 1)
		start, end, axes := w.int64s(n.Name+".start", 0), w.int64s(n.Name+".end", y.Shape[axis]), w.int64s(n.Name+".axes", axis)
		w.act(n, func(out string) { w.emit("Slice", []string{w.in(x), start, end, axes}, out) })
	case graph.Relu, graph.Relu6, graph.Sigmoid, graph.HSigmoid, graph.HSwish, graph.SiLU, graph.Gelu:
		out, done := w.out(y)
		w.activation(n.Op, w.in(x), out, floatOf(y))
		done()
	case graph.GAP:
		w.act(n, func(out string) { w.emit("GlobalAveragePool", []string{w.in(x)}, out) })
	case graph.Mean:
		axes := w.int64s(n.Name+".axes", n.Int("axis", 1))
		w.act(n, func(out string) {
			w.emit("ReduceMean", []string{w.in(x), axes}, out, onnx.IntAttr("keepdims", 0))
		})
	case graph.AvgPool, graph.MaxPool:
		op := "AveragePool"
		if n.Op == graph.MaxPool {
			op = "MaxPool"
		}
		w.act(n, func(out string) {
			w.emit(op, []string{w.in(x)}, out, onnxInts("kernel_shape", n.Attrs.Ints["kernel"]),
				onnxInts("strides", n.Attrs.Ints["strides"]), onnxInts("pads", n.Attrs.Ints["pads"]))
		})
	case graph.Reshape:
		shape := w.int64s(n.Name+".shape", y.Shape...)
		w.act(n, func(out string) { w.emit("Reshape", []string{w.in(x), shape}, out) })
	case graph.Transpose:
		w.act(n, func(out string) { w.emit("Transpose", []string{w.in(x)}, out, onnxInts("perm", n.Attrs.Ints["perm"])) })
	case graph.Quantize:
		name := w.in(x) // int8 to int8 goes through float
		scale, zero, attrs := w.quantParams(y)
		w.emit("QuantizeLinear", []string{name, scale, zero}, y.Name, attrs...)
	case graph.Dequantize:
		scale, zero, attrs := w.quantParams(x)
		w.emit("DequantizeLinear", []string{x.Name, scale, zero}, y.Name, attrs...)
	case graph.Cast:
		w.emit("Cast", []string{x.Name}, y.Name, onnx.IntAttr("to", int64(onnxType(y.DType))))
	default:
		op, ok := onnxFunctions[n.Op]
		if !ok {
			return fmt.Errorf("operator %q has no ONNX form", n.Op)
		}
		w.act(n, func(out string) { w.emit(op, []string{w.in(x)}, out) })
	}
	return nil
}

// onnxFunctions are functions of one number, without attributes.
var onnxFunctions = map[string]string{
	graph.Erf: "Erf", graph.Tanh: "Tanh", graph.Exp: "Exp", graph.LeakyRelu: "LeakyRelu", graph.Sqrt: "Sqrt", graph.Log: "Log",
	graph.Neg: "Neg", graph.Abs: "Abs", graph.Elu: "Elu", graph.Softplus: "Softplus", graph.Reciprocal: "Reciprocal",
	graph.Sin: "Sin", graph.Cos: "Cos", graph.Mish: "Mish", graph.Round: "Round",
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

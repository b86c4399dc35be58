package tflitewriter

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// node writes one node.
func (w *writer) node(n *graph.Node) {
	for _, v := range n.Out {
		tensorType(v) // refuses what the file has no type for
	}
	if w.floatOnly(n) {
		w.inFloat(n)
		return
	}
	if f, ok := functions[n.Op]; ok {
		x, y, _ := w.inPlace(n)
		w.emit(f.code, w.version(x, f.int8), []int32{x}, []int32{y}, f.options)
		return
	}
	if compose, ok := composed[n.Op]; ok {
		x, y, _ := w.inPlace(n)
		compose(w, n, x, y)
		return
	}
	switch n.Op {
	case graph.Conv, graph.DWConv:
		w.conv(n)
	case graph.Deconv:
		w.deconv(n)
	case graph.Linear:
		w.linear(n)
	case graph.AvgPool, graph.MaxPool:
		w.pool(n)
	case graph.GAP:
		w.mean(n, []int{2, 3}, true)
	case graph.Mean:
		w.mean(n, []int{n.Int("axis", 1)}, false)
	case graph.Reduce:
		w.reduce(n)
	case graph.Add, graph.Mul, graph.Sub, graph.Div, graph.Min, graph.Max:
		w.binary(n)
	case graph.PRelu:
		x, y, l := w.inPlace(n)
		w.emit(tflitefb.Prelu, 1, []int32{x, w.operand(n.In[1], l)}, []int32{y}, tflitefb.Options{})
	case graph.Softmax:
		w.softmax(n)
	case graph.MatMul:
		w.matmul(n)
	case graph.LayerNorm, graph.RMSNorm, graph.InstanceNorm:
		w.norm(n)
	case graph.BatchNorm:
		w.batchNorm(n)
	case graph.Concat:
		w.concat(n)
	case graph.Split:
		w.split(n)
	case graph.Slice:
		w.slice(n)
	case graph.Pad:
		w.pad(n)
	case graph.Expand:
		w.expand(n)
	case graph.DepthToSpace, graph.SpaceToDepth:
		w.blocks(n)
	case graph.Resize:
		w.resize(n)
	case graph.Transpose:
		w.transpose(n)
	case graph.Reshape:
		w.reshape(n)
	case graph.Quantize:
		x, y, _ := w.inPlace(n)
		w.quantizeOp(x, y)
	case graph.Dequantize:
		x, y, _ := w.inPlace(n)
		w.emit(tflitefb.Dequantize, 2, []int32{x}, []int32{y}, tflitefb.Options{Type: tflitefb.DequantizeOptions})
	case graph.Cast:
		// Half precision is float32 in the file: nothing to do.
		p, ok := w.at[n.In[0]]
		if !ok {
			fail("%w: the cast of a constant", ErrNoForm)
		}
		w.alias(n.Out[0], p.tensor, p.layout)
	default:
		fail("%w: operator %q", ErrNoForm, n.Op)
	}
}

// layoutOf is where a value is now; a weight's is the graph's.
func (w *writer) layoutOf(v *graph.Value) layout {
	if p, ok := w.at[v]; ok {
		return p.layout
	}
	return rowMajor(len(v.Shape))
}

// quantizeOp rounds x to y's scale. Versions of QUANTIZE: 2 changes the scale of int8.
func (w *writer) quantizeOp(x, y int32) {
	w.emit(tflitefb.Quantize, w.version(x, 2), []int32{x}, []int32{y}, tflitefb.Options{Type: tflitefb.QuantizeOptions})
}

// pairwise are the operators of two inputs that broadcast, and their options.
var pairwise = map[string]tflitefb.Op{graph.Add: tflitefb.Add, graph.Sub: tflitefb.Sub, graph.Mul: tflitefb.Mul, graph.Div: tflitefb.Div,
	graph.Min: tflitefb.Minimum, graph.Max: tflitefb.Maximum}

// binary writes add, sub, mul, div, min and max, whose operands broadcast as numpy's do: ranks are
// made equal in front, then both stand in the layout of the first of full rank. The
// integer minimum and maximum have one scale: operands of another are brought to it.
func (w *writer) binary(n *graph.Node) {
	act := fusedAct(n)
	rank := len(n.Out[0].Shape)
	var l layout
	for _, v := range n.In {
		if p, ok := w.at[v]; ok && len(v.Shape) == rank && l == nil {
			l = p.layout
		}
	}
	if l == nil {
		l = rowMajor(rank)
	}
	var in []int32
	for _, v := range n.In {
		in = append(in, w.operand(v, l))
	}
	y := w.activation(n.Out[0], l)
	code := pairwise[n.Op]
	if n.Op != graph.Min && n.Op != graph.Max {
		w.arithmetic(code, act, y, in...)
		return
	}
	if n.Out[0].DType == graph.Int8 {
		for i, x := range in {
			in[i] = w.like(x, fmt.Sprint(n.Name, ".scaled", i))
			w.m.Tensors[in[i]].Quant = w.m.Tensors[y].Quant
			w.quantizeOp(x, in[i])
		}
	}
	w.emit(code, w.version(y, 2), in, []int32{y}, tflitefb.Options{})
}

// operand is v for an operator whose result stands in layout l, of v's rank or more.
func (w *writer) operand(v *graph.Value, l layout) int32 {
	missing := len(l) - len(v.Shape)
	if missing == 0 {
		return w.get(v, l)
	}
	wide := slices.Concat(slices.Repeat([]int{1}, missing), v.Shape)
	shape := l.apply(wide)
	if w.weights[v] {
		// Only axes of length one are added, so the order of the others decides.
		var order layout
		for _, a := range l {
			if a >= missing {
				order = append(order, a-missing)
			}
		}
		return w.shaped(v, order, shape, false)
	}
	x := w.get(v, rowMajor(len(v.Shape)))
	t := w.shapedLike(x, v.Name+".wide", rowMajor(len(wide)).apply(wide)...)
	w.reshapeOp(x, t)
	if slices.Equal(l, rowMajor(len(l))) {
		return t
	}
	u := w.shapedLike(t, v.Name+".wide.t", shape...)
	perm := make([]int32, len(l))
	for i, a := range l {
		perm[i] = int32(a)
	}
	w.transposeOp(t, u, perm)
	return u
}

func (w *writer) reshapeOp(x, y int32) {
	shape := w.m.Tensors[y].Shape
	w.emit(tflitefb.Reshape, 1, []int32{x, w.int32s(shape...)}, []int32{y}, tflitefb.Options{Type: tflitefb.ReshapeOptions, NewShape: shape})
}

// arithmetic emits ADD, SUB, MUL, DIV with a fused activation.
func (w *writer) arithmetic(code tflitefb.Op, act float64, y int32, in ...int32) {
	options := map[tflitefb.Op]tflitefb.OptionsType{tflitefb.Add: tflitefb.AddOptions, tflitefb.Sub: tflitefb.SubOptions,
		tflitefb.Mul: tflitefb.MulOptions, tflitefb.Div: tflitefb.DivOptions}[code]
	w.emit(code, w.version(y, 2), in, []int32{y}, tflitefb.Options{Type: options, Values: map[string]float64{"fused_activation_function": act}})
}

// softmax is over an axis that must stand last in the file.
func (w *writer) softmax(n *graph.Node) {
	rank := len(n.In[0].Shape)
	axis := n.Int("axis", rank-1)
	l := append(slices.Delete(rowMajor(rank), axis, axis+1), axis)
	x, y := w.ends(n, l, l)
	w.emit(tflitefb.Softmax, w.version(x, 2), []int32{x}, []int32{y}, tflitefb.Options{Type: tflitefb.SoftmaxOptions, Values: map[string]float64{"beta": 1}})
}

// matmul writes BATCH_MATMUL; alpha is a multiplication of the result.
func (w *writer) matmul(n *graph.Node) {
	var in []int32
	for _, v := range n.In[:2] {
		in = append(in, w.get(v, rowMajor(len(v.Shape))))
	}
	y := w.activation(n.Out[0], rowMajor(len(n.Out[0].Shape)))
	product := y
	alpha, scaled := n.Attrs.Floats["alpha"]
	scaled = scaled && alpha != 1
	if scaled {
		product = w.like(y, n.Name+".product")
		if q := w.m.Tensors[y].Quant; q != nil {
			w.m.Tensors[product].Quant = &tflitefb.Quant{Scale: []float32{q.Scale[0] / alpha}, Zero: q.Zero}
		}
	}
	w.emit(tflitefb.BatchMatMul, w.version(in[0], 2), in, []int32{product}, tflitefb.Options{Type: tflitefb.BatchMatMulOptions,
		Values: map[string]float64{"adj_y": float64(n.Int("transb", 0))}})
	if scaled {
		w.arithmetic(tflitefb.Mul, tflitefb.ActNone, y, product, w.scalar(alpha, y))
	}
}

func (w *writer) concat(n *graph.Node) {
	l := w.layoutOf(n.In[0])
	var in []int32
	for _, v := range n.In {
		in = append(in, w.get(v, l))
	}
	y := w.activation(n.Out[0], l)
	w.emit(tflitefb.Concatenation, w.version(y, 2), in, []int32{y}, tflitefb.Options{Type: tflitefb.ConcatenationOptions,
		Values: map[string]float64{"axis": float64(l.axis(n.Int("axis", 1)))}})
}

// split writes SPLIT, or SPLIT_V for parts of several sizes.
func (w *writer) split(n *graph.Node) {
	l := w.layoutOf(n.In[0])
	x := w.get(n.In[0], l)
	at := l.axis(n.Int("axis", 1))
	axis := w.int32s(int32(at))
	var out, sizes []int32
	for _, v := range n.Out {
		i := w.activation(v, l)
		out, sizes = append(out, i), append(sizes, w.m.Tensors[i].Shape[at])
	}
	values := map[string]float64{"num_splits": float64(len(out))}
	if slices.Min(sizes) == slices.Max(sizes) {
		w.emit(tflitefb.Split, w.version(x, 2), []int32{axis, x}, out, tflitefb.Options{Type: tflitefb.SplitOptions, Values: values})
		return
	}
	// The axis is a number here, and not a list of one.
	number := w.add(tflitefb.Tensor{Name: n.Name + ".axis", Type: tflitefb.Int32, Shape: []int32{}, Data: int32Bytes([]int32{int32(at)})})
	w.emit(tflitefb.SplitV, w.version(x, 2), []int32{x, w.int32s(sizes...), number}, out, tflitefb.Options{Type: tflitefb.SplitVOptions, Values: values})
}

// resize writes two of the three interpolations (TensorFlow Lite has no cubic one);
// version 3 has half-pixel centres.
func (w *writer) resize(n *graph.Node) {
	x, y := w.ends(n, channelsLast(4), channelsLast(4))
	shape := w.m.Tensors[y].Shape
	size := w.int32s(shape[1], shape[2])
	switch mode := n.Attrs.Strings["mode"]; mode {
	case "nearest":
		w.emit(tflitefb.ResizeNearestNeighbor, w.version(x, 2), []int32{x, size}, []int32{y},
			tflitefb.Options{Type: tflitefb.ResizeNearestNeighborOptions})
	case "linear":
		w.emit(tflitefb.ResizeBilinear, 3, []int32{x, size}, []int32{y},
			tflitefb.Options{Type: tflitefb.ResizeBilinearOptions, Values: map[string]float64{"half_pixel_centers": 1}})
	default:
		fail("%w: resize mode %q", ErrNoForm, mode)
	}
}

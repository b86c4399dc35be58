package tflitewriter

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/tflitefb"
)

// out adds the node's first output in a layout.
func (w *writer) out(n *graph.Node, l layout) (int32, error) {
	y := n.Out[0]
	if _, err := tensorType(y); err != nil {
		return 0, err
	}
	return w.activation(y, y.Name, l), nil
}

// node writes one node.
func (w *writer) node(n *graph.Node) error {
	for _, v := range n.Out {
		if _, err := tensorType(v); err != nil {
			return err
		}
	}
	switch n.Op {
	case graph.Conv, graph.DWConv:
		return w.conv(n)
	case graph.Deconv:
		return w.deconv(n)
	case graph.Linear:
		return w.linear(n)
	case graph.AvgPool, graph.MaxPool:
		return w.pool(n)
	case graph.GAP:
		return w.mean(n, []int{2, 3}, true)
	case graph.Mean:
		return w.mean(n, []int{n.Int("axis", 1)}, false)
	case graph.Add, graph.Mul:
		return w.binary(n)
	case graph.Sub, graph.Div, graph.Tanh, graph.Exp, graph.LeakyRelu, graph.Clip, graph.Reduce, graph.Pad, graph.Slice:
		if n.In[0].DType == graph.Int8 {
			break // they occur in exported networks, whose integers are not followed here
		}
		return w.exported(n)
	case graph.Relu, graph.Relu6, graph.Sigmoid, graph.HSwish, graph.HSigmoid, graph.SiLU, graph.Gelu:
		return w.unary(n)
	case graph.Softmax:
		if last := len(n.In[0].Shape) - 1; n.Int("axis", last) != last {
			return fmt.Errorf("%w: softmax over another axis than the last", ErrNoForm)
		}
		return w.softmax(n)
	case graph.MatMul:
		return w.matmul(n)
	case graph.LayerNorm, graph.RMSNorm:
		return w.norm(n)
	case graph.Concat:
		return w.concat(n)
	case graph.Split:
		return w.split(n)
	case graph.Resize:
		return w.resize(n)
	case graph.Transpose:
		return w.transpose(n)
	case graph.Reshape:
		return w.reshape(n)
	case graph.Quantize:
		return w.simple(n, tflitefb.Quantize, tflitefb.QuantizeOptions, w.quantizeVersion(n))
	case graph.Dequantize:
		return w.simple(n, tflitefb.Dequantize, tflitefb.DequantizeOptions, 2)
	case graph.Cast:
		// Half precision is float32 in the file: nothing to do.
		if p, ok := w.at[n.In[0]]; ok {
			w.alias(n.Out[0], p.tensor, p.layout)
			return nil
		}
	}
	return fmt.Errorf("%w: operator %q", ErrNoForm, n.Op)
}

// layoutOf is where a value is now; a weight's is the graph's.
func (w *writer) layoutOf(v *graph.Value) layout {
	if p, ok := w.at[v]; ok {
		return p.layout
	}
	return rowMajor(len(v.Shape))
}

// quantizeVersion: QUANTIZE 2 changes the scale of int8.
func (w *writer) quantizeVersion(n *graph.Node) int32 {
	if n.In[0].DType == graph.Int8 {
		return 2
	}
	return 1
}

// simple writes an operator of one input and no layout of its own.
func (w *writer) simple(n *graph.Node, code tflitefb.Op, options tflitefb.OptionsType, version int32) error {
	l := w.layoutOf(n.In[0])
	x, err := w.get(n.In[0], l)
	if err != nil {
		return err
	}
	y, err := w.out(n, l)
	if err != nil {
		return err
	}
	w.emit(code, version, []int32{x}, []int32{y}, tflitefb.Options{Type: options})
	return nil
}

func (w *writer) mean(n *graph.Node, axes []int, keep bool) error {
	l := channelsLast(4)
	if !keep {
		l = w.layoutOf(n.In[0])
	}
	x, err := w.get(n.In[0], l)
	if err != nil {
		return err
	}
	// The result keeps the order of the axes that are left.
	out := slices.Clone(l)
	if !keep {
		out = slices.Delete(out, l.axis(axes[0]), l.axis(axes[0])+1)
		for i := range out {
			if out[i] > axes[0] {
				out[i]--
			}
		}
	}
	y, err := w.out(n, out)
	if err != nil {
		return err
	}
	var at []int32
	for _, a := range axes {
		at = append(at, int32(l.axis(a)))
	}
	return w.meanOp(x, y, keep, at...)
}

func (w *writer) meanOp(x, y int32, keep bool, axes ...int32) error {
	values := map[string]float64{"keep_dims": 0}
	if keep {
		values["keep_dims"] = 1
	}
	w.emit(tflitefb.Mean, w.version(x, 2), []int32{x, w.int32s(axes...)}, []int32{y}, tflitefb.Options{Type: tflitefb.ReducerOptions, Values: values})
	return nil
}

// binary writes add and mul, whose operands broadcast as numpy's do: ranks are
// made equal in front, then both stand in the layout of the first of full rank.
func (w *writer) binary(n *graph.Node) error {
	act, err := fusedAct(n)
	if err != nil {
		return err
	}
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
		x, err := w.operand(v, l)
		if err != nil {
			return err
		}
		in = append(in, x)
	}
	y, err := w.out(n, l)
	if err != nil {
		return err
	}
	code := map[string]tflitefb.Op{graph.Add: tflitefb.Add, graph.Mul: tflitefb.Mul, graph.Sub: tflitefb.Sub, graph.Div: tflitefb.Div}[n.Op]
	w.arithmetic(code, act, y, in...)
	return nil
}

// operand is v for an operator whose result stands in layout l, of v's rank or more.
func (w *writer) operand(v *graph.Value, l layout) (int32, error) {
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
	x, err := w.get(v, rowMajor(len(v.Shape)))
	if err != nil {
		return 0, err
	}
	t := w.like(x, v.Name+".wide")
	w.m.Tensors[t].Shape = rowMajor(len(wide)).apply(wide)
	w.reshapeOp(x, t)
	if slices.Equal(l, rowMajor(len(l))) {
		return t, nil
	}
	u := w.like(t, v.Name+".wide.t")
	w.m.Tensors[u].Shape = shape
	perm := make([]int32, len(l))
	for i, a := range l {
		perm[i] = int32(a)
	}
	w.transposeOp(t, u, perm)
	return u, nil
}

func (w *writer) reshapeOp(x, y int32) {
	shape := w.m.Tensors[y].Shape
	w.emit(tflitefb.Reshape, 1, []int32{x, w.int32s(shape...)}, []int32{y}, tflitefb.Options{Type: tflitefb.ReshapeOptions, NewShape: shape})
}

// unary writes the activations.
func (w *writer) unary(n *graph.Node) error {
	switch n.Op {
	case graph.Relu:
		return w.simple(n, tflitefb.Relu, tflitefb.NoOptions, w.int8Version(n, 2))
	case graph.Relu6:
		return w.simple(n, tflitefb.Relu6, tflitefb.NoOptions, w.int8Version(n, 2))
	case graph.Sigmoid:
		return w.simple(n, tflitefb.Logistic, tflitefb.NoOptions, w.int8Version(n, 2))
	case graph.HSwish:
		return w.simple(n, tflitefb.HardSwish, tflitefb.HardSwishOptions, 1)
	case graph.Gelu:
		return w.simple(n, tflitefb.Gelu, tflitefb.GeluOptions, w.int8Version(n, 2))
	}
	l := w.layoutOf(n.In[0])
	x, err := w.get(n.In[0], l)
	if err != nil {
		return err
	}
	y, err := w.out(n, l)
	if err != nil {
		return err
	}
	int8 := w.m.Tensors[x].Type == tflitefb.Int8
	if n.Op == graph.SiLU {
		s := w.like(x, n.Name+".sigmoid")
		if int8 { // the scale TensorFlow Lite's quantisation specification demands
			w.m.Tensors[s].Quant = &tflitefb.Quant{Scale: []float32{1.0 / 256}, Zero: []int64{-128}}
		}
		w.emit(tflitefb.Logistic, w.version(x, 2), []int32{x}, []int32{s}, tflitefb.Options{})
		w.arithmetic(tflitefb.Mul, tflitefb.ActNone, y, x, s)
		return nil
	}
	// HSigmoid: relu6(x + 3) · 1/6.
	r := w.like(x, n.Name+".relu6")
	if int8 {
		w.m.Tensors[r].Quant = &tflitefb.Quant{Scale: []float32{6.0 / 255}, Zero: []int64{-128}}
	}
	w.arithmetic(tflitefb.Add, tflitefb.ActRelu6, r, x, w.scalar(3, x))
	w.arithmetic(tflitefb.Mul, tflitefb.ActNone, y, r, w.scalar(1.0/6, x))
	return nil
}

func (w *writer) int8Version(n *graph.Node, v int32) int32 {
	if n.In[0].DType == graph.Int8 {
		return v
	}
	return 1
}

// arithmetic emits ADD, SUB, MUL, DIV with a fused activation.
func (w *writer) arithmetic(code tflitefb.Op, act float64, y int32, in ...int32) {
	options := map[tflitefb.Op]tflitefb.OptionsType{tflitefb.Add: tflitefb.AddOptions, tflitefb.Sub: tflitefb.SubOptions,
		tflitefb.Mul: tflitefb.MulOptions, tflitefb.Div: tflitefb.DivOptions}[code]
	w.emit(code, w.version(y, 2), in, []int32{y}, tflitefb.Options{Type: options, Values: map[string]float64{"fused_activation_function": act}})
}

// softmax is over the last axis, which must be last in the file too.
func (w *writer) softmax(n *graph.Node) error {
	l := rowMajor(len(n.In[0].Shape))
	x, err := w.get(n.In[0], l)
	if err != nil {
		return err
	}
	y, err := w.out(n, l)
	if err != nil {
		return err
	}
	w.emit(tflitefb.Softmax, w.version(x, 2), []int32{x}, []int32{y}, tflitefb.Options{Type: tflitefb.SoftmaxOptions, Values: map[string]float64{"beta": 1}})
	return nil
}

// matmul writes BATCH_MATMUL; alpha is a multiplication of the result.
func (w *writer) matmul(n *graph.Node) error {
	var in []int32
	for _, v := range n.In[:2] {
		x, err := w.get(v, rowMajor(len(v.Shape)))
		if err != nil {
			return err
		}
		in = append(in, x)
	}
	y, err := w.out(n, rowMajor(len(n.Out[0].Shape)))
	if err != nil {
		return err
	}
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
	return nil
}

// norm writes layer and RMS normalisation as the operators they are made of.
// There is no integer form: int8 values are dequantised, normalised in floating
// point and quantised again.
func (w *writer) norm(n *graph.Node) error {
	rank := len(n.In[0].Shape)
	x, err := w.get(n.In[0], rowMajor(rank))
	if err != nil {
		return err
	}
	y, err := w.out(n, rowMajor(rank))
	if err != nil {
		return err
	}
	float := func(i int32, name string) int32 { // tensor i's shape in float32
		j := w.like(i, n.Name+"."+name)
		w.m.Tensors[j].Type, w.m.Tensors[j].Quant = tflitefb.Float32, nil
		return j
	}
	if w.m.Tensors[x].Type == tflitefb.Int8 {
		f := float(x, "in")
		w.emit(tflitefb.Dequantize, 2, []int32{x}, []int32{f}, tflitefb.Options{Type: tflitefb.DequantizeOptions})
		x = f
	}
	result := y
	if w.m.Tensors[y].Type == tflitefb.Int8 {
		y = float(y, "result")
		defer func() {
			w.emit(tflitefb.Quantize, 1, []int32{y}, []int32{result}, tflitefb.Options{Type: tflitefb.QuantizeOptions})
		}()
	}
	row := func(name string) int32 { // one number a row
		i := w.like(x, n.Name+"."+name)
		shape := slices.Clone(w.m.Tensors[x].Shape)
		shape[rank-1] = 1
		w.m.Tensors[i].Shape = shape
		return i
	}
	square := w.like(x, n.Name+".square")
	centred := x
	if n.Op == graph.LayerNorm {
		mean := row("mean")
		if err := w.meanOp(x, mean, true, int32(rank-1)); err != nil {
			return err
		}
		centred = w.like(x, n.Name+".centred")
		w.arithmetic(tflitefb.Sub, tflitefb.ActNone, centred, x, mean)
		w.emit(tflitefb.SquaredDifference, 1, []int32{x, mean}, []int32{square}, tflitefb.Options{Type: tflitefb.SquaredDifferenceOptions})
	} else {
		w.arithmetic(tflitefb.Mul, tflitefb.ActNone, square, x, x)
	}
	variance, eps, inverse := row("variance"), row("eps"), row("inverse")
	if err := w.meanOp(square, variance, true, int32(rank-1)); err != nil {
		return err
	}
	w.arithmetic(tflitefb.Add, tflitefb.ActNone, eps, variance, w.scalar(n.Attrs.Floats["eps"], x))
	w.emit(tflitefb.Rsqrt, 1, []int32{eps}, []int32{inverse}, tflitefb.Options{})
	unit := w.like(x, n.Name+".unit")
	w.arithmetic(tflitefb.Mul, tflitefb.ActNone, unit, centred, inverse)
	gamma, err := w.get(n.In[1], rowMajor(1))
	if err != nil {
		return err
	}
	if n.Op == graph.RMSNorm {
		w.arithmetic(tflitefb.Mul, tflitefb.ActNone, y, unit, gamma)
		return nil
	}
	beta, err := w.get(n.In[2], rowMajor(1))
	if err != nil {
		return err
	}
	scaled := w.like(x, n.Name+".scaled")
	w.arithmetic(tflitefb.Mul, tflitefb.ActNone, scaled, unit, gamma)
	w.arithmetic(tflitefb.Add, tflitefb.ActNone, y, scaled, beta)
	return nil
}

func (w *writer) concat(n *graph.Node) error {
	l := w.layoutOf(n.In[0])
	var in []int32
	for _, v := range n.In {
		x, err := w.get(v, l)
		if err != nil {
			return err
		}
		in = append(in, x)
	}
	y, err := w.out(n, l)
	if err != nil {
		return err
	}
	w.emit(tflitefb.Concatenation, w.version(y, 2), in, []int32{y}, tflitefb.Options{Type: tflitefb.ConcatenationOptions,
		Values: map[string]float64{"axis": float64(l.axis(n.Int("axis", 1)))}})
	return nil
}

func (w *writer) split(n *graph.Node) error {
	for _, v := range n.Out {
		if v.Shape[n.Int("axis", 1)] != n.Out[0].Shape[n.Int("axis", 1)] {
			return fmt.Errorf("%w: a split into unequal parts", ErrNoForm)
		}
	}
	l := w.layoutOf(n.In[0])
	x, err := w.get(n.In[0], l)
	if err != nil {
		return err
	}
	var out []int32
	for _, v := range n.Out {
		out = append(out, w.activation(v, v.Name, l))
	}
	axis := w.int32s(int32(l.axis(n.Int("axis", 1))))
	w.emit(tflitefb.Split, w.version(x, 2), []int32{axis, x}, out, tflitefb.Options{Type: tflitefb.SplitOptions,
		Values: map[string]float64{"num_splits": float64(len(out))}})
	return nil
}

// resize writes the two interpolations; version 3 has half-pixel centres.
func (w *writer) resize(n *graph.Node) error {
	x, err := w.get(n.In[0], channelsLast(4))
	if err != nil {
		return err
	}
	y, err := w.out(n, channelsLast(4))
	if err != nil {
		return err
	}
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
		return fmt.Errorf("%w: resize mode %q", ErrNoForm, mode)
	}
	return nil
}

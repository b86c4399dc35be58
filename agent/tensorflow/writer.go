//go:build tensorflow

package tensorflow

import (
	"fmt"
	"slices"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks/graph"
)

// types are TensorFlow's numbers of the types that values have here (types.proto);
// quantised ones are float32 on a grid.
var types = map[graph.DType]tf.DataType{graph.Float32: tf.Float, graph.Float16: tf.Half, graph.BFloat16: tf.Bfloat16,
	graph.Int8: tf.Float, graph.Int32: tf.Float}

// place is a value in TensorFlow's graph. Four-dimensional ones stand N,H,W,C
// unless plain; the other order is made when it is asked for.
type place struct {
	out   tf.Output
	plain bool
}

// writer builds a TensorFlow graph. Once err is set the methods do nothing.
type writer struct {
	g         *tf.Graph
	device    string
	at        map[*graph.Value]place
	other     map[*graph.Value]tf.Output // the same in the other order
	weights   map[*graph.Value]bool
	fed       map[*graph.Value]tf.Output
	init      []*tf.Operation
	initFeeds map[tf.Output]*tf.Tensor
	moves     bool // the current node computes nothing
	names     int
	err       error
}

func newWriter(device string) *writer {
	return &writer{g: tf.NewGraph(), device: device, at: map[*graph.Value]place{}, other: map[*graph.Value]tf.Output{},
		weights: map[*graph.Value]bool{}, fed: map[*graph.Value]tf.Output{}, initFeeds: map[tf.Output]*tf.Tensor{}}
}

// write checks that the graph has a form here.
func (w *writer) write(g *graph.Graph) error {
	for _, v := range g.Weights {
		w.weights[v] = true
	}
	for _, n := range g.Nodes {
		for _, v := range slices.Concat(n.In, n.Out) {
			if _, ok := types[v.DType]; !ok {
				return fmt.Errorf("node %s (%s) computes on values of a type that has no form here: %w", n.Name, n.Op, agent.ErrUnsupported)
			}
		}
	}
	return nil
}

// op adds an operation on the writer's device and returns its first output.
func (w *writer) op(typ string, attrs map[string]any, in ...tf.Input) tf.Output {
	if w.err != nil {
		return tf.Output{}
	}
	w.names++
	spec := tf.OpSpec{Type: typ, Name: fmt.Sprintf("%s_%d", typ, w.names), Input: in, Attrs: attrs, Device: w.device}
	o, err := w.g.AddOperation(spec)
	if err != nil {
		w.err = fmt.Errorf("operation %s: %w: %w", typ, agent.ErrUnsupported, err)
		return tf.Output{}
	}
	return o.Output(0)
}

func (w *writer) constant(t *tf.Tensor, err error) tf.Output {
	if w.err == nil {
		w.err = err
	}
	if w.err != nil {
		return tf.Output{}
	}
	return w.op("Const", map[string]any{"dtype": t.DataType(), "value": t})
}

func (w *writer) ints(v ...int) tf.Output { return w.constant(intTensor(v, false)) }

// number is a scalar of a value's type.
func (w *writer) number(f float64, t graph.DType) tf.Output {
	return w.cast(w.constant(tf.NewTensor(float32(f))), graph.Float32, t)
}

// cast converts between float types. A constant's is folded when the session
// optimises the graph.
func (w *writer) cast(x tf.Output, from, to graph.DType) tf.Output {
	if types[from] == types[to] {
		return x
	}
	return w.op("Cast", map[string]any{"DstT": types[to]}, x)
}

// input makes a value the graph is given: fed at each run, or, to keep transfers
// out of it, a variable on the device that is set once.
func (w *writer) input(v *graph.Value, t *tf.Tensor, resident bool) error {
	feed := w.op("Placeholder", map[string]any{"dtype": tf.Float, "shape": tf.MakeShape(longs(deviceShape(v.Shape))...)})
	x := feed
	if resident {
		handle := w.op("VarHandleOp", map[string]any{"dtype": tf.Float, "shape": tf.MakeShape(longs(deviceShape(v.Shape))...), "shared_name": v.Name})
		set := w.op("AssignVariableOp", map[string]any{"dtype": tf.Float}, handle, feed)
		x = w.op("ReadVariableOp", map[string]any{"dtype": tf.Float}, handle)
		if w.err == nil {
			w.init, w.initFeeds[feed] = append(w.init, set.Op), t
		}
	} else {
		w.fed[v] = feed
	}
	w.at[v] = place{out: w.cast(x, graph.Float32, v.DType)}
	return w.err
}

// weight is a constant of any layout.
func (w *writer) weight(v *graph.Value, data []float32, shape []int) tf.Output {
	return w.cast(w.constant(floatTensor(data, shape)), graph.Float32, v.DType)
}

// last is v with channels last, where it has four dimensions.
func (w *writer) last(v *graph.Value) tf.Output { return w.get(v, false) }

// plain is v in the graph's own order.
func (w *writer) plain(v *graph.Value) tf.Output { return w.get(v, true) }

func (w *writer) get(v *graph.Value, plain bool) tf.Output {
	if w.weights[v] {
		if plain || len(v.Shape) != 4 {
			return w.weight(v, w.data(v), v.Shape)
		}
		return w.weight(v, toDevice(w.data(v), v.Shape), deviceShape(v.Shape))
	}
	p, ok := w.at[v]
	if !ok {
		if w.err == nil {
			w.err = fmt.Errorf("value %s is used before it is computed", v.Name)
		}
		return tf.Output{}
	}
	if len(v.Shape) != 4 || p.plain == plain {
		return p.out
	}
	if out, ok := w.other[v]; ok {
		return out
	}
	perm := []int{0, 3, 1, 2}
	if p.plain {
		perm = []int{0, 2, 3, 1}
	}
	out := w.op("Transpose", nil, p.out, w.ints(perm...))
	w.other[v] = out
	return out
}

// output is an output as float32, channels last.
func (w *writer) output(v *graph.Value) (tf.Output, error) {
	x := w.cast(w.last(v), v.DType, graph.Float32)
	// An operation of its own, so that it can be a target whatever it comes from.
	return w.op("Identity", nil, x), w.err
}

// toHost copies a result to the host's memory.
func (w *writer) toHost(x tf.Output) tf.Output {
	device := w.device
	w.device = devices["cpu"]
	defer func() { w.device = device }()
	return w.op("Identity", nil, x)
}

// set says where a value is. What computes an int8 value rounds it to its grid; what
// only moves one need not.
func (w *writer) set(v *graph.Value, out tf.Output, plain bool) {
	if v.DType == graph.Int8 && !w.moves {
		out = w.rounded(out, v)
	}
	w.at[v] = place{out, plain}
}

// nodes writes all nodes.
func (w *writer) nodes(g *graph.Graph) error {
	for _, n := range g.Nodes {
		w.node(n)
		if w.err != nil {
			return fmt.Errorf("node %s (%s): %w", n.Name, n.Op, w.err)
		}
	}
	return nil
}

// moving are the operators whose results are elements of their inputs.
var moving = []string{graph.Reshape, graph.Transpose, graph.Slice, graph.Pad, graph.Expand, graph.Concat, graph.Split, graph.MaxPool,
	graph.DepthToSpace, graph.SpaceToDepth}

func (w *writer) unsupported(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format+": %w", append(args, agent.ErrUnsupported)...)
	}
}

func (w *writer) node(n *graph.Node) {
	x, y := n.In[0], n.Out[0]
	t := y.DType
	w.moves = slices.Contains(moving, n.Op)
	same := func(f func(x tf.Output) tf.Output) { // elementwise, in x's own order
		plain := w.at[x].plain
		w.set(y, f(w.get(x, plain)), plain)
	}
	if typ, ok := functions[n.Op]; ok {
		same(func(x tf.Output) tf.Output { return w.op(typ, nil, x) })
		return
	}
	if typ, ok := pairwise[n.Op]; ok {
		// Both in one order; where the ranks differ, broadcasting is the graph's own.
		plain := len(x.Shape) != len(n.In[1].Shape) || w.at[x].plain
		w.set(y, w.act(n, w.op(typ, nil, w.get(x, plain), w.get(n.In[1], plain))), plain)
		return
	}
	switch n.Op {
	case graph.Conv, graph.DWConv, graph.Deconv:
		w.convolution(n)
	case graph.Linear:
		o, k := n.In[1].Shape[0], n.In[1].Shape[1]
		weight, data := make([]float32, 0, o*k), w.data(n.In[1])
		for i := range k {
			for j := range o {
				weight = append(weight, data[j*k+i])
			}
		}
		z := w.op("MatMul", nil, w.quantisedInput(n, w.plain(x)), w.weight(n.In[1], weight, []int{k, o}))
		w.set(y, w.act(n, w.bias(n, z)), true)
	case graph.MatMul:
		z := w.op("BatchMatMulV2", map[string]any{"adj_y": n.Int("transb", 0) == 1}, w.plain(x), w.plain(n.In[1]))
		if alpha, ok := n.Attrs.Floats["alpha"]; ok {
			z = w.op("Mul", nil, z, w.number(float64(alpha), t))
		}
		w.set(y, z, true)
	case graph.LayerNorm, graph.RMSNorm, graph.InstanceNorm:
		w.normalise(n)
	case graph.BatchNorm:
		w.batchNorm(n)
	case graph.PRelu: // max(x, 0) − slope·max(−x, 0), as Keras's layer
		plain := len(x.Shape) != len(n.In[1].Shape) || w.at[x].plain
		z := w.get(x, plain)
		below := w.op("Mul", nil, w.get(n.In[1], plain), w.op("Relu", nil, w.op("Neg", nil, z)))
		w.set(y, w.op("Sub", nil, w.op("Relu", nil, z), below), plain)
	case graph.Softmax:
		w.softmax(n)
	case graph.Concat, graph.Split:
		w.parts(n)
	case graph.AvgPool, graph.MaxPool:
		w.pool(n)
	case graph.GAP:
		w.set(y, w.op("Mean", map[string]any{"keep_dims": true}, w.last(x), w.ints(1, 2)), false)
	case graph.Mean:
		w.set(y, w.op("Mean", map[string]any{"keep_dims": false}, w.plain(x), w.ints(n.Int("axis", 0))), true)
	case graph.Reduce:
		w.reduce(n)
	case graph.Resize:
		w.resize(n)
	case graph.DepthToSpace, graph.SpaceToDepth:
		typ := map[string]string{graph.DepthToSpace: "DepthToSpace", graph.SpaceToDepth: "SpaceToDepth"}[n.Op]
		w.set(y, w.op(typ, map[string]any{"block_size": int64(n.Int("factor", 1))}, w.last(x)), false)
	case graph.Transpose:
		w.set(y, w.op("Transpose", nil, w.plain(x), w.ints(n.Attrs.Ints["perm"]...)), true)
	case graph.Reshape:
		w.set(y, w.op("Reshape", nil, w.plain(x), w.ints(y.Shape...)), true)
	case graph.Expand:
		w.set(y, w.op("BroadcastTo", nil, w.plain(x), w.ints(y.Shape...)), true)
	case graph.Slice:
		w.slice(n)
	case graph.Pad:
		w.pad(n)
	case graph.Cast, graph.Quantize, graph.Dequantize:
		same(func(z tf.Output) tf.Output { return w.cast(z, x.DType, t) })
	default:
		ok := false
		same(func(x tf.Output) (z tf.Output) { z, ok = w.composed(n, x); return z })
		if !ok {
			w.unsupported("TensorFlow has no form of %s here", n.Op)
		}
	}
}

// resize writes two of the three interpolations: TensorFlow's cubic one has another
// coefficient (−½) than the graph's.
func (w *writer) resize(n *graph.Node) {
	y := n.Out[0]
	typ, attrs := "ResizeNearestNeighbor", map[string]any{}
	switch mode := n.Attrs.Strings["mode"]; mode {
	case "nearest":
	case "linear":
		typ, attrs = "ResizeBilinear", map[string]any{"half_pixel_centers": true}
	default:
		w.unsupported("resize mode %q", mode)
	}
	z := w.op(typ, attrs, w.last(n.In[0]), w.ints(y.Shape[2], y.Shape[3]))
	if typ == "ResizeBilinear" { // its result is float32 whatever it is given
		z = w.cast(z, graph.Float32, y.DType)
	}
	w.set(y, z, false)
}

// act adds the fused activation, which TensorFlow's optimiser fuses.
func (w *writer) act(n *graph.Node, x tf.Output) tf.Output {
	switch n.Act() {
	case "":
		return x
	case "relu":
		return w.op("Relu", nil, x)
	case "relu6":
		return w.op("Relu6", nil, x)
	}
	w.unsupported("fused activation %q", n.Act())
	return x
}

func (w *writer) bias(n *graph.Node, x tf.Output) tf.Output {
	if len(n.In) < 3 {
		return x
	}
	typ := "BiasAdd"
	// Without oneDNN the optimiser fuses BiasAdd with a convolution of groups into an operation
	// that has no kernel on CPUs. An addition is left alone. Where oneDNN runs, BiasAdd it
	// stays: only that is fused with hswish and others.
	if n.Int("groups", 1) > 1 && w.device == devices["cpu"] && !oneDNN() {
		typ = "AddV2"
	}
	return w.op(typ, nil, x, w.last(n.In[2]))
}

func (w *writer) hardSigmoid(x tf.Output, t graph.DType) tf.Output {
	return w.op("Mul", nil, w.op("Relu6", nil, w.op("AddV2", nil, x, w.number(3, t))), w.number(1.0/6, t))
}

// normalise writes layer, RMS and instance normalisation: over the last axis, or
// over a map's pixels.
func (w *writer) normalise(n *graph.Node) {
	x, y := n.In[0], n.Out[0]
	t := y.DType
	z, axis, eps := w.plain(x), w.ints(len(x.Shape)-1), n.Attrs.Floats["eps"]
	if n.Op == graph.InstanceNorm {
		z, axis, eps = w.last(x), w.ints(1, 2), normEpsilon
	}
	keep := map[string]any{"keep_dims": true}
	if n.Op != graph.RMSNorm {
		z = w.op("Sub", nil, z, w.op("Mean", keep, z, axis))
	}
	ms := w.op("Mean", keep, w.op("Square", nil, z), axis)
	z = w.op("Mul", nil, z, w.op("Rsqrt", nil, w.op("AddV2", nil, ms, w.number(float64(eps), t))))
	z = w.op("Mul", nil, z, w.plain(n.In[1]))
	if n.Op != graph.RMSNorm {
		z = w.op("AddV2", nil, z, w.plain(n.In[2]))
	}
	w.set(y, z, n.Op != graph.InstanceNorm)
}

// parts writes concat and split, in the first value's order.
func (w *writer) parts(n *graph.Node) {
	x := n.In[0]
	plain := len(x.Shape) != 4 || w.at[x].plain
	axis := n.Int("axis", 0)
	if !plain {
		axis = []int{0, 3, 1, 2}[axis]
	}
	if n.Op == graph.Concat && len(n.In) == 1 { // ConcatV2 wants two
		w.set(n.Out[0], w.op("Identity", nil, w.get(x, plain)), plain)
		return
	}
	if n.Op == graph.Concat {
		var list tf.OutputList
		for _, v := range n.In {
			list = append(list, w.get(v, plain))
		}
		w.set(n.Out[0], w.op("ConcatV2", nil, list, w.constant(intTensor([]int{axis}, true))), plain)
		return
	}
	var sizes []int
	for _, v := range n.Out {
		sizes = append(sizes, v.Shape[n.Int("axis", 0)])
	}
	first := w.op("SplitV", map[string]any{"num_split": int64(len(n.Out))}, w.get(x, plain), w.ints(sizes...), w.constant(intTensor([]int{axis}, true)))
	if w.err != nil {
		return
	}
	for i, v := range n.Out {
		w.set(v, first.Op.Output(i), plain)
	}
}

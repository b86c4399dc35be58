//go:build tensorflow

package tensorflow

import (
	"fmt"
	"slices"

	tf "github.com/tensorflow/tensorflow/tensorflow/go"

	"github.com/isocost/isocost/agent"
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/tfgraph"
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
		w.err = fmt.Errorf("operation %s: %w", typ, refusal(err))
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

func (w *writer) unsupported(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf(format+": %w", append(args, agent.ErrUnsupported)...)
	}
}

// node writes one node as its operator's form says.
func (w *writer) node(n *graph.Node) {
	f := w.form(n.Op)
	w.moves = f.Moves
	x, y := n.In[0], n.Out[0]
	switch {
	case w.err != nil:
	case f.Whole != nil:
		f.Whole(builder{w}, n)
	case f.IsPair:
		// Both in one order; where the ranks differ, broadcasting is the graph's own.
		plain := len(x.Shape) != len(n.In[1].Shape) || w.at[x].plain
		w.set(y, w.act(n, w.op(f.Name, nil, w.get(x, plain), w.get(n.In[1], plain))), plain)
	default: // of one input, in its own order
		plain := w.at[x].plain
		w.set(y, w.apply(f, n, w.get(x, plain)), plain)
	}
}

// form is the operator's; the writer's error says where there is none.
func (w *writer) form(op graph.Operator) tfgraph.Form {
	o, ok := op.(tfgraph.Operator)
	if !ok {
		w.unsupported("TensorFlow has no form of %v here", op)
		return tfgraph.Form{}
	}
	f := o.TensorFlowForm()
	if f.Why != "" || !f.Said() {
		w.unsupported("TensorFlow has no form of %v here: %s", op, f.Why)
	}
	return f
}

// apply is a form of one input.
func (w *writer) apply(f tfgraph.Form, n *graph.Node, x tf.Output) tf.Output {
	if f.Function == nil {
		return w.op(f.Name, f.Attrs, x)
	}
	y, _ := f.Function(builder{w}, n, x).(tf.Output)
	return y
}

// act adds the fused activation, which TensorFlow's optimiser fuses.
func (w *writer) act(n *graph.Node, x tf.Output) tf.Output {
	if n.Fused == nil {
		return x
	}
	return w.apply(w.form(n.Fused), n, x)
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

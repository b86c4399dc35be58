// Package reference interprets a graph with plain loops: the oracle that the
// catalogue's models are checked against in the tests and before a campaign.
// Nothing in it is fast or clever; it shares no code with the writers.
//
// Values are real numbers in float32; sums run in float64. An int8 value is the
// real number its integer stands for: after each operator the result is rounded
// to the value's grid, as static quantisation does, and weights are rounded to
// theirs. 16-bit floats are rounded to their grid likewise.
package reference

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/internal/half"
)

// Run computes every value of the graph from the inputs, by name, row-major. The
// result holds all activations by name.
func Run(g *graph.Graph, inputs map[string][]float32) (map[string][]float32, error) {
	e := newEnv()
	if err := e.run(g, inputs); err != nil {
		return nil, err
	}
	out := map[string][]float32{}
	for v, x := range e.vals {
		out[v.Name] = x
	}
	return out, nil
}

// env holds the values computed so far.
type env struct {
	vals  map[*graph.Value][]float32
	raw   map[*graph.Value][]float32 // results before they were rounded to their number format
	noise *noise                     // of a trial; nil computes as exactly as it can
}

func newEnv() *env {
	return &env{vals: map[*graph.Value][]float32{}, raw: map[*graph.Value][]float32{}}
}

func (e *env) run(g *graph.Graph, inputs map[string][]float32) error {
	for _, v := range g.Inputs {
		x, ok := inputs[v.Name]
		if !ok || len(x) != v.Len() {
			return fmt.Errorf("reference: input %s has %d elements, want %d", v.Name, len(x), v.Len())
		}
		e.set(v, x)
	}
	for _, v := range g.Weights {
		e.set(v, v.Data)
	}
	for _, n := range g.Nodes {
		if err := e.node(n); err != nil {
			return fmt.Errorf("reference: node %s (%s): %w", n.Name, n.Op, err)
		}
	}
	return nil
}

// set stores a value rounded to its number format.
func (e *env) set(v *graph.Value, x []float32) {
	y := make([]float32, len(x))
	for i, f := range x {
		y[i] = round(v, i, f)
	}
	e.vals[v] = y
}

// round is element i of v in v's number format.
func round(v *graph.Value, i int, f float32) float32 {
	switch v.DType {
	case graph.Float16:
		return half.ToFloat32(half.FromFloat32(f))
	case graph.BFloat16:
		return half.BToFloat32(half.BFromFloat32(f))
	case graph.Int8, graph.Uint8, graph.Int32:
		return float32(v.Dequantized(i, v.Quantized(i, f)))
	}
	return f
}

func clamp(act string, f float64) float64 {
	switch act {
	case "relu":
		return max(0, f)
	case "relu6":
		return min(6, max(0, f))
	}
	return f
}

// operators fill out, the first output's elements, from the values of a node's inputs.
var operators = map[string]func(e *env, n *graph.Node, out []float32){
	graph.Conv: (*env).conv, graph.DWConv: (*env).conv, graph.Deconv: (*env).deconv,
	graph.Linear: (*env).linear, graph.MatMul: (*env).matmul,
	graph.GAP: (*env).gap, graph.MaxPool: (*env).pool, graph.AvgPool: (*env).pool,
	graph.Mean: (*env).mean, graph.Reduce: (*env).reduce,
	graph.Softmax: (*env).softmax, graph.LayerNorm: (*env).rows, graph.RMSNorm: (*env).rows,
	graph.BatchNorm: (*env).batchNorm, graph.InstanceNorm: (*env).instanceNorm,
	graph.PRelu: (*env).prelu, graph.Pow: (*env).pow,
	graph.Expand: (*env).expand, graph.Pad: (*env).pad, graph.Slice: (*env).slice, graph.Concat: (*env).concat,
	graph.Transpose: (*env).transpose, graph.Resize: (*env).resize,
	graph.DepthToSpace: (*env).blocks, graph.SpaceToDepth: (*env).blocks,
	graph.Reshape: (*env).same, graph.Quantize: (*env).same, graph.Dequantize: (*env).same, graph.Cast: (*env).same,
}

func (e *env) node(n *graph.Node) error {
	x, y := n.In[0], n.Out[0]
	a := e.vals[x]
	if a == nil {
		return fmt.Errorf("input %s is not computed yet", x.Name)
	}
	if e.noise != nil {
		defer e.noise.operands(e, n)()
		a = e.vals[x]
	}
	if n.Op == graph.Split { // the only one with several outputs
		e.split(n)
		return nil
	}
	out := make([]float32, y.Len())
	if f := unary[n.Op]; f != nil {
		for i := range a {
			out[i] = float32(f(float64(a[i])))
		}
	} else if f := binary[n.Op]; f != nil {
		b := e.vals[n.In[1]]
		for i := range out {
			u, v := a[broadcast(i, y.Shape, x.Shape)], b[broadcast(i, y.Shape, n.In[1].Shape)]
			out[i] = float32(clamp(n.Act(), f(float64(u), float64(v))))
		}
	} else if f := operators[n.Op]; f != nil {
		f(e, n, out)
	} else {
		return fmt.Errorf("unknown operator")
	}
	e.raw[y] = out
	if e.noise != nil && roundings(n) > 0 {
		out = e.noise.shake(out, margin*unitRoundoff(n), 0)
		if n.Op == graph.Round { // exact once its operand is
			copy(out, e.raw[y])
		}
		e.noise.ties(n, y, a, out)
	}
	e.set(y, out)
	return nil
}

// same is an operator that changes a tensor's shape or number format alone.
func (e *env) same(n *graph.Node, out []float32) { copy(out, e.vals[n.In[0]]) }

func product(s []int) int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

// broadcast maps element i of a tensor of shape out to an operand of shape in,
// aligned at the last axis.
func broadcast(i int, out, in []int) int {
	k, stride := 0, 1
	for j := len(out) - 1; j >= 0; j-- {
		at := i % out[j]
		i /= out[j]
		if p := j - (len(out) - len(in)); p >= 0 {
			if in[p] > 1 {
				k += at * stride
			}
			stride *= in[p]
		}
	}
	return k
}

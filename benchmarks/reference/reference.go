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

// Env holds the values computed so far; an operator's arithmetic reads them.
type Env struct {
	vals  map[*graph.Value][]float32
	raw   map[*graph.Value][]float32 // results before they were rounded to their number format
	noise *noise                     // of a trial; nil computes as exactly as it can
	err   error                      // of a fused activation
}

// Of are a value's elements, row-major.
func (e *Env) Of(v *graph.Value) []float32 { return e.vals[v] }

func newEnv() *Env {
	return &Env{vals: map[*graph.Value][]float32{}, raw: map[*graph.Value][]float32{}}
}

func (e *Env) run(g *graph.Graph, inputs map[string][]float32) error {
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
func (e *Env) set(v *graph.Value, x []float32) {
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

// Activate is the node's fused activation of a number.
func (e *Env) Activate(n *graph.Node, v float64) float64 {
	if n.Fused == nil {
		return v
	}
	f, err := formOf(n.Fused)
	if err == nil && !f.Unary() {
		err = fmt.Errorf("%v is not an activation", n.Fused)
	}
	if err != nil {
		e.err = err
		return v
	}
	return f.function(v)
}

func (e *Env) node(n *graph.Node) error {
	x := n.In[0]
	if e.vals[x] == nil {
		return fmt.Errorf("input %s is not computed yet", x.Name)
	}
	f, err := formOf(n.Op)
	if err != nil {
		return err
	}
	if e.noise != nil {
		defer e.noise.operands(e, n, f)()
	}
	a := e.vals[x]
	out := make([][]float32, len(n.Out))
	for i, y := range n.Out {
		out[i] = make([]float32, y.Len())
	}
	switch {
	case f.function != nil:
		for i := range a {
			out[0][i] = float32(f.function(float64(a[i])))
		}
	case f.pair != nil:
		z, y := n.In[1], n.Out[0]
		b := e.vals[z]
		for i := range out[0] {
			u, v := a[Broadcast(i, y.Shape, x.Shape)], b[Broadcast(i, y.Shape, z.Shape)]
			out[0][i] = float32(e.Activate(n, f.pair(float64(u), float64(v))))
		}
	default:
		f.fill(e, n, out)
	}
	for i, y := range n.Out {
		e.raw[y] = out[i]
		if e.noise != nil && f.roundings(n) > 0 {
			out[i] = e.noise.shake(out[i], margin*unitRoundoff(n), 0)
			if f.integers { // exact once its operand is
				copy(out[i], e.raw[y])
			}
			e.noise.ties(n, f, y, a, out[i])
		}
		e.set(y, out[i])
	}
	return e.err
}

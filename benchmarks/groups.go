package benchmarks

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/benchmarks/tflitewriter"
)

// inGroups writes a convolution in groups, for which there is no operator, as one
// for each: the channels are cut apart, convolved and joined.
func inGroups(w *tflitewriter.Writer, n *graph.Node) {
	groups := n.Int("groups", 1)
	x, y := n.In[0], n.Out[0]
	axis := graph.Attrs{Ints: map[string][]int{"axis": {1}}}
	cut := &graph.Node{Op: Operator("split"), Name: n.Name + ".cut", In: []*graph.Value{x}, Attrs: axis}
	join := &graph.Node{Op: Operator("concat"), Name: n.Name + ".join", Out: n.Out, Attrs: axis}
	var parts []*graph.Node
	for i := range groups {
		in, out := part(x, 1, i, groups), part(y, 1, i, groups)
		in.Name, out.Name = fmt.Sprintf("%s.%d", cut.Name, i), fmt.Sprintf("%s.%d", y.Name, i)
		cut.Out, join.In = append(cut.Out, in), append(join.In, out)
		one := &graph.Node{Op: n.Op, Name: out.Name, In: []*graph.Value{in}, Out: []*graph.Value{out}, Attrs: n.Attrs}
		one.Attrs.Ints = map[string][]int{}
		for name, v := range n.Attrs.Ints {
			one.Attrs.Ints[name] = v
		}
		delete(one.Attrs.Ints, "groups")
		for _, v := range n.In[1:] { // kernel and bias
			c := part(v, 0, i, groups)
			c.Name = fmt.Sprintf("%s.%d", v.Name, i)
			w.Weight(c)
			one.In = append(one.In, c)
		}
		parts = append(parts, one)
	}
	w.Node(cut)
	for _, one := range parts {
		w.Node(one)
	}
	w.Node(join)
}

// part is the i-th of n equal parts of a value along an axis. A constant's axis is
// the first.
func part(v *graph.Value, axis, i, n int) *graph.Value {
	p := *v
	p.Shape = append([]int{}, v.Shape...)
	p.Shape[axis] /= n
	if v.Data != nil {
		p.Data = v.Data[i*p.Len() : (i+1)*p.Len()]
	}
	if q := v.Quant; q != nil && len(q.Scale) > 1 && q.Axis == axis {
		k := len(q.Scale) / n
		p.Quant = &graph.Quant{Scale: q.Scale[i*k : (i+1)*k], Zero: q.Zero[i*k : (i+1)*k], Axis: axis}
	}
	return &p
}

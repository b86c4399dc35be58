package ortmodel

import (
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// What ONNX Runtime does to quantisations and dequantisations before operators take them in.

// dropDoubles removes, of two pairs one behind the other, the dequantisation and quantisation
// in the middle; the grid of the rest is one for what both can hold (DoubleQDQPairsRemover).
func (g *Fused) dropDoubles() {
	for _, d := range g.Nodes {
		if !IsDequantize(d) || !graph.Only(d.Out[0]) {
			continue
		}
		before, q := d.In[0].From, d.Out[0].To[0]
		if !isQuantize(before) || !graph.Only(d.In[0]) || !isQuantize(q) || q.In[0] != d.Out[0] || !graph.Only(q.Out[0]) {
			continue
		}
		after := q.Out[0].To[0]
		if !IsDequantize(after) || !oneGrid(before, d) || !oneGrid(q, after) || d.In[2].Type != q.In[2].Type || !isBytes(d.In[2].Type) {
			continue
		}
		if !oneGrid(d, q) {
			scale, zero := joinedGrid(d, q)
			for _, n := range []*graph.Node{before, after} {
				n.In = []*graph.Value{n.In[0], number(n.In[1], scale), number(n.In[2], zero)}
			}
		}
		graph.Enter(q, 0, d, d.In[0])
		graph.Enter(after, 0, q, d.In[0])
	}
}

// joinedGrid is a grid for the numbers that the grids of both a and b reach.
func joinedGrid(a, b *graph.Node) (scale, zero float64) {
	lo, hi, _ := limits(a.In[2].Type)
	s, z, _ := a.Grid(1)
	t, y, _ := b.Grid(1)
	least := max((lo-z)*s, (lo-y)*t)
	scale = (min((hi-z)*s, (hi-y)*t) - least) / (hi - lo)
	return scale, math.Round(lo - least/scale)
}

// number is a constant like v, of another value.
func number(v *graph.Value, x float64) *graph.Value {
	c := *v
	c.From, c.To, c.Data, c.HasData = nil, nil, []float64{x}, true
	return &c
}

// ownDequantisations gives each user of a dequantised tensor a dequantisation of its own
// (EnsureUniqueDQForNodeUnit). The file's node belongs to the first user, or to the output.
func (g *Fused) ownDequantisations() {
	behind := map[*graph.Node][]*graph.Node{}
	for _, d := range g.Nodes {
		if !IsDequantize(d) || len(d.Out) == 0 || d.Out[0] == nil {
			continue
		}
		v := d.Out[0]
		keep := 1
		if v.Output || slices.ContainsFunc(v.To, func(n *graph.Node) bool { return slices.Contains(n.Takes, v) }) {
			keep = 0
		}
		for _, e := range g.uses(v) {
			if keep > 0 {
				keep--
				continue
			}
			behind[d] = append(behind[d], g.convert(d.In[0], d, e).From)
		}
	}
	g.insert(nil, behind)
}

// flattened is a product between views.
type flattened struct{ product, before, behind *graph.Node }

// flatten puts the views around products with a bias that have more rows than a matrix: the
// runtime makes a Gemm of them, which takes matrices alone, and conversions spread through the
// views as through others (MatMulAddFusion).
func (g *Fused) flatten() (all []flattened) {
	before, behind := map[*graph.Node][]*graph.Node{}, map[*graph.Node][]*graph.Node{}
	for _, p := range g.Nodes {
		if p.Gone || !g.How(p).Added || p.In[0] == nil || !p.In[0].Known || p.In[0].Rank() < 3 {
			continue
		}
		x, y := p.In[0], p.Out[0]
		in, out := *x, *y
		rows := graph.Elements(x.Shape[:len(x.Shape)-1])
		in.Output, in.Shape = false, []int{rows, x.Shape[len(x.Shape)-1]}
		out.Output, out.Shape = false, []int{rows, y.Shape[len(y.Shape)-1]}
		f := flattened{p, &graph.Node{Op: "Reshape", Name: p.Name + "+", In: []*graph.Value{x}, Out: []*graph.Value{&in}},
			&graph.Node{Op: "Reshape", Name: p.Name + "+", In: []*graph.Value{&out}, Out: []*graph.Value{y}}}
		graph.Unlink(x, p)
		x.To = append(x.To, f.before)
		in.From, in.To, p.In[0] = f.before, []*graph.Node{p}, &in
		out.From, out.To, p.Out[0] = p, []*graph.Node{f.behind}, &out
		y.From = f.behind
		all, before[p], behind[p] = append(all, f), []*graph.Node{f.before}, []*graph.Node{f.behind}
	}
	g.insert(before, behind)
	return all
}

// unflatten takes the views away again: they cost nothing.
func (g *Fused) unflatten(all []flattened) {
	for _, f := range all {
		p, x, y := f.product, f.behind.In[0], f.behind.Out[0]
		g.bypass(f.before, f.before.In[0])
		p.In[0].Shape, p.Out[0].Shape = f.before.In[0].Shape, y.Shape
		switch {
		case graph.Only(x) && p.Out[0] == x:
			f.behind.Gone, p.Out[0], y.From = true, y, p
		case !y.Output:
			x.Shape = y.Shape
			g.bypass(f.behind, x)
		}
	}
}

// edge is one use of a tensor as an input of a node; no node for an output of the graph.
type edge struct {
	to *graph.Node
	i  int
}

// uses are the inputs that a tensor is, each once.
func (g *Fused) uses(v *graph.Value) (edges []edge) {
	seen := map[*graph.Node]bool{}
	for _, n := range v.To {
		for i, in := range n.In {
			if in == v && !seen[n] {
				edges = append(edges, edge{n, i})
			}
		}
		seen[n] = true
	}
	return edges
}

// convert gives the use e the tensor x as a conversion like c makes it of it.
func (g *Fused) convert(x *graph.Value, c *graph.Node, e edge) *graph.Value {
	like := c.Out[0]
	v := &graph.Value{Name: like.Name, Type: like.Type, Shape: x.Shape, Known: x.Known, Ruled: x.Known}
	n := &graph.Node{Src: c.Src, Op: c.Op, Name: c.Name + "+", In: append([]*graph.Value{x}, c.In[1:]...), Out: []*graph.Value{v}}
	v.From = n
	for _, in := range n.In {
		if in != nil {
			in.To = append(in.To, n)
		}
	}
	if e.to != nil {
		if was := e.to.In[e.i]; was != nil {
			graph.Unlink(was, e.to)
		}
		e.to.In[e.i] = v
		v.To = []*graph.Node{e.to}
	}
	return v
}

// insert puts nodes before and behind those of the graph.
func (g *Fused) insert(before, behind map[*graph.Node][]*graph.Node) {
	if len(before)+len(behind) == 0 {
		return
	}
	var all []*graph.Node
	for _, n := range g.Nodes {
		all = append(append(append(all, before[n]...), n), behind[n]...)
	}
	g.Nodes = all
}

// passesOn reports an operator through which conversions spread (CanNodePropagate).
func (g *Fused) passesOn(n *graph.Node) bool {
	switch n.Op {
	case "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Slice":
		return !n.Gone
	case "MaxPool":
		return !n.Gone && g.Opset >= 12
	}
	return false
}

// spreadConversions adds conversions behind operators that only move what is dequantised for
// them, and before those whose result is quantised (QDQPropagationTransformer).
func (g *Fused) spreadConversions() {
	before, behind := map[*graph.Node][]*graph.Node{}, map[*graph.Node][]*graph.Node{}
	for _, d := range g.Nodes {
		if _, _, one := d.Grid(1); IsDequantize(d) && one && graph.Only(d.Out[0]) {
			g.spreadOn(d, d.Out[0].To[0], behind)
		}
	}
	g.insert(nil, behind)
	for _, q := range g.Nodes {
		if _, _, one := q.Grid(1); !isQuantize(q) || !one {
			continue
		}
		for v := q.In[0]; graph.Only(v) && v.From != nil && g.passesOn(v.From); {
			at := edge{v.From, 0}
			x := at.to.In[0]
			if x == nil || x.Constant || x.From != nil && (!graph.Only(x) || IsDequantize(x.From)) {
				break
			}
			y := g.convert(x, q, edge{})
			y.Type = q.Out[0].Type
			z := g.back(y, x.Type, q, at)
			before[at.to] = append([]*graph.Node{y.From, z.From}, before[at.to]...)
			v = x
		}
	}
	g.insert(before, nil)
}

// back dequantises y, which is quantised as q does, for the use e.
func (g *Fused) back(y *graph.Value, typ onnx.DataType, q *graph.Node, e edge) *graph.Value {
	z := g.convert(y, q, e)
	z.Type, z.From.Op = typ, dequantisation(q.Op)
	return z
}

// spreadOn quantises what n makes of the result of d, where nothing else does.
func (g *Fused) spreadOn(d, n *graph.Node, behind map[*graph.Node][]*graph.Node) {
	if !g.passesOn(n) || len(n.Out) == 0 || n.Out[0] == nil {
		return
	}
	v := n.Out[0]
	var edges []edge
	for _, e := range g.uses(v) {
		if isQuantize(e.to) {
			return
		}
		edges = append(edges, e)
	}
	if v.Output {
		if len(v.To) > 0 {
			return
		}
		edges = []edge{{}}
	}
	if len(edges) == 0 {
		return
	}
	q := g.convert(v, d, edge{})
	q.Type, q.From.Op = d.In[0].Type, quantisation(d.Op)
	behind[n] = append(behind[n], q.From)
	for _, e := range edges {
		z := g.convert(q, d, e)
		behind[n] = append(behind[n], z.From)
		if e.to == nil {
			v.Output, z.Output = false, true
			g.Outputs[slices.Index(g.Outputs, v)] = z
			continue
		}
		g.spreadOn(d, e.to, behind)
	}
}

func quantisation(op string) string {
	if op == "DequantizeLinear" {
		return "QuantizeLinear"
	}
	return "com.microsoft:QuantizeLinear"
}

func dequantisation(op string) string {
	if op == "QuantizeLinear" {
		return "DequantizeLinear"
	}
	return "com.microsoft:DequantizeLinear"
}

// quantiseWeights quantises float weights and biases of a convolution or layer between
// conversions (WeightBiasQuantization).
func (g *Fused) quantiseWeights() {
	for _, n := range g.Nodes {
		if n.Gone || n.Op != "Conv" && n.Op != "ConvTranspose" && n.Op != "Gemm" && !g.How(n).Added || n.Input(0) == nil || !IsDequantize(n.In[0].From) || n.Input(1) == nil {
			continue
		}
		if s := n.In[0].From.Input(1); s == nil || !s.Known || len(s.Shape) > 1 || graph.Elements(s.Shape) != 1 || !leadsToQuantize(n) {
			continue
		}
		w, b := n.In[1], n.Input(2)
		byRule := w.Constant && w.Dequantised && w.From != nil && isDequantisation(w.From) || IsDequantize(w.From)
		switch {
		case b != nil && (!isInitializer(b) || len(b.Shape) != 1):
			continue
		case byRule && (b == nil || !g.weightGrid(n, w.From, b.Shape[0])):
			continue
		case !byRule && (!isInitializer(w) || w.Type != onnx.Float):
			continue
		}
		if !byRule {
			g.stored(n, 1, onnx.Int8)
		}
		if b != nil {
			g.stored(n, 2, onnx.Int32)
		}
	}
}

// isInitializer reports a constant of the file or computed when the model is loaded.
func isInitializer(v *graph.Value) bool { return v.Constant && !v.Dequantised }

// weightGrid reports that a dequantisation of weights has one scale, or one for each channel
// of the result, of which there are so many.
func (g *Fused) weightGrid(n, d *graph.Node, channels int) bool {
	s := d.Input(1)
	if s == nil || !s.Known || len(s.Shape) == 0 || graph.Elements(s.Shape) == 1 && len(s.Shape) == 1 {
		return s != nil && s.Known
	}
	axis, ok := graph.Axis(d.Int("axis", 1), d.In[0].Rank())
	want := 0
	if (n.Op == "Gemm" || g.How(n).Added) && n.Int("transB", 0) == 0 {
		want = 1
	}
	return ok && len(s.Shape) == 1 && s.Shape[0] == channels && d.Int("block_size", 0) == 0 && axis == want
}

// stored makes input i of n a constant that is dequantised from numbers of type t.
func (g *Fused) stored(n *graph.Node, i int, t onnx.DataType) {
	v := *n.In[i]
	graph.Unlink(n.In[i], n)
	v.From, v.To, v.HasData, v.Data, v.Dequantised, v.Stored = nil, []*graph.Node{n}, false, nil, true, t
	n.In[i] = &v
}

// leadsToQuantize reports that a node's result is quantised and nothing else, behind clamps at
// most.
func leadsToQuantize(n *graph.Node) bool {
	for len(n.Out) == 1 && graph.Only(n.Out[0]) {
		next := n.Out[0].To[0]
		if isQuantize(next) {
			return true
		}
		if next.Op != "Relu" && next.Op != "Clip" {
			return false
		}
		n = next
	}
	return false
}

// dropClamps removes what a quantisation clamps anyway (ReluQuantFusion, ClipQuantFusion).
func (g *Fused) dropClamps() {
	for _, c := range slices.Backward(g.Nodes) {
		if !c.Gone && (c.Op == "Relu" || c.Op == "Clip") && len(c.Out) > 0 && graph.Only(c.Out[0]) && c.Input(0) != nil && !c.In[0].Constant && clampedBy(c, c.Out[0].To[0]) {
			graph.Enter(c.Out[0].To[0], 0, c, c.In[0])
		}
	}
}

// unsign makes signed bytes between a quantisation and the one dequantisation behind it
// unsigned, and signed constants that are dequantised (QDQS8ToU8Transformer).
func (g *Fused) unsign() {
	for _, q := range g.Nodes {
		if !isQuantize(q) || !graph.Only(q.Out[0]) || q.Out[0].Type != onnx.Int8 {
			continue
		}
		if d := q.Out[0].To[0]; IsDequantize(d) && oneZero(q, d) {
			z, _ := q.Data(2)
			zero := number(q.In[2], z[0]+128)
			zero.Type, q.Out[0].Type = onnx.Uint8, onnx.Uint8
			for _, n := range []*graph.Node{q, d} {
				n.In = []*graph.Value{n.In[0], n.In[1], zero}
			}
		}
	}
}

// oneZero reports that two conversions state the same single zero point.
func oneZero(a, b *graph.Node) bool {
	x, ok := a.Data(2)
	y, too := b.Data(2)
	return ok && too && len(x) == 1 && slices.Equal(x, y)
}

// dropBetween removes what dequantises and quantises again on the same grid, between other
// conversions.
func (g *Fused) dropBetween() { g.dropPairs(func(*graph.Value) bool { return true }) }

// dropLeft removes what is left of such pairs, where one node alone takes the result
// (QDQFinalCleanupTransformer).
func (g *Fused) dropLeft() {
	g.dropPairs(func(v *graph.Value) bool { return v.Output != (len(v.To) == 1) && len(v.To) < 2 })
}

func (g *Fused) dropPairs(ends func(*graph.Value) bool) {
	for _, d := range g.Nodes {
		if !IsDequantize(d) || !graph.Only(d.Out[0]) {
			continue
		}
		x, q := d.In[0], d.Out[0].To[0]
		if !isQuantize(q) || q.In[0] != d.Out[0] || !oneGrid(d, q) || !ends(q.Out[0]) || q.Out[0].Output && (x.From == nil || x.Output) {
			continue
		}
		y := q.Out[0]
		if y.Output {
			x.Output, y.Output = true, false
			g.Outputs[slices.Index(g.Outputs, y)] = x
		}
		for _, e := range g.uses(y) {
			e.to.In[e.i] = x
			x.To = append(x.To, e.to)
		}
		graph.Unlink(x, d)
		for _, n := range []*graph.Node{d, q} {
			n.Gone, g.free[n] = true, network.FreeNoop
		}
	}
}

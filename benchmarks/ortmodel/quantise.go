package ortmodel

import (
	"fmt"
	"math"
	"slices"

	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// readScale notes the scale of a tensor, where the conversion n of it has one.
func (g *Fused) readScale(v *graph.Value, n *graph.Node) {
	if d, ok := n.Data(1); ok && len(d) == 1 {
		g.scale[v] = d[0]
	}
}

// quantise turns QDQ form – operators between DequantizeLinear and QuantizeLinear – into
// operators on quantised tensors, as the runtime does when it loads the model: it prepares
// the conversions (conversions.go), then takes in those around each operator that has a form
// in 8 bits, where they are as that form wants them (core/optimizer/qdq_transformer/
// selectors_actions). What stays outside stays float, and its conversions are kernels of
// their own.
func (g *Fused) quantise() {
	if !slices.ContainsFunc(g.Nodes, func(n *graph.Node) bool { return isQuantize(n) || isDequantisation(n) }) {
		return
	}
	g.dropDoubles()
	g.dropBetween()
	g.ownDequantisations()
	flat := g.flatten()
	g.spreadConversions()
	g.quantiseWeights()
	g.dropClamps()
	if !g.Target.Signed {
		g.unsign()
	}
	shared := g.sharedConstants()
	for _, n := range g.Nodes {
		form := operators[n.Op].int8
		switch {
		case g.How(n).Added:
			form = layered
		case n.Op == "MaxPool" && g.Opset < 12: // bytes since then
			form = never
		}
		switch u, ok := g.unit(n); {
		case !ok:
		case suits(u, form, g.Target.Signed):
			g.enter(u)
		case (form == multiplied || form == layered) && n.Op == "MatMul" && u.wide() && narrow(n) && !shared(n.In[1].From.In[1]):
			g.How(n).Narrow = true
		}
	}
	g.dropLeft()
	g.unflatten(flat)
}

// wide reports that no bytes go in and out but those of weights: a product with integers leaves
// conversions to numbers of 16 bits alone.
func (u unit) wide() bool {
	return !slices.ContainsFunc(u.out, func(q *graph.Node) bool { return isBytes(q.Out[0].Type) }) &&
		!slices.ContainsFunc(u.in, func(d *graph.Node) bool { return d != nil && d == u.n.In[0].From && isBytes(d.In[0].Type) }) && u.clamp == nil
}

// sharedConstants tells the constants that several nodes take: one of the file, or numbers that are
// equal (ConstantSharing).
func (g *Fused) sharedConstants() func(*graph.Value) bool {
	key := func(v *graph.Value) any {
		if v.Constant && v.HasData && len(v.Data) == 1 && len(v.Shape) < 2 {
			return fmt.Sprint(v.Type, len(v.Shape), v.Data)
		}
		return v
	}
	users := map[any]int{}
	for _, n := range g.Nodes {
		if n.Gone && !isDequantisation(n) {
			continue
		}
		var seen []any
		for _, v := range n.In {
			if v == nil || !v.Constant || slices.Contains(seen, key(v)) {
				continue
			}
			seen = append(seen, key(v))
			users[key(v)]++
		}
	}
	return func(v *graph.Value) bool { return users[key(v)] > 1 }
}

// unit is an operator with the conversions around it.
type unit struct {
	n       *graph.Node
	in, out []*graph.Node   // its dequantisations, of those inputs that have one, and quantisations
	types   []onnx.DataType // of what is dequantised
	clamp   *graph.Node     // between it and the one quantisation, which clamps as much
	all     bool            // every input is dequantised
	to      onnx.DataType   // of what is quantised
}

// unit finds the conversions around n; ok is false where some of its results are quantised
// and others not, or not for that alone.
func (g *Fused) unit(n *graph.Node) (u unit, ok bool) {
	if n.Gone || operators[n.Op].int8 == never || len(n.Out) == 0 || n.Out[0] == nil {
		return u, false
	}
	u = unit{n: n, all: true}
	for _, v := range n.In {
		switch {
		case v == nil:
		case v.From != nil && isDequantisation(v.From) && v.From.Input(0) != nil && !v.Output:
			u.in, u.types = append(u.in, v.From), append(u.types, v.From.In[0].Type)
		case v.Constant && v.Dequantised && v.From == nil: // by the runtime
			u.in, u.types = append(u.in, nil), append(u.types, v.Stored)
		default:
			u.all = false
		}
	}
	uses, results := 0, 0
	for _, v := range n.Out {
		if v == nil {
			continue
		}
		results++
		uses += len(v.To)
	}
	end := n.Out
	if v := n.Out[0]; uses == 1 && len(v.To) == 1 {
		if c := v.To[0]; (c.Op == "Relu" || c.Op == "Clip") && len(c.Out) > 0 && c.Out[0] != nil && len(c.Out[0].To) == 1 && !c.Out[0].Output {
			if !clampedBy(c, c.Out[0].To[0]) {
				return u, false
			}
			u.clamp, end = c, c.Out
		}
	}
	for _, v := range end {
		if v == nil {
			continue
		}
		for _, q := range v.To {
			if isQuantize(q) && q.In[0] == v && len(q.Out) > 0 && q.Out[0] != nil {
				u.out = append(u.out, q)
			}
		}
	}
	if len(u.out) == 0 {
		return u, true
	}
	u.to = u.out[0].Out[0].Type
	one := func(v *graph.Value) bool { return v == nil || !v.Output }
	return u, len(u.out) == results && len(u.out) == uses && !slices.ContainsFunc(n.Out, func(v *graph.Value) bool { return !one(v) })
}

// suits says whether an operator in that form takes its conversions in.
func suits(u unit, form quantised, signed bool) bool {
	if len(u.in) == 0 || form != multiplied && form != layered && len(u.out) == 0 {
		return false
	}
	x := u.types[0]
	bytes := func(types ...onnx.DataType) bool {
		return !slices.ContainsFunc(types, func(t onnx.DataType) bool { return !isBytes(t) })
	}
	same := func() bool {
		return len(u.out) == 0 || !slices.ContainsFunc(u.types, func(t onnx.DataType) bool { return t != x }) &&
			!slices.ContainsFunc(u.out, func(q *graph.Node) bool { return q.Out[0].Type != x })
	}
	// A product of signed bytes is one of two such, where the library has it.
	signs := func(always bool) bool { return x != onnx.Int8 || (signed || always) && u.types[1] == x }
	switch form {
	case moved, movedBytes:
		return u.clamp == nil && len(u.in) == 1 && (form == moved || bytes(x)) && same() && !slices.ContainsFunc(u.out, func(q *graph.Node) bool { return !oneGrid(q, u.in[0]) })
	case unary:
		return len(u.in) == 1 && bytes(x) && same() && u.oneScale()
	case every:
		return u.all && bytes(x) && same() && u.oneScale()
	case chosen:
		return len(u.in) == 2 && bytes(x) && same() && u.oneScale()
	case convolved:
		return u.all && len(u.in) > 1 && x == u.to && bytes(x, u.types[1]) && signs(false) && u.biasFits() && u.biasOnGrid()
	case multiplied:
		return len(u.in) == 2 && bytes(x, u.types[1]) && signs(false) && (len(u.out) == 0 || u.all && x == u.to)
	case layered:
		return u.all && len(u.in) > 1 && bytes(x, u.types[1]) && signs(true) && (len(u.out) == 0 || x == u.to) && u.biasFits()
	}
	return false
}

// oneScale reports that each tensor around has one scale, not one per channel.
func (u unit) oneScale() bool {
	return !slices.ContainsFunc(slices.Concat(u.in, u.out), func(n *graph.Node) bool {
		s := n.Input(1)
		return s == nil || !s.Known || graph.Elements(s.Shape) != 1
	})
}

// biasFits reports that there is no bias, or one of integers.
func (u unit) biasFits() bool {
	return len(u.in) < 3 || u.types[2] == onnx.Int32 && (u.n.Op != "Gemm" || u.n.Src.Float("beta", 1) == 1)
}

// biasOnGrid reports that a bias of the file is on the grid of the products.
func (u unit) biasOnGrid() bool {
	if len(u.in) < 3 || u.in[2] == nil || u.in[1] == nil {
		return true // none, or the runtime quantised it
	}
	b, ok := u.in[2].Data(1)
	x, too := u.in[0].Data(1)
	w, all := u.in[1].Data(1)
	if !ok || !too || !all || len(x) != 1 || len(b) != len(w) {
		return false
	}
	for i := range b {
		if math.Abs(b[i]-x[0]*w[i]) > 1e-3*math.Abs(b[i]) {
			return false
		}
	}
	return true
}

// narrow reports a product with a constant matrix that is dequantised by one scale, or one
// for each column: the runtime multiplies with its integers (DQMatMulToMatMulNBits).
func narrow(n *graph.Node) bool {
	w := n.Input(1)
	if w == nil || !w.Constant || w.From == nil || !isDequantisation(w.From) || w.Output || len(w.Shape) != 2 {
		return false
	}
	d := w.From
	s, z := d.Input(1), d.Input(2)
	if s == nil || !s.Constant || z != nil && (!z.Constant || len(z.Shape) != len(s.Shape)) || d.Int("block_size", 0) != 0 {
		return false
	}
	return len(s.Shape) == 0 || len(s.Shape) == 1 && s.Shape[0] == w.Shape[1] && d.Int("axis", 1) == 1
}

// enter takes the conversions of u into its operator.
func (g *Fused) enter(u unit) {
	n := u.n
	g.How(n).Int8 = true
	for i, v := range n.In {
		if v != nil && !v.Constant && IsDequantize(v.From) {
			g.readScale(v.From.In[0], v.From)
			graph.Unlink(v, n)
			graph.Enter(n, i, v.From, v.From.In[0])
		}
	}
	if u.clamp != nil {
		graph.Absorb(n, u.clamp)
	}
	for _, q := range u.out {
		i := slices.Index(n.Out, q.In[0])
		for _, v := range q.In {
			if v != nil {
				graph.Unlink(v, q)
			}
		}
		q.Gone = true
		n.Parts = append(n.Parts, q.Parts...)
		n.Out[i] = q.Out[0]
		n.Out[i].From = n
		g.readScale(n.Out[i], q)
	}
}

// IsDequantize says whether a node that runs brings bytes back to floats.
func IsDequantize(n *graph.Node) bool { return n != nil && !n.Gone && isDequantisation(n) }

// isDequantisation says whether a node, gone or not, is a dequantisation.
func isDequantisation(n *graph.Node) bool {
	return (n.Op == "DequantizeLinear" || n.Op == "com.microsoft:DequantizeLinear") && converts(n)
}

func isQuantize(n *graph.Node) bool {
	return n != nil && !n.Gone && (n.Op == "QuantizeLinear" || n.Op == "com.microsoft:QuantizeLinear") && converts(n)
}

// converts reports that a conversion is whole: it has a scale and a result.
func converts(n *graph.Node) bool {
	return n.Input(0) != nil && n.Input(1) != nil && len(n.Out) > 0 && n.Out[0] != nil
}

// oneGrid reports that two conversions have the same scale and zero point, one of each, and
// say both (IsQDQPairSupported).
func oneGrid(a, b *graph.Node) bool {
	if a == nil || b == nil || a.Input(2) == nil || b.Input(2) == nil || a.In[2].Type != b.In[2].Type {
		return false
	}
	s, z, ok := a.Grid(1)
	t, y, too := b.Grid(1)
	return ok && too && s == t && z == y
}

// clampedBy reports a Relu or Clip that cuts off nothing but what the quantisation q cuts off
// too (IsClipMadeRedundantByQ).
func clampedBy(c, q *graph.Node) bool {
	if !isQuantize(q) || q.In[0] != c.Out[0] {
		return false
	}
	scale, zero, ok := q.Grid(1)
	lo, hi, limited := limits(q.Out[0].Type)
	if !ok || !limited {
		return false
	}
	if c.Op == "Relu" {
		return zero == lo
	}
	from, to, ok := graph.ClipBounds(c)
	return ok && math.RoundToEven(from/scale)+zero <= lo && math.RoundToEven(to/scale)+zero >= hi
}

// limits are the least and the largest number of an integer type.
func limits(t onnx.DataType) (lo, hi float64, ok bool) {
	switch t {
	case onnx.Int8:
		return math.MinInt8, math.MaxInt8, true
	case onnx.Uint8:
		return 0, math.MaxUint8, true
	case onnx.Int16:
		return math.MinInt16, math.MaxInt16, true
	case onnx.Uint16:
		return 0, math.MaxUint16, true
	}
	return 0, 0, false
}

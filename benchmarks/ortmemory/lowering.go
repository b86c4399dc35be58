package ortmemory

import (
	"slices"

	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// places are the memory of one value: as it is, in blocks of channels, and in 8 bits
// with the channels last. What the runtime does not make is nil.
type places struct {
	plain, blocked, narrow *slot
	made                   bool // computed in blocks, not brought into them
}

// lowerer turns a model as exported, its nodes fused, into the kernels that ONNX
// Runtime's CPU provider makes of it: convolutions in blocks of channels (core/
// optimizer/nchwc_transformer.cc) or in int8 with channels last (nhwc_transformer.cc),
// and between them changes of layout and width, each where it is first needed. What the
// runtime's own graph says is exact (steps); this is for models that it has not seen.
type lowerer struct {
	g     *ortmodel.Fused
	block int // channels of one
	at    map[*graph.Value]*places
	steps []*step
	node  *graph.Node
	of    []*graph.Node // of each step
	ok    bool
}

func lower(g *ortmodel.Fused) *lowerer {
	l := &lowerer{g: g, block: g.Target.Block(), at: map[*graph.Value]*places{}, ok: true}
	later := map[*graph.Node]*graph.Node{} // a convolution that runs with the addition after it
	for _, n := range g.Nodes {
		if n.Gone || len(n.Out) == 0 || n.Out[0] == nil || n.Out[0].Constant {
			continue
		}
		if sum := g.SumInto(n); sum != nil && later[sum] == nil && l.blocks(n) {
			later[sum] = n
			continue
		}
		l.node = n
		if conv := later[n]; conv != nil {
			other := n.In[0]
			if other == conv.Out[0] {
				other = n.In[1]
			}
			l.node = conv
			if l.isBlocked(other) {
				l.blockedConv(conv, n.Out[0], other)
				continue
			}
			// Straight from a conversion or the network's input the operand is plain, and so
			// the addition (decision 0101).
			l.blockedConv(conv, conv.Out[0], nil)
			l.node = n
		}
		l.kernel(n)
	}
	return l
}

func (l *lowerer) emit(s *step) {
	l.steps, l.of = append(l.steps, s), append(l.of, l.node)
}

func (l *lowerer) places(v *graph.Value) *places {
	p := l.at[v]
	if p == nil {
		p = &places{}
		l.at[v] = p
		if v.From == nil || v.Constant { // the caller's or a weight
			p.plain = l.slot(v, v.Shape, v.Type.Bits())
			p.plain.foreign = true
		}
	}
	return p
}

// slot is memory for v in a shape and width of its own; an output of the network is
// written to the caller's only in the layout that the caller sees.
func (l *lowerer) slot(v *graph.Value, shape []int, bits int) *slot {
	n := graph.Elements(shape)
	if !v.Known || n < 0 || bits == 0 {
		l.ok = false
		return &slot{}
	}
	return &slot{shape: append([]int{}, shape...), width: bits, bytes: (int64(n)*int64(bits) + 7) / 8}
}

// plain says where v lies as it is, changed into that form by a step if need be.
func (l *lowerer) plain(v *graph.Value) *slot {
	p := l.places(v)
	if p.plain != nil {
		return p.plain
	}
	bits := v.Type.Bits()
	switch {
	case p.blocked != nil:
		p.plain = l.slot(v, v.Shape, bits)
		l.emit(&step{what: "out of its blocks", in: []*slot{p.blocked}, out: []*slot{p.plain}})
	case p.narrow != nil:
		p.plain = l.slot(v, v.Shape, bits)
		from := p.narrow
		if len(v.Shape) == 4 {
			from = l.slot(v, v.Shape, 8)
			l.emit(&step{what: "channels first", in: []*slot{p.narrow}, out: []*slot{from}})
		}
		l.emit(&step{what: "to its own width", in: []*slot{from}, out: []*slot{p.plain}})
	default:
		p.plain = l.slot(v, v.Shape, bits)
	}
	return p.plain
}

// padded is a map's shape in whole blocks of channels.
func (l *lowerer) padded(shape []int) []int {
	s := slices.Clone(shape)
	s[1] = (s[1] + l.block - 1) / l.block * l.block
	return s
}

// blocked says where v lies in blocks of channels.
func (l *lowerer) blocked(v *graph.Value) *slot {
	p := l.places(v)
	if !isMap(v) {
		l.ok = false
		return l.plain(v)
	}
	if p.blocked == nil {
		from := l.plain(v)
		p.blocked = l.slot(v, l.padded(v.Shape), v.Type.Bits())
		l.emit(&step{what: "into blocks", in: []*slot{from}, out: []*slot{p.blocked}})
	}
	return p.blocked
}

// isBlocked says whether a map was computed in blocks.
func (l *lowerer) isBlocked(v *graph.Value) bool { return isMap(v) && l.places(v).made }

// last is a shape with its channels last.
func last(shape []int) []int {
	if len(shape) < 3 {
		return shape
	}
	return ortmodel.Last(shape)
}

// narrow says where v lies in 8 bits.
func (l *lowerer) narrow(v *graph.Value) *slot {
	p := l.places(v)
	if p.narrow == nil {
		if p.plain != nil && p.plain.width == 8 && len(v.Shape) != 4 {
			return p.plain
		}
		from := l.plain(v)
		if from.width != 8 {
			q := l.slot(v, v.Shape, 8)
			l.emit(&step{what: "to 8 bits", in: []*slot{from}, out: []*slot{q}})
			from = q
		}
		p.narrow = from
		if len(v.Shape) == 4 {
			p.narrow = l.slot(v, last(v.Shape), 8)
			l.emit(&step{what: "channels last", in: []*slot{from}, out: []*slot{p.narrow}})
		}
	}
	return p.narrow
}

// isMap says whether v is a float tensor of rank 4 whose shape is known.
func isMap(v *graph.Value) bool {
	return v != nil && v.Known && len(v.Shape) == 4 && v.Type.Bits() == 32
}

// blocks says whether a float convolution runs in blocks of channels.
func (l *lowerer) blocks(n *graph.Node) bool {
	w := n.Input(1)
	if l.block == 1 || n.Op != "Conv" || l.g.How(n).Int8 || l.g.How(n).Dynamic || w == nil || !w.Constant || len(w.Shape) != 4 || !isMap(n.In[0]) || !isMap(n.Out[0]) {
		return false
	}
	const aligned = 4
	out, in, g := w.Shape[0], w.Shape[1], max(1, n.Int("group", 1))
	switch {
	case out%aligned != 0:
		return false
	case g == 1:
		return in < l.block || in%aligned == 0
	case in == 1 && out == g:
		return true
	}
	return in%l.block == 0 && out/g%l.block == 0
}

// blockedConv runs n in blocks into v, onto the memory of a sum's other operand where
// nobody else wants that.
func (l *lowerer) blockedConv(n *graph.Node, v, sum *graph.Value) {
	w, x := n.In[1], n.In[0]
	var from *slot
	switch {
	case w.Shape[1] < l.block && max(1, n.Int("group", 1)) == 1:
		from = l.plain(x)
	default:
		from = l.blocked(x)
	}
	st := &step{in: []*slot{from, nil, nil}}
	if sum != nil {
		st.in = append(st.in, l.blocked(sum))
		st.inplace = []int{3}
	}
	to := l.slot(v, l.padded(v.Shape), v.Type.Bits())
	st.out = []*slot{to}
	l.places(v).blocked, l.places(v).made = to, true
	l.emit(st)
	l.activation(l.g.How(n).Act, v)
	l.end(v)
}

// end writes an output of the network where the caller wants it.
func (l *lowerer) end(v *graph.Value) {
	if v.Output {
		p := l.places(v)
		if p.plain == nil {
			l.plain(v)
		}
		p.plain.foreign = true
	}
}

// activation runs after a kernel that does not compute it itself: into memory of its own.
func (l *lowerer) activation(act string, v *graph.Value) {
	if !ortmodel.RunsAlone(act) {
		return
	}
	p := l.places(v)
	for _, s := range []**slot{&p.blocked, &p.plain, &p.narrow} {
		if *s != nil {
			to := **s
			to.foreign = false
			l.emit(&step{what: "its activation", in: []*slot{*s}, out: []*slot{&to}})
			*s = &to
		}
	}
}

// kernel runs a node other than a convolution with an addition.
func (l *lowerer) kernel(n *graph.Node) {
	v := n.Out[0]
	x := n.Input(0)
	switch {
	case l.g.How(n).Int8:
		l.quantised(n)
		return
	case l.g.How(n).Dynamic && n.Op == "Conv":
		l.integerConv(n)
		return
	case l.blocks(n):
		l.blockedConv(n, v, nil)
		return
	case x != nil && l.staysBlocked(n):
		st := &step{inplace: ortmodel.Lookup(n.Op).InPlace}
		for _, in := range n.In {
			if in != nil && !in.Constant {
				st.in = append(st.in, l.blocked(in))
			}
		}
		to := l.slot(v, l.padded(v.Shape), v.Type.Bits())
		st.out = []*slot{to}
		l.places(v).blocked, l.places(v).made = to, true
		l.emit(st)
		l.end(v)
		return
	}
	st := newStep(n)
	for _, in := range n.In {
		switch {
		case in == nil:
			st.in = append(st.in, nil)
		case ortmodel.IsDequantize(n) && l.places(in).narrow != nil: // its own change of width, below
			l.places(v).narrow = l.places(in).narrow
			return
		default:
			st.in = append(st.in, l.plain(in))
		}
	}
	for _, out := range n.Out {
		if out == nil {
			st.out = append(st.out, nil)
			continue
		}
		to := l.slot(out, out.Shape, out.Type.Bits())
		to.foreign = out.Output
		l.places(out).plain = to
		st.out = append(st.out, to)
	}
	l.emit(st)
	if ortmodel.IsMatrix(n) || ortmodel.IsConv(n.Op) {
		l.activation(l.g.How(n).Act, v)
	}
}

// staysBlocked says whether a node works on maps in blocks where it finds them so.
func (l *lowerer) staysBlocked(n *graph.Node) bool {
	x, v := n.In[0], n.Out[0]
	if !isMap(v) || len(n.Out) > 1 && n.Out[1] != nil {
		return false
	}
	whole := func(v *graph.Value) bool { return v.Shape[1]%l.block == 0 }
	each := func(fits func(*graph.Value) bool) bool {
		return !slices.ContainsFunc(n.In, func(in *graph.Value) bool { return in == nil || !l.isBlocked(in) || !fits(in) })
	}
	switch ortmodel.Lookup(n.Op).Blocked {
	case ortmodel.InBlocks:
		return l.isBlocked(x)
	case ortmodel.WholeBlocks, ortmodel.GlobalBlocks:
		return l.isBlocked(x) && whole(x)
	case ortmodel.EqualBlocks:
		return each(func(in *graph.Value) bool { return slices.Equal(in.Shape, v.Shape) })
	case ortmodel.JoinedBlocks:
		return each(whole) && n.Int("axis", 1) == 1
	}
	return false
}

// quantised runs a node in 8 bits.
func (l *lowerer) quantised(n *graph.Node) {
	v := n.Out[0]
	st := &step{alias: ortmodel.Lookup(n.Op).View}
	for _, in := range n.In {
		if in == nil || in.Constant {
			st.in = append(st.in, nil)
			continue
		}
		st.in = append(st.in, l.narrow(in))
	}
	switch {
	case n.Op == "Conv":
		st.own = quantisedConv(n, 0, 1, true)
	case ortmodel.IsMatrix(n), n.Op == "MatMul":
		st.own = 4 * outElements(n)
	case n.Op == "AveragePool":
		st.own = 4 * inElements(n, 0)
	}
	for _, out := range n.Out {
		if out == nil {
			continue
		}
		to := l.slot(out, last(out.Shape), 8)
		l.places(out).narrow = to
		st.out = append(st.out, to)
	}
	l.emit(st)
	l.end(v)
}

// integerConv runs a convolution that quantises its input itself: to 8 bits, to sums of
// 32, to floats in their place, times the scale, plus the bias.
func (l *lowerer) integerConv(n *graph.Node) {
	x, v := n.In[0], n.Out[0]
	q, sums := l.slot(x, x.Shape, 8), l.slot(v, v.Shape, 32)
	l.emit(&step{what: "to 8 bits", in: []*slot{l.plain(x)}, out: []*slot{q}})
	l.emit(&step{in: []*slot{q}, out: []*slot{sums}, own: convColumns(n, 0, 1)})
	from := sums
	for range 1 + min(1, len(n.In)-2) {
		to := l.slot(v, v.Shape, 32)
		l.emit(&step{what: "to floats, scaled", in: []*slot{from}, out: []*slot{to}})
		from = to
	}
	from.foreign = v.Output
	l.places(v).plain = from
	l.activation(l.g.How(n).Act, v)
}

package onnxreader

import (
	"slices"
)

// blockChannels is the channel block of ONNX Runtime's layout NCHWc on x86 with
// 512-bit registers (MlasNchwcGetBlockSize); maps in it are padded to whole blocks.
const blockChannels = 16

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
	g     *graph
	at    map[*value]*places
	steps []*step
	node  *node
	of    []*node // of each step
	ok    bool
}

func (g *graph) lower() *lowerer {
	l := &lowerer{g: g, at: map[*value]*places{}, ok: true}
	later := map[*node]*node{} // a convolution that runs with the addition after it
	for _, n := range g.nodes {
		if n.dead || len(n.out) == 0 || n.out[0] == nil || n.out[0].constant {
			continue
		}
		if sum := fusedSum(n); sum != nil && later[sum] == nil && l.blocks(n) {
			later[sum] = n
			continue
		}
		l.node = n
		if conv := later[n]; conv != nil {
			other := n.in[0]
			if other == conv.out[0] {
				other = n.in[1]
			}
			l.node = conv
			if l.isBlocked(other) {
				l.blockedConv(conv, n.out[0], other)
				continue
			}
			// Straight from a conversion or the network's input the operand is plain, and so
			// the addition (decision 0101).
			l.blockedConv(conv, conv.out[0], nil)
			l.node = n
		}
		l.kernel(n)
	}
	return l
}

func (l *lowerer) emit(s *step) {
	l.steps, l.of = append(l.steps, s), append(l.of, l.node)
}

func (l *lowerer) places(v *value) *places {
	p := l.at[v]
	if p == nil {
		p = &places{}
		l.at[v] = p
		if v.from == nil || v.constant { // the caller's or a weight
			p.plain = l.slot(v, v.shape, v.dtype.Bits())
			p.plain.foreign = true
		}
	}
	return p
}

// slot is memory for v in a shape and width of its own; an output of the network is
// written to the caller's only in the layout that the caller sees.
func (l *lowerer) slot(v *value, shape []int, bits int) *slot {
	n := elements(shape)
	if !v.known || n < 0 || bits == 0 {
		l.ok = false
		return &slot{}
	}
	return &slot{shape: append([]int{}, shape...), width: bits, bytes: (int64(n)*int64(bits) + 7) / 8}
}

// plain is where v lies as it is, changed into that form by a step if need be.
func (l *lowerer) plain(v *value) *slot {
	p := l.places(v)
	if p.plain != nil {
		return p.plain
	}
	bits := v.dtype.Bits()
	switch {
	case p.blocked != nil:
		p.plain = l.slot(v, v.shape, bits)
		l.emit(&step{in: []*slot{p.blocked}, out: []*slot{p.plain}})
	case p.narrow != nil:
		p.plain = l.slot(v, v.shape, bits)
		from := p.narrow
		if len(v.shape) == 4 {
			from = l.slot(v, v.shape, 8)
			l.emit(&step{in: []*slot{p.narrow}, out: []*slot{from}})
		}
		l.emit(&step{in: []*slot{from}, out: []*slot{p.plain}})
	default:
		p.plain = l.slot(v, v.shape, bits)
	}
	return p.plain
}

func padded(shape []int) []int {
	s := slices.Clone(shape)
	s[1] = (s[1] + blockChannels - 1) / blockChannels * blockChannels
	return s
}

// blocked is where v lies in blocks of channels.
func (l *lowerer) blocked(v *value) *slot {
	p := l.places(v)
	if !isMap(v) {
		l.ok = false
		return l.plain(v)
	}
	if p.blocked == nil {
		from := l.plain(v)
		p.blocked = l.slot(v, padded(v.shape), v.dtype.Bits())
		l.emit(&step{in: []*slot{from}, out: []*slot{p.blocked}})
	}
	return p.blocked
}

// isBlocked says whether a map was computed in blocks.
func (l *lowerer) isBlocked(v *value) bool { return isMap(v) && l.places(v).made }

// last is a shape with its channels last.
func last(shape []int) []int {
	if len(shape) < 3 {
		return shape
	}
	return channelsLast(shape)
}

func channelsLast(s []int) []int { return slices.Concat(s[:1], s[2:], s[1:2]) }

// narrow is where v lies in 8 bits.
func (l *lowerer) narrow(v *value) *slot {
	p := l.places(v)
	if p.narrow == nil {
		if p.plain != nil && p.plain.width == 8 && len(v.shape) != 4 {
			return p.plain
		}
		from := l.plain(v)
		if from.width != 8 {
			q := l.slot(v, v.shape, 8)
			l.emit(&step{in: []*slot{from}, out: []*slot{q}})
			from = q
		}
		p.narrow = from
		if len(v.shape) == 4 {
			p.narrow = l.slot(v, last(v.shape), 8)
			l.emit(&step{in: []*slot{from}, out: []*slot{p.narrow}})
		}
	}
	return p.narrow
}

// isMap says whether v is a float tensor of rank 4 whose shape is known.
func isMap(v *value) bool {
	return v != nil && v.known && len(v.shape) == 4 && v.dtype.Bits() == 32
}

// blocks says whether a float convolution runs in blocks of channels.
func (l *lowerer) blocks(n *node) bool {
	w := n.input(1)
	if n.op != "Conv" || n.int8 || n.dyn || w == nil || !w.constant || len(w.shape) != 4 || !isMap(n.in[0]) || !isMap(n.out[0]) {
		return false
	}
	const aligned = 4
	out, in, g := w.shape[0], w.shape[1], max(1, n.groups)
	switch {
	case out%aligned != 0:
		return false
	case g == 1:
		return in < blockChannels || in%aligned == 0
	case in == 1 && out == g:
		return true
	}
	return in%blockChannels == 0 && out/g%blockChannels == 0
}

// blockedConv runs n in blocks into v, onto the memory of a sum's other operand where
// nobody else wants that.
func (l *lowerer) blockedConv(n *node, v, sum *value) {
	w, x := n.in[1], n.in[0]
	var from *slot
	switch {
	case w.shape[1] < blockChannels && max(1, n.groups) == 1:
		from = l.plain(x)
	default:
		from = l.blocked(x)
	}
	st := &step{in: []*slot{from, nil, nil}}
	if sum != nil {
		st.in = append(st.in, l.blocked(sum))
		st.inplace = []int{3}
	}
	to := l.slot(v, padded(v.shape), v.dtype.Bits())
	st.out = []*slot{to}
	l.places(v).blocked, l.places(v).made = to, true
	l.emit(st)
	l.activation(n.act, v)
	l.end(v)
}

// end writes an output of the network where the caller wants it.
func (l *lowerer) end(v *value) {
	if v.output {
		p := l.places(v)
		if p.plain == nil {
			l.plain(v)
		}
		p.plain.foreign = true
	}
}

// activation runs after a kernel that does not compute it itself: into memory of its own.
func (l *lowerer) activation(act string, v *value) {
	if act != "silu" && act != "gelu" {
		return
	}
	p := l.places(v)
	for _, s := range []**slot{&p.blocked, &p.plain, &p.narrow} {
		if *s != nil {
			to := **s
			to.foreign = false
			l.emit(&step{in: []*slot{*s}, out: []*slot{&to}})
			*s = &to
		}
	}
}

// kernel runs a node that is no convolution with an addition.
func (l *lowerer) kernel(n *node) {
	v := n.out[0]
	x := n.input(0)
	switch {
	case n.int8:
		l.quantised(n)
		return
	case n.dyn && n.op == "Conv":
		l.integerConv(n)
		return
	case l.blocks(n):
		l.blockedConv(n, v, nil)
		return
	case x != nil && l.staysBlocked(n):
		st := &step{inplace: inplace[n.op]}
		for _, in := range n.in {
			if in != nil && !in.constant {
				st.in = append(st.in, l.blocked(in))
			}
		}
		to := l.slot(v, padded(v.shape), v.dtype.Bits())
		st.out = []*slot{to}
		l.places(v).blocked, l.places(v).made = to, true
		l.emit(st)
		l.end(v)
		return
	}
	st := &step{inplace: inplace[n.op], alias: views[n.op], own: n.workspace()}
	for _, in := range n.in {
		switch {
		case in == nil:
			st.in = append(st.in, nil)
		case isDequantize(n) && l.places(in).narrow != nil: // its own change of width, below
			l.places(v).narrow = l.places(in).narrow
			return
		default:
			st.in = append(st.in, l.plain(in))
		}
	}
	for _, out := range n.out {
		if out == nil {
			st.out = append(st.out, nil)
			continue
		}
		to := l.slot(out, out.shape, out.dtype.Bits())
		to.foreign = out.output
		l.places(out).plain = to
		st.out = append(st.out, to)
	}
	l.emit(st)
	if isMatrix(n) || isConv(n.op) {
		l.activation(n.act, v)
	}
}

// staysBlocked says whether a node works on maps in blocks where it finds them so.
func (l *lowerer) staysBlocked(n *node) bool {
	x, v := n.in[0], n.out[0]
	if !isMap(v) || len(n.out) > 1 && n.out[1] != nil {
		return false
	}
	whole := func(v *value) bool { return v.shape[1]%blockChannels == 0 }
	switch n.op {
	case "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool":
		return l.isBlocked(x) && whole(x)
	case "Relu", "Sigmoid", "Tanh", "Clip", "@silu", "@gelu", "Gelu", "HardSigmoid":
		return l.isBlocked(x)
	case "BatchNormalization":
		return l.isBlocked(x)
	case "Add", "Mul", "Sum":
		for _, in := range n.in {
			if in == nil || !l.isBlocked(in) || !slices.Equal(in.shape, v.shape) {
				return false
			}
		}
		return true
	case "Concat":
		for _, in := range n.in {
			if in == nil || !l.isBlocked(in) || !whole(in) {
				return false
			}
		}
		return n.int("axis", 1) == 1
	}
	return false
}

// quantised runs a node in 8 bits.
func (l *lowerer) quantised(n *node) {
	v := n.out[0]
	st := &step{alias: views[n.op]}
	for _, in := range n.in {
		if in == nil || in.constant {
			st.in = append(st.in, nil)
			continue
		}
		st.in = append(st.in, l.narrow(in))
	}
	switch {
	case n.op == "Conv":
		st.own = n.quantisedConv(0, 1, true)
	case isMatrix(n), n.op == "MatMul":
		st.own = 4 * n.outElements()
	case n.op == "AveragePool":
		st.own = 4 * n.inElements(0)
	}
	for _, out := range n.out {
		if out == nil {
			continue
		}
		to := l.slot(out, last(out.shape), 8)
		l.places(out).narrow = to
		st.out = append(st.out, to)
	}
	l.emit(st)
	l.end(v)
}

// integerConv runs a convolution that quantises its input itself: to 8 bits, to sums of
// 32, to floats in their place, times the scale, plus the bias.
func (l *lowerer) integerConv(n *node) {
	x, v := n.in[0], n.out[0]
	q, sums := l.slot(x, x.shape, 8), l.slot(v, v.shape, 32)
	l.emit(&step{in: []*slot{l.plain(x)}, out: []*slot{q}})
	l.emit(&step{in: []*slot{q}, out: []*slot{sums}, own: n.convColumns(0, 1)})
	from := sums
	for range 1 + min(1, len(n.in)-2) {
		to := l.slot(v, v.shape, 32)
		l.emit(&step{in: []*slot{from}, out: []*slot{to}})
		from = to
	}
	from.foreign = v.output
	l.places(v).plain = from
	l.activation(n.act, v)
}

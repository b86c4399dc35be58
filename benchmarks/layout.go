package benchmarks

import "github.com/isocost/isocost/lut"

// Layout says how a tensor lies between two operators of a network: its precision,
// and whether it is stuck in the runtime's plain layout. It makes the sum of a
// network's keys follow what runtimes really do where the precision changes.
//
// Convolutions want a blocked or channels-last layout, conversions a plain one. A
// change of precision therefore reorders twice, and this is in the switch's own
// cost. But when the block after it has an identity shortcut, its addition meets
// one operand in the plain layout, stays there – unfused, with a reorder on either
// side – and so do the blocks with shortcuts after it, until one without puts the
// network back (seen in ONNX Runtime's optimised graphs on x86; up to 6 % of a
// small network, docs/decisions/0101). Hence two attributes of a switch and one
// more operator:
//
//	switch[…,res=1]    the next block has an identity shortcut
//	switch[…,plain=1]  the tensor comes out of such a block after a switch
//	relayout           one more block with a shortcut in the plain layout
//
// A runtime without layouts measures nothing for them.
type Layout struct {
	Precision lut.Precision
	Plain     bool
}

// Next returns the keys that stand between a tensor that lies like l and the
// operator after it – a switch, a relayout, or nothing – and how the operator's
// result lies.
func (l Layout) Next(op lut.Op) (Chain, Layout) {
	k, a := kinds[op.Kind], args{op}
	in := k.in(a)
	res := k.shortcut != nil && k.shortcut(a)
	if NeedsSwitch(l.Precision, op.Precision) {
		return Chain{switchKey(l, op.Precision, in, res)}, Layout{op.Precision, res && len(in) == 3}
	}
	if l.Plain && res {
		return Chain{relayoutKey(in, op.Precision)}, Layout{op.Precision, true}
	}
	return nil, Layout{op.Precision, false}
}

// End returns the switch from a network's last tensor, of shape s, to precision p,
// or nothing.
func (l Layout) End(s Shape, p lut.Precision) Chain {
	if !NeedsSwitch(l.Precision, p) {
		return nil
	}
	return Chain{switchKey(l, p, s, false)}
}

// coordinates are the axes of an element-wise operator on shape s.
func coordinates(s Shape) map[string]int {
	switch len(s) {
	case 2:
		return map[string]int{"seq": s[0], "dim": s[1]}
	case 3:
		return map[string]int{"c": s[0], "h": s[1], "w": s[2]}
	}
	return map[string]int{"c": s[0], "h": 1, "w": 1}
}

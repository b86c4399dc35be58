package onnxreader

import (
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/lut"
)

func (p *pricer) concat(n *node) (lut.Op, string) {
	parts := len(n.in)
	if strings.Contains(n.op, "QLinear") {
		parts = (len(n.in) - 2) / 3
	}
	for _, v := range n.in {
		if v != nil && v.known && elements(v.shape) == 0 { // such as the cache of a first token
			parts--
		}
	}
	if parts == 1 && len(n.in) > 1 {
		return lut.Op{}, "all its parts but one are empty: the catalogue has no kind for a plain copy"
	}
	op, why := p.joined(n, "concat", n.out[0], n.int("axis", 1), parts)
	if why != "" || op.Precision != lut.INT8 {
		return op, why
	}
	// Parts whose scale is not the result's the runtime looks up in a table, element by
	// element; the others it copies: two kernels, each of its share of the width.
	share := n.rescaled()
	if share == 0 {
		return op, ""
	}
	name := "c"
	width, ok := op.Coord(name)
	if !ok {
		name = "dim"
		width, _ = op.Coord(name)
	}
	part := min(width, max(1, int(share*float64(width)/float64(parts)+0.5))*parts)
	if rest := width - part; rest >= parts {
		p.also = append(p.also, op.With(name, rest/parts*parts))
	}
	op = op.With(name, part)
	op.Attrs = append(slices.Clone(op.Attrs), lut.Attr{Name: "rescale", Value: "1"}) // after n
	return op, ""
}

// rescaled is the share of a quantised Concat's elements whose scale is not the
// result's.
func (n *node) rescaled() float64 {
	differ, all := 0, 0
	count := func(v *value, same bool) {
		if v == nil || !v.known {
			return
		}
		all += elements(v.shape)
		if !same {
			differ += elements(v.shape)
		}
	}
	if strings.Contains(n.op, "QLinear") { // scale, zero point, then tensor, scale, zero point of each part
		y, ok := n.data(0)
		for i := 2; i+1 < len(n.in) && ok && len(y) == 1; i += 3 {
			x, ok := n.data(i + 1)
			count(n.in[i], !ok || len(x) != 1 || x[0] == y[0])
		}
	} else {
		for _, v := range n.in {
			count(v, v == nil || v.scale == 0 || n.out[0].scale == 0 || v.scale == n.out[0].scale)
		}
	}
	if all == 0 {
		return 0
	}
	return float64(differ) / float64(all)
}

func (p *pricer) split(n *node) (lut.Op, string) {
	if len(n.out) == 1 {
		p.free = network.FreeView
		return lut.Op{}, ""
	}
	op, why := p.joined(n, "split", n.in[0], n.splitAxis(), len(n.out))
	// Query, key and value cut from the front of a transposed tensor: the runtime cuts
	// the rows as they were and transposes the parts.
	if seq, _ := op.Coord("seq"); why == "" && seq == 1 && n.in[0].from != nil && n.in[0].from.op == "Transpose" && len(n.in[0].shape) > 2 {
		s := n.in[0].shape
		rows := s[len(s)-2]
		op = op.With("seq", rows).With("dim", elements(s)/rows)
	}
	return op, why
}

func (n *node) splitAxis() int {
	if n.src == nil { // made of Slices
		return n.axis
	}
	return n.int("axis", 0)
}

// joined is the key of a concat or split along an axis of whole: of a map's
// channels, or of rows.
func (p *pricer) joined(n *node, kind string, whole *value, ax, parts int) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	s := whole.shape
	a, ok := axis(ax, len(s))
	if !ok || elements(s) < 1 || parts < 1 {
		return lut.Op{}, "its axis is not one of its input"
	}
	attrs := map[string]string{"n": strconv.Itoa(parts)}
	if p.last[whole] && len(s) == 4 {
		s, a = channelsFirst(s), []int{0, 2, 3, 1}[a]
	}
	if a == 1 && p.isMap(s) {
		if kind == "concat" || prec == lut.INT8 {
			for _, v := range n.out {
				p.blocked[v] = p.touchesBlocked(n)
			}
		}
		return lut.NewOp(kind, prec, attrs, ofMap(s)), ""
	}
	return lut.NewOp(kind, prec, attrs, map[string]int{"seq": p.outer(s, a), "dim": elements(s[a:])}), ""
}

package ortmodel

import (
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

func joined(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		parts := len(n.In)
		if strings.Contains(n.Op, "QLinear") {
			parts = (len(n.In) - 2) / 3
		}
		for _, v := range n.In {
			if v != nil && v.Known && graph.Elements(v.Shape) == 0 { // such as the cache of a first token
				parts--
			}
		}
		if parts == 1 && len(n.In) > 1 {
			return lut.Op{}, "all its parts but one are empty: the catalogue has no kind for a plain copy"
		}
		op, why := p.alongAxis(n, kind, n.Out[0], n.Int("axis", 1), parts)
		if why != "" || op.Precision != lut.INT8 {
			return op, why
		}
		// Parts whose scale is not the result's the runtime looks up in a table, element by
		// element; the others it copies: two kernels, each of its share of the width.
		share := p.g.rescaled(n)
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
}

// rescaled is the share of a quantised Concat's elements whose scale is not the
// result's.
func (g *Fused) rescaled(n *graph.Node) float64 {
	differ, all := 0, 0
	count := func(v *graph.Value, same bool) {
		if v == nil || !v.Known {
			return
		}
		all += graph.Elements(v.Shape)
		if !same {
			differ += graph.Elements(v.Shape)
		}
	}
	if strings.Contains(n.Op, "QLinear") { // scale, zero point, then tensor, scale, zero point of each part
		y, ok := n.Data(0)
		for i := 2; i+1 < len(n.In) && ok && len(y) == 1; i += 3 {
			x, ok := n.Data(i + 1)
			count(n.In[i], !ok || len(x) != 1 || x[0] == y[0])
		}
	} else {
		for _, v := range n.In {
			count(v, v == nil || g.scale[v] == 0 || g.scale[n.Out[0]] == 0 || g.scale[v] == g.scale[n.Out[0]])
		}
	}
	if all == 0 {
		return 0
	}
	return float64(differ) / float64(all)
}

func divided(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		if len(n.Out) == 1 {
			p.free = network.FreeView
			return lut.Op{}, ""
		}
		op, why := p.alongAxis(n, kind, n.In[0], splitAxis(n), len(n.Out))
		// Query, key and value cut from the front of a transposed tensor: the runtime cuts
		// the rows as they were and transposes the parts.
		if seq, _ := op.Coord("seq"); why == "" && seq == 1 && n.In[0].From != nil && n.In[0].From.Op == "Transpose" && len(n.In[0].Shape) > 2 {
			s := n.In[0].Shape
			rows := s[len(s)-2]
			op = op.With("seq", rows).With("dim", graph.Elements(s)/rows)
		}
		return op, why
	}
}

func splitAxis(n *graph.Node) int {
	return n.Int("axis", 0)
}

// alongAxis is the key of a concat or split along an axis of whole: of a map's
// channels, or of rows.
func (p *pricer) alongAxis(n *graph.Node, kind string, whole *graph.Value, ax, parts int) (lut.Op, string) {
	prec, why := p.g.precision(n)
	if why != "" {
		return lut.Op{}, why
	}
	s := whole.Shape
	a, ok := graph.Axis(ax, len(s))
	if !ok || graph.Elements(s) < 1 || parts < 1 {
		return lut.Op{}, "its axis is not one of its input"
	}
	attrs := map[string]string{"n": strconv.Itoa(parts)}
	if p.last[whole] && len(s) == 4 {
		s, a = channelsFirst(s), []int{0, 2, 3, 1}[a]
	}
	if a == 1 && p.isMap(s) {
		if whole == n.Out[0] || prec == lut.INT8 {
			for _, v := range n.Out {
				p.blocked[v] = p.touchesBlocked(n)
			}
		}
		return lut.NewOp(kind, prec, attrs, ofMap(s)), ""
	}
	return lut.NewOp(kind, prec, attrs, map[string]int{"seq": p.outer(s, a), "dim": graph.Elements(s[a:])}), ""
}

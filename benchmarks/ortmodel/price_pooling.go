package ortmodel

import (
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

func pool(kind string, last bool) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		x := n.In[0]
		prec, why := p.g.precision(n)
		if why != "" {
			return lut.Op{}, why
		}
		in, out := x.Shape, n.Out[0].Shape
		if last || n.Int("channels_last", 0) == 1 {
			in, out = channelsFirst(in), channelsFirst(out)
			p.last[n.Out[0]] = true
		}
		if len(in) != 4 && len(in) != 3 || in[0] != p.batch {
			return lut.Op{}, "not the pooling of a map"
		}
		win, ok := n.Slide(in[2:], n.Ints("kernel_shape"))
		if !ok {
			return lut.Op{}, "its window does not fit its input"
		}
		if len(in) == 3 { // of a sequence: a map of one row
			in, out = slices.Insert(slices.Clone(in), 2, 1), slices.Insert(slices.Clone(out), 2, 1)
		}
		p.blocked[n.Out[0]] = p.blocked[x]
		return lut.NewOp(kind, prec, windowAttrs(win, in[2:], out[2:]), ofMap(in)), ""
	}
}

func global(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		prec, why := p.g.precision(n)
		if why != "" {
			return lut.Op{}, why
		}
		s := n.In[0].Shape
		if n.Int("channels_last", 0) == 1 {
			s = channelsFirst(s)
			p.last[n.Out[0]] = true
		}
		if len(s) != 4 || s[0] != p.batch {
			return lut.Op{}, "not the pooling of a map"
		}
		p.blocked[n.Out[0]] = p.blocked[n.In[0]]
		return lut.NewOp(kind, prec, nil, ofMap(s)), ""
	}
}

// reduction is over some dimensions; means over all pixels of a map, or all rows of a
// sequence, are the kind overPixels.
func reduction(kind, overPixels string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		prec, why := p.g.precision(n)
		if why != "" {
			return lut.Op{}, why
		}
		s := n.In[0].Shape
		axes, ok := n.ReduceAxes()
		if !ok {
			return lut.Op{}, "its axes are not constant"
		}
		if graph.Elements(s) < 1 {
			return lut.Op{}, "an empty tensor"
		}
		op := strings.ToLower(strings.TrimPrefix(n.Op, "Reduce"))
		if n.Op == "ReduceMean" {
			if p.isMap(s) && !axes[0] && !axes[1] && axes[2] && axes[3] && p.inner[n.In[0]] {
				// The channels lie last: their means are taken side by side.
				p.inner[n.Out[0]] = true
				return lut.NewOp(kind, prec, map[string]string{"op": op, "axis": "inner"}, map[string]int{"b": 1, "m": s[2] * s[3], "n": s[1]}), ""
			}
			if p.isMap(s) && !axes[0] && !axes[1] && axes[2] && axes[3] && prec != lut.FP32 {
				p.blocked[n.Out[0]] = p.blocked[n.In[0]]
				return lut.NewOp(overPixels, prec, nil, ofMap(s)), ""
			}
			if len(s) == 3 && s[0] == p.batch && !axes[0] && axes[1] && !axes[2] {
				return lut.NewOp(overPixels, prec, nil, map[string]int{"seq": s[1], "dim": s[2]}), ""
			}
		}
		// Over one run of neighbouring dimensions: outer × reduced × inner.
		lo, hi := slices.Index(axes, true), len(axes)
		if lo < 0 {
			p.free = network.FreeView
			return lut.Op{}, ""
		}
		for hi > 0 && !axes[hi-1] {
			hi--
		}
		for _, on := range axes[lo:hi] {
			if !on {
				return lut.Op{}, "it reduces over dimensions that are not neighbours"
			}
		}
		outer, inner := p.outer(s, lo), graph.Elements(s[hi:])
		attrs := map[string]string{"op": op}
		if inner > 1 {
			attrs["axis"] = "inner"
			return lut.NewOp(kind, prec, attrs, map[string]int{"b": outer, "m": graph.Elements(s[lo:hi]), "n": inner}), ""
		}
		return lut.NewOp(kind, prec, attrs, map[string]int{"m": outer, "n": graph.Elements(s[lo:hi])}), ""
	}
}

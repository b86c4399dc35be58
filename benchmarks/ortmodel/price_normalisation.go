package ortmodel

import (
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// normalised is over one axis of each row.
func normalised(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		prec, why := p.g.precision(n)
		if why != "" {
			return lut.Op{}, why
		}
		s := n.In[0].Shape
		def := -1
		if p.g.Opset < 13 {
			def = 1
		}
		a, ok := graph.Axis(n.Int("axis", def), len(s))
		if !ok || graph.Elements(s) < 1 {
			return lut.Op{}, "its axis is not one of its input"
		}
		if p.inner[n.In[0]] && p.isMap(s) {
			s, a = Last(s), []int{0, 3, 1, 2}[a]
		}
		inner := graph.Elements(s[a+1:])
		if p.g.Opset < 13 && n.Op == "Softmax" { // over all dimensions from the axis on
			inner = 1
			s = []int{graph.Elements(s[:a]), graph.Elements(s[a:])}
			a = 1
		}
		outer := p.outer(s, a)
		if inner > 1 { // strided: the runtime transposes to the last axis and back
			return lut.NewOp(kind, prec, map[string]string{"axis": "inner"}, map[string]int{"b": outer, "m": s[a], "n": inner}), ""
		}
		return lut.NewOp(kind, prec, nil, map[string]int{"m": outer, "n": s[a]}), ""
	}
}

// rowwise normalises each row, the sum of two where an addition went into it.
func rowwise(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		prec, why := p.g.precision(n)
		if why != "" {
			return lut.Op{}, why
		}
		s := n.In[0].Shape
		a, ok := graph.Axis(n.Int("axis", -1), len(s))
		if !ok || graph.Elements(s) < 1 {
			return lut.Op{}, "its axis is not one of its input"
		}
		attrs := map[string]string{}
		if p.g.How(n).Skip || n.Op == "com.microsoft:SkipLayerNormalization" {
			attrs["skip"] = "1"
		}
		return lut.NewOp(kind, prec, attrs, map[string]int{"seq": p.outer(s, a), "dim": graph.Elements(s[a:])}), ""
	}
}

// scale is a batch norm that runs as a depthwise 1×1 convolution.
func scaled(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		s := n.Out[0].Shape
		if !p.isMap(s) {
			return lut.Op{}, "not a map"
		}
		attrs := map[string]string{"k": "1", "s": "1"}
		if p.g.How(n).Act != "" {
			attrs["act"] = p.g.How(n).Act
		}
		p.blocked[n.Out[0]] = true
		return lut.NewOp(kind, lut.FP32, attrs, ofMap(s)), ""
	}
}

// channelwise is an operator with numbers for every channel of a map. scales says that it
// only multiplies and adds: it leaves a map as it lies, and rows may be its batch.
func channelwise(kind string, scales bool) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		if scales {
			p.blocked[n.Out[0]] = p.touchesBlocked(n)
		}
		prec, why := p.g.precision(n)
		if why != "" {
			return lut.Op{}, why
		}
		s := n.Out[0].Shape
		switch {
		case scales && p.isMap(s) && !p.touchesBlocked(n) && p.apart(n.Out[0]): // not among convolutions, where it is one
			return lut.NewOp(kind, prec, nil, map[string]int{"seq": s[2] * s[3], "dim": s[1]}), ""
		case p.isMap(s):
			return lut.NewOp(kind, prec, nil, ofMap(s)), ""
		case scales && len(s) == 2 && graph.Elements(s) > 0 && s[0] > p.batch: // rows taken for a batch
			return lut.NewOp(kind, prec, nil, map[string]int{"seq": p.outer(s, 1), "dim": s[1]}), ""
		case len(s) >= 2 && graph.Elements(s) > 0: // numbers of a row stand side by side
			return lut.NewOp(kind, prec, nil, map[string]int{"c": s[1], "h": 1, "w": max(1, graph.Elements(s)/s[1]/max(1, s[0]))}), ""
		}
		return lut.Op{}, "not a map"
	}
}

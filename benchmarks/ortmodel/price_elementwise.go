package ortmodel

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// elementOp is a key of an element-wise kind on the node's output.
func (p *pricer) elementOp(n *graph.Node, kind string, attrs map[string]string) (lut.Op, string) {
	prec, why := p.g.precision(n)
	if why != "" {
		return lut.Op{}, why
	}
	at, why := p.at(n.Out[0], p.touchesBlocked(n))
	if why != "" {
		return lut.Op{}, why
	}
	return lut.NewOp(kind, prec, attrs, at), ""
}

func (p *pricer) unary(n *graph.Node) (lut.Op, string) {
	act := activationOf(n)
	if runsInBlocks(act) || p.g.How(n).Int8 {
		p.blocked[n.Out[0]] = p.touchesBlocked(n)
	}
	if p.g.How(n).Int8 && benchmarks.IsClamp(act) {
		p.free = network.FreeView // the number format clamps
		return lut.Op{}, ""
	}
	return p.elementOp(n, act, nil)
}

// power has a constant exponent; runtimes multiply squares and cubes out.
func power(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		e, ok := n.Data(1)
		if !ok || len(e) != 1 {
			return lut.Op{}, "its exponent is not one constant"
		}
		name := "0.7"
		if e[0] == 2 || e[0] == 3 {
			name = strconv.Itoa(int(e[0]))
		}
		return p.elementOp(n, kind, map[string]string{"e": name})
	}
}

// slope has a constant slope for every channel of a map or feature of a sequence.
func slope(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		slope := n.Input(1)
		if slope == nil || !slope.Constant {
			return lut.Op{}, "its slope is not constant"
		}
		if out := n.Out[0].Shape; p.isMap(out) && broadcastKind(out, slope.Shape, out, true) == "c" {
			prec, why := p.g.precision(n)
			if why != "" {
				return lut.Op{}, why
			}
			return lut.NewOp(kind, prec, nil, ofMap(out)), ""
		}
		return p.elementOp(n, kind, nil)
	}
}

// bounded cuts off at bounds: of an activation, which has a key of its own, or any other.
func bounded(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		if activationOf(n) != "" {
			return p.unary(n)
		}
		return p.elementOp(n, kind, nil)
	}
}

func (p *pricer) binary(n *graph.Node) (lut.Op, string) {
	a, b := n.Input(0), n.Input(1)
	if strings.Contains(n.Op, "QLinear") {
		b = n.Input(3)
	}
	if a == nil || b == nil {
		return lut.Op{}, "it has not two inputs"
	}
	out, as, bs := p.shapeOf(n.Out[0]), a.Shape, b.Shape
	if p.last[n.Out[0]] {
		if len(as) == 4 {
			as = channelsFirst(as)
		}
		if len(bs) == 4 {
			bs = channelsFirst(bs)
		}
	}
	attrs := map[string]string{}
	mapped := p.touchesBlocked(n)
	kind := benchmarks.ONNXPair(n.Op)
	switch c := broadcastKind(as, bs, out, p.isMap(out)); {
	case c != "":
		attrs["b"] = c
		mapped = mapped || c == "c" // of rows, c would mean the last dimension
	case p.isMap(out) && p.g.inConv(n) && (p.blocked[a] || cutOff(a)) && (p.blocked[b] || cutOff(b)):
		p.blocked[n.Out[0]] = true
		attrs["fused"], mapped = "1", true
	case p.isMap(out) && p.g.inPlainConv(n):
		p.blocked[n.Out[0]] = true
	case runsInBlocks(kind):
		p.blocked[n.Out[0]] = p.blocked[a] && p.blocked[b]
	}
	if p.g.How(n).Int8 && p.isMap(out) && p.touchesBlocked(n) {
		p.blocked[n.Out[0]] = true
		for _, v := range n.In {
			if v != nil && !v.Constant && isBytes(v.Type) && v.Rank() == 4 {
				p.enterMaps(v, lut.INT8) // a plain one beside it
			}
		}
	}
	if act := runtimeAct(n); act != "" {
		attrs["act"] = act
	}
	prec, why := p.g.precision(n)
	if why != "" {
		return lut.Op{}, why
	}
	at, why := p.at(n.Out[0], mapped)
	if why != "" {
		return lut.Op{}, why
	}
	return lut.NewOp(kind, prec, attrs, at), ""
}

// inConv reports that an addition goes into the float convolution that computes
// one of its operands for it alone, if both lie blocked.
func (g *Fused) inConv(n *graph.Node) bool {
	if n.Op != "Add" || g.How(n).Int8 {
		return false
	}
	for _, v := range n.In {
		if graph.Only(v) && v.From != nil && (v.From.Op == "Conv" || v.From.Op == scaleConv) && !g.How(v.From).Int8 && g.How(v.From).Act == "" && v.Type == onnx.Float && v.From.Input(0).Rank() == 4 {
			return true
		}
	}
	return false
}

// cutOff reports an input too wide to be an image: the model is a part of a network,
// where the map would come from a convolution and lie blocked.
func cutOff(v *graph.Value) bool {
	return v.From == nil && !v.Constant && v.Rank() == 4 && v.Shape[1] > stemChannels
}

// broadcastKind is the attribute b: "" for equal shapes, s for a scalar, c for one
// number per channel (or feature), x for anything else.
func broadcastKind(a, b, out []int, isMap bool) string {
	small := b
	if graph.Elements(a) < graph.Elements(b) {
		small = a
	}
	n, total := graph.Elements(small), graph.Elements(out)
	switch {
	case n == total:
		return ""
	case n == 1:
		return "s"
	case isMap && n == out[1] && len(small) >= 3 && small[len(small)-3] == n:
		return "c"
	case !isMap && len(out) > 0 && n == out[len(out)-1] && small[len(small)-1] == n:
		return "c"
	}
	return "x"
}

// fusedAct is the activation that the kernel of a convolution or product applies to
// its result. In int8 a clamp is none: the number format clamps.
func (g *Fused) fusedAct(n *graph.Node, prec lut.Precision) string {
	act := g.How(n).Act
	if act == "" {
		act = runtimeAct(n)
	}
	if prec == lut.INT8 && benchmarks.IsClamp(act) {
		return ""
	}
	return act
}

// anyClamp stands for a clamp to other bounds, which costs a convolution the same.
var anyClamp = benchmarks.Clamp(0, 6)

// runtimeAct is the activation a runtime's fused operator carries.
func runtimeAct(n *graph.Node) string {
	if n.Src == nil {
		return ""
	}
	switch act := n.Src.Str("activation", ""); act {
	case "":
	case "Clip":
		if a := n.Src.Attr("activation_params"); a != nil && len(a.Floats) == 2 {
			return cmp.Or(benchmarks.Clamp(float64(a.Floats[0]), unbounded(float64(a.Floats[1]))), anyClamp)
		}
		return anyClamp
	default:
		none := func(string) string { return "" }
		return cmp.Or(benchmarks.ONNXFunction(act, none), benchmarks.ONNXFunction("com.microsoft:"+act, none))
	}
	return ""
}

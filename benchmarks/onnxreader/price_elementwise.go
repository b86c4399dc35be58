package onnxreader

import (
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// elementOp is a key of an element-wise kind on the node's output.
func (p *pricer) elementOp(n *node, kind string, attrs map[string]string) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	at, why := p.at(n.out[0], p.touchesBlocked(n))
	if why != "" {
		return lut.Op{}, why
	}
	return lut.NewOp(kind, prec, attrs, at), ""
}

func (p *pricer) unary(n *node) (lut.Op, string) {
	act := activationOf(n)
	switch {
	case act == "relu", act == "sigmoid", act == "tanh", n.int8: // the blocked layout has these (NchwcTransformer)
		p.blocked[n.out[0]] = p.touchesBlocked(n)
	}
	if n.int8 && (act == "relu" || act == "relu6") {
		p.free = network.FreeView // the number format clamps
		return lut.Op{}, ""
	}
	return p.elementOp(n, act, nil)
}

// pow is a power of a constant exponent; runtimes multiply squares and cubes out.
func (p *pricer) pow(n *node) (lut.Op, string) {
	e, ok := n.data(1)
	if !ok || len(e) != 1 {
		return lut.Op{}, "its exponent is not one constant"
	}
	name := "0.7"
	if e[0] == 2 || e[0] == 3 {
		name = strconv.Itoa(int(e[0]))
	}
	return p.elementOp(n, "pow", map[string]string{"e": name})
}

// prelu has a constant slope for every channel of a map or feature of a sequence.
func (p *pricer) prelu(n *node) (lut.Op, string) {
	slope := n.input(1)
	if slope == nil || !slope.constant {
		return lut.Op{}, "its slope is not constant"
	}
	if out := n.out[0].shape; p.isMap(out) && broadcastKind(out, slope.shape, out, true) == "c" {
		prec, why := n.precision()
		if why != "" {
			return lut.Op{}, why
		}
		return lut.NewOp("prelu", prec, nil, ofMap(out)), ""
	}
	return p.elementOp(n, "prelu", nil)
}

func (p *pricer) clip(n *node) (lut.Op, string) { return p.elementOp(n, "clip", nil) }

func (p *pricer) binary(n *node) (lut.Op, string) {
	a, b := n.input(0), n.input(1)
	if strings.Contains(n.op, "QLinear") {
		b = n.input(3)
	}
	if a == nil || b == nil {
		return lut.Op{}, "it has not two inputs"
	}
	out, as, bs := p.shapeOf(n.out[0]), a.shape, b.shape
	if p.last[n.out[0]] {
		if len(as) == 4 {
			as = channelsFirst(as)
		}
		if len(bs) == 4 {
			bs = channelsFirst(bs)
		}
	}
	attrs := map[string]string{}
	mapped := p.touchesBlocked(n)
	kind := binaries[n.op]
	switch c := broadcastKind(as, bs, out, p.isMap(out)); {
	case c != "":
		attrs["b"] = c
		mapped = mapped || c == "c" // of rows, c would mean the last dimension
	case kind == "add" && p.isMap(out) && inConv(n) && (p.blocked[a] || a.cutOff()) && (p.blocked[b] || b.cutOff()):
		p.blocked[n.out[0]] = true
		attrs["fused"], mapped = "1", true
	case kind == "add" || kind == "mul": // the blocked layout has these
		p.blocked[n.out[0]] = p.blocked[a] && p.blocked[b]
	}
	if n.int8 && p.isMap(out) && p.touchesBlocked(n) {
		p.blocked[n.out[0]] = true
		for _, v := range n.in {
			if v != nil && !v.constant && isBytes(v.dtype) && v.rank() == 4 {
				p.enterMaps(v, lut.INT8) // a plain one beside it
			}
		}
	}
	if act := runtimeAct(n); act != "" {
		attrs["act"] = act
	}
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	at, why := p.at(n.out[0], mapped)
	if why != "" {
		return lut.Op{}, why
	}
	return lut.NewOp(kind, prec, attrs, at), ""
}

// inConv reports that an addition goes into the float convolution that computes
// one of its operands for it alone, if both lie blocked.
func inConv(n *node) bool {
	if n.op != "Add" || n.int8 {
		return false
	}
	for _, v := range n.in {
		if only(v) && v.from != nil && (v.from.op == "Conv" || v.from.op == scaleConv) && !v.from.int8 && v.from.act == "" && v.dtype == onnx.Float && v.from.input(0).rank() == 4 {
			return true
		}
	}
	return false
}

// cutOff reports an input too wide to be an image: the model is a part of a network,
// where the map would come from a convolution and lie blocked.
func (v *value) cutOff() bool {
	return v.from == nil && !v.constant && v.rank() == 4 && v.shape[1] > stemChannels
}

func (v *value) rank() int {
	if v == nil {
		return 0
	}
	return len(v.shape)
}

// broadcastKind is the attribute b: "" for equal shapes, s for a scalar, c for one
// number a channel (or feature), x for anything else.
func broadcastKind(a, b, out []int, isMap bool) string {
	small := b
	if elements(a) < elements(b) {
		small = a
	}
	n, total := elements(small), elements(out)
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
func (n *node) fusedAct(prec lut.Precision) string {
	act := n.act
	if act == "" {
		act = runtimeAct(n)
	}
	if prec == lut.INT8 && (act == "relu" || act == "relu6") {
		return ""
	}
	return act
}

// runtimeAct is the activation a runtime's fused operator carries.
func runtimeAct(n *node) string {
	if n.src == nil {
		return ""
	}
	switch act := n.src.Str("activation", ""); act {
	case "Relu":
		return "relu"
	case "Sigmoid":
		return "sigmoid"
	case "HardSigmoid":
		return "hsigmoid"
	case "HardSwish":
		return "hswish"
	case "Clip":
		if a := n.src.Attr("activation_params"); a != nil && len(a.Floats) == 2 && a.Floats[0] == 0 {
			if a.Floats[1] == 6 {
				return "relu6"
			} else if a.Floats[1] > 1e30 {
				return "relu"
			}
		}
		return "relu6" // another clamp costs the same
	case "Tanh", "LeakyRelu", "Gelu", "QuickGelu":
		return map[string]string{"Tanh": "tanh", "LeakyRelu": "leakyrelu", "Gelu": "gelu", "QuickGelu": "silu"}[act]
	}
	return ""
}

package onnxreader

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// conversion is quantize or dequantize, whose keys are int8 whichever way.
func conversion(kind string) func(*pricer, *node) (lut.Op, string) {
	return func(p *pricer, n *node) (lut.Op, string) {
		mapped := p.isMap(n.out[0].shape) && (p.touchesBlocked(n) || kind == "quantize" && feedsConv(n.out[0]))
		p.blocked[n.out[0]] = mapped && kind == "quantize"
		at, why := p.at(n.out[0], mapped)
		if why != "" {
			return lut.Op{}, why
		}
		return lut.NewOp(kind, lut.INT8, nil, at), ""
	}
}

func feedsConv(v *value) bool {
	for _, n := range v.to {
		if strings.HasSuffix(n.op, "Conv") || n.op == "Transpose" && only(v) && slices.Equal(n.perm(), toLast) {
			return true
		}
	}
	return false
}

func (p *pricer) reorder(n *node) (lut.Op, string) {
	p.free = FreeReorder
	p.blocked[n.out[0]] = strings.HasSuffix(n.op, "ReorderInput")
	return lut.Op{}, ""
}

func (p *pricer) cast(n *node) (lut.Op, string) {
	from, to := n.in[0].dtype, n.out[0].dtype
	if from == to {
		p.free = FreeView
		return lut.Op{}, ""
	}
	name := func(t onnx.DataType) string {
		switch t {
		case onnx.Float:
			return "fp32"
		case onnx.Float16:
			return "fp16"
		case onnx.BFloat16:
			return "bf16"
		}
		return ""
	}
	f, t := name(from), name(to)
	if f == "" || t == "" {
		return lut.Op{}, fmt.Sprintf("a cast of %v to %v", from, to)
	}
	at, why := p.at(n.out[0], true)
	if why != "" {
		return lut.Op{}, why
	}
	return lut.NewOp("switch", lut.Precision(t), map[string]string{"from": f, "to": t}, at), ""
}

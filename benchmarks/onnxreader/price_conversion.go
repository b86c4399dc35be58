package onnxreader

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// conversion is quantize or dequantize, whose keys are int8 whichever way. Between a
// float and a quantised convolution its key has the changes of layout on both sides,
// and at the network's input; anywhere else it is of plain numbers.
func conversion(kind string) func(*pricer, *node) (lut.Op, string) {
	return func(p *pricer, n *node) (lut.Op, string) {
		x, y := n.in[0], n.out[0]
		mapped := p.isMap(y.shape) && feedsConv(y) && (p.blocked[x] || kind == "quantize" && p.shapeOf(y)[1] <= stemChannels)
		switch {
		case kind == "quantize":
			p.blocked[y] = mapped || p.inner[x]
		case !mapped && !p.g.lowered && p.blocked[x] && p.apart(x):
			if p.inner[y] = p.leadsOn(y); !p.inner[y] {
				p.turn(x, elements(x.shape[2:]), x.shape[1])
				p.blocked[x] = p.leadsOn(x)
			}
		}
		of := y
		if kind == "quantize" {
			of = x
		}
		at, why := p.at(of, mapped)
		if why != "" {
			return lut.Op{}, why
		}
		op := lut.NewOp(kind, lut.INT8, nil, at)
		if p.inner[y] && y.asked > 0 { // a copy for each that asks for its shape, in the file's layout
			p.turn(x, elements(x.shape[2:]), x.shape[1])
			p.repeat(op, y.asked)
		}
		return op, ""
	}
}

func feedsConv(v *value) bool {
	for _, n := range v.to {
		if strings.HasSuffix(n.op, "Conv") || strings.HasSuffix(n.op, "ReorderInput") || n.op == "Transpose" && only(v) && slices.Equal(n.perm(), toLast) {
			return true
		}
	}
	return false
}

func (p *pricer) reorder(n *node) (lut.Op, string) {
	p.free = network.FreeReorder
	p.blocked[n.out[0]] = strings.HasSuffix(n.op, "ReorderInput")
	return lut.Op{}, ""
}

func (p *pricer) cast(n *node) (lut.Op, string) {
	from, to := n.in[0].dtype, n.out[0].dtype
	if from == to {
		p.free = network.FreeView
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

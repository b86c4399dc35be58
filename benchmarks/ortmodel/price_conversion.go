package ortmodel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// conversion is quantize or dequantize, whose keys are int8 whichever way. Between a
// float and a quantised convolution its key has the changes of layout on both sides,
// and at the network's input; anywhere else it is of plain numbers.
func conversion(kind string) func(*pricer, *graph.Node) (lut.Op, string) {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		x, y := n.In[0], n.Out[0]
		mapped := p.isMap(y.Shape) && feedsConv(y) && (p.blocked[x] || kind == "quantize" && p.shapeOf(y)[1] <= stemChannels)
		switch {
		case kind == "quantize":
			p.blocked[y] = mapped || p.inner[x]
		case !mapped && !p.g.Lowered && p.blocked[x] && p.apart(x):
			if p.inner[y] = p.leadsOn(y); !p.inner[y] {
				p.turn(x, graph.Elements(x.Shape[2:]), x.Shape[1])
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
		if p.inner[y] && p.g.asked[y] > 0 { // a copy for each that asks for its shape, in the file's layout
			p.turn(x, graph.Elements(x.Shape[2:]), x.Shape[1])
			p.repeat(op, p.g.asked[y])
		}
		return op, ""
	}
}

func feedsConv(v *graph.Value) bool {
	for _, n := range v.To {
		if strings.HasSuffix(n.Op, "Conv") || strings.HasSuffix(n.Op, "ReorderInput") || n.Op == "Transpose" && graph.Only(v) && slices.Equal(n.Perm(), toLast) {
			return true
		}
	}
	return false
}

func (p *pricer) reorder(n *graph.Node) (lut.Op, string) {
	p.free = network.FreeReorder
	p.blocked[n.Out[0]] = strings.HasSuffix(n.Op, "ReorderInput")
	return lut.Op{}, ""
}

func (p *pricer) cast(n *graph.Node) (lut.Op, string) {
	from, to := n.In[0].Type, n.Out[0].Type
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
	at, why := p.at(n.Out[0], true)
	if why != "" {
		return lut.Op{}, why
	}
	return lut.NewOp("switch", lut.Precision(t), map[string]string{"from": f, "to": t}, at), ""
}

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
func conversion(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		x, y, narrows := n.In[0], n.Out[0], isQuantize(n)
		mapped := p.isMap(y.Shape) && feedsConv(y) && (p.blocked[x] || narrows && p.shapeOf(y)[1] <= stemChannels)
		switch {
		case narrows:
			p.blocked[y] = mapped || p.inner[x]
		case !mapped && !p.g.Lowered && p.blocked[x] && p.apart(x):
			if p.inner[y] = p.leadsOn(y); !p.inner[y] {
				p.turn(x, graph.Elements(x.Shape[2:]), x.Shape[1])
				p.blocked[x] = p.leadsOn(x)
			}
		}
		of := y
		if narrows {
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
	f, t := floats[from], floats[to]
	if f == "" || t == "" {
		return lut.Op{}, fmt.Sprintf("a cast of %v to %v", from, to)
	}
	at, why := p.at(n.Out[0], true)
	if why != "" {
		return lut.Op{}, why
	}
	return castOf(f, t, at), ""
}

// floats are the precisions of floating-point types.
var floats = map[onnx.DataType]lut.Precision{onnx.Float: lut.FP32, onnx.Float16: lut.FP16, onnx.BFloat16: lut.BF16}

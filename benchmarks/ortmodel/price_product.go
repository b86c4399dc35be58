package ortmodel

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

func (p *pricer) linearOp(n *graph.Node, x []int, cin, cout int) (lut.Op, string) {
	prec, why := p.g.precision(n)
	if why != "" {
		return lut.Op{}, why
	}
	attrs := map[string]string{}
	if act := p.g.fusedAct(n, prec); act != "" {
		attrs["act"] = act
	}
	if graph.Elements(x) < 1 || cin < 1 || cout < 1 {
		return lut.Op{}, "an empty tensor"
	}
	return lut.NewOp("linear", prec, attrs, map[string]int{"m": p.outer(x, len(x)-1), "cin": cin, "cout": cout}), ""
}

func (p *pricer) linear(n *graph.Node) (lut.Op, string) {
	a, b := n.In[0], n.In[1]
	if a.Constant || !b.Constant {
		return lut.Op{}, "not a product with constant weights"
	}
	out := n.Out[0].Shape
	k := a.Shape[1]
	x := a.Shape
	if n.Int("transA", 0) == 1 {
		k, x = a.Shape[0], graph.SwapLast(x)
	}
	return p.linearOp(n, x, k, out[1])
}

func (p *pricer) qgemm(n *graph.Node) (lut.Op, string) {
	a := n.In[0]
	out := n.Out[0].Shape
	return p.linearOp(n, a.Shape, a.Shape[1], out[1])
}

func (p *pricer) matmul(n *graph.Node) (lut.Op, string) { return p.product(n, n.In[0], n.In[1]) }

func (p *pricer) qmatmul(n *graph.Node) (lut.Op, string) { return p.product(n, n.Input(0), n.Input(3)) }

func (p *pricer) matmulDynamic(n *graph.Node) (lut.Op, string) {
	if len(n.In) < 2 || n.In[1] == nil || !n.In[1].Constant {
		return lut.Op{}, "a dynamically quantised product of two activations"
	}
	return p.product(n, n.In[0], n.In[1])
}

// nbits is a product with weights of 8 bits, the catalogue's int8w, or fewer.
func (p *pricer) nbits(n *graph.Node) (lut.Op, string) {
	if bits := n.Int("bits", 4); bits != 8 {
		return lut.Op{}, fmt.Sprintf("weights of %d bits", bits)
	}
	out := n.Out[0].Shape
	op, why := p.linearOp(n, n.In[0].Shape, n.Int("K", 0), out[len(out)-1])
	if why == "" && op.Precision != lut.FP32 {
		return lut.Op{}, "weights of 8 bits with other activations than float"
	}
	op.Precision = lut.INT8W
	return op, why
}

func (p *pricer) product(n *graph.Node, a, b *graph.Value) (lut.Op, string) {
	if a == nil || b == nil || len(a.Shape) < 2 || len(b.Shape) < 2 {
		return lut.Op{}, "not a product of matrices"
	}
	out := n.Out[0].Shape
	if graph.Elements(out) < 1 || graph.Elements(a.Shape) < 1 {
		return lut.Op{}, "an empty tensor"
	}
	m, cols := out[len(out)-2], out[len(out)-1]
	k := graph.Elements(a.Shape) / max(1, graph.Elements(a.Shape[:len(a.Shape)-2])) / m
	if b.Constant && !a.Constant && len(b.Shape) == 2 {
		return p.linearOp(n, append(slices.Clone(out[:len(out)-1]), k), k, cols)
	}
	prec, why := p.g.precision(n)
	if why != "" {
		return lut.Op{}, why
	}
	batch := graph.Elements(out[:len(out)-2])
	if len(out) > 2 && out[0]%p.batch == 0 {
		batch /= p.batch
	}
	if k < 1 {
		return lut.Op{}, "an empty tensor"
	}
	return lut.NewOp("matmul", prec, nil, map[string]int{"b": max(1, batch), "m": m, "k": k, "n": cols}), ""
}

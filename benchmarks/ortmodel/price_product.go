package ortmodel

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// products are the kinds of a product with weights and of one of two activations.
type products struct{ layer, both string }

func (k products) weighted(p *pricer, n *graph.Node, x []int, cin, cout int) (lut.Op, string) {
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
	return lut.NewOp(k.layer, prec, attrs, map[string]int{"m": p.outer(x, len(x)-1), "cin": cin, "cout": cout}), ""
}

func (k products) gemm(p *pricer, n *graph.Node) (lut.Op, string) {
	a, b := n.In[0], n.In[1]
	if a.Constant || !b.Constant {
		return lut.Op{}, "not a product with constant weights"
	}
	out := n.Out[0].Shape
	depth := a.Shape[1]
	x := a.Shape
	if n.Int("transA", 0) == 1 {
		depth, x = a.Shape[0], graph.SwapLast(x)
	}
	return k.weighted(p, n, x, depth, out[1])
}

func (k products) qgemm(p *pricer, n *graph.Node) (lut.Op, string) {
	a := n.In[0]
	out := n.Out[0].Shape
	return k.weighted(p, n, a.Shape, a.Shape[1], out[1])
}

func (k products) matmul(p *pricer, n *graph.Node) (lut.Op, string) {
	return k.product(p, n, n.In[0], n.In[1])
}

func (k products) qmatmul(p *pricer, n *graph.Node) (lut.Op, string) {
	return k.product(p, n, n.Input(0), n.Input(3))
}

func (k products) dynamic(p *pricer, n *graph.Node) (lut.Op, string) {
	if len(n.In) < 2 || n.In[1] == nil || !n.In[1].Constant {
		return lut.Op{}, "a dynamically quantised product of two activations"
	}
	return k.product(p, n, n.In[0], n.In[1])
}

// nbits is a product with weights of 8 bits, the catalogue's int8w, or fewer.
func (k products) nbits(p *pricer, n *graph.Node) (lut.Op, string) {
	if bits := n.Int("bits", 4); bits != 8 {
		return lut.Op{}, fmt.Sprintf("weights of %d bits", bits)
	}
	out := n.Out[0].Shape
	op, why := k.weighted(p, n, n.In[0].Shape, n.Int("K", 0), out[len(out)-1])
	if why == "" && op.Precision != lut.FP32 {
		return lut.Op{}, "weights of 8 bits with other activations than float"
	}
	op.Precision = lut.INT8W
	return op, why
}

func (k products) product(p *pricer, n *graph.Node, a, b *graph.Value) (lut.Op, string) {
	if a == nil || b == nil || len(a.Shape) < 2 || len(b.Shape) < 2 {
		return lut.Op{}, "not a product of matrices"
	}
	out := n.Out[0].Shape
	if graph.Elements(out) < 1 || graph.Elements(a.Shape) < 1 {
		return lut.Op{}, "an empty tensor"
	}
	m, cols := out[len(out)-2], out[len(out)-1]
	depth := graph.Elements(a.Shape) / max(1, graph.Elements(a.Shape[:len(a.Shape)-2])) / m
	if b.Constant && !a.Constant && len(b.Shape) == 2 {
		return k.weighted(p, n, append(slices.Clone(out[:len(out)-1]), depth), depth, cols)
	}
	prec, why := p.g.precision(n)
	if why != "" {
		return lut.Op{}, why
	}
	batch := graph.Elements(out[:len(out)-2])
	if len(out) > 2 && out[0]%p.batch == 0 {
		batch /= p.batch
	}
	if depth < 1 {
		return lut.Op{}, "an empty tensor"
	}
	return lut.NewOp(k.both, prec, nil, map[string]int{"b": max(1, batch), "m": m, "k": depth, "n": cols}), ""
}

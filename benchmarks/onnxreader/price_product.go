package onnxreader

import (
	"fmt"
	"slices"

	"github.com/isocost/isocost/lut"
)

func (p *pricer) linearOp(n *node, x []int, cin, cout int) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	attrs := map[string]string{}
	if act := n.fusedAct(prec); act != "" {
		attrs["act"] = act
	}
	if elements(x) < 1 || cin < 1 || cout < 1 {
		return lut.Op{}, "an empty tensor"
	}
	return lut.NewOp("linear", prec, attrs, map[string]int{"m": p.outer(x, len(x)-1), "cin": cin, "cout": cout}), ""
}

func (p *pricer) linear(n *node) (lut.Op, string) {
	a, b := n.in[0], n.in[1]
	if a.constant || !b.constant {
		return lut.Op{}, "not a product with constant weights"
	}
	out := n.out[0].shape
	k := a.shape[1]
	x := a.shape
	if n.int("transA", 0) == 1 {
		k, x = a.shape[0], swapLast(x)
	}
	return p.linearOp(n, x, k, out[1])
}

func (p *pricer) qgemm(n *node) (lut.Op, string) {
	a := n.in[0]
	out := n.out[0].shape
	return p.linearOp(n, a.shape, a.shape[1], out[1])
}

func (p *pricer) matmul(n *node) (lut.Op, string) { return p.product(n, n.in[0], n.in[1]) }

func (p *pricer) qmatmul(n *node) (lut.Op, string) { return p.product(n, n.input(0), n.input(3)) }

func (p *pricer) matmulDynamic(n *node) (lut.Op, string) {
	if len(n.in) < 2 || n.in[1] == nil || !n.in[1].constant {
		return lut.Op{}, "a dynamically quantised product of two activations"
	}
	n.dyn = true
	return p.product(n, n.in[0], n.in[1])
}

// nbits is a product with weights of 8 bits, the catalogue's int8w, or fewer.
func (p *pricer) nbits(n *node) (lut.Op, string) {
	if bits := n.int("bits", 4); bits != 8 {
		return lut.Op{}, fmt.Sprintf("weights of %d bits", bits)
	}
	out := n.out[0].shape
	op, why := p.linearOp(n, n.in[0].shape, n.int("K", 0), out[len(out)-1])
	if why == "" && op.Precision != lut.FP32 {
		return lut.Op{}, "weights of 8 bits with other activations than float"
	}
	op.Precision = lut.INT8W
	return op, why
}

func (p *pricer) product(n *node, a, b *value) (lut.Op, string) {
	if a == nil || b == nil || len(a.shape) < 2 || len(b.shape) < 2 {
		return lut.Op{}, "not a product of matrices"
	}
	out := n.out[0].shape
	if elements(out) < 1 || elements(a.shape) < 1 {
		return lut.Op{}, "an empty tensor"
	}
	m, cols := out[len(out)-2], out[len(out)-1]
	k := elements(a.shape) / max(1, elements(a.shape[:len(a.shape)-2])) / m
	if b.constant && !a.constant && len(b.shape) == 2 {
		return p.linearOp(n, append(slices.Clone(out[:len(out)-1]), k), k, cols)
	}
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	batch := elements(out[:len(out)-2])
	if len(out) > 2 && out[0]%p.batch == 0 {
		batch /= p.batch
	}
	if k < 1 {
		return lut.Op{}, "an empty tensor"
	}
	return lut.NewOp("matmul", prec, nil, map[string]int{"b": max(1, batch), "m": m, "k": k, "n": cols}), ""
}

package onnxreader

import (
	"slices"
	"strings"

	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/lut"
)

// ONNX Runtime computes quantised convolutions with the channels last. A map enters
// that layout and leaves it by a transposition of its bytes, which the runtime's
// transpose optimiser moves on, through operators that do not mind, to where another
// cancels it (decision 0406). A lowered model has its transpositions in the file.

// stemChannels is the widest map taken for the network's own input (as in the
// catalogue's frames).
const stemChannels = 4

func isBytes(t onnx.DataType) bool { return t == onnx.Int8 || t == onnx.Uint8 }

// leadsOn reports that a map goes on to a quantised convolution.
func (p *pricer) leadsOn(v *value) bool {
	if known, ok := p.leads[v]; ok {
		return known
	}
	p.leads[v] = slices.ContainsFunc(v.to, func(n *node) bool {
		switch {
		case n.dead || len(n.out) == 0 || n.out[0] == nil:
			return false
		case n.int8 && n.op == "Conv":
			return true
		case keepsLayout(n), n.op == "Resize", n.op == "ReduceMean" && n.out[0].rank() == 4, n.int8 && strings.HasSuffix(n.op, "Pool"):
			return p.leadsOn(n.out[0])
		}
		return false
	})
	return p.leads[v]
}

// apart reports that a map lies otherwise with the channels last than with them first.
func (p *pricer) apart(v *value) bool {
	s := v.shape
	return p.isMap(s) && s[1] > 1 && elements(s[2:]) > 1
}

// turn adds the transposition of a quantised map, once for each map.
func (p *pricer) turn(v *value, rows, columns int) {
	if !p.turned[v] {
		p.turned[v] = true
		p.also = append(p.also, lut.NewOp("transpose", lut.INT8, map[string]string{"perm": "1-0"}, map[string]int{"d0": rows, "d1": columns}))
	}
}

// leaveMaps adds what a view of a quantised map waits for.
func (p *pricer) leaveMaps(n *node) {
	x := n.input(0)
	if x == nil || p.g.lowered || !p.blocked[x] || !isBytes(x.dtype) || !p.apart(x) || slices.Equal(x.shape, n.out[0].shape) {
		return
	}
	p.turn(x, elements(x.shape[2:]), x.shape[1])
}

// enterMaps adds what a quantised convolution of a plain map x waits for. A
// network's own input is turned in the kernel of its first convolution.
func (p *pricer) enterMaps(x *value, prec lut.Precision) {
	if prec != lut.INT8 || p.g.lowered || p.blocked[x] || !p.apart(x) || x.shape[1] <= stemChannels {
		return
	}
	p.turn(x, x.shape[1], elements(x.shape[2:]))
}

// wideConstants adds the dequantisation of a float operator's constants, which the
// runtime does in every inference. (Of weights of convolutions and products it is
// in their own key's precision.) Their keys are columns: a row would be what a model
// ends in, where its frame cannot tell it from the end of any model.
func (p *pricer) wideConstants(n *node, op lut.Op) {
	if op.Precision != lut.FP32 || len(n.in) < 2 {
		return
	}
	switch op.Kind {
	case "conv", "dwconv", "deconv", "linear", "matmul":
		return
	}
	for _, v := range n.in {
		if v != nil && v.constant && v.quant && !onWord[n.op] && elements(v.shape) > 1 {
			p.also = append(p.also, lut.NewOp("dequantize", lut.INT8, nil, map[string]int{"seq": elements(v.shape), "dim": 1}))
		}
	}
}

// lateSizes adds what the runtime computes in every inference before it knows how a
// tensor is to be cut, padded or shaped: a kernel for each operator on a few numbers.
// All of these cost a dispatch and little else; one key stands for them, a difference
// of single numbers.
func (p *pricer) lateSizes(n *node) {
	if !onWord[n.op] {
		return
	}
	for _, v := range n.in[1:] {
		if v != nil && v.constant && v.late {
			p.late(v.from, nil)
		}
	}
}

// late walks back from a node to what it is computed from. A dequantisation before, or
// a quantisation after an operator that has a quantised form is part of it.
func (p *pricer) late(n, user *node) {
	if n == nil || p.ran[n] || len(n.out) == 0 || n.out[0] == nil || !n.out[0].late {
		return
	}
	quantised := func(o *node) bool { return o != nil && (o.op == "Add" || o.op == "Mul" || o.op == "Concat") }
	inside := n.op == "DequantizeLinear" && quantised(user) || n.op == "QuantizeLinear" && n.in[0] != nil && quantised(n.in[0].from)
	if !inside || n.op != "DequantizeLinear" { // several may use one dequantisation
		p.ran[n] = true
	}
	if !inside && elements(n.out[0].shape) > 0 {
		p.also = append(p.also, lut.NewOp("sub", lut.FP32, map[string]string{"b": "s"}, map[string]int{"seq": 1, "dim": 1}))
	}
	for _, v := range n.in {
		if v != nil {
			p.late(v.from, n)
		}
	}
}

package ortmodel

import (
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
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
func (p *pricer) leadsOn(v *graph.Value) bool {
	if known, ok := p.leads[v]; ok {
		return known
	}
	p.leads[v] = slices.ContainsFunc(v.To, func(n *graph.Node) bool {
		switch {
		case n.Gone || len(n.Out) == 0 || n.Out[0] == nil:
			return false
		case p.g.How(n).Int8 && n.Op == "Conv":
			return true
		case keepsLayout(n), n.Op == "Resize", n.Op == "ReduceMean" && n.Out[0].Rank() == 4, p.g.How(n).Int8 && strings.HasSuffix(n.Op, "Pool"):
			return p.leadsOn(n.Out[0])
		}
		return false
	})
	return p.leads[v]
}

// apart reports that a map lies otherwise with the channels last than with them first.
func (p *pricer) apart(v *graph.Value) bool {
	s := v.Shape
	return p.isMap(s) && s[1] > 1 && graph.Elements(s[2:]) > 1
}

// turn adds the transposition of a quantised map, once for each map.
func (p *pricer) turn(v *graph.Value, rows, columns int) {
	if !p.turned[v] {
		p.turned[v] = true
		p.also = append(p.also, turned(rows, columns))
	}
}

// leaveMaps adds what a view of a quantised map waits for.
func (p *pricer) leaveMaps(n *graph.Node) {
	x := n.Input(0)
	if x == nil || p.g.Lowered || !p.blocked[x] || !isBytes(x.Type) || !p.apart(x) || slices.Equal(x.Shape, n.Out[0].Shape) {
		return
	}
	p.turn(x, graph.Elements(x.Shape[2:]), x.Shape[1])
}

// enterMaps adds what a quantised convolution of a plain map x waits for. A
// network's own input is turned in the kernel of its first convolution.
func (p *pricer) enterMaps(x *graph.Value, prec lut.Precision) {
	if prec != lut.INT8 || p.g.Lowered || p.blocked[x] || !p.apart(x) || x.Shape[1] <= stemChannels {
		return
	}
	p.turn(x, x.Shape[1], graph.Elements(x.Shape[2:]))
}

// wideConstants adds the dequantisation of a float operator's constants, which the
// runtime does in every inference. (Of weights of convolutions and products it is
// in their own key's precision.) Their keys are columns: a row would be what a model
// ends in, where its frame cannot tell it from the end of any model.
func (p *pricer) wideConstants(n *graph.Node, op lut.Op) {
	if op.Precision != lut.FP32 || len(n.In) < 2 || benchmarks.Multiplies(op.Kind) {
		return
	}
	for _, v := range n.In {
		if v != nil && v.Constant && v.Dequantised && !operators[n.Op].byValue && graph.Elements(v.Shape) > 1 {
			p.also = append(p.also, widened(graph.Elements(v.Shape)))
		}
	}
}

// lateSizes adds what the runtime computes in every inference before it knows how a
// tensor is to be cut, padded or shaped: a kernel for each operator on a few numbers.
// All of these cost a dispatch and little else; one key stands for them, a difference
// of single numbers.
func (p *pricer) lateSizes(n *graph.Node) {
	if !operators[n.Op].byValue || len(n.In) == 0 {
		return
	}
	for _, v := range n.In[1:] {
		if v != nil && v.Constant && p.g.perRun[v] {
			p.computed(v.From, nil)
		}
	}
}

// computed walks back from a node to what it is computed from. A dequantisation before, or
// a quantisation after an operator that has a quantised form is part of it.
func (p *pricer) computed(n, user *graph.Node) {
	if n == nil || p.ran[n] || len(n.Out) == 0 || n.Out[0] == nil || !p.g.perRun[n.Out[0]] {
		return
	}
	quantised := func(o *graph.Node) bool { return o != nil && (o.Op == "Add" || o.Op == "Mul" || o.Op == "Concat") }
	inside := n.Op == "DequantizeLinear" && quantised(user) || n.Op == "QuantizeLinear" && n.In[0] != nil && quantised(n.In[0].From)
	if !inside || n.Op != "DequantizeLinear" { // several may use one dequantisation
		p.ran[n] = true
	}
	if !inside && graph.Elements(n.Out[0].Shape) > 0 {
		p.also = append(p.also, dispatched())
	}
	for _, v := range n.In {
		if v != nil {
			p.computed(v.From, n)
		}
	}
}

package ortmodel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// pricer gives keys. blocked says which maps the runtime keeps in its blocked
// (or, in int8, channels-last) layout: an element-wise operator in the middle of
// such maps has a key with axes c, h, w, whose frame includes the change of layout
// and back; one among plain tensors has axes seq, dim.
type pricer struct {
	g       *Fused
	blocked map[*graph.Value]bool
	last    map[*graph.Value]bool // maps whose shape here has the channels last
	inner   map[*graph.Value]bool // float maps that the runtime keeps with the channels last, whatever the file says
	leads   map[*graph.Value]bool // what leadsOn says
	ran     map[*graph.Node]bool  // of lateSizes: what is counted
	turned  map[*graph.Value]bool // quantised maps whose transposition is priced
	batch   int
	free    string   // why the node is free
	also    []lut.Op // kernels of the node beside the one it is named by
}

// repeat adds more kernels like the one the node is named by.
func (p *pricer) repeat(op lut.Op, more int) {
	p.also = append(p.also, slices.Repeat([]lut.Op{op}, more)...)
}

func (p *pricer) node(n *graph.Node) (lut.Op, string) {
	for i, v := range n.In {
		if v != nil && !v.Known {
			return lut.Op{}, fmt.Sprintf("the shape of its input %d (%.60s) is not known", i, v.Name)
		}
	}
	if len(n.Out) == 0 || n.Out[0] == nil {
		return lut.Op{}, "it has no output"
	}
	if !n.Out[0].Known {
		if !ruled(n.Op) {
			return lut.Op{}, "the operator is not known"
		}
		return lut.Op{}, "the shape of its output is not known"
	}
	if !slices.ContainsFunc(n.Out, func(v *graph.Value) bool { return v != nil && (!v.Known || graph.Elements(v.Shape) != 0) }) {
		p.free = network.FreeEmpty
		return lut.Op{}, ""
	}
	if ruled(n.Op) && !n.Out[0].Ruled && !operators[n.Op].byValue {
		return lut.Op{}, "its inputs do not fit together"
	}
	if len(n.In) == 0 || n.In[0] == nil {
		return lut.Op{}, "it has no input"
	}
	if keepsLayout(n) {
		for _, v := range n.In {
			if v != nil && v.Rank() == n.Out[0].Rank() {
				p.last[n.Out[0]] = p.last[n.Out[0]] || p.last[v]
				p.inner[n.Out[0]] = (p.inner[n.Out[0]] || p.inner[v]) && !isBytes(n.Out[0].Type)
			}
		}
	}
	if operators[n.Op].View {
		p.free = network.FreeView
		p.leaveMaps(n)
		if x := n.Input(0); x != nil {
			p.blocked[n.Out[0]] = p.blocked[x] && slices.Equal(x.Shape, n.Out[0].Shape)
		}
		return lut.Op{}, ""
	}
	f := operators[n.Op].key
	if f == nil {
		switch {
		case benchmarks.ONNXPair(n.Op) != "":
			f = (*pricer).binary
		case activationOf(n) != "":
			f = (*pricer).unary
		default:
			return lut.Op{}, "the catalogue has no kind for it"
		}
	}
	return f(p, n)
}

// keepsLayout reports that a node's result has its channels where its inputs have them.
func keepsLayout(n *graph.Node) bool {
	return benchmarks.ONNXPair(n.Op) != "" || activationOf(n) != "" || n.Op == "Clip" || n.Op == "Pad" || n.Op == "Softmax" || strings.HasSuffix(n.Op, "Concat") || strings.HasSuffix(n.Op, "uantizeLinear")
}

// ruled says whether the shapes of an operator's outputs follow by a rule.
func ruled(op string) bool { return graph.HasRule(op) || operators[op].shape != nil }

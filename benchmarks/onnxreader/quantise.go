package onnxreader

import (
	"slices"

	"github.com/isocost/isocost/internal/onnx"
)

// quantise turns QDQ form – an operator between DequantizeLinear and
// QuantizeLinear – into operators on quantised tensors, as runtimes do when they
// load the model. What stays outside such a pair stays float, and its
// conversions are kernels of their own.
func (g *graph) quantise() {
	signed := false
	for _, n := range g.nodes {
		if d, ok := n.data(1); ok && len(d) == 1 && isQuantize(n) && len(n.out) > 0 && n.out[0] != nil {
			n.out[0].scale = d[0]
		}
	}
	for _, n := range g.nodes {
		needsQ, ok := quantisable[n.op]
		if n.dead || !ok || len(n.out) == 0 || n.out[0] == nil {
			continue
		}
		dynamic := 0
		all := true
		for _, v := range n.in {
			if v == nil || v.constant {
				continue
			}
			dynamic++
			if !isDequantize(v.from) {
				all = false
			}
		}
		if !all || dynamic == 0 {
			continue
		}
		q, ok := g.quantisedOutputs(n)
		if !ok {
			// Without a QuantizeLinear only products of matrices run in int8, and only
			// with int8 weights.
			if !needsQ || !weightsInt8(n) {
				continue
			}
		} else if n.op == "Conv" && !weightsInt8(n) {
			continue
		}
		n.int8 = true
		for i, v := range n.in {
			if v == nil || v.constant || !isDequantize(v.from) {
				continue
			}
			d := v.from
			src := d.in[0]
			signed = signed || src.dtype == onnx.Int8 && n.op == "Conv"
			unlink(v, n)
			src.to = append(src.to, n)
			n.in[i] = src
			if len(v.to) == 0 && !v.output && !d.dead {
				d.dead = true
				unlink(src, d)
				n.parts = append(n.parts, d.parts...)
			}
		}
		for i, end := range q {
			if end == nil {
				continue
			}
			for _, p := range end.path { // the activation that the number format clamps, and the quantisation
				p.dead = true
				n.parts = append(n.parts, p.parts...)
			}
			n.out[i] = end.value
			end.value.from = n
		}
	}
	if signed {
		g.warn("activations are signed int8: ONNX Runtime on x86 runs part of such a network in float; agent lower shows which")
	}
}

func isDequantize(n *node) bool {
	return n != nil && !n.dead && (n.op == "DequantizeLinear" || n.op == "com.microsoft:DequantizeLinear")
}

func isQuantize(n *node) bool {
	return n != nil && !n.dead && (n.op == "QuantizeLinear" || n.op == "com.microsoft:QuantizeLinear")
}

func weightsInt8(n *node) bool {
	for i, v := range n.in {
		if i < 2 && v != nil && v.constant && !v.quant {
			return false
		}
	}
	return true
}

func unlink(v *value, n *node) {
	if i := slices.Index(v.to, n); i >= 0 {
		v.to = slices.Delete(v.to, i, i+1)
	}
}

// quantisedEnd is where an output becomes quantised: the nodes on the way and the
// quantised value.
type quantisedEnd struct {
	path  []*node
	value *value
}

// quantisedOutputs finds the QuantizeLinear that alone uses each output, directly
// or after a Relu or Clip.
func (g *graph) quantisedOutputs(n *node) ([]*quantisedEnd, bool) {
	ends := make([]*quantisedEnd, len(n.out))
	for i, v := range n.out {
		if v == nil || len(v.to) == 0 && !v.output {
			continue
		}
		end := &quantisedEnd{}
		for {
			if v.output || len(v.to) != 1 {
				return nil, false
			}
			next := v.to[0]
			if next.dead || len(next.in) == 0 || next.in[0] != v || len(next.out) == 0 || next.out[0] == nil {
				return nil, false
			}
			end.path = append(end.path, next)
			v = next.out[0]
			if isQuantize(next) {
				break
			}
			if next.op != "Relu" && next.op != "Clip" || len(end.path) > 1 || n.op == "Concat" {
				return nil, false
			}
		}
		end.value = v
		ends[i] = end
	}
	return ends, true
}

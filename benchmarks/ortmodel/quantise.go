package ortmodel

import (
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// readScales notes the scale of each tensor that is quantised by one constant.
func (g *Fused) readScales() {
	for _, n := range g.Nodes {
		if d, ok := n.Data(1); ok && len(d) == 1 && isQuantize(n) && len(n.Out) > 0 && n.Out[0] != nil {
			g.scale[n.Out[0]] = d[0]
		}
	}
}

// quantise turns QDQ form – an operator between DequantizeLinear and
// QuantizeLinear – into operators on quantised tensors, as runtimes do when they
// load the model. What stays outside such a pair stays float, and its
// conversions are kernels of their own.
func (g *Fused) quantise() {
	signed := false
	for _, n := range g.Nodes {
		run := operators[n.Op].int8
		if n.Gone || run == never || len(n.Out) == 0 || n.Out[0] == nil {
			continue
		}
		dynamic := 0
		all := true
		for _, v := range n.In {
			if v == nil || v.Constant {
				continue
			}
			dynamic++
			if !IsDequantize(v.From) {
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
			if run != weighted || !weightsInt8(n) {
				continue
			}
		} else if n.Op == "Conv" && !weightsInt8(n) {
			continue
		}
		g.How(n).Int8 = true
		for i, v := range n.In {
			if v == nil || v.Constant || !IsDequantize(v.From) {
				continue
			}
			d := v.From
			src := d.In[0]
			signed = signed || src.Type == onnx.Int8 && n.Op == "Conv"
			graph.Unlink(v, n)
			src.To = append(src.To, n)
			n.In[i] = src
			if len(v.To) == 0 && !v.Output && !d.Gone {
				d.Gone = true
				graph.Unlink(src, d)
				n.Parts = append(n.Parts, d.Parts...)
			}
		}
		for i, end := range q {
			if end == nil {
				continue
			}
			for _, p := range end.path { // the activation that the number format clamps, and the quantisation
				p.Gone = true
				n.Parts = append(n.Parts, p.Parts...)
			}
			n.Out[i] = end.value
			end.value.From = n
		}
	}
	if signed {
		g.warn("activations are signed int8: ONNX Runtime on x86 runs part of such a network in float; agent lower shows which")
	}
}

// IsDequantize says whether a node that runs brings bytes back to floats.
func IsDequantize(n *graph.Node) bool {
	return n != nil && !n.Gone && (n.Op == "DequantizeLinear" || n.Op == "com.microsoft:DequantizeLinear") && n.Input(0) != nil
}

func isQuantize(n *graph.Node) bool {
	return n != nil && !n.Gone && (n.Op == "QuantizeLinear" || n.Op == "com.microsoft:QuantizeLinear")
}

func weightsInt8(n *graph.Node) bool {
	for i, v := range n.In {
		if i < 2 && v != nil && v.Constant && !(v.Dequantised && isBytes(v.Stored)) {
			return false
		}
	}
	return true
}

// quantisedEnd says where an output becomes quantised: the nodes on the way and the
// quantised value.
type quantisedEnd struct {
	path  []*graph.Node
	value *graph.Value
}

// quantisedOutputs finds the QuantizeLinear that alone uses each output, directly
// or after a Relu or Clip.
func (g *Fused) quantisedOutputs(n *graph.Node) ([]*quantisedEnd, bool) {
	ends := make([]*quantisedEnd, len(n.Out))
	for i, v := range n.Out {
		if v == nil || len(v.To) == 0 && !v.Output {
			continue
		}
		end := &quantisedEnd{}
		for {
			if v.Output || len(v.To) != 1 {
				return nil, false
			}
			next := v.To[0]
			if next.Gone || len(next.In) == 0 || next.In[0] != v || len(next.Out) == 0 || next.Out[0] == nil {
				return nil, false
			}
			end.path = append(end.path, next)
			v = next.Out[0]
			if isQuantize(next) {
				break
			}
			if next.Op != "Relu" && next.Op != "Clip" || len(end.path) > 1 || n.Op == "Concat" {
				return nil, false
			}
		}
		end.value = v
		ends[i] = end
	}
	return ends, true
}

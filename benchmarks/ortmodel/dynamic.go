package ortmodel

import (
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// dynamic makes one operator of each product or convolution whose float input is
// quantised at run time, as onnxruntime's quantize_dynamic writes it and as ONNX
// Runtime leaves it:
//
//	q, s, z = DynamicQuantizeLinear(x)
//	y = Mul(Cast(ConvInteger(q, w, z, …)), Mul(s, c))        (MatMulInteger likewise)
//	y = com.microsoft:MatMulIntegerToFloat(q, w, s, c, z, …)
//
// The catalogue's kernels of precision int8dyn hold all of that. A quantisation that
// several operators share belongs to the first of them.
func (g *Fused) dynamic() {
	shared := 0
	for _, n := range g.Nodes {
		if n.Gone || len(n.In) < 2 || n.In[0] == nil || n.In[1] == nil || len(n.Out) == 0 || n.Out[0] == nil {
			continue
		}
		q := n.In[0].From
		if q == nil || q.Op != "DynamicQuantizeLinear" || q.Input(0) == nil || len(q.Out) < 3 || n.In[0] != q.Out[0] || !n.In[1].Constant {
			continue
		}
		var tail []*graph.Node
		switch n.Op {
		case "MatMulInteger", "ConvInteger":
			if tail = scaling(n, q); tail == nil {
				continue
			}
			n.Op = map[string]string{"MatMulInteger": "MatMul", "ConvInteger": "Conv"}[n.Op]
		case "com.microsoft:MatMulIntegerToFloat":
			n.Op = "com.microsoft:DynamicQuantizeMatMul"
		default:
			continue
		}
		x, w := q.In[0], n.In[1]
		for _, v := range n.In {
			if v != nil {
				graph.Unlink(v, n)
			}
		}
		for _, t := range tail {
			for _, v := range t.In {
				if v != nil {
					graph.Unlink(v, t)
				}
			}
			t.Gone = true
			n.Parts = append(n.Parts, t.Parts...)
		}
		if tail != nil {
			n.Out[0] = tail[0].Out[0]
			n.Out[0].From = n
		}
		n.In, g.How(n).Dynamic = []*graph.Value{x, w}, true
		x.To, w.To = append(x.To, n), append(w.To, n)
		if q.Gone {
			shared++
			continue
		}
		q.Gone = true
		graph.Unlink(x, q)
		n.Parts = append(n.Parts, q.Parts...)
	}
	if shared > 0 {
		g.warn("%d operators share the quantisation of their input with another; each is priced with one of its own", shared)
	}
}

// scaling are the nodes that bring the integers n computes back to float: the last
// product, the cast before it and, when it is of this alone, the product of the two
// scales. nil when there is something else.
func scaling(n, q *graph.Node) []*graph.Node {
	if !graph.Only(n.Out[0]) {
		return nil
	}
	cast := n.Out[0].To[0]
	if cast.Op != "Cast" || cast.Int("to", 0) != int(onnx.Float) || len(cast.Out) == 0 || !graph.Only(cast.Out[0]) {
		return nil
	}
	mul := cast.Out[0].To[0]
	if mul.Op != "Mul" || len(mul.In) != 2 || len(mul.Out) == 0 || mul.Out[0] == nil {
		return nil
	}
	s := mul.In[0]
	if s == cast.Out[0] {
		s = mul.In[1]
	}
	switch {
	case s == q.Out[1]:
		return []*graph.Node{mul, cast}
	case s == nil || s.From == nil || s.From.Op != "Mul" || len(s.From.In) != 2:
		return nil
	}
	a, b := s.From.In[0], s.From.In[1]
	if a != q.Out[1] {
		a, b = b, a
	}
	if a != q.Out[1] || b == nil || !b.Constant {
		return nil
	}
	if graph.Only(s) {
		return []*graph.Node{mul, cast, s.From}
	}
	return []*graph.Node{mul, cast}
}

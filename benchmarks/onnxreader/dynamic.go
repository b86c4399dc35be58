package onnxreader

import "github.com/isocost/isocost/internal/onnx"

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
func (g *graph) dynamic() {
	shared := 0
	for _, n := range g.nodes {
		if n.dead || len(n.in) < 2 || n.in[0] == nil || n.in[1] == nil || len(n.out) == 0 || n.out[0] == nil {
			continue
		}
		q := n.in[0].from
		if q == nil || q.op != "DynamicQuantizeLinear" || q.input(0) == nil || len(q.out) < 3 || n.in[0] != q.out[0] || !n.in[1].constant {
			continue
		}
		var tail []*node
		switch n.op {
		case "MatMulInteger", "ConvInteger":
			if tail = scaling(n, q); tail == nil {
				continue
			}
			n.op = map[string]string{"MatMulInteger": "MatMul", "ConvInteger": "Conv"}[n.op]
		case "com.microsoft:MatMulIntegerToFloat":
			n.op = "com.microsoft:DynamicQuantizeMatMul"
		default:
			continue
		}
		x, w := q.in[0], n.in[1]
		for _, v := range n.in {
			if v != nil {
				unlink(v, n)
			}
		}
		for _, t := range tail {
			for _, v := range t.in {
				if v != nil {
					unlink(v, t)
				}
			}
			t.dead = true
			n.parts = append(n.parts, t.parts...)
		}
		if tail != nil {
			n.out[0] = tail[0].out[0]
			n.out[0].from = n
		}
		n.in, n.dyn = []*value{x, w}, true
		x.to, w.to = append(x.to, n), append(w.to, n)
		if q.dead {
			shared++
			continue
		}
		q.dead = true
		unlink(x, q)
		n.parts = append(n.parts, q.parts...)
	}
	if shared > 0 {
		g.warn("%d operators share the quantisation of their input with another; each is priced with one of its own", shared)
	}
}

// scaling are the nodes that bring the integers n computes back to float: the last
// product, the cast before it and, when it is of this alone, the product of the two
// scales. nil when there is something else.
func scaling(n, q *node) []*node {
	if !only(n.out[0]) {
		return nil
	}
	cast := n.out[0].to[0]
	if cast.op != "Cast" || cast.int("to", 0) != int(onnx.Float) || len(cast.out) == 0 || !only(cast.out[0]) {
		return nil
	}
	mul := cast.out[0].to[0]
	if mul.op != "Mul" || len(mul.in) != 2 || len(mul.out) == 0 || mul.out[0] == nil {
		return nil
	}
	s := mul.in[0]
	if s == cast.out[0] {
		s = mul.in[1]
	}
	switch {
	case s == q.out[1]:
		return []*node{mul, cast}
	case s == nil || s.from == nil || s.from.op != "Mul" || len(s.from.in) != 2:
		return nil
	}
	a, b := s.from.in[0], s.from.in[1]
	if a != q.out[1] {
		a, b = b, a
	}
	if a != q.out[1] || b == nil || !b.constant {
		return nil
	}
	if only(s) {
		return []*node{mul, cast, s.from}
	}
	return []*node{mul, cast}
}

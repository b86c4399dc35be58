package onnxreader

import (
	"strings"

	"github.com/isocost/isocost/lut"
)

// price gives every node that remains its key, or a reason why it has none.
func (g *graph) price() *Network {
	net := &Network{Name: g.opt.Name, Lowered: g.lowered, Dims: g.dims, Kernels: []Kernel{}, Unpriced: []Unpriced{}, Free: []Free{}, Warnings: g.warnings}
	p := &pricer{g: g, blocked: map[*value]bool{}, last: map[*value]bool{}, batch: g.batch()}
	made := map[*node]int{} // its kernel
	for _, n := range g.nodes {
		if n.dead {
			if n.why != "" {
				for _, part := range n.parts {
					op, name, _ := strings.Cut(part, " ")
					net.Free = append(net.Free, Free{Name: name, Op: op, Why: n.why})
				}
			}
			continue
		}
		p.again, p.also = 0, nil
		op, why := p.node(n)
		if why == "" && op.Kind != "" {
			if _, err := lut.ParseOp(op.String()); err != nil { // a damaged file's shape of billions
				why = "no key can say its sizes"
			}
		}
		switch {
		case why == "" && op.Kind != "":
			made[n] = len(net.Kernels)
			net.Kernels = append(net.Kernels, Kernel{Name: n.name, Op: op, Nodes: n.parts})
			for range p.again { // more work that belongs to no further node
				net.Kernels = append(net.Kernels, Kernel{Name: n.name + "+", Op: op, Nodes: []string{}})
			}
			if p.also != nil {
				net.Kernels = append(net.Kernels, Kernel{Name: n.name + "+", Op: *p.also, Nodes: []string{}})
			}
			if sum := n.input(3); n.op == "com.microsoft.nchwc:Conv" && sum != nil && len(n.out[0].shape) == 4 {
				// the runtime's convolution with an addition inside
				s := n.out[0].shape
				net.Kernels = append(net.Kernels, Kernel{Name: n.name + "+", Nodes: []string{}, Op: lut.NewOp("add", op.Precision,
					map[string]string{"fused": "1"}, map[string]int{"c": s[1], "h": s[2], "w": s[3]})})
			}
		case why == "":
			for _, part := range n.parts {
				kind, name, _ := strings.Cut(part, " ")
				net.Free = append(net.Free, Free{Name: name, Op: kind, Why: p.free})
			}
		default:
			for _, part := range n.parts {
				kind, name, _ := strings.Cut(part, " ")
				net.Unpriced = append(net.Unpriced, Unpriced{Name: name, Op: kind, Reason: why})
			}
		}
	}
	g.weigh(net, p.blocked, made)
	return net
}

// batch is the first dimension of the network's inputs where they agree, else 1.
// Keys exclude it: it belongs to the protocol.
func (g *graph) batch() int {
	b := 0
	for _, v := range g.values {
		if v.from != nil || v.constant || !v.known || len(v.shape) < 2 || len(v.to) == 0 {
			continue
		}
		if b != 0 && b != v.shape[0] {
			return 1
		}
		b = v.shape[0]
	}
	return max(b, 1)
}

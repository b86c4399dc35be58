package onnxreader

import (
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/lut"
)

// price gives every node that remains its key, or a reason why it has none.
func (g *graph) price() *network.Network {
	net := &network.Network{Name: g.opt.Name, Lowered: g.lowered, Dims: g.dims, Kernels: []network.Kernel{}, Unpriced: []network.Unpriced{}, Free: []network.Free{}, Warnings: g.warnings}
	p := &pricer{g: g, blocked: map[*value]bool{}, last: map[*value]bool{}, inner: map[*value]bool{}, leads: map[*value]bool{}, turned: map[*value]bool{}, ran: map[*node]bool{}, batch: g.batch()}
	made := map[*node]int{} // its kernel
	for _, n := range g.nodes {
		if n.dead {
			if n.why != "" {
				addFree(net, n, n.why)
			}
			continue
		}
		p.also = p.also[:0]
		op, why := p.node(n)
		if why == "" && op.Kind != "" {
			if _, err := lut.ParseOp(op.String()); err != nil { // a damaged file's shape of billions
				why = "no key can say its sizes"
			}
		}
		switch {
		case why != "":
			for _, part := range n.parts {
				kind, name, _ := strings.Cut(part, " ")
				net.Unpriced = append(net.Unpriced, network.Unpriced{Name: name, Op: kind, Reason: why})
			}
		case op.Kind == "":
			addFree(net, n, p.free)
		default:
			made[n] = len(net.Kernels)
			net.Kernels = append(net.Kernels, network.Kernel{Name: n.name, Op: op, Nodes: n.parts})
		}
		if why == "" {
			p.wideConstants(n, op)
			p.lateSizes(n)
			for _, op := range p.also {
				net.Kernels = append(net.Kernels, network.Kernel{Name: n.name + "+", Op: op, Nodes: []string{}})
			}
		}
	}
	g.weigh(net, made)
	return net
}

// addFree lists every node of the file in n as free.
func addFree(net *network.Network, n *node, why string) {
	for _, part := range n.parts {
		kind, name, _ := strings.Cut(part, " ")
		net.Free = append(net.Free, network.Free{Name: name, Op: kind, Why: why})
	}
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

package ortmodel

import (
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// Price gives every node that remains its key, or a reason why it has none.
func (g *Fused) Price() (*network.Network, map[*graph.Node]int) {
	net := &network.Network{Lowered: g.Lowered, Dims: g.Dims, Kernels: []network.Kernel{}, Unpriced: []network.Unpriced{}, Free: []network.Free{}, Warnings: g.Warnings}
	p := &pricer{g: g, blocked: map[*graph.Value]bool{}, last: map[*graph.Value]bool{}, inner: map[*graph.Value]bool{}, leads: map[*graph.Value]bool{}, turned: map[*graph.Value]bool{}, ran: map[*graph.Node]bool{}, batch: g.Batch()}
	made := map[*graph.Node]int{} // its kernel
	for _, n := range g.Nodes {
		if n.Gone {
			if why := g.free[n]; why != "" {
				addFree(net, n, why)
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
			for _, part := range n.Parts {
				kind, name, _ := strings.Cut(part, " ")
				net.Unpriced = append(net.Unpriced, network.Unpriced{Name: name, Op: kind, Reason: why})
			}
		case op.Kind == "":
			addFree(net, n, p.free)
		default:
			made[n] = len(net.Kernels)
			net.Kernels = append(net.Kernels, network.Kernel{Name: n.Name, Op: op, Nodes: n.Parts})
		}
		if why == "" {
			p.wideConstants(n, op)
			p.lateSizes(n)
			for _, op := range p.also {
				net.Kernels = append(net.Kernels, network.Kernel{Name: n.Name + "+", Op: op, Nodes: []string{}})
			}
		}
	}
	return net, made
}

// addFree lists every node of the file in n as free.
func addFree(net *network.Network, n *graph.Node, why string) {
	for _, part := range n.Parts {
		kind, name, _ := strings.Cut(part, " ")
		net.Free = append(net.Free, network.Free{Name: name, Op: kind, Why: why})
	}
}

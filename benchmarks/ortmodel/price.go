package ortmodel

import (
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// addFree lists every node of the file in n as free.
func addFree(net *network.Network, n *graph.Node, why string) {
	for _, part := range n.Parts {
		kind, name, _ := strings.Cut(part, " ")
		net.Free = append(net.Free, network.Free{Name: name, Op: kind, Why: why})
	}
}

// Price makes the network of kernels: a key for every node that remains, or the reason why
// it has none. made says which kernel a node became.
func (l *Laid) Price() (net *network.Network, made map[*graph.Node]int) {
	g := l.fused
	net = &network.Network{Lowered: g.Lowered, Batch: l.batch, Dims: g.Dims, Kernels: []network.Kernel{}, Unpriced: []network.Unpriced{}, Free: []network.Free{}, Warnings: g.Warnings}
	made = map[*graph.Node]int{}
	for _, at := range l.Places {
		n := at.Node
		switch {
		case at.lacks != "" && len(n.Parts) == 0: // the runtime's own
			net.Unpriced = append(net.Unpriced, network.Unpriced{Name: n.Name, Op: n.Op, Reason: at.lacks})
		case at.lacks != "":
			for _, part := range n.Parts {
				kind, name, _ := strings.Cut(part, " ")
				net.Unpriced = append(net.Unpriced, network.Unpriced{Name: name, Op: kind, Reason: at.lacks})
			}
		case at.free != "":
			addFree(net, n, at.free)
		default:
			made[n] = len(net.Kernels)
			net.Kernels = append(net.Kernels, network.Kernel{Name: n.Name, Op: at.kernel, Nodes: n.Parts})
		}
		for _, op := range at.beside {
			net.Kernels = append(net.Kernels, network.Kernel{Name: n.Name + "+", Op: op, Nodes: []string{}})
		}
	}
	return net, made
}

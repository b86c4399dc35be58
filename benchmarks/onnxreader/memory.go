package onnxreader

import (
	"github.com/isocost/isocost/benchmarks/network"
)

// weigh writes what is in use into the network; made says which kernel a node became.
func (g *graph) weigh(net *network.Network, made map[*node]int) {
	if g.inUse != nil { // the runtime's own graph
		for _, bytes := range g.inUse {
			net.PeakBytes = max(net.PeakBytes, bytes)
		}
		for n, k := range made {
			for _, part := range n.parts {
				net.Kernels[k].LiveBytes = max(net.Kernels[k].LiveBytes, g.inUse[part])
			}
		}
		return
	}
	l := g.lower()
	if !l.ok {
		return
	}
	for i, bytes := range arrange(l.steps) {
		net.PeakBytes = max(net.PeakBytes, bytes)
		if k, ok := made[l.of[i]]; ok {
			net.Kernels[k].LiveBytes = max(net.Kernels[k].LiveBytes, bytes)
		}
	}
}

// fusedSum is the addition that goes into the convolution n, nil when none does.
func fusedSum(n *node) *node {
	if n.op != "Conv" || n.int8 || len(n.out) == 0 || !only(n.out[0]) {
		return nil
	}
	if sum := n.out[0].to[0]; !sum.dead && len(sum.in) == 2 && sum.in[0] != nil && sum.in[1] != nil && inConv(sum) {
		return sum
	}
	return nil
}

// bytes of a value; known is false where its shape or type is not.
func (v *value) bytes() (size int64, known bool) {
	n := elements(v.shape)
	bits := v.dtype.Bits()
	if !v.known || n < 0 || bits == 0 {
		return 0, false
	}
	return (int64(n)*int64(bits) + 7) / 8, true
}

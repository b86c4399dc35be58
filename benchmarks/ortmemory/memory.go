package ortmemory

import (
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/benchmarks/ortmodel"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// sizeOf is the bytes of a value; known is false where its shape or type is not.
func sizeOf(v *graph.Value) (size int64, known bool) {
	n := graph.Elements(v.Shape)
	bits := v.Type.Bits()
	if !v.Known || n < 0 || bits == 0 {
		return 0, false
	}
	return (int64(n)*int64(bits) + 7) / 8, true
}

// WeighOptimised writes what is in use into the network of a graph that the runtime has
// optimised; made says which kernel a node of the fused graph became.
func WeighOptimised(net *network.Network, g *graph.Graph, f *ortmodel.Fused, made map[*graph.Node]int) {
	list, nodes, ok := steps(g, f.Target)
	if !ok {
		Weigh(net, f, made)
		return
	}
	inUse := map[string]int64{}
	for i, bytes := range arrange(list) {
		inUse[nodes[i].Parts[0]] = bytes
	}
	for _, bytes := range inUse {
		net.PeakBytes = max(net.PeakBytes, bytes)
	}
	for n, k := range made {
		for _, part := range n.Parts {
			net.Kernels[k].LiveBytes = max(net.Kernels[k].LiveBytes, inUse[part])
		}
	}
}

// Weigh writes what is in use into the network of a model as exported.
func Weigh(net *network.Network, f *ortmodel.Fused, made map[*graph.Node]int) {
	l := lower(f)
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

package ortmemory

import (
	"fmt"
	"strings"

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

// Plan returns the bytes in use while each kernel runs, in the order in which they run; nil where
// the shapes are not all known.
type Plan []Use

// Use are the bytes of activations in use while a kernel of a node runs, its own room
// among them. Step names an operation before or after the node's own kernel, such as a
// change of its input's layout; "" for that kernel.
type Use struct {
	Node  *graph.Node
	Step  string
	Bytes int64
}

// Exported plans a model as exported: by the kernels that the runtime's optimiser would
// make of it.
func Exported(f *ortmodel.Fused) Plan {
	l := lower(f)
	if !l.ok {
		return nil
	}
	return planned(l.steps, l.of)
}

// Optimised plans a graph that the runtime has optimised, whose nodes are its kernels.
func Optimised(g *graph.Graph, on ortmodel.Target) Plan {
	list, nodes, ok := steps(g, on)
	if !ok {
		return nil
	}
	return planned(list, nodes)
}

func planned(list []*step, of []*graph.Node) Plan {
	p := make(Plan, len(list))
	for i, bytes := range arrange(list) {
		p[i] = Use{of[i], list[i].what, bytes}
	}
	return p
}

// Peak is the most in use at once in bytes, 0 where that is not known.
func (p Plan) Peak() int64 {
	peak := int64(0)
	for _, u := range p {
		peak = max(peak, u.Bytes)
	}
	return peak
}

// String lists the uses, one per line; a node stands more than once where more runs for it
// than its own kernel.
func (p Plan) String() string {
	var b strings.Builder
	for _, u := range p {
		fmt.Fprintf(&b, "%12d bytes  %s", u.Bytes, u.Node)
		if u.Step != "" {
			fmt.Fprintf(&b, ": %s", u.Step)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%12d bytes at most\n", p.Peak())
	return b.String()
}

// Weigh writes a plan of the fused graph into its network; made says which kernel a node
// became.
func (p Plan) Weigh(net *network.Network, made map[*graph.Node]int) {
	net.PeakBytes = p.Peak()
	for _, u := range p {
		if k, ok := made[u.Node]; ok {
			net.Kernels[k].LiveBytes = max(net.Kernels[k].LiveBytes, u.Bytes)
		}
	}
}

// WeighParts writes a plan of the graph before it was fused: a kernel has what the nodes
// of the file in it have.
func (p Plan) WeighParts(net *network.Network, made map[*graph.Node]int) {
	net.PeakBytes = p.Peak()
	use := map[string]int64{}
	for _, u := range p {
		use[u.Node.Parts[0]] = u.Bytes
	}
	for n, k := range made {
		for _, part := range n.Parts {
			net.Kernels[k].LiveBytes = max(net.Kernels[k].LiveBytes, use[part])
		}
	}
}

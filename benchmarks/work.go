package benchmarks

import "github.com/isocost/isocost/benchmarks/graph"

// work holds what an operator computes and moves. The zero value leaves it unknown.
type work struct {
	how  workload
	macs func(n *graph.Node) int64 // multiply-adds; nil: none
}

type workload uint8

const (
	_          workload = iota
	perElement          // every element of the inputs is read, every one of the outputs written
	view                // the same bytes under another shape: nothing runs
)

// each is the work of an operator that reads and writes every element and multiplies no
// matrices: papers count none of its arithmetic, and a roofline bounds it by memory.
var each = work{how: perElement}

// products is the work of convolutions and products of matrices.
func products(macs func(n *graph.Node) int64) work { return work{how: perElement, macs: macs} }

// Work returns what one node computes and moves, for the graph's whole batch.
type Work struct {
	MACs          int64 // multiply-adds of convolutions and products
	Read, Written int64 // bytes of activations
	Weights       int64 // bytes of constants read
}

// WorkOf is the work of a node of the graph that Build made.
func WorkOf(g *graph.Graph) func(n *graph.Node) Work {
	constant := map[*graph.Value]bool{}
	for _, v := range g.Weights {
		constant[v] = true
	}
	return func(n *graph.Node) (w Work) {
		o, ok := n.Op.(*operator)
		if !ok || o.work.how == view {
			return w
		}
		if o.work.macs != nil {
			w.MACs = o.work.macs(n)
		}
		for _, v := range n.In {
			if constant[v] {
				w.Weights += v.Bytes()
			} else {
				w.Read += v.Bytes()
			}
		}
		for _, v := range n.Out {
			w.Written += v.Bytes()
		}
		return w
	}
}

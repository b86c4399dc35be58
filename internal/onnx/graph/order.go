package graph

import (
	"cmp"
	"fmt"

	"github.com/isocost/isocost/internal/onnx"
)

// maxNested bounds bodies within bodies.
const maxNested = 32

// outer lists the names that the bodies of a node (an If's, Loop's or Scan's) use and do
// not make themselves, one entry a use.
func outer(n *onnx.Node) []string { return outerOf(n, 0) }

func outerOf(n *onnx.Node, depth int) []string {
	var out []string
	for _, a := range n.Attrs {
		for _, body := range append([]*onnx.Graph{a.G}, a.Graphs...) {
			if body == nil || depth > maxNested {
				continue
			}
			own := map[string]bool{"": true}
			for _, t := range body.Initializers {
				own[t.Name] = true
			}
			for _, in := range body.Inputs {
				own[in.Name] = true
			}
			var used []string
			for _, s := range body.Nodes {
				for _, name := range s.Outputs {
					own[name] = true
				}
				used = append(append(used, s.Inputs...), outerOf(s, depth+1)...)
			}
			for _, o := range body.Outputs {
				used = append(used, o.Name)
			}
			for _, name := range used {
				if !own[name] {
					out = append(out, name)
				}
			}
		}
	}
	return out
}

// inOrder puts nodes after those whose outputs they use; nodes that are so already keep
// their order. It fails where nodes depend on each other in a circle.
func inOrder(nodes []*onnx.Node) ([]*onnx.Node, error) {
	from := map[string]int{} // the node that makes a name
	for i, n := range nodes {
		for _, name := range n.Outputs {
			if _, twice := from[name]; name != "" && !twice {
				from[name] = i
			}
		}
	}
	const waiting, placed = 1, 2
	state := make([]byte, len(nodes))
	out := make([]*onnx.Node, 0, len(nodes))
	var place func(i int) error
	place = func(i int) error {
		n := nodes[i]
		switch state[i] {
		case placed:
			return nil
		case waiting:
			return fmt.Errorf("node %q (%s) is computed from its own output", cmp.Or(n.Name, fmt.Sprintf("%s_%d", n.Op, i)), n.Op)
		}
		state[i] = waiting
		for _, names := range [][]string{n.Inputs, outer(n)} {
			for _, name := range names {
				if j, made := from[name]; made {
					if err := place(j); err != nil {
						return err
					}
				}
			}
		}
		state[i] = placed
		out = append(out, n)
		return nil
	}
	for i := range nodes {
		if err := place(i); err != nil {
			return nil, err
		}
	}
	return out, nil
}

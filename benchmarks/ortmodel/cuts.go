package ortmodel

import (
	"slices"

	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// cut says which part of an axis a Slice or a Gather of one row keeps.
type cut struct {
	n           *graph.Node
	axis        int
	start, size int
}

// mergeCuts makes one Split of Slices and Gathers that cut a tensor into pieces side
// by side: all of its users, on one axis, without gap or overlap (ONNX Runtime's
// GatherSliceToSplitFusion). Exporters write moved windows and queries, keys and
// values so.
func (g *Fused) mergeCuts() {
	done := map[*graph.Value]bool{}
	for _, n := range g.Nodes {
		v := n.Input(0)
		if n.Gone || n.Op != "Slice" && n.Op != "Gather" || v == nil || v.Constant || done[v] || v.Output || !v.Known || len(v.To) < 2 {
			continue
		}
		done[v] = true
		var cuts []cut
		for _, user := range v.To {
			if c, ok := cutOf(user, v); ok {
				cuts = append(cuts, c)
			}
		}
		if len(cuts) != len(v.To) {
			continue
		}
		slices.SortFunc(cuts, func(a, b cut) int { return a.start - b.start })
		end := 0
		for _, c := range cuts {
			if c.axis != cuts[0].axis || c.start != end || g.How(c.n).Int8 != g.How(n).Int8 {
				end = -1
				break
			}
			end += c.size
		}
		if end != v.Shape[cuts[0].axis] {
			continue
		}
		// The first in the file's order becomes the split: its parts may be wanted first.
		split := n
		split.Op, split.Src = "Split", &onnx.Node{Op: "Split", Attrs: []*onnx.Attr{onnx.IntAttr("axis", int64(cuts[0].axis))}}
		split.In = []*graph.Value{v}
		var out []*graph.Value
		for _, c := range cuts {
			out = append(out, c.n.Out[0])
			c.n.Out[0].From = split
			if c.n == split {
				continue
			}
			c.n.Gone = true
			split.Parts = append(split.Parts, c.n.Parts...)
			graph.Unlink(v, c.n)
		}
		split.Out = out
	}
}

func cutOf(n *graph.Node, v *graph.Value) (cut, bool) {
	if n.Gone || n.Input(0) != v || len(n.Out) != 1 || n.Out[0] == nil || !n.Out[0].Known {
		return cut{}, false
	}
	switch n.Op {
	case "Slice":
		start, step, count, ok := n.Slice()
		if !ok {
			return cut{}, false
		}
		c := cut{n: n, axis: -1}
		for a, d := range v.Shape {
			switch {
			case count[a] == d && step[a] == 1:
			case c.axis >= 0 || step[a] != 1 || count[a] < 1:
				return cut{}, false
			default:
				c.axis, c.start, c.size = a, start[a], count[a]
			}
		}
		return c, c.axis >= 0
	case "Gather":
		i, ok := n.Data(1)
		a, in := graph.Axis(n.Int("axis", 0), len(v.Shape))
		if !ok || !in || len(i) != 1 || len(n.In) < 2 || len(n.In[1].Shape) > 1 {
			return cut{}, false
		}
		at := graph.Integers(i)[0]
		if at < 0 {
			at += v.Shape[a]
		}
		return cut{n, a, at, 1}, at >= 0 && at < v.Shape[a]
	}
	return cut{}, false
}

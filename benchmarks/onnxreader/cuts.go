package onnxreader

import "slices"

// cut is what a Slice or a Gather of one row keeps of an axis.
type cut struct {
	n           *node
	axis        int
	start, size int
}

// mergeCuts makes one Split of Slices and Gathers that cut a tensor into pieces side
// by side: all of its users, on one axis, without gap or overlap (ONNX Runtime's
// GatherSliceToSplitFusion). Exporters write moved windows and queries, keys and
// values so.
func (g *graph) mergeCuts() {
	done := map[*value]bool{}
	for _, n := range g.nodes {
		v := n.input(0)
		if n.dead || n.op != "Slice" && n.op != "Gather" || v == nil || v.constant || done[v] || v.output || !v.known || len(v.to) < 2 {
			continue
		}
		done[v] = true
		var cuts []cut
		for _, user := range v.to {
			if c, ok := cutOf(user, v); ok {
				cuts = append(cuts, c)
			}
		}
		if len(cuts) != len(v.to) {
			continue
		}
		slices.SortFunc(cuts, func(a, b cut) int { return a.start - b.start })
		end := 0
		for _, c := range cuts {
			if c.axis != cuts[0].axis || c.start != end || c.n.int8 != n.int8 {
				end = -1
				break
			}
			end += c.size
		}
		if end != v.shape[cuts[0].axis] {
			continue
		}
		// The first in the file's order becomes the split: its parts may be wanted first.
		split := n
		split.op, split.axis, split.src = "Split", cuts[0].axis, nil
		split.in = []*value{v}
		var out []*value
		for _, c := range cuts {
			out = append(out, c.n.out[0])
			c.n.out[0].from = split
			if c.n == split {
				continue
			}
			c.n.dead = true
			split.parts = append(split.parts, c.n.parts...)
			unlink(v, c.n)
		}
		split.out = out
	}
}

func cutOf(n *node, v *value) (cut, bool) {
	if n.dead || n.input(0) != v || len(n.out) != 1 || n.out[0] == nil || !n.out[0].known {
		return cut{}, false
	}
	switch n.op {
	case "Slice":
		start, step, count, ok := n.sliceSpec()
		if !ok {
			return cut{}, false
		}
		c := cut{n: n, axis: -1}
		for a, d := range v.shape {
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
		i, ok := n.data(1)
		a, in := axis(n.int("axis", 0), len(v.shape))
		if !ok || !in || len(i) != 1 || len(n.in) < 2 || len(n.in[1].shape) > 1 {
			return cut{}, false
		}
		at := dataInts(i)[0]
		if at < 0 {
			at += v.shape[a]
		}
		return cut{n, a, at, 1}, at >= 0 && at < v.shape[a]
	}
	return cut{}, false
}

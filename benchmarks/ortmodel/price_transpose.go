package ortmodel

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// permuted is free when only dimensions of size 1 change places; else its key is
// that of the smallest transposition: neighbours that stay neighbours are one.
func permuted(kind string) rule {
	return func(p *pricer, n *graph.Node) (lut.Op, string) {
		prec, why := p.g.precision(n)
		if why != "" {
			return lut.Op{}, why
		}
		order, shape := n.Perm(), n.In[0].Shape
		x := n.In[0]
		switch q := x.From; {
		case slices.Equal(order, toLast) && q != nil && isQuantize(q) && graph.Only(x) && p.blocked[x]:
			p.free = network.FreeReorder // the quantisation's key has it
			p.last[n.Out[0]], p.blocked[n.Out[0]] = true, true
			return lut.Op{}, ""
		case slices.Equal(order, toFirst) && p.last[x] && dequantisedForConv(n.Out[0]):
			p.free = network.FreeReorder // the dequantisation's key has it
			p.blocked[n.Out[0]] = true
			return lut.Op{}, ""
		case p.g.Lowered:
			// What it says is what is done. A map's bytes turned for a convolution:
			if slices.Equal(order, toLast) && isBytes(x.Type) {
				p.last[n.Out[0]], p.blocked[n.Out[0]] = true, true
			}
		case slices.Equal(order, toLast) && isBytes(x.Type) && p.blocked[x]:
			p.free = network.FreeReorder // they are last
			return lut.Op{}, ""
		case slices.Equal(order, toFirst) && isBytes(x.Type) && forConvs(n.Out[0], p.g):
			p.free = network.FreeReorder // they stay last
			p.blocked[n.Out[0]] = true
			return lut.Op{}, ""
		}
		parts := p.g.partsAfter(n)
		if p.g.Lowered {
			parts = 1
		}
		if parts > 1 { // the key is one part's
			cut := order[0]
			shape = slices.Delete(slices.Clone(shape), cut, cut+1)
			order = slices.Clone(order[1:])
			for i, v := range order {
				if v > cut {
					order[i]--
				}
			}
		}
		perm, dims := benchmarks.Transposition(order, shape, p.batch)
		if len(perm) < 2 {
			p.free = network.FreeView
			return lut.Op{}, ""
		}
		if len(perm) > 6 {
			return lut.Op{}, fmt.Sprintf("a transposition of %d dimensions", len(perm))
		}
		text := make([]string, len(perm))
		at := map[string]int{}
		for i, v := range perm {
			text[i] = strconv.Itoa(v)
			at["d"+strconv.Itoa(i)] = dims[i]
		}
		op := lut.NewOp(kind, prec, map[string]string{"perm": strings.Join(text, "-")}, at)
		p.repeat(op, parts-1)
		return op, ""
	}
}

// The transpositions between maps with the channels first and last.
var toLast, toFirst = []int{0, 2, 3, 1}, []int{0, 3, 1, 2}

// dequantisedForConv reports that a value is only dequantised, for float convolutions.
func dequantisedForConv(v *graph.Value) bool {
	return usedOnly(v, func(n *graph.Node) bool { return IsDequantize(n) && feedsConv(n.Out[0]) })
}

// forConvs reports that a value is only convolved, quantised.
func forConvs(v *graph.Value, g *Fused) bool {
	return usedOnly(v, func(n *graph.Node) bool { return g.How(n).Int8 && n.Op == "Conv" })
}

func usedOnly(v *graph.Value, by func(*graph.Node) bool) bool {
	return !v.Output && len(v.To) > 0 && !slices.ContainsFunc(v.To, func(n *graph.Node) bool { return !by(n) })
}

// partsAfter is in how many parts a transposition's result is at once cut apart along
// its first axis, as query, key and value are; 1 when it is not. The runtime cuts
// the rows as they were and transposes the parts (its transpose optimiser).
func (g *Fused) partsAfter(n *graph.Node) int {
	if n.Op != "Transpose" || g.How(n).Int8 || !graph.Only(n.Out[0]) {
		return 1
	}
	cut, s := n.Out[0].To[0], n.Out[0].Shape
	if cut.Op != "Split" || g.How(cut).Int8 || splitAxis(cut) != 0 || len(s) < 3 || len(cut.Out) != s[0] {
		return 1
	}
	return s[0]
}

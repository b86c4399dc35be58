package onnxreader

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/lut"
)

// transpose is free when only dimensions of size 1 change places; else its key is
// that of the smallest transposition: neighbours that stay neighbours are one.
func (p *pricer) transpose(n *node) (lut.Op, string) {
	prec, why := n.precision()
	if why != "" {
		return lut.Op{}, why
	}
	order, shape := n.perm(), n.in[0].shape
	x := n.in[0]
	switch q := x.from; {
	case slices.Equal(order, toLast) && q != nil && isQuantize(q) && only(x) && p.blocked[x]:
		p.free = network.FreeReorder // the quantisation's key has it
		p.last[n.out[0]], p.blocked[n.out[0]] = true, true
		return lut.Op{}, ""
	case slices.Equal(order, toFirst) && p.last[x] && dequantisedForConv(n.out[0]):
		p.free = network.FreeReorder // the dequantisation's key has it
		p.blocked[n.out[0]] = true
		return lut.Op{}, ""
	case p.g.lowered:
		// What it says is what is done. A map's bytes turned for a convolution:
		if slices.Equal(order, toLast) && isBytes(x.dtype) {
			p.last[n.out[0]], p.blocked[n.out[0]] = true, true
		}
	case slices.Equal(order, toLast) && isBytes(x.dtype) && p.blocked[x]:
		p.free = network.FreeReorder // they are last
		return lut.Op{}, ""
	case slices.Equal(order, toFirst) && isBytes(x.dtype) && n.out[0].forConvs():
		p.free = network.FreeReorder // they stay last
		p.blocked[n.out[0]] = true
		return lut.Op{}, ""
	}
	parts := n.partsAfter()
	if p.g.lowered {
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
	perm, dims := Transposition(order, shape, p.batch)
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
	op := lut.NewOp("transpose", prec, map[string]string{"perm": strings.Join(text, "-")}, at)
	p.repeat(op, parts-1)
	return op, ""
}

// The transpositions between maps with the channels first and last.
var toLast, toFirst = []int{0, 2, 3, 1}, []int{0, 3, 1, 2}

// dequantisedForConv reports that a value is only dequantised, for float convolutions.
func dequantisedForConv(v *value) bool {
	return usedOnly(v, func(n *node) bool { return isDequantize(n) && feedsConv(n.out[0]) })
}

// forConvs reports that a value is only convolved, quantised.
func (v *value) forConvs() bool {
	return usedOnly(v, func(n *node) bool { return n.int8 && n.op == "Conv" })
}

func usedOnly(v *value, by func(*node) bool) bool {
	return !v.output && len(v.to) > 0 && !slices.ContainsFunc(v.to, func(n *node) bool { return !by(n) })
}

// partsAfter is in how many parts a transposition's result is at once cut apart along
// its first axis, as query, key and value are; 1 when it is not. The runtime cuts
// the rows as they were and transposes the parts (its transpose optimiser).
func (n *node) partsAfter() int {
	if n.op != "Transpose" || n.int8 || !only(n.out[0]) {
		return 1
	}
	cut, s := n.out[0].to[0], n.out[0].shape
	if cut.op != "Split" || cut.int8 || cut.splitAxis() != 0 || len(s) < 3 || len(cut.out) != s[0] {
		return 1
	}
	return s[0]
}

// Transposition is the smallest one that moves the same data: it drops dimensions of size 1 and joins those that stay side by side.
func Transposition(perm, shape []int, batch int) ([]int, []int) {
	// Work on input dimensions in output order.
	var order []int
	for _, v := range perm {
		size := shape[v]
		if v == 0 && size == batch {
			size = 1 // the batch is the protocol's; it stays in front in any network of maps
		}
		if size != 1 {
			order = append(order, v)
		}
	}
	// Groups of input dimensions consecutive in both.
	kept := slices.Clone(order)
	slices.Sort(kept)
	rank := map[int]int{}
	for i, v := range kept {
		rank[v] = i
	}
	var groups [][]int // ranks
	for _, v := range order {
		r := rank[v]
		if k := len(groups); k > 0 && groups[k-1][len(groups[k-1])-1] == r-1 {
			groups[k-1] = append(groups[k-1], r)
			continue
		}
		groups = append(groups, []int{r})
	}
	sorted := slices.Clone(groups)
	slices.SortFunc(sorted, func(a, b []int) int { return a[0] - b[0] })
	out := make([]int, len(groups))
	dims := make([]int, len(groups))
	for i, gr := range groups {
		for j, s := range sorted {
			if s[0] == gr[0] {
				out[i] = j
			}
		}
	}
	for j, s := range sorted {
		dims[j] = 1
		for _, r := range s {
			dims[j] *= shape[kept[r]]
		}
	}
	return out, dims
}

package benchmarks

import "slices"

// Transposition reduces a transposition to the smallest one that moves the same data, as
// the catalogue's key has it: dimensions of size 1 are dropped, and so is the first where
// it is the batch; dimensions that stay side by side are joined. It returns the
// permutation and the dimensions it acts on; an empty one moves nothing.
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

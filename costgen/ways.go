package costgen

import "slices"

// ways says where ways along single steps lead from a knot of a family, whose knots are sorted: a
// step goes to a knot from one of those right below it, and not over a fall. It remembers those
// from the knot that it was last asked about.
type ways struct {
	at    [][]int
	fall  map[[2]int]bool
	below [][]int // of each knot the highest below it, where they are known

	from, to int    // the knots up to to are looked at
	on       []bool // that a way leads to
}

func newWays(at [][]int, bad []step) *ways {
	w := &ways{at: at, fall: map[[2]int]bool{}, below: make([][]int, len(at)), from: -1, on: make([]bool, len(at))}
	for _, s := range bad {
		w.fall[[2]int{s.lo, s.hi}] = true
	}
	return w
}

// lead says whether a way leads from one knot to a later one.
func (w *ways) lead(from, to int) bool {
	if from != w.from {
		clear(w.on)
		w.from, w.to, w.on[from] = from, from, true
	}
	for ; w.to < to; w.to++ {
		k := w.to + 1
		if atMost(w.at[from], w.at[k]) {
			w.on[k] = slices.ContainsFunc(w.rightBelow(k), func(m int) bool { return w.on[m] && !w.fall[[2]int{m, k}] })
		}
	}
	return w.on[to]
}

// rightBelow are the knots below k that no other knot below k is above.
func (w *ways) rightBelow(k int) []int {
	if w.below[k] != nil {
		return w.below[k]
	}
	out := []int{} // not nil where there are none
	for m := k - 1; m >= 0; m-- {
		if atMost(w.at[m], w.at[k]) && !slices.ContainsFunc(out, func(o int) bool { return atMost(w.at[m], w.at[o]) }) {
			out = append(out, m)
		}
	}
	w.below[k] = out
	return out
}

// atMost says whether no coordinate of a is above that of b.
func atMost(a, b []int) bool {
	for d, c := range a {
		if c > b[d] {
			return false
		}
	}
	return true
}

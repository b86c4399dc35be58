package deviceplan

import (
	"cmp"
	"slices"

	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/lut"
)

// cover offers candidates that are single kernels to accept, best first, until it wants no
// more: one kernel of every kind and precision before all else – a kind that was never
// seen has no price –, the rest greedily by how much more of the census is like something
// chosen, per second (facility location, whose greedy choice is within 1 − 1/e of the best:
// Nemhauser, Wolsey and Fisher 1978). measured counts as chosen already.
func cover(want []census.Kernel, measured []lut.Op, candidates []Candidate, accept func(i int) (taken, more bool)) {
	type like struct {
		target int
		much   float64
	}
	byKind := map[string][]int{}
	targets := make([]place, len(want))
	for i, k := range want {
		targets[i] = placeOf(k.Op)
		byKind[targets[i].kind] = append(byKind[targets[i].kind], i)
	}
	near := func(p place) (out []like) {
		for _, i := range byKind[p.kind] {
			if l := likeness(p, targets[i]); l > unlike {
				out = append(out, like{i, l})
			}
		}
		return out
	}
	kindOf := func(op lut.Op) string { return op.Kind + "/" + string(op.Precision) }
	best, seen := make([]float64, len(want)), map[string]bool{}
	take := func(op lut.Op, likes []like) {
		seen[kindOf(op)] = true
		for _, l := range likes {
			best[l.target] = max(best[l.target], l.much)
		}
	}
	for _, op := range measured {
		take(op, near(placeOf(op)))
	}
	likes := make([][]like, len(candidates))
	for i := range candidates {
		likes[i] = near(placeOf(candidates[i].Ops[0]))
	}
	const least = 1e-6 // of a kernel's share, so that rare ones count a little
	gain := func(i int) float64 {
		g := 0.0
		for _, l := range likes[i] {
			if l.much > best[l.target] {
				g += (want[l.target].Share + least) * (l.much - best[l.target])
			}
		}
		if !seen[kindOf(candidates[i].Ops[0])] {
			g += 1e3
		}
		return g / candidates[i].Seconds
	}
	// Lazily: what a candidate adds only falls as others are chosen (Minoux 1978), so one
	// whose fresh gain still leads needs no comparison with the rest.
	type entry struct {
		i     int
		gain  float64
		fresh int
	}
	queue := make([]entry, len(candidates))
	for i := range candidates {
		queue[i] = entry{i, gain(i), 0}
	}
	order := func(a, b entry) int { return cmp.Or(cmp.Compare(b.gain, a.gain), cmp.Compare(a.i, b.i)) }
	slices.SortFunc(queue, order)
	for taken := 0; len(queue) > 0; {
		head := queue[0]
		if head.fresh == taken {
			took, more := accept(head.i)
			if !more {
				return
			}
			if took {
				take(candidates[head.i].Ops[0], likes[head.i])
				taken++
			}
			queue = queue[1:]
			continue
		}
		head.gain, head.fresh = gain(head.i), taken
		at, _ := slices.BinarySearchFunc(queue[1:], head, order)
		copy(queue, queue[1:1+at])
		queue[at] = head
	}
}

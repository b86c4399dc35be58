package deviceplan

import (
	"cmp"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/census"
	"github.com/isocost/isocost/lut"
)

// cover chooses single kernels by how much of the census is like one chosen, per second
// (facility location, whose greedy choice is within 1 − 1/e of the best: Nemhauser, Wolsey and Fisher 1978).
type cover struct {
	want       []census.Kernel
	candidates []Candidate // kernels, one each
	regimes    []string    // of the candidates
	likes      [][]like    // the candidates', to wanted kernels
	best       []float64   // of each wanted kernel: its likeness to what was chosen
	chosen     []bool
	kinds      map[string]int // kernels chosen, by kind and precision
	counts     map[string]int // by regime
}

// like says that a candidate tells so much of the wanted kernel of that index.
type like struct {
	target int
	much   float64
}

// newCover prepares the choice; what is measured counts as chosen already.
func newCover(want []census.Kernel, measured []lut.Op, candidates []Candidate) *cover {
	c := &cover{want: want, candidates: candidates, best: make([]float64, len(want)), chosen: make([]bool, len(candidates)),
		kinds: map[string]int{}, counts: map[string]int{}}
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
	for _, op := range measured {
		c.count(op, near(placeOf(op)))
	}
	for i := range candidates {
		op := candidates[i].Ops[0]
		c.likes = append(c.likes, near(placeOf(op)))
		c.regimes = append(c.regimes, regime(op))
	}
	return c
}

func kindOf(op lut.Op) string { return op.Kind + "/" + string(op.Precision) }

// regime tells algorithms of a kind apart before anything was measured: which attributes a kernel has,
// whatever their values, and the size of its window. Grouped convolutions are one, those of a
// 3×3 window another.
func regime(op lut.Op) string {
	r := kindOf(op)
	for _, a := range op.Attrs {
		switch a.Name {
		case "act", "p": // what is fused and where padding stands matter little
		case "k":
			r += " k=" + a.Value
		case "perm":
			r += " " + benchmarks.Moved(a.Value)
		default:
			r += " " + a.Name
		}
	}
	return r
}

func (c *cover) count(op lut.Op, likes []like) {
	c.kinds[kindOf(op)]++
	c.counts[regime(op)]++
	for _, l := range likes {
		c.best[l.target] = max(c.best[l.target], l.much)
	}
}

// least is added to every kernel's share, so that rare ones count a little.
const least = 1e-6

// gain returns how much more of the census would resemble something chosen, per second.
func (c *cover) gain(i int) float64 {
	g := 0.0
	for _, l := range c.likes[i] {
		if l.much > c.best[l.target] {
			g += (c.want[l.target].Share + least) * (l.much - c.best[l.target])
		}
	}
	return g / c.candidates[i].Seconds
}

// Floors: of each kind and each regime of the census some kernels are measured whatever their
// share, by turns – first one of each –, since a kind known by one kernel prices all its others by physics alone.
const (
	leastOfKind   = 6
	leastOfRegime = 3
)

// kindsFirst offers one kernel of each kind, until accept wants no more: a kind that was never seen has no price.
func (c *cover) kindsFirst(accept func(i int) (taken, more bool)) (more bool) {
	return c.few(accept, func(i int) bool { return c.kinds[kindOf(c.candidates[i].Ops[0])] == 0 })
}

// floor offers kernels of kinds and regimes that have too few, until accept wants no more.
func (c *cover) floor(accept func(i int) (taken, more bool)) {
	for depth := 1; depth <= leastOfKind; depth++ {
		if !c.few(accept, func(i int) bool {
			return c.kinds[kindOf(c.candidates[i].Ops[0])] < depth || c.counts[c.regimes[i]] < min(depth, leastOfRegime)
		}) {
			return
		}
	}
}

// few offers the kernels of which this is so at their turn.
func (c *cover) few(accept func(i int) (taken, more bool), of func(i int) bool) (more bool) {
	more = true
	c.greedy(func(i int) (taken, goOn bool) {
		if !of(i) {
			return false, true
		}
		taken, more = accept(i)
		return taken, more
	})
	return more
}

// greedy offers the kernels not chosen yet, best first, until accept wants no more. Lazily:
// what a candidate adds only falls as others are chosen (Minoux 1978), so one whose fresh gain
// still leads needs no comparison with the rest.
func (c *cover) greedy(accept func(i int) (taken, more bool)) {
	type entry struct {
		i     int
		gain  float64
		fresh int
	}
	var queue []entry
	for i := range c.candidates {
		if !c.chosen[i] {
			queue = append(queue, entry{i, c.gain(i), 0})
		}
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
				c.chosen[head.i] = true
				c.count(c.candidates[head.i].Ops[0], c.likes[head.i])
				taken++
			}
			queue = queue[1:]
			continue
		}
		head.gain, head.fresh = c.gain(head.i), taken
		at, _ := slices.BinarySearchFunc(queue[1:], head, order)
		copy(queue, queue[1:1+at])
		queue[at] = head
	}
}

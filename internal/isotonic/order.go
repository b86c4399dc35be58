package isotonic

import (
	"context"
	"math"
	"slices"
)

// Order is weighted isotonic regression on a partial order: the x that minimises
// Σ w·(x−y)² subject to x[i] ≤ x[j] wherever less(i, j). less must be a strict
// partial order on 0…n−1 (transitive, no cycles); weights must be positive, nil
// means all 1.
//
// The problem is cut down first, each step exact:
//
//   - A point that is in order with every comparable point keeps its value: by the
//     max–min formula of the solution every average that bounds it from below (above)
//     is of values no larger (smaller) than its own.
//   - The others fall into components linked by violations. Solved apart, they are a
//     relaxation of the whole; when their union is in order it is the solution, else
//     the components that clash are merged and solved again.
//   - A component is split recursively: the upper set U that maximises
//     Σ_U w·(y − mean) is a maximum closure, found as a minimum cut; when its value is
//     zero the component is one level set. (Maxwell and Muckstadt, Oper. Res. 33,
//     1985; Luss, Rosset, Shahar, Ann. Appl. Stat. 6, 2012.)
//
// Sums and flows are carried with 106 bits: weights may lie 18 decades apart.
//
// Weakness: comparisons are quadratic in n (Product's are not) and a cut is cubic in the
// worst case; families of some thousand points with mild noise take milliseconds.
func Order(y, w []float64, less func(i, j int) bool) []float64 {
	return order(context.Background(), y, w, less, func(v []float64, points []int, fall func(i, j int)) {
		for _, i := range points {
			for _, j := range points {
				if v[i] > v[j] && less(i, j) {
					fall(i, j)
				}
			}
		}
	})
}

// order is Order. falls calls fall with every pair of the points that is in order, but whose
// values are not. When ctx ends it returns what means nothing.
func order(ctx context.Context, y, w []float64, less func(i, j int) bool, falls func(v []float64, points []int, fall func(i, j int))) []float64 {
	n := len(y)
	x := append([]float64(nil), y...)
	if w == nil {
		w = make([]float64, n)
		for i := range w {
			w[i] = 1
		}
	}
	parent, points := make([]int, n), make([]int, n)
	for i := range parent {
		parent[i], points[i] = i, i
	}
	find := func(i int) int {
		for parent[i] != i {
			parent[i] = parent[parent[i]]
			i = parent[i]
		}
		return i
	}
	var violated [][2]int
	falls(y, points, func(i, j int) { violated = append(violated, [2]int{i, j}) })
	if len(violated) == 0 {
		return x
	}
	clash := make([]bool, n)
	for _, p := range violated {
		clash[p[0]], clash[p[1]] = true, true
	}
	points = points[:0]
	for i := range n {
		if clash[i] {
			points = append(points, i)
		}
	}
	for len(violated) > 0 && ctx.Err() == nil {
		for _, p := range violated {
			a, b := find(p[0]), find(p[1])
			if a != b {
				parent[max(a, b)] = min(a, b)
			}
		}
		touched := map[int]bool{}
		for _, p := range violated {
			touched[find(p[0])] = true
		}
		components := map[int][]int{}
		for _, i := range points {
			if r := find(i); touched[r] {
				components[r] = append(components[r], i)
			}
		}
		for _, c := range components {
			s := solver{ctx: ctx, y: y, w: w, x: x, less: less}
			s.split(c)
		}
		violated = violated[:0]
		falls(x, points, func(i, j int) {
			// Level sets of different components can meet: the tolerance is that of
			// averaging, not of the order.
			if find(i) != find(j) && x[i]-x[j] > 1e-12*math.Abs(x[i]) {
				violated = append(violated, [2]int{i, j})
			}
		})
	}
	settle(x, points, falls)
	return x
}

// settle removes inversions in the last bits, left by averaging in different
// orders: each point is raised to the largest of its predecessors.
func settle(x []float64, points []int, falls func(v []float64, points []int, fall func(i, j int))) {
	raised := slices.Clone(x)
	falls(x, points, func(i, j int) { raised[j] = max(raised[j], x[i]) }) // of all predecessors: the order is transitive
	copy(x, raised)
}

type solver struct {
	ctx     context.Context // of the one call that made it
	y, w, x []float64
	less    func(i, j int) bool
}

// split solves one set of points by recursive partitioning.
func (s *solver) split(set []int) {
	if len(set) == 1 {
		s.x[set[0]] = s.y[set[0]]
		return
	}
	if s.ctx.Err() != nil {
		return
	}
	var sum, weight twofold
	for _, i := range set {
		sum = sum.plus(exactProduct(s.w[i], s.y[i]))
		weight = weight.plus(single(s.w[i]))
	}
	mean := sum.over(weight)
	scale := 0.0
	for _, i := range set {
		scale += s.w[i] * max(math.Abs(s.y[i]), math.Abs(mean.hi))
	}
	upper := s.closure(set, mean, scale)
	if len(upper) == 0 || len(upper) == len(set) {
		for _, i := range set {
			s.x[i] = mean.hi
		}
		return
	}
	in := make(map[int]bool, len(upper))
	for _, i := range upper {
		in[i] = true
	}
	lower := make([]int, 0, len(set)-len(upper))
	for _, i := range set {
		if !in[i] {
			lower = append(lower, i)
		}
	}
	s.split(lower)
	s.split(upper)
}

// closure returns the upper set of the points that maximises Σ w·(y−mean), or
// nothing when no upper set is better than zero by more than rounding.
func (s *solver) closure(set []int, mean twofold, scale float64) []int {
	g := newFlow(len(set) + 2)
	source, sink := len(set), len(set)+1
	var gain twofold
	for a, i := range set {
		v := single(s.y[i]).minus(mean).times(s.w[i])
		if v.hi > 0 {
			g.edge(source, a, v)
			gain = gain.plus(v)
		} else if v.hi < 0 {
			g.edge(a, sink, v.negative())
		}
	}
	for a, i := range set {
		if s.ctx.Err() != nil {
			return nil
		}
		for b, j := range set {
			// Choosing i forces every larger j. Only covering pairs are needed; the
			// transitive ones are redundant but harmless, and small sets are usual.
			if a != b && s.less(i, j) {
				g.edge(a, b, unlimited)
			}
		}
	}
	eps := twofoldEps * scale
	cut := g.max(s.ctx, source, sink, eps)
	if !gain.minus(cut).exceeds(float64(len(set)) * eps) {
		return nil
	}
	reach := g.reachable(source, eps)
	var upper []int
	for a, i := range set {
		if reach[a] {
			upper = append(upper, i)
		}
	}
	return upper
}

// Package pareto compares architectures of different cost: which are dominated,
// and how much a set of them covers.
package pareto

import (
	"cmp"
	"slices"
)

// Point is one architecture: cost, smaller is better; utility, larger is better.
type Point struct{ Cost, Utility float64 }

// Dominates says that p costs no more and is at least as useful as q, and is
// better in one of the two.
func (p Point) Dominates(q Point) bool {
	return p.Cost <= q.Cost && p.Utility >= q.Utility && (p.Cost < q.Cost || p.Utility > q.Utility)
}

// Dominated marks the points that another one dominates. Equal points do not
// dominate each other.
func Dominated(points []Point) []bool {
	out := make([]bool, len(points))
	for i, q := range points {
		out[i] = slices.ContainsFunc(points, func(p Point) bool { return p.Dominates(q) })
	}
	return out
}

// Hypervolume is the area that the points dominate, down to a reference point
// that is worse than all in both; what is not better than it adds nothing.
func Hypervolume(points []Point, ref Point) float64 {
	ps := slices.Clone(points)
	slices.SortFunc(ps, func(a, b Point) int {
		return cmp.Or(cmp.Compare(a.Cost, b.Cost), cmp.Compare(b.Utility, a.Utility))
	})
	area, height := 0.0, ref.Utility
	for _, p := range ps {
		if p.Cost < ref.Cost && p.Utility > height {
			area += (ref.Cost - p.Cost) * (p.Utility - height)
			height = p.Utility
		}
	}
	return area
}

package pareto

import "math"

// Box is the smallest one that holds all points: best has the least cost and the
// largest utility of them, worst the largest cost and the least utility.
func Box(points []Point) (best, worst Point) {
	best, worst = Point{math.Inf(1), math.Inf(-1)}, Point{math.Inf(-1), math.Inf(1)}
	for _, p := range points {
		best = Point{min(best.Cost, p.Cost), max(best.Utility, p.Utility)}
		worst = Point{max(worst.Cost, p.Cost), min(worst.Utility, p.Utility)}
	}
	return best, worst
}

// Share is the points' hypervolume as a share of the box, down to its worst
// corner; 0 where the box has no area.
func Share(points []Point, best, worst Point) float64 {
	area := (worst.Cost - best.Cost) * (best.Utility - worst.Utility)
	if !(area > 0) || math.IsInf(area, 0) {
		return 0
	}
	return Hypervolume(points, worst) / area
}

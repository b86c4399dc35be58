package baseline

import (
	"math"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// Control is the cost-control arm: x with its choices kept and its widths and
// precisions rescaled to cost as near as possible to target in the given table.
// What a final gains beyond its control is not bought by cost: ±5 % of cost is
// worth 0.1–0.2 points by itself. ok is false in a space that cannot rescale, or
// when no rescaled x comes nearer than x itself.
func Control(s space.Space, cost search.Cost, x space.Arch, target float64) (control space.Arch, ok bool) {
	best := x.Clone()
	near := func(a space.Arch) float64 {
		c, err := cost.Cost(a)
		if err != nil || s.Validate(a) != nil {
			return math.Inf(1)
		}
		return math.Abs(math.Log(c.Value / target))
	}
	least := near(best)
	// Coordinate descent: every single-layer width and precision, the best one
	// taken, until none comes nearer. Distances fall strictly, so it ends.
	for {
		next, found := best, false
		for l := range s.Layers() {
			ps := s.Precisions(l)
			if len(ps) == 0 {
				ps = append(ps, x.Layers[l].Precision)
			}
			for w := range s.Widths(l) {
				for _, p := range ps {
					y := best.Clone()
					y.Layers[l].Precision = p
					for i := range y.Layers {
						if i == l || s.GlobalWidth() {
							y.Layers[i].Width = w
						}
					}
					if d := near(y); d < least-1e-9 {
						least, next, found = d, y, true
					}
				}
			}
		}
		if !found {
			break
		}
		best = next
	}
	best = space.Canonical(s, best)
	return best, best.Key() != space.Canonical(s, x).Key()
}

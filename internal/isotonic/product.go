package isotonic

import (
	"cmp"
	"context"
	"math"
	"slices"
)

// Product is Order on points of a space, i below j where no coordinate of at[i] is larger
// than that of at[j] and allowed says so too; nil allows all. What is left of the product
// order by allowed must be transitive, and no two points may be the same. It fails only when ctx ends, by its error.
//
// Pairs that are out of order are looked for in a tree of boxes (Bentley, Comm. ACM 18,
// 1975): of n points in d dimensions that are nearly in order each takes O(n^(1−1/d)) at
// most, so that a hundred thousand points take seconds and no memory to speak of.
func Product(ctx context.Context, y, w []float64, at [][]int, allowed func(i, j int) bool) ([]float64, error) {
	less := func(i, j int) bool {
		return i != j && below(at[i], at[j]) && (allowed == nil || allowed(i, j))
	}
	x := order(ctx, y, w, less, func(v []float64, points []int, fall func(i, j int)) {
		t := newBoxes(at, v, points)
		for _, i := range points {
			if ctx.Err() != nil {
				return
			}
			t.falls(t.root, i, func(j int) {
				if allowed == nil || allowed(i, j) {
					fall(i, j)
				}
			})
		}
	})
	return x, ctx.Err()
}

// below says whether no coordinate of a is larger than that of b.
func below(a, b []int) bool {
	for d := range a {
		if a[d] > b[d] {
			return false
		}
	}
	return true
}

// boxes is a tree of points by their coordinates.
type boxes struct {
	at   [][]int
	v    []float64
	root *box
}

// box holds points, or two boxes that do.
type box struct {
	high   []int   // largest of each coordinate in it
	least  float64 // smallest value in it
	points []int
	halves [2]*box
}

// boxPoints is the number of points below which a further box is not worth it.
const boxPoints = 8

func newBoxes(at [][]int, v []float64, points []int) *boxes {
	t := &boxes{at: at, v: v}
	if len(points) > 0 {
		t.root = t.box(slices.Clone(points))
	}
	return t
}

// box splits points in the middle of the coordinate that spreads most.
func (t *boxes) box(points []int) *box {
	b := &box{high: slices.Clone(t.at[points[0]]), least: math.Inf(1)}
	low := slices.Clone(b.high)
	for _, i := range points {
		b.least = min(b.least, t.v[i])
		for d, c := range t.at[i] {
			b.high[d], low[d] = max(b.high[d], c), min(low[d], c)
		}
	}
	if len(points) <= boxPoints {
		b.points = points
		return b
	}
	// Coordinates double more often than they grow by steps: spread is a ratio.
	widest, spread := 0, -1.0
	for d := range low {
		if s := float64(b.high[d]) / float64(max(low[d], 1)); b.high[d] > low[d] && s > spread {
			widest, spread = d, s
		}
	}
	slices.SortFunc(points, func(i, j int) int {
		return cmp.Or(cmp.Compare(t.at[i][widest], t.at[j][widest]), cmp.Compare(i, j))
	})
	half := len(points) / 2
	b.halves = [2]*box{t.box(points[:half:half]), t.box(points[half:])}
	return b
}

// falls calls yield with the points above i of a smaller value.
func (t *boxes) falls(b *box, i int, yield func(j int)) {
	if b == nil || b.least >= t.v[i] || !below(t.at[i], b.high) {
		return
	}
	for _, j := range b.points {
		if t.v[j] < t.v[i] && below(t.at[i], t.at[j]) {
			yield(j)
		}
	}
	t.falls(b.halves[0], i, yield)
	t.falls(b.halves[1], i, yield)
}

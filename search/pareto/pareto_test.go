package pareto

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestDominatedPointsAreLeftOut(t *testing.T) {
	got := Dominated([]Point{{1, 5}, {2, 5}, {2, 7}, {2, 7}, {1, 4}, {3, 6.9}})
	if want := []bool{false, true, false, false, true, true}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestHypervolumeByHandAndByCounting(t *testing.T) {
	ref := Point{10, 0}
	if got := Hypervolume([]Point{{4, 2}, {8, 5}, {9, 1}, {11, 9}, {2, -1}}, ref); got != 6*2+2*3 {
		t.Errorf("%g, want 18", got)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	var ps []Point
	for range 12 {
		ps = append(ps, Point{float64(rng.IntN(12)), float64(rng.IntN(12) - 2)})
	}
	count := 0.0 // unit cells under any point
	for c := range 10 {
		for u := range 12 {
			if slices.ContainsFunc(ps, func(p Point) bool { return p.Cost <= float64(c) && p.Utility >= float64(u+1) }) {
				count++
			}
		}
	}
	if got := Hypervolume(ps, ref); math.Abs(got-count) > 1e-9 {
		t.Errorf("%g, counting cells gives %g", got, count)
	}
}

func TestShareOfTheBox(t *testing.T) {
	points := []Point{{1, 1}, {2, 3}, {4, 5}}
	best, worst := Box(points)
	if best != (Point{1, 5}) || worst != (Point{4, 1}) {
		t.Fatalf("box %v to %v", best, worst)
	}
	// Of 3 × 4 the middle point covers 2 × 2; the others lie on the edges.
	if got := Share(points, best, worst); got != 4.0/12 {
		t.Errorf("share %g", got)
	}
	for _, flat := range [][]Point{nil, {{1, 1}}, {{1, 1}, {1, 2}}} {
		best, worst := Box(flat)
		if got := Share(flat, best, worst); got != 0 {
			t.Errorf("%v: share %g of a box without an area", flat, got)
		}
	}
}

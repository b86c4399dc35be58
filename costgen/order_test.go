package costgen

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/isocost/isocost/lut"
)

// What order leaves of the product order is the closure of its single steps without those
// that the evidence contradicts, of grids with holes and falls anywhere in them.
func TestOrderIsTheClosureOfWhatIsLeft(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	free, around := 0, 0
	for range 200 {
		fam := lut.Family{Axes: []string{"cin", "cout", "h"}[:1+rng.IntN(3)]}
		side := 2 + rng.IntN(4)
		var walk func(at []int)
		walk = func(at []int) {
			if len(at) == len(fam.Axes) {
				if rng.IntN(8) > 0 {
					fam.Knots = append(fam.Knots, lut.Knot{At: slices.Clone(at)})
				}
				return
			}
			for c := range side {
				walk(append(at, c+1))
			}
		}
		walk(nil)
		steps, _ := stepsOf(fam)
		var bad []step
		for range min(rng.IntN(6), len(steps)) {
			bad = append(bad, steps[rng.IntN(len(steps))])
		}
		n := len(fam.Knots)
		below := func(i, j int) bool {
			for d, c := range fam.Knots[i].At {
				if c > fam.Knots[j].At[d] {
					return false
				}
			}
			return i != j
		}
		want := make([][]bool, n)
		for i := range n {
			want[i] = make([]bool, n)
			for j := range n {
				want[i][j] = below(i, j) && !slices.ContainsFunc(bad, func(s step) bool {
					return (i == s.lo || below(i, s.lo)) && (j == s.hi || below(s.hi, j))
				})
				if below(i, j) && !want[i][j] {
					free++
				}
			}
		}
		for k := range n {
			for i := range n {
				for j := range n {
					if want[i][k] && want[k][j] && !want[i][j] {
						want[i][j] = true
						around++
					}
				}
			}
		}
		allowed := order(fam, bad, lut.PolicyIsotonic)
		for i := range n {
			for j := range n {
				if got := below(i, j) && (allowed == nil || allowed(i, j)); got != want[i][j] {
					t.Fatalf("%v below %v: %v, want %v, with %d falls", fam.Knots[i].At, fam.Knots[j].At, got, want[i][j], len(bad))
				}
			}
		}
	}
	if free == 0 || around == 0 {
		t.Errorf("%d pairs were freed and %d are in order by a way around: nothing was tried", free, around)
	}
}

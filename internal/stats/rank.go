package stats

import (
	"math"
	"slices"
	"sort"
)

// Ranks returns the mid-ranks of x, from 1; ties share their mean rank.
func Ranks(x []float64) []float64 {
	idx := make([]int, len(x))
	for i := range idx {
		idx[i] = i
	}
	sort.SliceStable(idx, func(a, b int) bool { return x[idx[a]] < x[idx[b]] })
	r := make([]float64, len(x))
	for i := 0; i < len(idx); {
		j := i
		for j < len(idx) && x[idx[j]] == x[idx[i]] {
			j++
		}
		for _, k := range idx[i:j] {
			r[k] = float64(i+j+1) / 2
		}
		i = j
	}
	return r
}

// Spearman is the rank correlation of two samples of equal length: Pearson's of
// their mid-ranks. It is NaN when either is constant.
func Spearman(x, y []float64) float64 { return pearson(Ranks(x), Ranks(y)) }

func pearson(x, y []float64) float64 {
	mx, my := Mean(x), Mean(y)
	var sxy, sxx, syy float64
	for i := range x {
		sxy += (x[i] - mx) * (y[i] - my)
		sxx += (x[i] - mx) * (x[i] - mx)
		syy += (y[i] - my) * (y[i] - my)
	}
	return sxy / math.Sqrt(sxx*syy)
}

// Kendall is the rank correlation τ-b of two samples of equal length, which
// corrects for ties. It is NaN when either is constant. Quadratic in n.
func Kendall(x, y []float64) float64 {
	var conc, disc, tx, ty float64
	for i := range x {
		for j := range i {
			switch dx, dy := x[i]-x[j], y[i]-y[j]; {
			case dx == 0 && dy == 0:
			case dx == 0:
				tx++
			case dy == 0:
				ty++
			case (dx > 0) == (dy > 0):
				conc++
			default:
				disc++
			}
		}
	}
	return (conc - disc) / math.Sqrt((conc+disc+tx)*(conc+disc+ty))
}

// Smallest returns the k-th smallest value of x, k from 1.
func Smallest(x []float64, k int) float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	return s[k-1]
}

// NormalUpper is P(Z > z) for a standard normal Z.
func NormalUpper(z float64) float64 { return math.Erfc(z/math.Sqrt2) / 2 }

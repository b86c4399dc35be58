package next

import (
	"math"
	"testing"

	"github.com/isocost/isocost/costgen/staircase"
	"github.com/isocost/isocost/lut"
)

// Counting on a measurement narrows what is known of a residue as the Gaussian process's
// formula says: v becomes v·s/(v+s) with the measurement's own variance s.
func TestCountingOnAMeasurement(t *testing.T) {
	fam := lut.FamilyOf(lut.NewOp("mbconv", lut.INT8, nil, map[string]int{"cin": 1, "mid": 1}))
	for _, cin := range []int{24, 40} {
		for _, mid := range []int{16, 32, 40, 48, 64} {
			v := float64(cin * mid)
			if mid%16 != 0 {
				v *= 2
			}
			fam.Knots = append(fam.Knots, lut.Knot{At: []int{cin, mid}, Raw: v, Corrected: v, Lo: 0.99 * v, Hi: 1.01 * v, N: 60, Reason: lut.Measured})
		}
	}
	place := staircase.Place{Family: "other", X: 24}
	fit := staircase.Pools([]lut.Family{fam})["mbconv/int8@mid"].Fit(staircase.Form{Period: 16}, []staircase.Place{place})
	known := &view{fit: fit}
	terms := fit.Terms(place)
	const own = staircase.Curve * staircase.Curve
	before, after := known.variance(terms), known.with(terms).variance(terms)
	if before <= own {
		t.Fatalf("a variance of %g is known already: the test shows nothing", before)
	}
	if want := before * own / (before + own); math.Abs(after-want) > 1e-9 {
		t.Errorf("variance %.3g becomes %.3g, want %.3g", before, after, want)
	}
}

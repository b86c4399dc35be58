package stats

import (
	"math"
	"strconv"
)

// Significant rounds to 7 digits, beyond any measurement: what is written stays
// readable, and rounding keeps the order. Zero, NaN and infinities stay what they are.
func Significant(x float64) float64 {
	if x == 0 || math.IsInf(x, 0) || math.IsNaN(x) {
		return x
	}
	r, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 6, 64), 64)
	return r
}

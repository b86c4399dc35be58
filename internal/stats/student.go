package stats

import "math"

// StudentQuantile is the two-sided quantile of Student's t: P(|T| ≤ t) = level for df
// ≥ 1 degrees of freedom, to 1e-9. The distribution is the finite series of
// Abramowitz and Stegun, 26.7.3 and 26.7.4.
func StudentQuantile(level float64, df int) float64 {
	lo, hi := 0.0, 1.0
	for studentWithin(hi, df) < level {
		hi *= 2
	}
	for hi-lo > 1e-9*hi {
		if mid := lo + (hi-lo)/2; studentWithin(mid, df) < level {
			lo = mid
		} else {
			hi = mid
		}
	}
	return hi
}

// StudentTail is P(|T| ≥ |t|), to 1e-15: the two-sided probability of a mean as far from none.
func StudentTail(t float64, df int) float64 { return max(0, 1-studentWithin(math.Abs(t), df)) }

// studentWithin is P(|T| ≤ t).
func studentWithin(t float64, df int) float64 {
	theta := math.Atan(t / math.Sqrt(float64(df)))
	s, c := math.Sincos(theta)
	sum, term := 0.0, 1.0
	if df%2 == 0 {
		for k := 0; k <= df-2; k += 2 {
			sum += term
			term *= c * c * float64(k+1) / float64(k+2)
		}
		return s * sum
	}
	term = c
	for k := 1; k <= df-2; k += 2 {
		sum += term
		term *= c * c * float64(k+1) / float64(k+2)
	}
	return 2 / math.Pi * (theta + s*sum)
}

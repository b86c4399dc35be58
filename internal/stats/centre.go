package stats

import (
	"math"
	"slices"
)

// Sorted returns an ascending copy of x.
func Sorted(x []float64) []float64 {
	s := slices.Clone(x)
	slices.Sort(s)
	return s
}

// Median returns the median of x, the mean of the two middle values for an even
// count. It is NaN for an empty x.
func Median(x []float64) float64 { return MedianOfSorted(Sorted(x)) }

// MedianOfSorted is Median for ascending s.
func MedianOfSorted(s []float64) float64 {
	n := len(s)
	switch {
	case n == 0:
		return math.NaN()
	case n%2 == 1:
		return s[n/2]
	}
	return s[n/2-1] + (s[n/2]-s[n/2-1])/2
}

// MAD returns the median absolute deviation from the median, not scaled: times
// 1.4826 it estimates a normal distribution's standard deviation.
func MAD(x []float64) float64 {
	m := Median(x)
	d := make([]float64, len(x))
	for i, v := range x {
		d[i] = math.Abs(v - m)
	}
	return Median(d)
}

// Quantile returns the q-quantile of x, 0 ≤ q ≤ 1, by linear interpolation of
// the order statistics (type 7 of Hyndman and Fan 1996, the default of R and
// numpy). It is NaN for an empty x.
func Quantile(x []float64, q float64) float64 { return QuantileOfSorted(Sorted(x), q) }

// QuantileOfSorted is Quantile for ascending s.
func QuantileOfSorted(s []float64, q float64) float64 {
	if len(s) == 0 {
		return math.NaN()
	}
	h := q * float64(len(s)-1)
	i := int(math.Floor(h))
	switch {
	case i < 0:
		return s[0]
	case i >= len(s)-1:
		return s[len(s)-1]
	}
	return s[i] + (h-float64(i))*(s[i+1]-s[i])
}

// Mean returns the arithmetic mean of x, NaN for an empty x.
func Mean(x []float64) float64 {
	var sum float64
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// StdDev returns the sample standard deviation (n−1) of x, 0 for fewer than two
// values.
func StdDev(x []float64) float64 {
	if len(x) < 2 {
		return 0
	}
	m := Mean(x)
	var ss float64
	for _, v := range x {
		ss += (v - m) * (v - m)
	}
	return math.Sqrt(ss / float64(len(x)-1))
}

// TukeyFences returns the inner fences Q1 − 1.5·IQR and Q3 + 1.5·IQR (Tukey,
// Exploratory Data Analysis, 1977): values outside are labelled outliers.
func TukeyFences(x []float64) (lo, hi float64) {
	s := Sorted(x)
	q1, q3 := QuantileOfSorted(s, 0.25), QuantileOfSorted(s, 0.75)
	return q1 - 1.5*(q3-q1), q3 + 1.5*(q3-q1)
}

// WithinBetween splits the spread of grouped samples: within is the pooled
// standard deviation inside the groups, between is the standard deviation of
// the group means less what within already explains (one-way random effects,
// method of moments; 0 when within explains all of it). Groups of one sample
// count only for between.
func WithinBetween(groups [][]float64) (within, between float64) {
	var ss float64
	var df int
	var means []float64
	var invN float64
	for _, g := range groups {
		if len(g) == 0 {
			continue
		}
		m := Mean(g)
		means = append(means, m)
		invN += 1 / float64(len(g))
		for _, v := range g {
			ss += (v - m) * (v - m)
		}
		df += len(g) - 1
	}
	var varWithin float64
	if df > 0 {
		varWithin = ss / float64(df)
	}
	if len(means) > 1 {
		sd := StdDev(means)
		between = math.Sqrt(max(0, sd*sd-varWithin*invN/float64(len(means))))
	}
	return math.Sqrt(varWithin), between
}

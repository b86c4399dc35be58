package anytime

import "math"

// Student bounds the mean of independent normal values of unknown variance, at all
// times at once. Against a mean m, with D the mean of n values less m and A the sum of
// their squared deviations from their own mean, the likelihood ratio of the maximal
// invariant under changes of scale, mixed over effect sizes N(0, 1/ρ), is
//
//	M = √(ρ/(n+ρ)) · (1 − n²D²/((n+ρ)(A+nD²)))^(−n/2),
//
// a non-negative martingale from 1 whatever the variance (Lai 1976; Wang and Ramdas,
// Anytime-valid t-tests and confidence sequences for Gaussian means with unknown
// variance, 2024). A bound needs one side: mixed over effects of the sign of D alone
// the ratio is M⁺ = 2M − M⁻, and M⁻, of effects of the other sign, is at most 1 since
// each of its ratios is. Hence P(M ≥ (1/α+1)/2 and D of that sign, ever) ≤ α.
type Student struct {
	level  float64 // ln((1/α+1)/2)
	n      float64
	mean   float64
	square float64 // Σ squared deviations from the mean
}

// studentRho is ρ, in samples: the bounds are made for differences of about two
// standard deviations, since without a noise level a bound needs some eight samples
// in any case. From 0.1 to 1 the samples that a bound of 1 to 2.5 standard deviations
// takes differ by 15 %.
const studentRho = 0.25

// NewStudent returns the bounds of no values yet, each of which is wrong with
// probability at most alpha.
func NewStudent(alpha float64) *Student { return &Student{level: oneSide(alpha)} }

// oneSide is the logarithm of what a symmetric mixture has to reach for its half on one
// side to reach 1/alpha.
func oneSide(alpha float64) float64 { return math.Log((1/alpha + 1) / 2) }

// Add takes a value.
func (s *Student) Add(x float64) {
	s.n++
	d := x - s.mean
	s.mean += d / s.n
	s.square += d * (x - s.mean)
}

// Bounds are the lower and the upper one: infinite until there are enough values.
func (s *Student) Bounds() (lower, upper float64) {
	w := s.width()
	return s.mean - w, s.mean + w
}

// width solves M = e^level for |D|.
func (s *Student) width() float64 {
	if s.n < 2 {
		return math.Inf(1)
	}
	total := s.n + studentRho
	g := -math.Expm1(-(2*s.level + math.Log(total/studentRho)) / s.n)
	if room := s.n - g*total; room > 0 {
		return math.Sqrt(g * total * s.square / (s.n * room))
	}
	return math.Inf(1)
}

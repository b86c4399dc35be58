package staircase

import (
	"math"
	"slices"
)

// symmetric is a symmetric matrix, its lower triangle by rows.
type symmetric struct {
	n int
	v []float64
}

func newSymmetric(n int) *symmetric { return &symmetric{n, make([]float64, n*(n+1)/2)} }

func (s *symmetric) place(i, j int) int {
	if i < j {
		i, j = j, i
	}
	return i*(i+1)/2 + j
}

func (s *symmetric) at(i, j int) float64 { return s.v[s.place(i, j)] }

// add adds to the entry (i, j), which is also (j, i).
func (s *symmetric) add(i, j int, x float64) { s.v[s.place(i, j)] += x }

// times is s·x.
func (s *symmetric) times(x []float64) []float64 {
	y := make([]float64, s.n)
	for i := range y {
		for j := range x {
			y[i] += s.at(i, j) * x[j]
		}
	}
	return y
}

func (s *symmetric) clone() *symmetric { return &symmetric{s.n, slices.Clone(s.v)} }

// factor is Cholesky's: lower triangular l with l·lᵀ = s. The matrices here are a
// positive diagonal plus squares: they cannot fail to be positive definite.
func (s *symmetric) factor() *symmetric {
	n := s.n
	l := newSymmetric(n)
	for i := range n {
		li := l.v[i*(i+1)/2:]
		for j := 0; j <= i; j++ {
			lj := l.v[j*(j+1)/2:]
			sum := s.v[i*(i+1)/2+j]
			for k := range j {
				sum -= li[k] * lj[k]
			}
			if i == j {
				li[i] = math.Sqrt(sum)
			} else {
				li[j] = sum / lj[j]
			}
		}
	}
	return l
}

// solve is the x of s·x = b.
func (s *symmetric) solve(b []float64) []float64 {
	l := s.factor()
	x := slices.Clone(b)
	for i := range x {
		for k := range i {
			x[i] -= l.v[i*(i+1)/2+k] * x[k]
		}
		x[i] /= l.v[i*(i+1)/2+i]
	}
	for i := len(x) - 1; i >= 0; i-- {
		for k := i + 1; k < len(x); k++ {
			x[i] -= l.v[k*(k+1)/2+i] * x[k]
		}
		x[i] /= l.v[i*(i+1)/2+i]
	}
	return x
}

// inverse is s⁻¹.
func (s *symmetric) inverse() *symmetric {
	n := s.n
	l := s.factor()
	m := newSymmetric(n) // l⁻¹
	for i := range n {
		m.v[i*(i+1)/2+i] = 1 / l.v[i*(i+1)/2+i]
		for j := range i {
			sum := 0.0
			for k := j; k < i; k++ {
				sum += l.v[i*(i+1)/2+k] * m.v[k*(k+1)/2+j]
			}
			m.v[i*(i+1)/2+j] = -sum / l.v[i*(i+1)/2+i]
		}
	}
	out := newSymmetric(n)
	for i := range n {
		for j := 0; j <= i; j++ {
			sum := 0.0
			for k := i; k < n; k++ {
				sum += m.v[k*(k+1)/2+i] * m.v[k*(k+1)/2+j]
			}
			out.v[i*(i+1)/2+j] = sum
		}
	}
	return out
}

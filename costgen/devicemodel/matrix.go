package devicemodel

import (
	"math"
	"slices"

	"github.com/isocost/isocost/internal/lanes"
)

// matrix is dense, row by row.
type matrix struct {
	n, m int
	a    []float64
}

func newMatrix(n, m int) matrix { return matrix{n, m, make([]float64, n*m)} }

func (x matrix) row(i int) []float64 { return x.a[i*x.m : (i+1)*x.m] }

func dot(x, y []float64) float64 {
	y = y[:len(x)]
	var a, b, c, d float64
	i := 0
	for ; i+4 <= len(x); i += 4 {
		a += x[i] * y[i]
		b += x[i+1] * y[i+1]
		c += x[i+2] * y[i+2]
		d += x[i+3] * y[i+3]
	}
	for ; i < len(x); i++ {
		a += x[i] * y[i]
	}
	return a + b + (c + d)
}

// axpy adds f·x to y.
func axpy(f float64, x, y []float64) {
	y = y[:len(x)]
	if n := len(x) &^ 7; wide && n > 0 {
		axpyWide(f, x[:n], y)
		x, y = x[n:], y[n:]
	}
	for i, v := range x {
		y[i] += f * v
	}
}

// square adds (f−x)² to y, of a multiple of eight numbers.
func square(f float64, x, y []float64) {
	y = y[:len(x)]
	if wide && len(x) > 0 {
		squareWide(f, x, y)
		return
	}
	for i, v := range x {
		y[i] += float64((f - v) * (f - v))
	}
}

// cholesky replaces the lower half of a symmetric matrix by its factor L, LLᵀ = x, and clears
// the upper half. It reports whether the matrix is positive definite.
func (x matrix) cholesky() bool {
	for i := range x.n {
		ri := x.row(i)
		for j := range i {
			rj := x.row(j)
			ri[j] = (ri[j] - dot(ri[:j], rj[:j])) / rj[j]
		}
		d := ri[i] - dot(ri[:i], ri[:i])
		if !(d > 0) {
			return false
		}
		ri[i] = math.Sqrt(d)
		clear(ri[i+1:])
	}
	return true
}

// solve overwrites b by L⁻¹b.
func (x matrix) solve(b []float64) {
	for i := range x.n {
		r := x.row(i)
		b[i] = (b[i] - dot(r[:i], b[:i])) / r[i]
	}
}

// lengths are |L⁻¹b|² of each b, found for as many at once as there are lanes: a row of L is read once for them.
func (x matrix) lengths(bs [][]float64) []float64 {
	out := make([]float64, 0, len(bs))
	v := make([]lanes.Lanes, x.n)
	for part := range slices.Chunk(bs, lanes.Count) {
		for r, b := range part {
			for i, y := range b[:x.n] {
				v[i][r] = y
			}
		}
		var sum lanes.Lanes
		for i := range v {
			row, s := x.row(i), &v[i]
			s.Subtract(row[:i], v)
			by := 1 / row[i]
			for r := range s {
				s[r] *= by
				sum[r] += s[r] * s[r]
			}
		}
		out = append(out, sum[:len(part)]...)
	}
	return out
}

// solveT overwrites b by L⁻ᵀb.
func (x matrix) solveT(b []float64) {
	for i := x.n - 1; i >= 0; i-- {
		r := x.row(i)
		b[i] /= r[i]
		axpy(-b[i], r[:i], b[:i])
	}
}

// inverse is L⁻¹, lower triangular.
func (x matrix) inverse() matrix {
	inv := newMatrix(x.n, x.n)
	for j := range x.n {
		inv.a[j*x.n+j] = 1 / x.a[j*x.n+j]
	}
	for i := range x.n {
		r, out := x.row(i), inv.row(i)
		for k := range i {
			axpy(-r[k]*out[i], inv.row(k)[:k+1], out[:k+1])
		}
	}
	return inv
}

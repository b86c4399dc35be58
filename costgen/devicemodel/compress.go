package devicemodel

import (
	"math"
	"math/rand/v2"
)

// directions is the number of combinations of sums that a model keeps. Of the rest it
// knows the costs as well, and their variance a little worse.
const directions = 96

// compress keeps of what sums taught the part that narrows most. With S the matrix by whose
// products covariances fall, a row for each weight and kernel and a column for each sum, S·V·Vᵀ·Sᵀ is never
// above S·Sᵀ for orthonormal columns V: variances only grow. V spans the leading directions by two
// steps of subspace iteration from a random start (Halko, Martinsson and Tropp 2011).
func (m *Model) compress() {
	n := m.sums
	if n <= directions {
		return
	}
	var rows [][]float64
	for _, p := range m.sorted() {
		for i := range p.sums.n {
			if p.sums.m > 0 {
				rows = append(rows, p.sums.row(i))
			}
		}
	}
	known := m.knownSums()
	for _, k := range known {
		rows = append(rows, k.sums)
	}
	v := newMatrix(directions, n) // its rows are V's columns
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for i := range v.a {
		v.a[i] = r.NormFloat64()
	}
	v.orthonormalise()
	for range 2 {
		next := newMatrix(directions, n)
		each(indices(directions), func(d int) {
			for _, row := range rows {
				axpy(dot(v.row(d), row), row, next.row(d))
			}
		})
		v = next
		v.orthonormalise()
	}
	project := func(row []float64) []float64 {
		out := make([]float64, directions)
		for d := range out {
			out[d] = dot(v.row(d), row)
		}
		return out
	}
	each(m.sorted(), func(p *process) {
		if p.sums.m == 0 {
			return
		}
		short := newMatrix(p.sums.n, directions)
		for i := range p.sums.n {
			copy(short.row(i), project(p.sums.row(i)))
		}
		p.sums = short
	})
	each(known, func(k *knowledge) {
		k.sums = project(k.sums)
		if dot(k.sums, k.sums) < negligible*k.noise {
			k.sums = nil
		}
	})
	m.sums = directions
}

// negligible is the part of a kernel's own variance that is not worth keeping if sums narrowed it by less.
const negligible = 1e-3

// orthonormalise makes the rows orthonormal (modified Gram–Schmidt, twice).
func (x matrix) orthonormalise() {
	for range 2 {
		for i := range x.n {
			r := x.row(i)
			for j := range i {
				axpy(-dot(r, x.row(j)), x.row(j), r)
			}
			norm := math.Sqrt(dot(r, r))
			for j := range r {
				r[j] /= max(norm, 1e-300)
			}
		}
	}
}

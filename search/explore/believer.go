package explore

import (
	"math"
	"slices"

	"github.com/isocost/isocost/internal/lanes"
	"github.com/isocost/isocost/search/space"
)

// believer is a process that takes proposals for evaluated at what it expects of them: that
// leaves every mean as it is and makes all less uncertain.
type believer struct {
	*process
	ratio    float64 // noise variance of a proposal's evaluation over the signal's
	proposed []*candidate
	v        []lanes.Lanes // scratch
	one      []float64     // scratch
}

// candidate is an architecture of the pool: what the process expects of it, and what of the
// signal's variance is left, or a bound above that as long as the believer does not know it.
type candidate struct {
	arch       space.Arch
	key        string
	x          features
	mean, left float64
	worth      float64
	cov        []float64 // with the process's architectures
	row        []float64 // of the Cholesky factor, that the architecture would have, as far as it is solved for
}

// keep drops what is not of a process with so many covariances and so many rows of the factor
// in common.
func (c *candidate) keep(known, kept int) {
	c.cov, c.row = c.cov[:min(known, len(c.cov))], c.row[:min(kept, len(c.row))]
}

// meet finds the means of candidates, and what is left at most: beside the one of the process's
// architectures that tells most, and beside those solved for.
func (b *believer) meet(pool []*candidate) {
	for _, c := range pool {
		more := b.x[len(c.cov):]
		c.cov = b.covariances(slices.Grow(c.cov, len(more)), &c.x, more)
		c.mean = b.mean
		told := 0.0
		for i, x := range c.cov {
			c.mean += float64(x * b.weights[i])
			told = max(told, x*x/(1+b.noise[i]))
		}
		c.left = min(1-told+1e-8, c.known(len(b.x)))
	}
}

// known is what the rows solved for leave of the variance, in a process of n architectures and
// what it believes.
func (c *candidate) known(n int) float64 {
	left := 1.0
	n = min(n, len(c.row))
	for _, u := range c.row[:n] {
		left -= float64(u * u)
	}
	left = max(0, left)
	for _, u := range c.row[n:] {
		left = max(0, left-float64(u*u))
	}
	return left
}

// knows says whether what is left of a candidate's variance is known.
func (b *believer) knows(c *candidate) bool { return len(c.row) == len(b.x)+len(b.proposed) }

// believe takes a candidate, which is known, for evaluated.
func (b *believer) believe(c *candidate) { b.proposed = append(b.proposed, c) }

// solve finds what is left of the variance of as many candidates as there are lanes, or fewer.
func (b *believer) solve(few []*candidate) {
	n, all := len(b.x), len(b.x)+len(b.proposed)
	b.v = slices.Grow(b.v[:0], all)[:all]
	from := all
	for r, c := range few {
		from = min(from, len(c.row))
		for m, u := range c.row {
			b.v[m][r] = u
		}
	}
	for i := from; i < all; i++ {
		var s lanes.Lanes
		var row []float64
		var sd float64
		if i < n {
			row, sd = b.l[i][:i], b.l[i][i]
			for r, c := range few {
				s[r] = c.cov[i]
			}
		} else {
			p := b.proposed[i-n]
			row, sd = p.row, math.Sqrt(p.left+b.ratio)
			for r, c := range few {
				b.one = b.covariances(b.one[:0], &c.x, []features{p.x})
				s[r] = b.one[0]
			}
		}
		s.Subtract(row, b.v)
		for r := range s {
			s[r] /= sd
		}
		b.v[i] = s
	}
	for r, c := range few {
		for _, v := range b.v[len(c.row):] {
			c.row = append(c.row, v[r])
		}
		c.left = c.known(n)
	}
}

package explore

import (
	"math"
	"slices"

	"github.com/isocost/isocost/search/space"
)

// features hold what a kernel sees of an architecture.
type features struct {
	choice    []int     // index of each layer's choice
	width     []float64 // logarithm of the width ratio
	precision []int
	counts    []float64 // how many layers have each choice, by name over the whole space
}

// same says that two features are of the same architecture.
func (f *features) same(g *features) bool {
	return slices.Equal(f.choice, g.choice) && slices.Equal(f.width, g.width) && slices.Equal(f.precision, g.precision)
}

// encoder turns architectures of one space into features.
type encoder struct {
	s       space.Space
	names   map[string]int
	choices []map[string]int
}

func newEncoder(s space.Space) *encoder {
	e := &encoder{s: s, names: map[string]int{}}
	for l := range s.Layers() {
		at := map[string]int{}
		for i, c := range s.Choices(l) {
			at[c] = i
			if _, ok := e.names[c]; !ok {
				e.names[c] = len(e.names)
			}
		}
		e.choices = append(e.choices, at)
	}
	return e
}

func (e *encoder) encode(a space.Arch) features {
	f := features{counts: make([]float64, len(e.names))}
	for l, x := range a.Layers {
		f.choice = append(f.choice, e.choices[l][x.Choice])
		f.width = append(f.width, math.Log(e.s.WidthRatio(l, x.Width)))
		at := 0
		for i, p := range e.s.Precisions(l) {
			if p == x.Precision {
				at = i
			}
		}
		f.precision = append(f.precision, at)
		f.counts[e.names[x.Choice]]++
	}
	return f
}

// kernel is the covariance of two architectures' utilities, at most 1:
//
//	k = (1−smooth)·exp(−d/scale) + smooth·exp(−c²/2·within²)
//
// d is the Hamming distance of the layers' choices, with a part for widths and
// precisions of equal choices; c the distance of the counts of choices: networks
// that have the same operators in other places are alike.
type kernel struct {
	scale  float64 // layers
	smooth float64 // share of the part by counts
	within float64 // layers
}

// Parts of a layer's distance, a different choice being 1.
const (
	widthPart     = 0.5 // of widths a factor e apart or more
	precisionPart = 0.3 // of different precisions
)

func (k kernel) of(a, b *features) float64 {
	d := 0.0
	for l := range a.choice {
		if a.choice[l] != b.choice[l] {
			d++
			continue
		}
		if w := a.width[l] - b.width[l]; w != 0 {
			d += widthPart * min(1, math.Abs(w))
		}
		if a.precision[l] != b.precision[l] {
			d += precisionPart
		}
	}
	v := (1 - k.smooth) * math.Exp(-d/k.scale)
	if k.smooth > 0 {
		c := 0.0
		for i := range a.counts {
			x := a.counts[i] - b.counts[i]
			c += float64(x * x)
		}
		v += k.smooth * math.Exp(-c/(2*k.within*k.within))
	}
	return v
}

// process is a Gaussian process fitted to means of samples: constant mean, known
// noise (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
// algorithm 2.1).
type process struct {
	k       kernel
	x       []features
	noise   []float64   // variance of each value over the signal's
	l       [][]float64 // Cholesky factor of K + noise, lower
	weights []float64   // (K + noise)⁻¹(y − mean)
	ones    []float64   // (K + noise)⁻¹1
	mean    float64
	signal  float64 // variance of the utility
	logLik  float64 // marginal, up to a constant
}

// fit returns the process of values y at x with noise variances relative to the
// signal's; ok is false when the matrix is not positive definite. Of old, an earlier process
// or nil, it takes what it can: a row of the factor depends on the rows above it alone, so that
// those of the first values stay while their noise does.
func fit(old *process, k kernel, x []features, y, noise []float64) (*process, bool) {
	n, kept := len(x), 0
	p := &process{k: k, x: x, noise: noise, l: make([][]float64, n)}
	if old != nil && old.k == k {
		for kept < min(n, len(old.x)) && old.noise[kept] == noise[kept] && old.x[kept].same(&x[kept]) {
			p.l[kept] = old.l[kept]
			kept++
		}
	}
	for i := kept; i < n; i++ {
		p.l[i] = make([]float64, i+1)
		for j := range i + 1 {
			p.l[i][j] = k.of(&x[i], &x[j])
		}
		p.l[i][i] += noise[i] + 1e-9
	}
	if !factor(p.l, kept) {
		return nil, false
	}
	logDet := 0.0
	for i := range n {
		logDet += math.Log(p.l[i][i])
	}
	p.ones = p.solve(constant(n, 1))
	one, oney := 0.0, 0.0
	for i := range n {
		one += p.ones[i]
		oney += float64(p.ones[i] * y[i])
	}
	p.mean = oney / one
	r := make([]float64, n)
	for i := range n {
		r[i] = y[i] - p.mean
	}
	p.weights = p.solve(r)
	q := 0.0
	for i := range n {
		q += float64(r[i] * p.weights[i])
	}
	p.signal = max(q/float64(max(n-1, 1)), 1e-300)
	p.logLik = -0.5*float64(n)*math.Log(p.signal) - logDet
	return p, true
}

// factor replaces the rows of a lower triangle from the given one on by those of its Cholesky
// factor; false when the matrix is not positive definite. Four rows are worked on at once, each in
// its own order of sums, so that the result does not depend on it.
func factor(l [][]float64, from int) bool {
	for ; from < len(l); from += 4 {
		rows := l[from:min(from+4, len(l))]
		if len(rows) == 4 {
			a, b, c, d := rows[0], rows[1], rows[2], rows[3]
			for j, row := range l[:from] {
				sa, sb, sc, sd := a[j], b[j], c[j], d[j]
				for m, v := range row[:j] {
					sa -= float64(a[m] * v)
					sb -= float64(b[m] * v)
					sc -= float64(c[m] * v)
					sd -= float64(d[m] * v)
				}
				a[j], b[j], c[j], d[j] = sa/row[j], sb/row[j], sc/row[j], sd/row[j]
			}
		}
		for i, row := range rows {
			first := from
			if len(rows) < 4 {
				first = 0
			}
			for j := first; j <= from+i; j++ {
				sum := row[j]
				for m, v := range l[j][:j] {
					sum -= float64(row[m] * v)
				}
				if j < from+i {
					row[j] = sum / l[j][j]
					continue
				}
				if !(sum > 0) {
					return false
				}
				row[j] = math.Sqrt(sum)
			}
		}
	}
	return true
}

func constant(n int, v float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v
	}
	return out
}

// forward solves L·v = b.
func (p *process) forward(b []float64) []float64 {
	v := append([]float64(nil), b...)
	p.forwards([][]float64{v})
	return v
}

// forwards solves L·v = b for each of several b, in place: four at once, each in its own order of
// sums.
func (p *process) forwards(b [][]float64) {
	for ; len(b) >= 4; b = b[4:] {
		s, t, u, v := b[0], b[1], b[2], b[3]
		for i, row := range p.l {
			si, ti, ui, vi := s[i], t[i], u[i], v[i]
			for m, x := range row[:i] {
				si -= float64(x * s[m])
				ti -= float64(x * t[m])
				ui -= float64(x * u[m])
				vi -= float64(x * v[m])
			}
			s[i], t[i], u[i], v[i] = si/row[i], ti/row[i], ui/row[i], vi/row[i]
		}
	}
	for _, v := range b {
		for i, row := range p.l {
			sum := v[i]
			for m, x := range row[:i] {
				sum -= float64(x * v[m])
			}
			v[i] = sum / row[i]
		}
	}
}

// solve solves L·Lᵀ·v = b.
func (p *process) solve(b []float64) []float64 {
	v := p.forward(b)
	for i := len(v) - 1; i >= 0; i-- {
		sum := v[i]
		for m := i + 1; m < len(v); m++ {
			sum -= float64(p.l[m][i] * v[m])
		}
		v[i] = sum / p.l[i][i]
	}
	return v
}

// expected is the posterior mean of the utility of x, and the covariances with the values.
func (p *process) expected(x *features) (mean float64, k []float64) {
	k = make([]float64, len(p.x))
	mean = p.mean
	for i := range p.x {
		k[i] = p.k.of(x, &p.x[i])
		mean += float64(k[i] * p.weights[i])
	}
	return mean, k
}

// at is the posterior mean of the utility of each x, the part of the signal's variance
// that is left, and the row of the Cholesky factor that x would have.
func (p *process) at(x []*features) (mean, left []float64, v [][]float64) {
	mean, left, v = make([]float64, len(x)), make([]float64, len(x)), make([][]float64, len(x))
	for i := range x {
		mean[i], v[i] = p.expected(x[i])
	}
	p.forwards(v)
	for i := range x {
		left[i] = 1
		for _, u := range v[i] {
			left[i] -= float64(u * u)
		}
		left[i] = max(0, left[i])
	}
	return mean, left, v
}

package explore

import (
	"math"

	"github.com/isocost/isocost/search/space"
)

// features hold what a kernel sees of an architecture.
type features struct {
	choice    []int     // index of each layer's choice
	width     []float64 // logarithm of the width ratio
	precision []int
	counts    []float64 // how many layers have each choice, by name over the whole space
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
	cov     [][]float64 // K, lower, without noise
	l       [][]float64 // Cholesky factor of K + noise, lower
	known   int         // rows of cov that are those of the process before
	kept    int         // rows of l that are
	weights []float64   // (K + noise)⁻¹(y − mean)
	ones    []float64   // (K + noise)⁻¹1
	mean    float64
	signal  float64 // variance of the utility
	logLik  float64 // marginal, up to a constant
}

// fit returns the process of values y at x with noise variances relative to the
// signal's; ok is false when the matrix is not positive definite. Rows that a process
// before it has, whose x begins as this one does, are taken from there; nil for none.
func fit(before *process, k kernel, x []features, y, noise []float64) (*process, bool) {
	n := len(x)
	p := &process{k: k, x: x, noise: noise, cov: make([][]float64, n), l: make([][]float64, n)}
	if before != nil && before.k == k {
		p.known = copy(p.cov, before.cov)
		for p.kept < p.known && before.noise[p.kept] == noise[p.kept] {
			p.l[p.kept] = before.l[p.kept]
			p.kept++
		}
	}
	logDet := 0.0
	for i := range n {
		if i >= p.kept && !p.row(i) {
			return nil, false
		}
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

// first is the process's first rows, for one that begins with them; nil of nil.
func (p *process) first(rows int) *process {
	if p == nil {
		return nil
	}
	rows = min(rows, len(p.x))
	return &process{k: p.k, x: p.x[:rows], noise: p.noise[:rows], cov: p.cov[:rows], l: p.l[:rows]}
}

// row computes row i of the covariance and of its factor; false when the matrix is not
// positive definite.
func (p *process) row(i int) bool {
	if i >= p.known {
		p.cov[i] = make([]float64, i+1)
		for j := range i + 1 {
			p.cov[i][j] = p.k.of(&p.x[i], &p.x[j])
		}
	}
	cov, l := p.cov[i], make([]float64, i+1)
	p.l[i] = l
	for j := range i {
		sum := cov[j]
		for m := range j {
			sum -= float64(l[m] * p.l[j][m])
		}
		l[j] = sum / p.l[j][j]
	}
	sum := cov[i] + (p.noise[i] + 1e-9)
	for m := range i {
		sum -= float64(l[m] * l[m])
	}
	if !(sum > 0) {
		return false
	}
	l[i] = math.Sqrt(sum)
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
	v := make([]float64, len(b))
	for i := range b {
		sum := b[i]
		for m := range i {
			sum -= float64(p.l[i][m] * v[m])
		}
		v[i] = sum / p.l[i][i]
	}
	return v
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

// view holds what a process sees of an architecture; it grows with the process.
type view struct {
	cov []float64 // with the process's architectures
	v   []float64 // the row of the Cholesky factor that the architecture would have
}

// at is the posterior mean of the utility of x and the part of the signal's variance
// that is left. What the view has is of this process.
func (p *process) at(x *features, w *view) (mean, left float64) {
	for i := len(w.cov); i < len(p.x); i++ {
		w.cov = append(w.cov, p.k.of(x, &p.x[i]))
	}
	for i := len(w.v); i < len(p.x); i++ {
		sum := w.cov[i]
		for m, l := range p.l[i][:i] {
			sum -= float64(l * w.v[m])
		}
		w.v = append(w.v, sum/p.l[i][i])
	}
	mean, left = p.mean, 1
	for i, c := range w.cov {
		mean += float64(c * p.weights[i])
	}
	for _, u := range w.v {
		left -= float64(u * u)
	}
	return mean, max(0, left)
}

// own is the posterior mean of the process's i-th architecture.
func (p *process) own(i int) float64 {
	mean := p.mean
	for j := range p.x {
		c := p.cov[max(i, j)][min(i, j)]
		mean += float64(c * p.weights[j])
	}
	return mean
}

// keep drops of a view what is not of a process with so many covariances and so many rows
// of the factor in common.
func (w *view) keep(known, kept int) {
	w.cov, w.v = w.cov[:min(known, len(w.cov))], w.v[:min(kept, len(w.v))]
}

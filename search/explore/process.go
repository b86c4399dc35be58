package explore

import (
	"math"

	"github.com/isocost/isocost/internal/lanes"
)

// process is a Gaussian process fitted to means of samples: constant mean, known
// noise (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006,
// algorithm 2.1).
type process struct {
	enc     *encoder
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
	signal  float64   // variance of the utility
	logLik  float64   // marginal, up to a constant
	means   []float64 // of own, as soon as it was asked

	apart  []distance // scratch
	counts []float64  // by square of the distance of counts what the kernel makes of it; 0 where that is not known
}

// fit returns the process of values y at x with noise variances relative to the
// signal's; ok is false when the matrix is not positive definite. Rows that a process
// before it has, whose x begins as this one does, are taken from there.
func fit(before *process, x []features, y, noise []float64) (*process, bool) {
	n := len(x)
	p := &process{enc: before.enc, k: before.k, x: x, noise: noise, cov: make([][]float64, n), l: make([][]float64, n)}
	p.known = copy(p.cov, before.cov)
	for p.kept < len(before.l) && before.noise[p.kept] == noise[p.kept] {
		p.l[p.kept] = before.l[p.kept]
		p.kept++
	}
	for i := p.known; i < n; i++ {
		p.cov[i] = p.covariances(make([]float64, 0, i+1), &x[i], x[:i+1])
	}
	if !p.factor() {
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

// first is the process's first rows, for one that begins with them.
func (p *process) first(rows int) *process {
	rows = min(rows, len(p.x))
	return &process{enc: p.enc, k: p.k, noise: p.noise[:rows], cov: p.cov[:rows], l: p.l[:rows]}
}

// unfitted is a process of which nothing is known but the covariances: of architectures whose
// distances are given, lower.
func unfitted(e *encoder, k kernel, distances [][]distance) *process {
	p := &process{enc: e, k: k}
	for _, row := range distances {
		p.cov = append(p.cov, p.row(make([]float64, 0, len(row)), row))
	}
	return p
}

// row appends the covariances of architectures so far apart. Counts are whole numbers, and so
// are the squares of their distances, of which there are few.
func (p *process) row(to []float64, distances []distance) []float64 {
	for _, d := range distances {
		v := p.k.byLayers(d)
		if p.k.smooth > 0 {
			n := int(d.counts2)
			if n >= len(p.counts) {
				p.counts = append(p.counts, make([]float64, n+1-len(p.counts))...)
			}
			if p.counts[n] == 0 {
				p.counts[n] = p.k.byCounts(d)
			}
			v += p.counts[n]
		}
		to = append(to, v)
	}
	return to
}

// covariances appends those of x with others.
func (p *process) covariances(to []float64, x *features, others []features) []float64 {
	p.apart = p.enc.distances(p.apart[:0], x, others)
	return p.row(to, p.apart)
}

// factor computes the rows of the factor that were not kept, so many at once as there are
// lanes; false when the matrix is not positive definite.
func (p *process) factor() bool {
	v := make([]lanes.Lanes, len(p.x)) // columns of the rows at hand
	for first := p.kept; first < len(p.x); first += lanes.Count {
		rows := p.l[first:min(first+lanes.Count, len(p.x))]
		for r := range rows {
			rows[r] = make([]float64, first+r+1)
		}
		for j := range first + len(rows) {
			var s lanes.Lanes
			done := max(0, j-first) // rows that end before column j
			for r := done; r < len(rows); r++ {
				s[r] = p.cov[first+r][j]
			}
			if j >= first {
				s[done] += p.noise[j] + 1e-9
			}
			s.Subtract(p.l[j][:j], v)
			if j >= first {
				if !(s[done] > 0) {
					return false
				}
				p.l[j][j] = math.Sqrt(s[done])
				done++
			}
			for r := done; r < len(rows); r++ {
				s[r] /= p.l[j][j]
				rows[r][j] = s[r]
			}
			v[j] = s
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

// own are the posterior means of the process's architectures: each is added up in the order
// of all, and each row of covariances is read once.
func (p *process) own() []float64 {
	if p.means != nil {
		return p.means
	}
	means := make([]float64, len(p.x))
	for j, row := range p.cov {
		sum, w := p.mean, p.weights[j]
		for m, c := range row[:j] {
			sum += float64(c * p.weights[m])
		}
		means[j] = sum
		for i, c := range row {
			means[i] += float64(c * w)
		}
	}
	p.means = means
	return means
}

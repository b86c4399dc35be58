package devicemodel

import (
	"context"
	"math"
	"slices"

	"github.com/isocost/isocost/lut"
)

// process is the Gaussian process of one group of kernels, over the logarithm of their cost
// relative to the physics. Its covariance is Matérn 5/2 of a distance to which each
// continuous feature adds its scaled difference and each categorical property a constant where
// two kernels differ, plus a bias that all kernels of the group share.
type process struct {
	name    string
	prices  map[tariff][physicsTerms]float64
	far     float64         // bytes of weights that stay in a core's own cache
	prior   *Model          // another device's, whose prices are the mean: nil for the physics
	lines   map[tariff]line // from the prior's prices to the mean
	active  []int           // features that vary among the observed kernels
	centre  []float64       // of the active features
	inverse []float64       // their inverse length scales
	lo, hi  []float64       // their observed range
	cats    []category
	spread  float64 // variance of the process
	own     float64 // variance of what is a kernel's own
	bias    float64 // variance of the shared bias

	inducing []point
	counted  []int         // the features that count, among the active
	along    [][]float64   // by these the inducing points' coordinates, filled up for axpy and square
	unlike   [][][]float64 // by category and value what each inducing point is apart for it
	lu       matrix        // Cholesky factor of the inducing points' covariance
	post     matrix        // of the posterior precision of the weights: inducing points, then the bias
	mean     []float64     // posterior mean of the weights
	sums     matrix        // what sums taught: the weights' covariance falls by sums·sumsᵀ
	alpha    []float64     // mean as a function of covariances with the inducing points
}

// tariff is whose prices they are: of a variant of a kind in a precision, of variant "" of its other
// variants, or, of kind "", of the group's other kinds in that precision.
type tariff struct {
	kind, variant string
	precision     lut.Precision
}

// wider are the tariff and those that stand in where there is none of it, the closest first.
func (t tariff) wider() [3]tariff {
	return [3]tariff{t, {t.kind, "", t.precision}, {"", "", t.precision}}
}

// category is a categorical property: kernels that differ in it are apart by weight.
type category struct {
	name   string
	weight float64
	values []string // seen, sorted; any other value is like none of them
}

// point is a kernel in the space of a process.
type point struct {
	op  lut.Op
	x   []float64
	cat []int32
}

// embed places a kernel. The second result is how many categorical values were never seen.
func (p *process) embed(s *site) (point, int) {
	pt := point{op: s.op, x: make([]float64, len(p.active)), cat: make([]int32, len(p.cats))}
	for i, f := range p.active {
		pt.x[i] = (s.x[f] - p.centre[i]) * p.inverse[i]
	}
	unseen := 0
	for i := range p.cats {
		c := &p.cats[i]
		v, ok := slices.BinarySearch(c.values, s.cat(c.name))
		pt.cat[i] = int32(v)
		if !ok {
			pt.cat[i] = -1
			unseen++
		}
	}
	return pt, unseen
}

// cat is the kernel's value of a categorical property, "" where it has none.
func (s *site) cat(name string) string {
	for _, a := range s.cats {
		if a.Name == name {
			return a.Value
		}
	}
	return ""
}

// distance is the squared distance of two points.
func (p *process) distance(a, b *point) float64 {
	d := 0.0
	bx := b.x[:len(a.x)]
	for i, x := range a.x {
		e := x - bx[i]
		d += e * e
	}
	for i, c := range a.cat {
		if c != b.cat[i] || c < 0 {
			d += p.cats[i].weight
		}
	}
	return d
}

// matern is the Matérn 5/2 correlation at a squared distance, and its derivative by that.
func matern(d float64) (k, slope float64) {
	r := math.Sqrt(5 * d)
	e := math.Exp(-r)
	return (1 + r + r*r/3) * e, -5.0 / 6 * (1 + r) * e
}

// lie lays the inducing points out for covariances.
func (p *process) lie() {
	p.counted, p.along, p.unlike = nil, nil, nil
	room := (len(p.inducing) + 7) &^ 7
	for k, v := range p.inverse {
		if v > 0 {
			row := make([]float64, room)
			for i := range p.inducing {
				row[i] = p.inducing[i].x[k]
			}
			p.counted, p.along = append(p.counted, k), append(p.along, row)
		}
	}
	for k, c := range p.cats {
		by := make([][]float64, len(c.values))
		for v := range by {
			by[v] = make([]float64, room)
			for i := range p.inducing {
				if p.inducing[i].cat[k] != int32(v) {
					by[v][i] = c.weight
				}
			}
		}
		p.unlike = append(p.unlike, by)
	}
}

// covariances are those of a kernel with the inducing points.
func (p *process) covariances(a *point) []float64 {
	out := make([]float64, (len(p.inducing)+7)&^7) // squared distances first
	for i, k := range p.counted {
		square(a.x[k], p.along[i], out)
	}
	beside := 0.0
	for k, c := range a.cat {
		if c < 0 {
			beside += p.cats[k].weight
		} else if p.cats[k].weight > 0 {
			axpy(1, p.unlike[k][c], out)
		}
	}
	out = out[:len(p.inducing)]
	for i, d := range out {
		d += beside
		if d > farthest {
			out[i] = 0
			continue
		}
		r := math.Sqrt(5 * d)
		out[i] = p.spread * (1 + r + r*r/3) * decay(r)
	}
	return out
}

// decay is e⁻ʳ to 10⁻¹³ of it, for r from 0 to where two kernels have nothing in common: by a
// table of every 32nd and five terms of the series between two, in half of math.Exp's time.
func decay(r float64) float64 {
	k := int(r*perOne + 0.5)
	x := float64(k)/perOne - r
	return decays[k] * (1 + x*(1+x*(1.0/2+x*(1.0/6+x*(1.0/24+x*(1.0/120))))))
}

const perOne = 32

// decays are e⁻ʳ at every 32nd up to the square root of 5·farthest.
var decays = func() (t [20*perOne + 1]float64) {
	for k := range t {
		t[k] = math.Exp(-float64(k) / perOne)
	}
	return t
}()

// farthest is the squared distance beyond which two kernels have nothing in common.
const farthest = 80

func (p *process) covariance(a, b *point) float64 {
	d := p.distance(a, b)
	if d > farthest {
		return 0
	}
	k, _ := matern(d)
	return p.spread * k
}

// shape finds what varies among the group's kernels and sets sizes of the covariance that
// are sound before anything is learned.
func (p *process) shape(sites []*site) {
	for f := range features {
		if len(sites) == 0 {
			break
		}
		mean, lo, hi := 0.0, math.Inf(1), math.Inf(-1)
		for _, s := range sites {
			mean += s.x[f] / float64(len(sites))
			lo, hi = min(lo, s.x[f]), max(hi, s.x[f])
		}
		if hi-lo < 1e-9 {
			continue
		}
		p.active = append(p.active, f)
		p.centre, p.lo, p.hi = append(p.centre, mean), append(p.lo, lo), append(p.hi, hi)
		p.inverse = append(p.inverse, 0.25)
	}
	values := map[string][]string{}
	for _, s := range sites {
		for _, a := range s.cats {
			values[a.Name] = nil
		}
	}
	for name := range values {
		for _, s := range sites {
			if v := s.cat(name); !slices.Contains(values[name], v) {
				values[name] = append(values[name], v)
			}
		}
		slices.Sort(values[name])
		p.cats = append(p.cats, category{name, 0.3, values[name]})
	}
	slices.SortFunc(p.cats, func(a, b category) int {
		if a.name < b.name {
			return -1
		}
		return 1
	})
	p.spread, p.own, p.bias = 0.15, 0.002, 0.05
}

// inducingMost bounds the inducing points of a process, hence the time of a prediction.
const inducingMost = 160

// induce chooses inducing points among the group's kernels: each next one is the kernel that
// the ones before explain least (pivoted Cholesky; Fine and Scheinberg 2001).
func (p *process) induce(ctx context.Context, points []point) {
	left := make([]float64, len(points))
	for i := range left {
		left[i] = p.spread
	}
	var rows [][]float64 // of the factor, over all points
	p.inducing = nil
	for len(p.inducing) < min(inducingMost, len(points)) && ctx.Err() == nil {
		best := 0
		for i, v := range left {
			if v > left[best] {
				best = i
			}
		}
		if left[best] < 1e-4*p.spread {
			break
		}
		root := math.Sqrt(left[best])
		r := make([]float64, len(points))
		for i := range points {
			r[i] = p.covariance(&points[best], &points[i])
		}
		for _, q := range rows {
			axpy(-q[best], q, r)
		}
		for i := range r {
			r[i] /= root
			left[i] = max(0, left[i]-r[i]*r[i])
		}
		left[best] = 0
		rows = append(rows, r)
		p.inducing = append(p.inducing, points[best])
	}
	p.prepare()
}

// prepare factors the inducing points' covariance.
func (p *process) prepare() {
	m := len(p.inducing)
	p.lu = newMatrix(m, m)
	for i := range m {
		for j := range i + 1 {
			p.lu.a[i*m+j] = p.covariance(&p.inducing[i], &p.inducing[j])
		}
		p.lu.a[i*m+i] = p.spread * (1 + 1e-6)
	}
	if !p.lu.cholesky() {
		panic("devicemodel: the covariance of the inducing points is not positive definite")
	}
	p.lie()
}

// weights are a kernel's coordinates in the process's weights, bias last, and how much of its
// variance they leave out, what is its own included.
func (p *process) weights(pt *point) (phi []float64, rest float64) {
	m := len(p.inducing)
	phi = append(p.covariances(pt), math.Sqrt(p.bias))
	p.lu.solve(phi[:m])
	return phi, p.own + max(0, p.spread-dot(phi[:m], phi[:m]))
}

// physics is the mean cost of a kernel by its kind's prices.
func (p *process) physics(s *site) float64 {
	var price [physicsTerms]float64
	q := s.quantities(p.far, false)
	for _, t := range s.tariff.wider() {
		if of, ok := p.prices[t]; ok {
			price, q = of, s.quantities(p.far, t == s.tariff)
			break
		}
	}
	v := 0.0
	for i, x := range q {
		v += price[i] * x
	}
	return v
}

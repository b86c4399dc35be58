package costgen

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/isocost/isocost/internal/isotonic"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
)

// point is a network for the calibration: x is the raw sum of its kernels plus
// the overhead, y what it measured.
type point struct {
	id      string
	x, y    float64
	kernels int
	moved   moved
	// family is what it has relatives in, "" where it stands alone: they are left out together,
	// and count as much as one network together.
	family string
}

// paysKin replaces pays where networks have families: there are few of them, and a form that suits only those must not be chosen.
const paysKin = 0.9

// weighted gives each point its weight, of which all of a family's add up to 1, and reports how many
// families there are.
func weighted(points []point) (weight []float64, families int) {
	of := map[string]float64{}
	for _, p := range points {
		of[p.group()]++
	}
	weight = make([]float64, len(points))
	for i, p := range points {
		weight[i] = 1 / of[p.group()]
	}
	return weight, len(of)
}

// hasKin reports whether any network is of a family.
func hasKin(points []point) bool {
	return slices.ContainsFunc(points, func(p point) bool { return p.family != "" })
}

// group returns the point's family, or its id where it has none.
func (p *point) group() string {
	if p.family == "" {
		return p.id
	}
	return p.family
}

// model is one form the calibration can take.
type model struct {
	name                     string
	intercept, kernels, bend bool
	traffic                  int // 1: one price per byte, 2: one for each kind of byte
	needs                    int // networks it takes at least
}

// families is the fewest families that judge the form, one more than it has parameters; a curve follows what it is
// shown, so that each of its networks must be of another.
func (m model) families() int {
	if m.bend {
		return m.needs
	}
	return m.needs/3 + 1
}

// models are the candidates, simplest first. The needed numbers leave at least
// three networks per parameter; the curve has up to six knots of its own.
var models = []model{
	{name: "scale", needs: 3},
	{name: "affine", intercept: true, needs: 6},
	{name: "affine+kernels", intercept: true, kernels: true, needs: 9},
	{name: "scale+traffic", traffic: 1, needs: 6},
	{name: "scale+traffic by kind", traffic: 2, needs: 12},
	{name: "affine+curve", intercept: true, bend: true, needs: 24},
	{name: "affine+kernels+curve", intercept: true, kernels: true, bend: true, needs: 30},
}

// pays says how much smaller a richer model's cross-validated error must be before
// it replaces a simpler one.
const pays = 0.98

// calibrate chooses and fits the calibration by cross-validation: each network is
// predicted by a fit that did not see it. Points are sorted by id. It returns nil
// when there are too few networks even for a scale.
//
// With traffic, where the device's caches end, models that price the bytes a network moves are tried, too, and none
// that prices kernels: exported networks have 30 to 600, most of them next to nothing,
// and one price for each fits those networks by what they lack otherwise.
//
// The second result holds those predictions. When ctx ends there is neither.
func calibrate(ctx context.Context, points []point, traffic *reach) (*lut.Calibration, []float64) {
	weight, families := weighted(points)
	if len(points) < models[0].needs {
		return nil, nil
	}
	var best *lut.Calibration
	least, gain := 0.0, pays
	if hasKin(points) {
		gain = paysKin
	}
	var bestModel model
	cv := map[string][]float64{}
	var candidates []lut.Candidate
	for _, m := range models {
		if len(points) < m.needs || families < m.families() || m.traffic > 0 && traffic == nil || m.kernels && traffic != nil {
			continue
		}
		if ctx.Err() != nil {
			return nil, nil
		}
		pred, ok := crossValidate(m, traffic, points)
		if !ok {
			continue
		}
		c, ok := fit(m, traffic, points)
		if !ok {
			continue
		}
		e := errorsOf(pred, ys(points))
		candidates = append(candidates, lut.Candidate{Model: m.name, RMSPE: e.RMSPE})
		ss := 0.0
		for i, p := range points {
			ss += weight[i] * square(min(pred[i]/p.y-1, 1)) // one that is priced without sense chooses no form
		}
		if best == nil || ss < least*gain*gain {
			best, least = &c, ss
			best.Fitted = e
			bestModel = m
		}
		cv[m.name] = pred
	}
	if best == nil {
		return nil, nil
	}
	best.Model = bestModel.name
	best.Candidates = candidates
	best.N = len(points)
	raw := make([]float64, len(points))
	for i, p := range points {
		raw[i] = p.x
		best.Records = append(best.Records, p.id)
	}
	best.Raw = errorsOf(raw, ys(points))
	best.SumLo, best.SumHi = slices.Min(raw), slices.Max(raw)
	best.Residual95 = residual95(cv[bestModel.name], points)
	for _, v := range []*float64{&best.A, &best.B, &best.C, &best.SumLo, &best.SumHi, &best.Residual95} {
		*v = stats.Significant(*v)
	}
	if t := best.Traffic; t != nil {
		t.Linear, t.Conv, t.Spill = stats.Significant(t.Linear), stats.Significant(t.Conv), stats.Significant(t.Spill)
	}
	for i := range best.Curve {
		best.Curve[i].X, best.Curve[i].Y = stats.Significant(best.Curve[i].X), stats.Significant(best.Curve[i].Y)
	}
	return best, cv[bestModel.name]
}

// unscaled is the calibration that leaves sums as they are, judged by networks; nil for too few.
func unscaled(points []point) (*lut.Calibration, []float64) {
	if len(points) < models[0].needs {
		return nil, nil
	}
	c := &lut.Calibration{Model: models[0].name, A: 1, N: len(points)}
	predicted := make([]float64, len(points))
	for i, p := range points {
		predicted[i] = p.x
		c.Records = append(c.Records, p.id)
	}
	c.Raw = errorsOf(predicted, ys(points))
	c.Fitted = c.Raw
	c.Candidates = []lut.Candidate{{Model: c.Model, RMSPE: c.Raw.RMSPE}}
	c.SumLo, c.SumHi = stats.Significant(slices.Min(predicted)), stats.Significant(slices.Max(predicted))
	c.Residual95 = stats.Significant(residual95(predicted, points))
	return c, predicted
}

func ys(points []point) []float64 {
	y := make([]float64, len(points))
	for i, p := range points {
		y[i] = p.y
	}
	return y
}

// crossValidate predicts every network from those of other families: leave one family out up to 200
// families, ten folds beyond.
func crossValidate(m model, traffic *reach, points []point) (pred []float64, ok bool) {
	number := map[string]int{}
	fold := make([]int, len(points))
	for i, p := range points {
		if _, ok := number[p.group()]; !ok {
			number[p.group()] = len(number)
		}
		fold[i] = number[p.group()]
	}
	folds := len(number)
	if folds > 200 {
		folds = 10
	}
	pred = make([]float64, len(points))
	train := make([]point, 0, len(points))
	for f := range folds {
		train = train[:0]
		for i, p := range points {
			if fold[i]%folds != f {
				train = append(train, p)
			}
		}
		c, ok := fit(m, traffic, train)
		if !ok {
			return nil, false
		}
		for i := range points {
			if fold[i]%folds == f {
				pred[i] = c.Apply(points[i].x+beyond(&c, points[i].moved), points[i].kernels)
			}
		}
	}
	return pred, true
}

// fit minimises Σ ((prediction − y)/y)², the squared relative error, so that small
// networks count as much as large ones. ok is false when the form does not suit:
// singular, a falling line, a negative price of a kernel.
//
// Where networks have families, each counts as much as one network, and one whose kernels are mispriced does not set the
// scale of all others, however far it is off (Beaton and Tukey 1974).
func fit(m model, traffic *reach, points []point) (c lut.Calibration, ok bool) {
	if m.traffic > 0 {
		return fitTraffic(m.traffic, *traffic, points)
	}
	weight, _ := weighted(points)
	if !hasKin(points) {
		return weightedFit(m, points, weight, 0)
	}
	of := slices.Clone(weight)
	weight = startingWeights(points, of)
	prior := 0.0
	for range 8 {
		if c, ok = weightedFit(m, points, weight, prior); !ok {
			return c, false
		}
		off := offBy(points, func(p point) float64 { return c.Apply(p.x, p.kernels) })
		weight, prior = bisquare(of, off), square(spreadOf(off)/scaleSpread)
	}
	return c, true
}

// offBy are the relative errors of what a calibration predicts.
func offBy(points []point, predict func(point) float64) []float64 {
	off := make([]float64, len(points))
	for i, p := range points {
		off[i] = predict(p)/p.y - 1
	}
	return off
}

// startingWeights are those of the first round, by the median of measured over predicted: a network priced a hundred
// times too high would pull a fit of least squares to itself.
func startingWeights(points []point, weight []float64) []float64 {
	ratio := medianRatio(points, weight)
	return bisquare(weight, offBy(points, func(p point) float64 { return ratio * p.x }))
}

// medianRatio is the weighted median of measured over predicted.
func medianRatio(points []point, weight []float64) float64 {
	order, half := make([]int, len(points)), 0.0
	for i := range order {
		order[i] = i
		half += weight[i] / 2
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(points[a].y/points[a].x, points[b].y/points[b].x) })
	for _, i := range order {
		if half -= weight[i]; half <= 0 {
			return points[i].y / points[i].x
		}
	}
	return 1
}

// scaleSpread is how far from 1 a factor is expected that takes sums of kernels, which were measured at their marginal cost, to
// networks: where these agree on none, it stays near.
const scaleSpread = 0.1

// spreadOf is the standard deviation of errors of which some are outliers: the median deviation, as of a normal distribution.
func spreadOf(off []float64) float64 {
	size := make([]float64, len(off))
	for i, r := range off {
		size[i] = math.Abs(r)
	}
	return 1.4826 * stats.Median(size)
}

// bisquare returns weights for another round of least squares, lower for points that lie off and none for those beyond 4.685
// standard deviations, of the median deviation as of a normal distribution: 95 % as efficient as least squares where nothing
// is wrong.
func bisquare(weight, off []float64) []float64 {
	limit := max(4.685*spreadOf(off), 1e-3)
	out := slices.Clone(weight)
	for i, r := range off {
		u := min(1, r*r/(limit*limit))
		out[i] *= (1 - u) * (1 - u)
	}
	return out
}

// weightedFit is one round of fit. A factor of 1 counts as much as prior networks, each known as well as those given.
func weightedFit(m model, points []point, weight []float64, prior float64) (c lut.Calibration, ok bool) {
	// In units of the mean sum and the mean number of kernels all columns are of
	// order one.
	var unit, per float64
	for _, p := range points {
		unit += p.x / float64(len(points))
		per += float64(p.kernels) / float64(len(points))
	}
	columns := 1
	if m.intercept {
		columns++
	}
	if m.kernels {
		columns++
	}
	var normal [4][5]float64
	normal[0][0], normal[0][4] = prior, prior
	for n, p := range points {
		row := [4]float64{p.x / p.y, unit / p.y, unit * float64(p.kernels) / (per * p.y), 1}
		for i := range columns {
			for j := range columns {
				normal[i][j] += weight[n] * row[i] * row[j]
			}
			normal[i][4] += weight[n] * row[i]
		}
	}
	beta, ok := solve(normal, columns)
	// What is there besides the kernels is no less than nothing: a line that falls below prices small networks by what it lacks
	// of large ones.
	if !ok || !(beta[0] > 0) || m.kernels && beta[2] < 0 || hasKin(points) && m.intercept && beta[1] < 0 {
		return c, false
	}
	c.A, c.B, c.C = beta[0], beta[1]*unit, beta[2]*unit/per
	c.SumLo = math.Inf(1)
	for _, p := range points {
		c.SumLo = min(c.SumLo, p.x)
		c.SumHi = max(c.SumHi, p.x)
	}
	if m.bend {
		c.Curve = curve(c, points)
	}
	return c, true
}

// curve is the monotone correction on top of a line: networks sorted by the
// line's prediction, pooled into at most six groups of at least eight, each a knot
// at its mean prediction with the mean ratio measured/predicted, made monotone.
func curve(c lut.Calibration, points []point) []lut.Point {
	type xy struct{ x, y float64 }
	at := make([]xy, len(points))
	for i, p := range points {
		at[i] = xy{c.Apply(p.x, p.kernels), p.y}
	}
	slices.SortFunc(at, func(a, b xy) int {
		switch {
		case a.x < b.x || a.x == b.x && a.y < b.y:
			return -1
		case a == b:
			return 0
		}
		return 1
	})
	groups := min(6, len(at)/8)
	var xs, y []float64
	for g := range groups {
		lo, hi := g*len(at)/groups, (g+1)*len(at)/groups
		var x, r float64
		for _, p := range at[lo:hi] {
			x += p.x / float64(hi-lo)
			r += p.y / p.x / float64(hi-lo)
		}
		if len(xs) > 0 && x <= xs[len(xs)-1] || x <= 0 {
			continue // equal predictions: nothing to bend between
		}
		xs, y = append(xs, x), append(y, x*r)
	}
	y = isotonic.Chain(y, nil)
	out := make([]lut.Point, len(xs))
	for i := range xs {
		out[i] = lut.Point{X: xs[i], Y: y[i]}
	}
	return out
}

// solve is Gaussian elimination with column pivoting of the first n equations. ok
// is false when they are singular to nine digits.
func solve(m [4][5]float64, n int) (x [4]float64, ok bool) {
	scale := 0.0
	for i := range n {
		scale = max(scale, math.Abs(m[i][i]))
	}
	for i := range n {
		pivot := i
		for r := i + 1; r < n; r++ {
			if math.Abs(m[r][i]) > math.Abs(m[pivot][i]) {
				pivot = r
			}
		}
		m[i], m[pivot] = m[pivot], m[i]
		if !(math.Abs(m[i][i]) > 1e-9*scale) {
			return x, false
		}
		for r := i + 1; r < n; r++ {
			f := m[r][i] / m[i][i]
			for k := i; k < n; k++ {
				m[r][k] -= f * m[i][k]
			}
			m[r][4] -= f * m[i][4]
		}
	}
	for i := n - 1; i >= 0; i-- {
		x[i] = m[i][4]
		for k := i + 1; k < n; k++ {
			x[i] -= m[i][k] * x[k]
		}
		x[i] /= m[i][i]
	}
	return x, true
}

// residual95 bounds the relative residual of a new network: the conformal order
// statistic of the cross-validated residuals where there are enough (19), else
// Student's t on their root mean square.
func residual95(pred []float64, points []point) float64 {
	r := make([]float64, len(points))
	ss := 0.0
	for i, p := range points {
		r[i] = math.Abs(p.y/pred[i] - 1)
		ss += r[i] * r[i]
	}
	if k, ok := stats.ConformalRank(len(r), 0.95); ok {
		return stats.Smallest(r, k)
	}
	n := float64(len(r))
	return student975(len(r)-1) * math.Sqrt(ss/n*(1+1/n))
}

// student975 is the 97.5 % quantile of Student's t for 1 to 18 degrees of freedom
// (Abramowitz and Stegun, table 26.10).
func student975(df int) float64 {
	t := []float64{12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101}
	return t[min(max(df, 1), len(t))-1]
}

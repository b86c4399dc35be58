package devicemodel

import (
	"context"
	"math"
	"slices"
)

// learnMost bounds how many kernels the sizes of a process are learned from; of fewer than learnLeast
// nothing is. After learnSteps they hardly move.
const (
	learnMost  = 240
	learnLeast = 6
	learnSteps = 50
)

// learn sets the sizes of the covariance – variances, length scales, weights of categories –
// to those that make the residuals most likely (type II maximum likelihood with weak priors on
// the logarithms; Rasmussen and Williams 2006, section 5.4), by RProp steps
// (Riedmiller and Braun 1993). Residuals are r, known to the variances noise. It returns the logarithm of
// their likelihood then, up to a constant.
func (p *process) learn(ctx context.Context, sites []*site, r, noise []float64) float64 {
	n := len(sites)
	if n == 0 {
		return 0
	}
	pick := make([]int, 0, learnMost)
	for i := range n {
		// Evenly over the kernels in their order, which is that of their keys.
		if n <= learnMost || i*learnMost/n != (i-1)*learnMost/n || i == 0 {
			pick = append(pick, i)
		}
	}
	n = len(pick)
	d, c := len(p.active), len(p.cats)
	raw := make([]point, n)
	y, v := make([]float64, n), make([]float64, n)
	for k, i := range pick {
		pt, _ := p.embed(sites[i])
		for j, f := range p.active {
			pt.x[j] = sites[i].x[f] - p.centre[j]
		}
		raw[k], y[k], v[k] = pt, r[i], noise[i]
	}
	// Spread of each feature, by which its length scale is expected.
	width := make([]float64, d)
	for j := range d {
		for k := range n {
			width[j] += raw[k].x[j] * raw[k].x[j] / float64(n)
		}
		width[j] = max(math.Sqrt(width[j]), 1e-3)
	}
	theta := make([]float64, 3+d+c)
	prior, sd := slices.Clone(theta), slices.Clone(theta)
	for j := range theta {
		sd[j] = 1.5
		switch {
		case j == 0:
			prior[j] = math.Log(0.1)
		case j == 1:
			prior[j] = math.Log(0.001)
			sd[j] = 2
		case j == 2:
			prior[j] = math.Log(0.05)
		case j < 3+d:
			prior[j] = math.Log(0.4 / width[j-3])
		default:
			prior[j] = math.Log(0.3)
		}
	}
	copy(theta, prior)
	grad, last, step := make([]float64, len(theta)), make([]float64, len(theta)), make([]float64, len(theta))
	for j := range step {
		step[j] = 0.2
	}
	best, bestTheta := math.Inf(-1), slices.Clone(theta)
	steps := learnSteps
	if n < learnLeast { // too few to learn from
		steps = 1
	}
	for range steps {
		if ctx.Err() != nil {
			break
		}
		l := p.likelihood(raw, y, v, theta, grad)
		for j := range theta {
			e := (theta[j] - prior[j]) / sd[j]
			l -= e * e / 2
			grad[j] -= e / sd[j]
		}
		if l > best {
			best = l
			copy(bestTheta, theta)
		}
		for j := range theta {
			switch s := grad[j] * last[j]; {
			case s > 0:
				step[j] = min(step[j]*1.2, 0.8)
			case s < 0:
				step[j] = max(step[j]*0.5, 1e-3)
			}
			theta[j] += math.Copysign(step[j], grad[j])
			theta[j] = min(max(theta[j], prior[j]-6), prior[j]+6)
		}
		copy(last, grad)
	}
	if n < learnLeast {
		return best
	}
	p.spread, p.own, p.bias = math.Exp(bestTheta[0]), math.Exp(bestTheta[1]), math.Exp(bestTheta[2])
	for j := range d {
		p.inverse[j] = math.Exp(bestTheta[3+j])
		if p.inverse[j]*width[j] < idle {
			p.inverse[j] = 0
		}
	}
	for j := range c {
		p.cats[j].weight = math.Exp(bestTheta[3+d+j])
	}
	return best
}

// idle is the spread of a feature in its length scale from which on it moves no covariance by more than 0.2 %:
// less is nothing.
const idle = 0.05

// likelihood is the logarithm of the marginal likelihood at theta and its gradient.
func (p *process) likelihood(raw []point, y, v, theta, grad []float64) float64 {
	n, d := len(raw), len(raw[0].x)
	spread, own, bias := math.Exp(theta[0]), math.Exp(theta[1]), math.Exp(theta[2])
	scale, weight := make([]float64, d), make([]float64, len(raw[0].cat))
	for j := range scale {
		scale[j] = math.Exp(2 * theta[3+j])
	}
	for j := range weight {
		weight[j] = math.Exp(theta[3+d+j])
	}
	k, slope := newMatrix(n, n), newMatrix(n, n)
	for i := range n {
		a := &raw[i]
		for j := range i {
			b := &raw[j]
			dist := 0.0
			for f, x := range a.x {
				e := x - b.x[f]
				dist += e * e * scale[f]
			}
			for f, x := range a.cat {
				if x != b.cat[f] {
					dist += weight[f]
				}
			}
			m, s := matern(dist)
			k.a[i*n+j], slope.a[i*n+j] = spread*m+bias, spread*s
			slope.a[j*n+i] = spread * m // the other half keeps the covariance
		}
		k.a[i*n+i] = spread + bias + own + v[i]
	}
	clear(grad)
	if !k.cholesky() {
		return math.Inf(-1)
	}
	alpha := slices.Clone(y)
	k.solve(alpha)
	l := -dot(alpha, alpha) / 2
	for i := range n {
		l -= math.Log(k.a[i*n+i])
	}
	k.solveT(alpha)
	inv := k.inverse()
	full := newMatrix(n, n) // K⁻¹, lower half
	for r := range n {
		row := inv.row(r)
		for i := range r + 1 {
			axpy(row[i], row[:i+1], full.row(i)[:i+1])
		}
	}
	for i := range n {
		w := alpha[i]*alpha[i] - full.a[i*n+i]
		grad[0] += w * spread / 2
		grad[1] += w * own / 2
		grad[2] += w * bias / 2
		for j := range i {
			w := alpha[i]*alpha[j] - full.a[i*n+j]
			grad[0] += w * slope.a[j*n+i]
			grad[2] += w * bias
			g := w * slope.a[i*n+j]
			a, b := &raw[i], &raw[j]
			for f, x := range a.x {
				e := x - b.x[f]
				grad[3+f] += 2 * g * e * e * scale[f]
			}
			for f, x := range a.cat {
				if x != b.cat[f] {
					grad[3+d+f] += g * weight[f]
				}
			}
		}
	}
	return l
}

package devicemodel

import (
	"maps"
	"math"
	"slices"
)

// A model may start from another device's (the idea of HELP, Lee et al. 2021, and of LitePred, Feng et al.
// 2024): the mean is then not the physics but the logarithm of the other device's price, scaled
// and bent by a line for each kind; the process learns what that leaves, with variances of its own. Groups of
// kernels take it or leave it by evidence, so that a prior that does not fit costs nothing but time.

// line takes the logarithm of the prior's price to the mean here.
type line struct{ shift, slope float64 }

// How far the line of one kind lies from that of all, and that from the identity up to a factor, as
// standard deviations: threads speed large kernels up more than small ones.
const (
	priorFactor     = 3.0
	priorSlope      = 0.15
	priorKindFactor = 0.3
	priorKindSlope  = 0.1
	priorMisfit     = 0.15 // of single kernels, relative
)

// priced is a kernel's own measurement beside the prior's price, logarithms both.
type priced struct {
	tariff
	prior, z, variance float64
}

// linesOf fits a line for each tariff, and for "" of each precision the one of all kernels.
func linesOf(all []priced) map[tariff]line {
	out := map[tariff]line{}
	if len(all) == 0 {
		return out
	}
	common := fitLine(all, line{0, 1}, priorFactor, priorSlope)
	by := map[tariff][]priced{}
	for _, x := range all {
		by[x.tariff] = append(by[x.tariff], x)
		out[tariff{"", "", x.precision}] = common
	}
	for t, list := range by {
		out[t] = fitLine(list, common, priorKindFactor, priorKindSlope)
	}
	return out
}

// fitLine is the most likely line around another, by reweighted least squares for noise of Student's t.
// Its shift counts from the middle of the kernels, so that shift and slope hardly depend on one another.
func fitLine(list []priced, around line, factor, slope float64) line {
	centre := 0.0
	for _, x := range list {
		centre += x.prior / float64(len(list))
	}
	a0, b0 := around.shift+(around.slope-1)*centre, around.slope
	a, b := a0, b0
	for range 5 {
		aa, ab, bb := 1/(factor*factor), 0.0, 1/(slope*slope)
		va, vb := a0*aa, b0*bb
		for _, x := range list {
			off := x.z - centre - a - b*(x.prior-centre)
			v := x.variance + priorMisfit*priorMisfit
			w, d := 1/(v*outlying(off*off, v)), x.prior-centre
			aa, ab, bb = aa+w, ab+w*d, bb+w*d*d
			va, vb = va+w*(x.z-centre), vb+w*(x.z-centre)*d
		}
		det := aa*bb - ab*ab
		a, b = (va*bb-vb*ab)/det, (vb*aa-va*ab)/det
	}
	return line{a + (1-b)*centre, b}
}

// base is the mean of the logarithm of a kernel's cost before the process: by the prior where the group has
// one that prices the kernel, else by the physics. It is not ok where neither does.
func (p *process) base(s *site) (float64, bool) {
	if p.prior != nil {
		if x, ok := p.prior.logarithm(s); ok {
			if l, ok := p.line(s); ok {
				return l.shift + l.slope*x, true
			}
		}
	}
	if _, ok := p.prices[tariff{"", "", s.op.Precision}]; !ok {
		return 0, false
	}
	return math.Log(max(p.physics(s), 1e-12)), true
}

func (p *process) line(s *site) (line, bool) {
	for _, t := range s.tariff.wider() {
		if l, ok := p.lines[t]; ok {
			return l, true
		}
	}
	return line{}, false
}

// logarithm is that of the expected cost of one kernel.
func (m *Model) logarithm(s *site) (float64, bool) {
	p := m.processes[s.group]
	if p == nil {
		return 0, false
	}
	base, ok := p.base(s)
	if !ok {
		return 0, false
	}
	pt, _ := p.embed(s)
	n := len(p.inducing)
	mean := math.Sqrt(p.bias)*p.mean[n] + dot(p.alpha, p.covariances(&pt))
	if k := m.known[s.op.String()]; k != nil {
		return base + (1-k.trust)*mean + k.shift, true
	}
	return base + mean, true
}

// lean gives the groups another device's prices for a mean where their kernels' own measurements say that it fits
// better than the physics. Evidence is the groups' by the physics.
func (f *fitter) lean(prior *Model, evidence map[string]float64) {
	own := f.directs(f.vocal())
	var all []priced
	logs := make([]float64, len(f.sites))
	for i, s := range f.sites {
		x, ok := prior.logarithm(s)
		if logs[i] = x; !ok {
			logs[i] = math.NaN()
			continue
		}
		if own[i].seen && own[i].value > 0 {
			z, v := own[i].working(f.base[i])
			all = append(all, priced{tariff{s.op.Kind, "", s.op.Precision}, x, z, v})
		}
	}
	lines := linesOf(all)
	if len(lines) == 0 {
		return
	}
	physics := f.base
	f.base = make([]float64, len(f.sites))
	before := f.snapshot()
	for g, p := range f.m.processes {
		p.prior, p.lines = prior, lines
		for _, i := range f.members[g] {
			f.base[i], _ = p.base(f.sites[i])
		}
	}
	with := f.learn(f.base, f.groups())
	whole := 0.0
	for g := range f.m.processes {
		whole += with[g] - evidence[g]
	}
	for _, g := range f.groups() {
		seen := false
		for _, i := range f.members[g] {
			seen = seen || own[i].seen
		}
		if better := with[g] - evidence[g]; better < 0 || !seen && whole < 0 {
			f.m.processes[g] = before[g]
			for _, i := range f.members[g] {
				f.base[i] = physics[i]
			}
		}
	}
	if whole < 0 {
		return
	}
	// Of groups that nothing was measured of, the prior's price is all there is.
	for g := range prior.processes {
		if f.m.processes[g] == nil {
			p := &process{name: g, prior: prior, lines: lines, prices: map[tariff][physicsTerms]float64{}}
			p.shape(nil)
			f.m.processes[g] = p
		}
	}
}

// Leans are the groups of kernels whose mean is the prior's.
func (m *Model) Leans() []string {
	var out []string
	for _, g := range slices.Sorted(maps.Keys(m.processes)) {
		if m.processes[g].prior != nil {
			out = append(out, g)
		}
	}
	return out
}

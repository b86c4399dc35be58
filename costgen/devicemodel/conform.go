package devicemodel

import (
	"maps"
	"math"
	"slices"

	"github.com/isocost/isocost/internal/stats"
)

// Held is a network as the model priced it without having seen its family: neither the
// family's networks nor kernels that only they have.
type Held struct {
	Observation int // its index among the observations
	Family      string
	Value       float64
	StdErr      float64 // of the value's logarithm, before any widening
}

// foldsMost bounds how many fits with sums leave families out: of more families, several are left out at once,
// which judges a little too sternly.
const foldsMost = 12

// heldRounds of linearisation suffice from where the whole fit ended.
const heldRounds = 2

// HeldOut are the networks of families, each as priced without its family; nil when fewer than two
// families were observed.
func (m *Model) HeldOut() []Held { return m.held }

// conform prices each family of networks without it, by sizes of the covariance that were
// learned with it – they are few –, and sets the width of intervals by how far off that was.
func (f *fitter) conform(obs []Observation, eta []float64) {
	of := map[string][]int{} // networks by family
	in := map[int][]string{} // families by kernel
	for i, o := range f.all {
		if o.family == "" || len(o.terms) < 2 {
			continue
		}
		of[o.family] = append(of[o.family], i)
		for _, t := range o.terms {
			if fs := in[t.site]; !slices.Contains(fs, o.family) {
				in[t.site] = append(fs, o.family)
			}
		}
	}
	if len(of) < 2 {
		return
	}
	families := slices.Sorted(maps.Keys(of))
	folds := len(families)
	if f.m.sums > 0 { // which make a fit expensive
		folds = min(folds, foldsMost)
	}
	held := make([][]Held, folds)
	each(indices(folds), func(n int) {
		out := map[string]bool{}
		for i := n; i < len(families); i += folds {
			out[families[i]] = true
		}
		use := make([]bool, len(f.all))
		for i, o := range f.all {
			use[i] = !o.silent && !out[o.family]
			if fs := in[o.terms[0].site]; len(o.terms) == 1 && len(fs) > 0 {
				use[i] = use[i] && slices.ContainsFunc(fs, func(family string) bool { return !out[family] })
			}
		}
		m := &Model{processes: map[string]*process{}, widen: 1}
		for g, p := range f.m.processes {
			q := *p
			m.processes[g] = &q
		}
		wanted := make([]bool, len(f.sites))
		for family := range out {
			for _, i := range of[family] {
				for _, t := range f.all[i].terms {
					wanted[t.site] = true
				}
			}
		}
		f.settle(m, use, eta, heldRounds, wanted)
		if f.ctx.Err() != nil {
			return
		}
		for _, family := range families {
			if !out[family] {
				continue
			}
			for _, i := range of[family] {
				e := m.Price(obs[i].Terms)
				held[n] = append(held[n], Held{i, family, e.Value, e.StdErr})
			}
		}
	})
	if f.ctx.Err() != nil {
		return
	}
	f.m.held, f.m.families = slices.Concat(held...), len(families)
	var errs, sds []float64
	for _, h := range f.m.held {
		o := f.all[h.Observation]
		if o.value > 0 && h.Value > 0 {
			errs, sds = append(errs, math.Log(o.value/h.Value)), append(sds, h.StdErr)
		}
	}
	f.m.Conform(errs, sds)
}

// contextMost bounds what all networks may be off by: a factor of twenty. A lower bound would make a
// few networks far off widen all others by a factor instead, the uncertain ones beyond reason.
const contextMost = 3

// Conform sets the width of intervals by networks that were priced without having been seen: the
// logarithms of measured over predicted, and the standard errors of the predicted logarithms
// before any widening. An interval's variance becomes a multiple of the model's plus one that
// all networks have – caches, layouts, what no kernel carries –, both by maximum likelihood, then
// scaled by the conformal order statistic at 95 % (Vovk et al. 2005), or, of fewer than 19
// networks, by Student's t.
func (m *Model) Conform(errs, sds []float64) {
	n := len(errs)
	if n < 3 {
		return
	}
	best, widen, context := math.Inf(-1), 1.0, 0.0
	for w := 0.5; w < 6; w *= 1.1 {
		for c := 0.0; c < contextMost; c = c*1.15 + 0.001 {
			l := 0.0
			for i, e := range errs {
				v := w*w*sds[i]*sds[i] + c*c + 1e-8
				l -= (math.Log(v) + e*e/v) / 2
			}
			if l > best+1e-9 {
				best, widen, context = l, w, c
			}
		}
	}
	z := make([]float64, n)
	ss, off := 0.0, 0.0
	for i, e := range errs {
		z[i] = math.Abs(e) / math.Sqrt(widen*widen*sds[i]*sds[i]+context*context+1e-8)
		ss += z[i] * z[i]
		relative := math.Expm1(min(-e, 5)) // a price beyond bounds is a finite error
		off += relative * relative
	}
	scale := math.Sqrt(ss/float64(n)*(1+1/float64(n))) * stats.StudentQuantile(0.95, n-1) / normal95
	if k, ok := stats.ConformalRank(n, 0.95); ok {
		scale = stats.Smallest(z, k) / normal95
	}
	m.widen, m.context, m.networks = scale*widen, scale*context, n
	m.heldError = math.Sqrt(off / float64(n))
}

func indices(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

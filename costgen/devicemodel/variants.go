package devicemodel

import (
	"math"
	"slices"
)

// apart is the variant of convolutions that a runtime computes a group at a time.
const apart = "apart"

// quantities are what the prices are of: its own variant's, or those of its kind and of all kernels.
func (s *site) quantities(far float64, own bool) [physicsTerms]float64 {
	q := s.amounts(far)
	if own && s.unrolled > 0 {
		q[2] = s.unrolled
	}
	return q
}

// varied returns the groups that hold variants.
func (f *fitter) varied() []string {
	return slices.DeleteFunc(f.groups(), func(g string) bool {
		return !slices.ContainsFunc(f.members[g], func(i int) bool { return f.sites[i].tariff.variant != "" })
	})
}

// vary gives the groups prices of their variants where their kernels' own measurements say that these fit
// better than one price for each kind, by more than as many further numbers would in any case (Schwarz 1978).
// Evidence is the groups' without.
func (f *fitter) vary(far float64, loud []sum, evidence map[string]float64) {
	groups := f.varied()
	prices := pricesOf(f.sites, far, loud, true)
	plain := slices.Clone(f.base)
	before := f.snapshot()
	for _, g := range groups {
		p := f.m.processes[g]
		p.prices = prices[g]
		for _, i := range f.members[g] {
			f.base[i], _ = p.base(f.sites[i])
		}
	}
	with := f.learn(f.base, groups)
	for _, g := range groups {
		if with[g] > evidence[g]+f.pricesWorth(g) {
			evidence[g] = with[g]
			continue
		}
		f.m.processes[g] = before[g]
		for _, i := range f.members[g] {
			f.base[i] = plain[i]
		}
	}
}

// pricesWorth is the evidence that a group's prices of variants, those above zero, must add.
func (f *fitter) pricesWorth(g string) float64 {
	further := 0
	for t, per := range f.m.processes[g].prices {
		for _, price := range per {
			if t.variant != "" && price > 0 {
				further++
			}
		}
	}
	return float64(further) / 2 * math.Log(float64(len(f.members[g])))
}

// snapshot returns copies of the processes; learning again leaves them alone.
func (f *fitter) snapshot() map[string]*process {
	out := map[string]*process{}
	for g, p := range f.m.processes {
		q := *p
		q.inverse, q.cats = slices.Clone(p.inverse), slices.Clone(p.cats)
		out[g] = &q
	}
	return out
}

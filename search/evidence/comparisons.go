package evidence

import "github.com/isocost/isocost/search/anytime"

// Comparisons is evidence from independent samples with a share of δ for each
// distinct comparison, δ/(i(i+1)) for the i-th: bounds on either side, from all
// samples, kept for the pair whichever of the two is the incumbent.
type Comparisons struct {
	*Base
	Delta float64 // for all of them
}

// pair is the comparison's place; turned says that it is kept from the other side.
func pair(x, z *Arm) (id [2]string, turned bool) {
	if x.Key > z.Key {
		return [2]string{z.Key, x.Key}, true
	}
	return [2]string{x.Key, z.Key}, false
}

// turned is the comparison seen from the other side.
func (k Comparison) turned() Comparison {
	k.D, k.Upper, k.Lower = -k.D, -k.Lower, -k.Upper
	return k
}

// Compare is Independent's, with these bounds.
func (e *Comparisons) Compare(x, z *Arm, count bool) Comparison {
	id, turned := pair(x, z)
	if _, ok := e.comparisons[id]; !ok && !count || len(x.Values) == 0 || len(z.Values) == 0 {
		return unknown
	}
	a, b := x, z
	if turned {
		a, b = z, x
	}
	k := e.open(id)
	k.Delta = anytime.Delta(e.Delta, k.Index)
	k.D = b.all.Center - a.all.Center
	k.W = anytime.Width(a.all, b.all, k.Delta)
	k.Upper = min(k.Upper, k.D+k.W)
	k.Lower = max(k.Lower, k.D-k.W)
	if turned {
		return k.turned()
	}
	return *k
}

// Retired says whether z has been shown not to improve on x by more than ε.
func (e *Comparisons) Retired(x, z *Arm) bool {
	id, turned := pair(x, z)
	k, ok := e.comparisons[id]
	if !ok || z.Dead() {
		return false
	}
	if turned {
		return -k.Lower <= e.Epsilon
	}
	return k.Upper <= e.Epsilon
}

// Forget does nothing: these bounds hold for the whole run.
func (e *Comparisons) Forget(*Arm, []*Arm) {}

// LeaveBehind does nothing: all samples count.
func (e *Comparisons) LeaveBehind([]*Arm) {}

// Further is Independent's, with these bounds.
func (e *Comparisons) Further(x, z *Arm, k Comparison, target float64) int {
	delta := k.Delta
	if delta == 0 {
		delta = anytime.Delta(e.Delta, len(e.comparisons)+1)
	}
	return e.further(x, z, target, func(a, b anytime.Evidence) float64 { return anytime.Width(a, b, delta) })
}

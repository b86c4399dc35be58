package study

import (
	"math"

	"github.com/isocost/isocost/search"
	"github.com/isocost/isocost/search/space"
)

// expecting is an evaluator whose expected utilities are on file.
type expecting interface {
	Expected(key string) (utility float64, ok bool)
	Keys() []string // of all architectures it has
}

// listed is a space whose architectures are on file.
type listed interface{ Rows() []string }

// everything lists the architectures of a space: those it has on file, or those of an
// evaluator's file where they are as many as the layers' settings make; nil else.
func everything(s space.Space, truth expecting) []string {
	if l, ok := s.(listed); ok {
		return l.Rows()
	}
	keys, n := truth.Keys(), 1
	for l := range s.Layers() {
		if n *= len(s.Choices(l)) * s.Widths(l) * max(len(s.Precisions(l)), 1); n > len(keys) {
			return nil
		}
	}
	if n != len(keys) {
		return nil
	}
	return keys
}

// regret returns how much better the best network of a problem's bands is than the one with
// this key, by expected utilities; nil where they are not on file for all of the band, and
// for a network outside it.
func (r *runner) regret(ev search.Evaluator, u *Unit, p search.Problem, key string) *float64 {
	truth, ok := ev.(expecting)
	if !ok {
		return nil
	}
	at := [2]string{u.Anchor, u.Table}
	band, ok := r.bands[at]
	if !ok {
		band = map[string]float64{}
		comp := search.NewCompensator(p.Space, p.Bands)
		for _, row := range everything(r.sp, truth) {
			a, err := space.ParseArch(row)
			if err != nil || r.sp.Validate(a) != nil || comp.Excess(a) != 0 {
				continue
			}
			v, ok := truth.Expected(row)
			if !ok {
				band = nil
				break
			}
			band[row] = v
		}
		r.bands[at] = band
	}
	got, ok := band[key]
	if !ok {
		return nil
	}
	best := math.Inf(-1)
	for _, v := range band {
		best = max(best, v)
	}
	return finite(best - got)
}

package explore

import (
	"math/rand/v2"
	"slices"

	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// Band is the set of architectures that meet every cost constraint, drawn from
// without listing a space of 10²⁰ networks.
type Band struct {
	Space space.Space
	// Excess says how far outside the band an architecture is, 0 inside; +Inf or NaN
	// when it cannot be priced.
	Excess func(a space.Arch) float64
	// Whole is up to how many architectures a band on file is looked at as a whole; of a
	// larger one, and of spaces that are not on file, a sample is.
	Whole int
	// Start is an architecture of the band: walks begin there when draws fail.
	Start space.Arch
	// Stopped, where set, says that nothing is wanted any more: drawing ends, finding nothing.
	Stopped func() bool

	listed bool
	all    []space.Arch // of a space that lists its architectures; nil for others
}

// WholeBand is a Whole for which a proposal takes milliseconds.
const WholeBand = 3000

// lister is a space that is small enough to have its architectures on file.
type lister interface{ Rows() []string }

// Inside says whether an architecture is in the band.
func (b *Band) Inside(a space.Arch) bool { return b.Excess(a) == 0 }

func (b *Band) stopped() bool { return b.Stopped != nil && b.Stopped() }

// All lists the band of a space that is on file; ok is false for others.
func (b *Band) All() ([]space.Arch, bool) {
	l, ok := b.Space.(lister)
	if ok && !b.listed {
		for _, key := range l.Rows() {
			if a, err := space.ParseArch(key); err == nil && b.Inside(a) {
				b.all = append(b.all, a)
			}
		}
		b.listed = true
	}
	return b.all, ok
}

const (
	// drawTries says how many networks of the space are drawn for one inside: a band of
	// ±5 % holds one in ten to one in a hundred of them.
	drawTries = 300
	// repairSteps says how many changes then bring the last draw inside.
	repairSteps = 60
	// walkSteps is the length of a walk from the start where neither finds one.
	walkSteps = 20
)

// Draw draws an architecture of the band: all alike where random settings of all
// layers meet it now and then; where they do not, what one-layer changes bring a
// random network to.
func (b *Band) Draw(rng *rand.Rand) (space.Arch, bool) {
	if all, ok := b.All(); ok {
		if len(all) == 0 {
			return space.Arch{}, false
		}
		return all[rng.IntN(len(all))], true
	}
	var a space.Arch
	for range drawTries {
		if b.stopped() {
			return space.Arch{}, false
		}
		a = b.any(rng)
		if b.Inside(a) {
			return a, true
		}
	}
	if a, ok := b.repair(rng, a); ok {
		return a, true
	}
	x := b.Start
	for range walkSteps {
		if y, ok := b.Near(rng, x, 1); ok {
			x = y
		}
	}
	return x, b.Inside(x)
}

// Uniform draws from the whole band with equal chances, or reports that it cannot:
// ok is false when none of the tries networks drawn from the space is inside.
func (b *Band) Uniform(rng *rand.Rand, tries int) (space.Arch, bool) {
	if all, ok := b.All(); ok {
		if len(all) == 0 {
			return space.Arch{}, false
		}
		return all[rng.IntN(len(all))], true
	}
	for range tries {
		if a := b.any(rng); b.Inside(a) {
			return a, true
		}
	}
	return space.Arch{}, false
}

// any is a network of the space with random settings in all layers.
func (b *Band) any(rng *rand.Rand) space.Arch {
	s := b.Space
	a := space.Arch{Layers: make([]space.Layer, s.Layers())}
	for l := range a.Layers {
		a.Layers[l] = b.setting(rng, l)
	}
	if s.GlobalWidth() {
		for l := range a.Layers {
			a.Layers[l].Width = a.Layers[0].Width
		}
	}
	return space.Canonical(s, a)
}

// setting is a random one of a layer.
func (b *Band) setting(rng *rand.Rand, l int) space.Layer {
	cs := b.Space.Choices(l)
	x := space.Layer{Choice: cs[rng.IntN(len(cs))], Width: rng.IntN(b.Space.Widths(l))}
	if ps := b.Space.Precisions(l); len(ps) > 0 {
		x.Precision = ps[rng.IntN(len(ps))]
	}
	return x
}

// with is a with another setting of layer l.
func (b *Band) with(a space.Arch, l int, x space.Layer) space.Arch {
	y := a.Clone()
	y.Layers[l] = x
	if b.Space.GlobalWidth() {
		for i := range y.Layers {
			y.Layers[i].Width = x.Width
		}
	}
	return space.Canonical(b.Space, y)
}

// repair changes random layers as long as that brings a network nearer to the band.
func (b *Band) repair(rng *rand.Rand, a space.Arch) (space.Arch, bool) {
	miss := b.Excess(a)
	for range repairSteps {
		l := rng.IntN(len(a.Layers))
		y := b.with(a, l, b.setting(rng, l))
		if e := b.Excess(y); e < miss || !(miss >= 0) {
			if a, miss = y, e; miss == 0 {
				return a, true
			}
		}
	}
	return a, false
}

// nearTries says how many local moves are drawn for one that stays inside.
const nearTries = 60

// Near draws a network of the band that differs from a in a few layers, changes of
// them deliberately: the first changes layers freely and one more makes up for
// their cost. ok is false when none was found.
func (b *Band) Near(rng *rand.Rand, a space.Arch, changes int) (space.Arch, bool) {
	key := a.Key()
	for range nearTries {
		if b.stopped() {
			break
		}
		y := a
		for range changes {
			l := rng.IntN(len(a.Layers))
			y = b.with(y, l, b.setting(rng, l))
		}
		if !b.Inside(y) {
			l := rng.IntN(len(a.Layers))
			y = b.compensate(rng, y, l)
		}
		if y.Key() != key && b.Inside(y) {
			return y, true
		}
	}
	return a, false
}

// compensate gives layer l the setting that comes nearest to the band.
func (b *Band) compensate(rng *rand.Rand, a space.Arch, l int) space.Arch {
	best, miss := a, b.Excess(a)
	ps := b.Space.Precisions(l)
	if len(ps) == 0 {
		ps = []lut.Precision{""}
	}
	choices := slices.Clone(b.Space.Choices(l))
	rng.Shuffle(len(choices), func(i, j int) { choices[i], choices[j] = choices[j], choices[i] })
	for _, c := range choices {
		for _, p := range ps {
			for w := range b.Space.Widths(l) {
				y := b.with(a, l, space.Layer{Choice: c, Width: w, Precision: p})
				if e := b.Excess(y); e < miss || !(miss >= 0) {
					if best, miss = y, e; miss == 0 {
						return best
					}
				}
			}
		}
	}
	return best
}

// sortStable sorts by less, equal ones as they were.
func sortStable[T any](s []T, less func(a, b T) bool) {
	slices.SortStableFunc(s, func(a, b T) int {
		switch {
		case less(a, b):
			return -1
		case less(b, a):
			return 1
		}
		return 0
	})
}

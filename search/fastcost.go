package search

import (
	"errors"
	"math"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// FastCost prices networks part by part and remembers each part's price: after
// the first few architectures a price is a dozen map lookups. It must not be used
// from several goroutines.
type FastCost struct {
	*LUTCost
	space space.Stepper
	parts map[int][]int // by global width
	known map[stepKey]stepCost

	// The last architecture and the running sums before each of its parts: a
	// proposal changes one layer, and what is before it need not be added up again.
	// Sums always run first to last, so that a price does not depend on the last one.
	last   []space.Layer
	global int
	before []running
	steps  []stepCost // of the last architecture's parts
	recent []*recent  // by part
}

// running is the walk's state before a part.
type running struct {
	sum, lo2, hi2 float64
	kernels       int
	in            benchmarks.Layout
}

// stepKey is all a part's price depends on.
type stepKey struct {
	part, global int
	first        bool
	in           benchmarks.Layout
	layer        space.Layer // zero for fixed parts
}

type stepCost struct {
	sum, lo2, hi2 float64 // of the kernels: values, squared half-widths
	kernels       int
	out           benchmarks.Layout
}

// FastLUTCost returns the fast form of NewLUTCost. Memory does not add up over
// parts: a memory table is refused.
func FastLUTCost(s space.Stepper, t *lut.Table) (*FastCost, error) {
	if t.File().Metric == lut.Memory {
		return nil, errors.New("a network's memory is not the sum of its parts'")
	}
	return &FastCost{LUTCost: NewLUTCost(s, t), space: s, parts: map[int][]int{}, known: map[stepKey]stepCost{}}, nil
}

// Cost returns what LUTCost's is, but for rounding.
func (c *FastCost) Cost(a space.Arch) (Bounds, error) {
	global := 0
	if c.space.GlobalWidth() {
		global = a.Layers[0].Width
	}
	parts, ok := c.parts[global]
	if !ok {
		if err := c.space.Validate(a); err != nil {
			return Bounds{}, err
		}
		parts = c.space.Parts(a)
		c.parts[global] = parts
	}
	from, known := c.resume(a, parts, global)
	r := c.before[from]
	k := stepKey{global: global}
	for i := from; i <= len(parts); i++ {
		l := -1
		if i < len(parts) {
			l = parts[i]
		}
		// A part that is as it was, after something that leaves it as it was, costs
		// what it did.
		old := &c.before[i]
		same := known && old.in == r.in && (old.kernels == 0) == (r.kernels == 0)
		if l >= 0 && (!known || a.Layers[l] != c.last[l]) {
			same = false
			if known {
				c.last[l] = a.Layers[l]
			}
		}
		*old = r
		if !same {
			k.part, k.layer, k.in, k.first = i, space.Layer{}, r.in, r.kernels == 0
			if l >= 0 {
				k.layer = a.Layers[l]
			}
			s, err := c.price(a, &k)
			if err != nil {
				c.last = c.last[:0]
				return Bounds{}, err
			}
			c.steps[i] = s
		}
		s := &c.steps[i]
		r.sum += s.sum
		r.lo2 += s.lo2
		r.hi2 += s.hi2
		r.kernels += s.kernels
		r.in = s.out
	}
	if !known {
		c.last, c.global = append(c.last[:0], a.Layers...), global
	}
	cost := c.Table.Total(r.sum, math.Sqrt(r.lo2), math.Sqrt(r.hi2), r.kernels)
	if !(cost.Value > 0) {
		return Bounds{}, errors.New("the table prices the network at nothing")
	}
	return Bounds{cost.Value, cost.Lo, cost.Hi}, nil
}

// resume returns the first part whose price can differ from the last
// architecture's, and whether what is known of that one is of use.
func (c *FastCost) resume(a space.Arch, parts []int, global int) (from int, known bool) {
	if len(c.before) != len(parts)+1 || c.global != global || len(c.last) != len(a.Layers) {
		c.before, c.steps = make([]running, len(parts)+1), make([]stepCost, len(parts)+1)
		return 0, false
	}
	for i, l := range parts {
		if l >= 0 && a.Layers[l] != c.last[l] {
			return i, true
		}
	}
	return len(parts), true
}

// recent holds prices of a part, one per place: the settings of a layer are few, and a hash of
// little of a key and a comparison of equal strings are cheaper than hashing all of it.
type recent [recentPlaces]struct {
	key  stepKey
	cost stepCost
	held bool
}

const recentPlaces = 256

// place locates a part's price.
func (k *stepKey) place() int {
	h := uint(k.layer.Width)
	for _, s := range [...]string{k.layer.Choice, string(k.layer.Precision), string(k.in.Precision)} {
		for i := max(0, len(s)-6); i < len(s); i++ { // names differ at their ends
			h = h*31 + uint(s[i])
		}
	}
	if k.in.Plain {
		h++
	}
	return int(h % recentPlaces)
}

func (c *FastCost) price(a space.Arch, k *stepKey) (stepCost, error) {
	for len(c.recent) <= k.part {
		c.recent = append(c.recent, &recent{})
	}
	near := &c.recent[k.part][k.place()]
	if near.held && near.key == *k {
		return near.cost, nil
	}
	s, ok := c.known[*k]
	if !ok {
		var err error
		if s, err = c.step(a, *k); err != nil {
			return s, err
		}
		c.known[*k] = s
	}
	near.key, near.cost, near.held = *k, s, true
	return s, nil
}

func (c *FastCost) step(a space.Arch, k stepKey) (s stepCost, err error) {
	keys, out, err := c.space.Step(a, k.part, k.in, k.first)
	if err != nil {
		return s, err
	}
	s.out, s.kernels = out, len(keys)
	for _, op := range keys {
		x, err := c.Table.Cost(op)
		if err != nil {
			return s, err
		}
		s.sum += x.Value
		s.lo2 += (x.Value - x.Lo) * (x.Value - x.Lo)
		s.hi2 += (x.Hi - x.Value) * (x.Hi - x.Value)
	}
	return s, nil
}

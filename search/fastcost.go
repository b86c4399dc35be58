package search

import (
	"errors"
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
	"github.com/isocost/isocost/search/space"
)

// FastCost prices networks part by part and remembers each part's price: after
// the first few architectures a price is a dozen look-ups in arrays. It must not be used
// from several goroutines.
type FastCost struct {
	*LUTCost
	space  space.Stepper
	routes map[int]*route // by global width
	states []routeState

	// The last architecture's route, nil where it has no price, and its layers: a
	// proposal changes one layer, and what is before it need not be added up again.
	// Sums always run first to last, so that a price does not depend on the last one.
	last   *route
	layers []space.Layer
}

// route is a network's parts from first to last, the end of the network being the last.
type route struct {
	parts  []routePart
	before []running // each part, of the last architecture
}

// routePart holds what is known of a part.
type routePart struct {
	layer   int // −1 for a fixed one
	numbers map[space.Layer]int
	recent  []numbered   // by place
	prices  [][]stepCost // by state before it and number of the setting
	number  int          // of the last architecture's setting
}

// numbered is a setting with its number from 1; 0 for none.
type numbered struct {
	layer  space.Layer
	number int
}

// running is a route's sum before a part.
type running struct {
	sum, lo2, hi2  float64
	kernels, state int
}

// routeState is all that a part's price depends on beside its setting: how the tensor before it
// lies, and whether there is one.
type routeState struct {
	in    benchmarks.Layout
	first bool
}

type stepCost struct {
	sum, lo2, hi2  float64 // of the kernels: values, squared half-widths
	kernels, after int     // after is the state after the part
	known          bool
}

// FastLUTCost returns the fast form of NewLUTCost. Memory does not add up over
// parts: a memory table is refused.
func FastLUTCost(s space.Stepper, t *lut.Table) (*FastCost, error) {
	if t.File().Metric == lut.Memory {
		return nil, errors.New("a network's memory is not the sum of its parts'")
	}
	return &FastCost{LUTCost: NewLUTCost(s, t), space: s, routes: map[int]*route{}, states: []routeState{{first: true}}}, nil
}

// Cost returns what LUTCost's is, but for rounding.
func (c *FastCost) Cost(a space.Arch) (Bounds, error) {
	w, err := c.route(a)
	if err != nil {
		return Bounds{}, err
	}
	known := w == c.last && len(c.layers) == len(a.Layers)
	if !known {
		c.layers = append(c.layers[:0], a.Layers...)
	}
	from := 0
	for known && from < len(w.parts)-1 {
		if l := w.parts[from].layer; l >= 0 && a.Layers[l] != c.layers[l] {
			break
		}
		from++
	}
	c.last = nil // until all of it has a price
	r := w.before[from]
	for i := from; i < len(w.parts); i++ {
		p := &w.parts[i]
		if l := p.layer; l >= 0 && (!known || a.Layers[l] != c.layers[l]) {
			p.number = p.numberOf(&a.Layers[l])
			c.layers[l] = a.Layers[l]
		}
		w.before[i] = r
		s := p.price(r.state)
		if s == nil {
			if s, err = c.learn(a, i, p, r.state); err != nil {
				return Bounds{}, err
			}
		}
		r.sum += s.sum
		r.lo2 += s.lo2
		r.hi2 += s.hi2
		r.kernels += s.kernels
		r.state = s.after
	}
	c.last = w
	cost := c.Table.Total(r.sum, math.Sqrt(r.lo2), math.Sqrt(r.hi2), r.kernels)
	if !(cost.Value > 0) {
		return Bounds{}, errors.New("the table prices the network at nothing")
	}
	return Bounds{cost.Value, cost.Lo, cost.Hi}, nil
}

// route returns that of architectures of a's global width.
func (c *FastCost) route(a space.Arch) (*route, error) {
	global := 0
	if c.space.GlobalWidth() {
		global = a.Layers[0].Width
	}
	if w := c.routes[global]; w != nil {
		return w, nil
	}
	if err := c.space.Validate(a); err != nil {
		return nil, err
	}
	w := &route{}
	for _, l := range append(c.space.Parts(a), -1) {
		p := routePart{layer: l}
		if l >= 0 {
			p.numbers, p.recent = map[space.Layer]int{}, make([]numbered, recentPlaces)
		}
		w.parts = append(w.parts, p)
	}
	w.before = make([]running, len(w.parts))
	c.routes[global] = w
	return w, nil
}

// recentPlaces is a power of two: the settings of a layer are few, and a hash of little of a
// setting and a comparison of equal strings are cheaper than hashing all of it.
const recentPlaces = 256

// numberOf is a setting's number, counted as settings come.
func (p *routePart) numberOf(x *space.Layer) int {
	h := uint(len(x.Choice) + 31*x.Width)
	for _, s := range [...]string{x.Choice, string(x.Precision)} {
		if n := len(s); n >= 4 { // names differ at their ends
			h = h*31 + uint(s[n-4])<<9 + uint(s[n-3])<<6 + uint(s[n-2])<<3 + uint(s[n-1])
		}
	}
	near := &p.recent[(h^h>>8)%recentPlaces]
	if near.number > 0 && near.layer == *x {
		return near.number - 1
	}
	n, ok := p.numbers[*x]
	if !ok {
		n = len(p.numbers)
		p.numbers[*x] = n
	}
	*near = numbered{*x, n + 1}
	return n
}

// price is the part's in the setting at hand, nil where it is not known yet.
func (p *routePart) price(state int) *stepCost {
	if state < len(p.prices) && p.number < len(p.prices[state]) {
		if s := &p.prices[state][p.number]; s.known {
			return s
		}
	}
	return nil
}

// learn finds the price of part i.
func (c *FastCost) learn(a space.Arch, i int, p *routePart, state int) (*stepCost, error) {
	from := c.states[state]
	keys, out, err := c.space.Step(a, i, from.in, from.first)
	if err != nil {
		return nil, err
	}
	s := stepCost{kernels: len(keys), known: true}
	for _, op := range keys {
		x, err := c.Table.Cost(op)
		if err != nil {
			return nil, err
		}
		s.sum += x.Value
		s.lo2 += (x.Value - x.Lo) * (x.Value - x.Lo)
		s.hi2 += (x.Hi - x.Value) * (x.Hi - x.Value)
	}
	after := routeState{out, from.first && len(keys) == 0}
	if s.after = slices.Index(c.states, after); s.after < 0 {
		s.after = len(c.states)
		c.states = append(c.states, after)
	}
	for len(p.prices) <= state {
		p.prices = append(p.prices, nil)
	}
	for len(p.prices[state]) <= p.number {
		p.prices[state] = append(p.prices[state], stepCost{})
	}
	p.prices[state][p.number] = s
	return &p.prices[state][p.number], nil
}

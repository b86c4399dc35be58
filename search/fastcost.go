package search

import (
	"errors"
	"math"
	"slices"
	"unsafe"

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
	global bool     // the width is one for all layers
	routes []*route // by global width; nil where none came yet
	states []routeState
}

// route is a network's parts from first to last, the end of the network being the last, and
// how the last architecture went it: a proposal changes one layer, and what is before it need
// not be added up again. Sums always run first to last, so that a price does not depend on
// the last one.
type route struct {
	parts    []routePart
	settings []space.Layer // of the last architecture
	last     []placed      // its parts
	known    int           // parts that lie as the settings say
	from     []int         // by layer the first part that is of it or of a later one
}

// placed is a part where it was last.
type placed struct {
	layer  int // −1 for a fixed part
	before running
	cost   stepCost
	known  bool
}

// running is a sum before a part.
type running struct {
	sum, lo2, hi2  float64
	kernels, state int
}

// routePart holds what is known of a part.
type routePart struct {
	numbers map[space.Layer]int
	recent  []numbered   // by place
	prices  [][]stepCost // by state before it and number of the setting
}

// numbered is a setting with its number from 1; 0 for none.
type numbered struct {
	layer  space.Layer
	number int
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
	return &FastCost{LUTCost: NewLUTCost(s, t), space: s, global: s.GlobalWidth(), states: []routeState{{first: true}}}, nil
}

// Cost returns what LUTCost's is, but for rounding.
func (c *FastCost) Cost(a space.Arch) (Bounds, error) {
	w, err := c.route(a)
	if err != nil {
		return Bounds{}, err
	}
	same := 0
	for same < min(len(a.Layers), len(w.settings)) && one(&a.Layers[same], &w.settings[same]) {
		same++
	}
	i := min(w.from[same], w.known)
	r := &w.last[i].before
	sum, lo2, hi2, kernels, state := r.sum, r.lo2, r.hi2, r.kernels, r.state
	for ; i < len(w.last); i++ {
		p := &w.last[i]
		l, b := p.layer, &p.before
		stays := p.known && b.state == state && (l < 0 || one(&a.Layers[l], &w.settings[l]))
		b.sum, b.lo2, b.hi2, b.kernels, b.state = sum, lo2, hi2, kernels, state // each by its own: a copy of all would wait for them
		if !stays {
			if err := c.place(w, a, i, state); err != nil {
				w.known = i
				return Bounds{}, err
			}
		}
		sum += p.cost.sum
		lo2 += p.cost.lo2
		hi2 += p.cost.hi2
		kernels += p.cost.kernels
		state = p.cost.after
	}
	w.known = len(w.last) - 1
	cost := c.Table.Total(sum, math.Sqrt(lo2), math.Sqrt(hi2), kernels)
	if !(cost.Value > 0) {
		return Bounds{}, errors.New("the table prices the network at nothing")
	}
	return Bounds{cost.Value, cost.Lo, cost.Hi}, nil
}

// one says whether two settings are equal and their texts one in memory, as the names of a
// space's choices are.
func one(x, y *space.Layer) bool {
	return x.Width == y.Width && len(x.Choice) == len(y.Choice) && len(x.Precision) == len(y.Precision) &&
		unsafe.StringData(x.Choice) == unsafe.StringData(y.Choice) && unsafe.StringData(string(x.Precision)) == unsafe.StringData(string(y.Precision))
}

// route returns that of architectures of a's global width.
func (c *FastCost) route(a space.Arch) (*route, error) {
	global := 0
	if c.global {
		global = a.Layers[0].Width
	}
	if uint(global) < uint(len(c.routes)) && c.routes[global] != nil {
		return c.routes[global], nil
	}
	if err := c.space.Validate(a); err != nil {
		return nil, err
	}
	w := &route{settings: make([]space.Layer, len(a.Layers))}
	for _, l := range append(c.space.Parts(a), -1) {
		p := routePart{}
		if l >= 0 {
			p.numbers, p.recent = map[space.Layer]int{}, make([]numbered, recentPlaces)
		}
		w.parts, w.last = append(w.parts, p), append(w.last, placed{layer: l})
	}
	for l := range len(a.Layers) + 1 {
		i := 0
		for i < len(w.last)-1 && w.last[i].layer < l {
			i++
		}
		w.from = append(w.from, i)
	}
	for len(c.routes) <= global {
		c.routes = append(c.routes, nil)
	}
	c.routes[global] = w
	return w, nil
}

// recentPlaces is a power of two: the settings of a layer are few, and a hash of little of a
// setting and a comparison of equal strings are cheaper than hashing all of it.
const recentPlaces = 256

// numberOf is a setting's number, counted as settings come.
func (p *routePart) numberOf(x *space.Layer) int {
	h := uint(len(x.Choice) + 31*x.Width)
	if s := x.Precision; s != "" {
		h = h*31 + uint(len(s))<<8 + uint(s[0])
	}
	if n := len(x.Choice); n >= 4 { // names differ at their ends
		s := x.Choice[n-4:]
		h = h*31 + uint(s[0])<<9 + uint(s[1])<<6 + uint(s[2])<<3 + uint(s[3])
	}
	near := &p.recent[(h^h>>8)%recentPlaces]
	if near.number > 0 && (one(&near.layer, x) || near.layer == *x) {
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

// place puts part i where the architecture has it, after a state.
func (c *FastCost) place(w *route, a space.Arch, i, state int) error {
	at, p, number := &w.last[i], &w.parts[i], 0
	if l := at.layer; l >= 0 {
		number = p.numberOf(&a.Layers[l])
		w.settings[l] = a.Layers[l]
	}
	if at.known = p.knows(state, number); !at.known {
		if err := c.learn(a, i, p, number, state); err != nil {
			return err
		}
	}
	at.cost, at.known = p.prices[state][number], true
	return nil
}

// knows says whether the part has a price in a setting after a state.
func (p *routePart) knows(state, number int) bool {
	return state < len(p.prices) && number < len(p.prices[state]) && p.prices[state][number].known
}

// learn finds the price of part i.
func (c *FastCost) learn(a space.Arch, i int, p *routePart, number, state int) error {
	from := c.states[state]
	keys, out, err := c.space.Step(a, i, from.in, from.first)
	if err != nil {
		return err
	}
	s := stepCost{kernels: len(keys), known: true}
	for _, op := range keys {
		x, err := c.Table.Cost(op)
		if err != nil {
			return err
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
	for len(p.prices[state]) <= number {
		p.prices[state] = append(p.prices[state], stepCost{})
	}
	p.prices[state][number] = s
	return nil
}

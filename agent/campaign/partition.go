package campaign

import (
	"slices"

	"github.com/isocost/isocost/benchmarks"
)

// partition parts cases into groups of models that fit into limit bytes together, the drift
// reference in each; limit 0 is none. A case's models always meet in one group. So do a
// network and the cells that its cost is the sum of, as far as they fit: what slows a
// group's hour then slows what is predicted and what it is predicted from alike. A group
// takes next the network that shares most with what is in it, then cells of no network, in
// the plan's order. A case that exceeds the limit by itself is a group of its own.
//
// Greedy, so up to twice as many groups as need be (first fit); an optimum is a bin packing
// with shared items and would save openings, not measurements.
func partition(cases []benchmarks.Case, reference string, bytes func(model string) int64, limit int64) [][]string {
	p := packing{reference: reference, bytes: bytes, limit: limit, models: make([][]string, len(cases)), placed: make([]bool, len(cases))}
	cells := map[string][]int{} // key → cases
	for i, k := range cases {
		p.models[i] = modelsOf(k)
		if k.Key != nil {
			cells[k.Key.String()] = append(cells[k.Key.String()], i)
		}
	}
	var families [][]int // a network, then its cells
	judged := make([]bool, len(cases))
	for i, k := range cases {
		if len(k.Ops) == 0 {
			continue
		}
		family := []int{i}
		for _, op := range k.Ops {
			for _, c := range cells[op.String()] {
				if !slices.Contains(family, c) {
					family = append(family, c)
				}
			}
		}
		for _, c := range family {
			judged[c] = true
		}
		families = append(families, family)
	}
	all := make([]int, len(cases))
	for i := range all {
		all[i] = i
	}
	if p.begin(); limit <= 0 || p.fits(all) {
		p.add(all)
		return [][]string{p.list}
	}
	var out [][]string
	for first := 0; ; {
		for first < len(cases) && p.placed[first] {
			first++
		}
		if first == len(cases) {
			return out
		}
		p.begin()
		for {
			best, share := -1, -1.0
			for f, family := range families {
				left := p.left(family)
				if len(left) == 0 || !p.fits(left) {
					continue
				}
				if s := p.shared(family); s > share {
					best, share = f, s
				}
			}
			if best < 0 {
				break
			}
			p.add(p.left(families[best]))
		}
		if len(p.list) == 1 { // no network fits with all that it is made of: as much of one as does
			for _, family := range families {
				if left := p.left(family); len(left) > 0 {
					p.addWhatFits(left)
					break
				}
			}
		}
		var rest []int
		for i := first; i < len(cases); i++ {
			if !p.placed[i] && !judged[i] {
				rest = append(rest, i)
			}
		}
		p.addWhatFits(rest)
		if len(p.list) == 1 && !p.any {
			p.add([]int{first})
		}
		out = append(out, p.list)
	}
}

// packing is a partition under way: the present group, and which cases have one.
type packing struct {
	reference string
	bytes     func(string) int64
	limit     int64
	models    [][]string // of each case
	placed    []bool

	list []string
	in   map[string]bool
	used int64
	any  bool // the present group has a case
}

func (p *packing) begin() {
	p.list, p.in, p.used, p.any = []string{p.reference}, map[string]bool{p.reference: true}, p.bytes(p.reference), false
}

// left are the cases of a list without a group.
func (p *packing) left(cases []int) (left []int) {
	for _, i := range cases {
		if !p.placed[i] {
			left = append(left, i)
		}
	}
	return left
}

// further returns the memory of those models of cases that are not in the group yet.
func (p *packing) further(cases []int) (bytes int64) {
	seen := map[string]bool{}
	for _, i := range cases {
		for _, m := range p.models[i] {
			if !p.in[m] && !seen[m] {
				seen[m] = true
				bytes += p.bytes(m)
			}
		}
	}
	return bytes
}

func (p *packing) fits(cases []int) bool { return p.used+p.further(cases) <= p.limit }

// shared is the part of a family's models, by number, that the group holds already.
func (p *packing) shared(cases []int) float64 {
	all, in := 0, 0
	for _, i := range cases {
		for _, m := range p.models[i] {
			all++
			if p.in[m] {
				in++
			}
		}
	}
	return float64(in) / float64(all)
}

func (p *packing) add(cases []int) {
	p.used += p.further(cases)
	for _, i := range cases {
		p.placed[i], p.any = true, true
		for _, m := range p.models[i] {
			if !p.in[m] {
				p.in[m] = true
				p.list = append(p.list, m)
			}
		}
	}
}

// addWhatFits adds cases one by one, those that fit.
func (p *packing) addWhatFits(cases []int) {
	for _, i := range cases {
		if p.fits([]int{i}) {
			p.add([]int{i})
		}
	}
}

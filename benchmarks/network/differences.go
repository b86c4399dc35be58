package network

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/isocost/isocost/lut"
)

// Difference is work that one of two networks does more often than the other.
type Difference struct {
	Work string // an operator with its size: what is done rather than where
	// Rules and Runtime name the kernels that do it on either side, in their order.
	Rules, Runtime []string
}

// String is "-2 work" for what only the rules have twice, "+1 work" for what only the
// runtime has.
func (d Difference) String() string {
	return fmt.Sprintf("%+d %s", len(d.Runtime)-len(d.Rules), d.Work)
}

// Differences compares the kernels of one model, as the rules of a reader have it and as
// the graph that the runtime optimised has it, and what neither could price. They are
// sorted by their text; none means that the two agree. work gives what a kernel does, as
// far as the two are to be compared: the runtime's own knowledge.
func Differences(rules, runtime *Network, work func(lut.Op) []string) []Difference {
	a, b := rules.by(work), runtime.by(work)
	var all []Difference
	for what, names := range a {
		if len(names) != len(b[what]) {
			all = append(all, Difference{what, names, b[what]})
		}
	}
	for what, names := range b {
		if a[what] == nil {
			all = append(all, Difference{what, nil, names})
		}
	}
	slices.SortFunc(all, func(x, y Difference) int { return cmp.Compare(x.String(), y.String()) })
	return all
}

// by lists, by what is done, the names of the kernels that do it.
func (n *Network) by(work func(lut.Op) []string) map[string][]string {
	out := map[string][]string{}
	for _, k := range n.Kernels {
		for _, what := range work(k.Op) {
			out[what] = append(out[what], k.Name)
		}
	}
	for _, u := range n.Unpriced {
		what := u.Op + ", which has no key"
		out[what] = append(out[what], u.Name)
	}
	return out
}

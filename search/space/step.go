package space

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks"
)

// Stepper is a Lowerer whose chain is a walk over parts: what a part adds depends
// on its own setting and on how the tensor before it lies, and on nothing else. A
// search prices a change of one layer by it without lowering the whole network.
type Stepper interface {
	Lowerer
	// Parts lists the parts of the network a, first to last: the mutable layer each
	// is, or −1 for a fixed one.
	Parts(a Arch) []int
	// Step returns the keys of part i of a when the tensor before it lies like in
	// (first: there is none before it yet), and how the result lies. A part that is
	// nothing has no keys. i = len(Parts) is the end of the network.
	Step(a Arch, i int, in benchmarks.Layout, first bool) (keys benchmarks.Chain, out benchmarks.Layout, err error)
}

var _ Stepper = (*Measured)(nil)

// Parts implements Stepper.
func (m *Measured) Parts(a Arch) []int {
	var out []int
	for _, p := range m.network(a).parts {
		out = append(out, p.slot)
	}
	return out
}

// Step implements Stepper; Lower is the sum of all steps.
func (m *Measured) Step(a Arch, i int, in benchmarks.Layout, first bool) (benchmarks.Chain, benchmarks.Layout, error) {
	net := m.network(a)
	if i == len(net.parts) {
		return ending(in, net.output().tensor()), in, nil
	}
	op, err := m.partOp(a, net.parts[i])
	if err != nil {
		return nil, in, fmt.Errorf("part %d: %w", i, err)
	}
	keys, out := step(op, in, first)
	return keys, out, nil
}

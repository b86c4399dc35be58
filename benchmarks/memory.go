package benchmarks

import (
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/lut"
)

// Memory holds what an operator reads and writes in one inference, in bytes at batch 1.
type Memory struct {
	Weights int // constants, each once
	In, Out int // the chain's value before and after it
	// Streamed says that the weights are read once, one after another, not again and again
	// for each pixel.
	Streamed bool
}

// MemoryOf is an operator's memory. It fails like Check, and for modules, whose weights
// are in files.
func MemoryOf(op lut.Op) (Memory, error) { return (*Library)(nil).MemoryOf(op) }

// MemoryOf is an operator's memory, which may be one of the library's modules. It fails
// like Check, and where a module is missing.
func (l *Library) MemoryOf(op lut.Op) (Memory, error) {
	in, out, err := Shapes(op)
	if err != nil {
		return Memory{}, err
	}
	size := elementBytes(op.Precision)
	m := Memory{In: size * in.elements(), Out: size * out.elements(), Streamed: kinds[op.Kind].streams}
	weight := size
	if op.Precision == lut.INT8Dyn || op.Precision == lut.INT8W {
		weight = 1
	}
	if kinds[op.Kind].files {
		module, err := l.Module(op)
		if err != nil {
			return Memory{}, err
		}
		for t, n := range module.Constants {
			m.Weights += int(n) * t.Bits() / 8
		}
		return m, nil
	}
	n, err := kinds[op.Kind].weights(args{op})
	m.Weights = weight * n
	return m, err
}

// noWeights is of operators that have none, or a few numbers per channel.
func noWeights(args) (int, error) { return 0, nil }

// builtWeights counts the constants of a block.
func builtWeights(a args) (int, error) {
	g, err := Build(Chain{a.op}, BuildOptions{Shapes: true})
	if err != nil {
		return 0, err
	}
	return int(Count(g).Stored), nil
}

func elementBytes(p lut.Precision) int {
	switch activationType(p) {
	case graph.Int8:
		return 1
	case graph.Float16, graph.BFloat16:
		return 2
	}
	return 4
}

func (s Shape) elements() int {
	n := 1
	for _, d := range s {
		n *= d
	}
	return n
}

package space

import (
	"cmp"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// place is a part of a network with the operators that can stand there, in all settings;
// empty says that it can be nothing at all.
type place struct {
	ops   []lut.Op
	empty bool
}

// lowered is the chain of a network's operators, first to last, with what stands between
// neighbours and after the last; out is the shape of its result. Operators of kind "" are
// parts that are nothing.
func lowered(ops []lut.Op, out benchmarks.Shape) benchmarks.Chain {
	var chain benchmarks.Chain
	var l benchmarks.Layout
	for _, op := range ops {
		var keys benchmarks.Chain
		keys, l = step(op, l, len(chain) == 0)
		chain = append(chain, keys...)
	}
	return append(chain, ending(l, out)...)
}

// step returns the keys of one operator where the tensor before it lies like in, and how
// its result lies; first: there is no tensor before it yet.
func step(op lut.Op, in benchmarks.Layout, first bool) (benchmarks.Chain, benchmarks.Layout) {
	if op.Kind == "" {
		return nil, in
	}
	if first {
		in = entry(op.Precision)
	}
	between, out := in.Next(op)
	return append(append(benchmarks.Chain(nil), between...), op), out
}

// ending returns the keys between a network's last tensor and its output.
func ending(l benchmarks.Layout, out benchmarks.Shape) benchmarks.Chain {
	return l.End(out, entry(l.Precision).Precision)
}

// entry returns the layout of a network's input before a first operator of precision p, and
// its output after a last one: float, of half width beside half-width operators.
func entry(p lut.Precision) benchmarks.Layout {
	if p == lut.FP16 || p == lut.BF16 {
		return benchmarks.Layout{Precision: p}
	}
	return benchmarks.Layout{Precision: lut.FP32}
}

// keySet collects keys, each once.
type keySet map[string]lut.Op

func (s keySet) add(ops ...lut.Op) {
	for _, op := range ops {
		s[op.String()] = op
	}
}

// cover adds every key that a network over the places can have; out is the shape of its
// result.
func (s keySet) cover(places []place, out benchmarks.Shape) {
	// The ways the tensor may lie; nil before the first operator.
	var before []benchmarks.Layout
	for _, p := range places {
		var after []benchmarks.Layout
		reach := func(l benchmarks.Layout) {
			if !slices.Contains(after, l) {
				after = append(after, l)
			}
		}
		for _, op := range p.ops {
			from := before
			if from == nil {
				from = []benchmarks.Layout{entry(op.Precision)}
			}
			for _, l := range from {
				keys, next := step(op, l, false)
				s.add(keys...)
				reach(next)
			}
		}
		if p.empty {
			for _, l := range before {
				reach(l)
			}
		}
		before = after
	}
	for _, l := range before {
		s.add(ending(l, out)...)
	}
}

// sorted are the keys in the order of their text.
func (s keySet) sorted() []lut.Op {
	out := make([]lut.Op, 0, len(s))
	for _, op := range s {
		out = append(out, op)
	}
	slices.SortFunc(out, func(a, b lut.Op) int { return cmp.Compare(a.String(), b.String()) })
	return out
}

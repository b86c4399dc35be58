package benchmarks

import (
	"github.com/isocost/isocost/benchmarks/graph"
	"github.com/isocost/isocost/lut"
)

// Memory is what an operator reads and writes in one inference, in bytes at batch 1.
type Memory struct {
	Weights int // constants, each once
	In, Out int // the chain's value before and after it
}

// MemoryOf is an operator's memory. It fails like Check.
func MemoryOf(op lut.Op) (Memory, error) {
	in, out, err := Shapes(op)
	if err != nil {
		return Memory{}, err
	}
	size := elementBytes(op.Precision)
	m := Memory{In: size * in.elements(), Out: size * out.elements()}
	weight := size
	if op.Precision == lut.INT8Dyn || op.Precision == lut.INT8W {
		weight = 1
	}
	a := args{op}
	k := a.pair("k", 1)
	switch op.Kind {
	case "conv", "deconv":
		m.Weights = weight * a.axis("cin") * a.axis("cout") * k[0] * k[1] / a.int("g", 1)
	case "dwconv":
		m.Weights = weight * a.axis("c") * k[0] * k[1]
	case "linear":
		m.Weights = weight * a.axis("cin") * a.axis("cout")
	default:
		if composite[op.Kind] {
			g, err := Build(Chain{op}, BuildOptions{Shapes: true})
			if err != nil {
				return Memory{}, err
			}
			m.Weights = weight * int(Count(g).Stored)
		}
	}
	return m, nil
}

// composite are kinds of several layers, with weights of their own.
var composite = map[string]bool{"mbconv": true, "fusedmbconv": true, "resbasic": true, "resbottleneck": true, "convnext": true, "se": true,
	"encoder": true, "attention": true, "patchembed": true, "patchmerge": true}

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

package litertmodel

import (
	"fmt"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/tflitefb/graph"
)

// Fused is a graph with what LiteRT does together found.
type Fused struct {
	*graph.Graph
	Batch int // items that one inference takes
	runs  map[*graph.Operator]*how
}

// how says how an operator runs, as far as it does not say it itself.
type how struct {
	within *graph.Operator // the kernel that this operator is a part of, nil for its own
	pad    []int           // of a convolution: top, left, bottom, right, that a Pad before it added
	kind   string          // of a function that several operators make up
	input  int32           // of that function
	rows   bool            // that function is of rows, whatever holds them
}

func (r *Fused) of(o *graph.Operator) *how {
	h := r.runs[o]
	if h == nil {
		h = &how{}
		r.runs[o] = h
	}
	return h
}

// Fuse finds the operators that run as one kernel. The graph stays as it is. batch is the
// one that keys are asked for, 0 where any will do: see network.Batch.
func Fuse(g *graph.Graph, batch int) *Fused {
	r := &Fused{g, batchOf(g, batch), map[*graph.Operator]*how{}}
	r.fuse()
	return r
}

func batchOf(g *graph.Graph, asked int) int {
	shape := func(t int32) []int {
		var s []int
		for _, n := range g.Model.Tensors[t].Shape {
			s = append(s, int(n))
		}
		return s
	}
	var inputs, maps [][]int
	for _, t := range g.Model.Inputs {
		inputs = append(inputs, shape(t))
	}
	for t, constant := range g.Constant {
		if s := shape(int32(t)); len(s) == 4 && !constant {
			maps = append(maps, s)
		}
	}
	return network.Batch(inputs, maps, asked)
}

// String lists the operators that stand for a kernel, one per line, with what runs inside.
func (r *Fused) String() string {
	inside := map[*graph.Operator][]*graph.Operator{}
	for _, o := range r.Operators {
		if in := r.of(o).within; in != nil {
			inside[in] = append(inside[in], o)
		}
	}
	var b strings.Builder
	for _, o := range r.Operators {
		h := r.of(o)
		if h.within != nil {
			continue
		}
		b.WriteString(r.Describe(o))
		if h.kind != "" {
			fmt.Fprintf(&b, ", as %s of t%d", h.kind, h.input)
		}
		if h.pad != nil {
			fmt.Fprintf(&b, ", padded by %v", h.pad)
		}
		for _, p := range inside[o] {
			fmt.Fprintf(&b, "  [%s]", p)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

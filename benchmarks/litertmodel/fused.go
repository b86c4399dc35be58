package litertmodel

import (
	"fmt"
	"strings"

	"github.com/isocost/isocost/internal/tflitefb/graph"
)

// Fused is a graph with what LiteRT does together found.
type Fused struct {
	*graph.Graph
	runs map[*graph.Operator]*how
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

// Fuse finds the operators that run as one kernel. The graph stays as it is.
func Fuse(g *graph.Graph) *Fused {
	r := &Fused{g, map[*graph.Operator]*how{}}
	r.fuse()
	return r
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

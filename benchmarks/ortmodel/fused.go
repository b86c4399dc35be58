package ortmodel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// Fused is a graph with everything merged that the runtime runs as one kernel.
type Fused struct {
	*graph.Graph
	runs     map[*graph.Node]*How
	free     map[*graph.Node]string   // nodes that cost nothing, and why
	scale    map[*graph.Value]float64 // of a quantised tensor around an operator, when it is one constant
	Lowered  bool                     // the runtime wrote the graph
	Target   Target
	Warnings []string
	postponed
}

// How says how a node runs, as far as the operator does not say it.
type How struct {
	Act     string // fused activation, the catalogue's name
	Int8    bool   // runs quantised
	Dynamic bool   // quantises its input itself
	Narrow  bool   // a float product with a matrix of integers
	Skip    bool   // a layer normalisation that adds a shortcut first
	Added   bool   // a product whose bias was an addition behind it
}

// How says how a node runs. Only Fuse changes it.
func (g *Fused) How(n *graph.Node) *How {
	h := g.runs[n]
	if h == nil {
		h = &How{}
		g.runs[n] = h
	}
	return h
}

func (g *Fused) warn(format string, args ...any) {
	w := fmt.Sprintf(format, args...)
	if !slices.Contains(g.Warnings, w) && len(g.Warnings) < 20 {
		g.Warnings = append(g.Warnings, w)
	}
}

// String lists the nodes that run, one per line, with how each does and what was merged into
// it; then those that cost nothing, with the reason.
func (g *Fused) String() string {
	var b, free strings.Builder
	for _, n := range g.Nodes {
		if n.Gone {
			if why := g.free[n]; why != "" {
				fmt.Fprintf(&free, "%s: %s\n", n, why)
			}
			continue
		}
		b.WriteString(n.String())
		h := g.How(n)
		for _, s := range []struct {
			is   bool
			name string
		}{{h.Act != "", "then " + h.Act}, {h.Int8, "in int8"}, {h.Dynamic, "quantising its input"}, {h.Narrow, "with weights of integers"}, {h.Skip, "adding a shortcut first"}} {
			if s.is {
				fmt.Fprintf(&b, ", %s", s.name)
			}
		}
		if len(n.Parts) > 1 {
			fmt.Fprintf(&b, "  [%d nodes]", len(n.Parts))
		}
		b.WriteByte('\n')
	}
	return b.String() + free.String()
}

// Optimised says whether the runtime wrote a graph: it holds operators that only its
// optimiser makes.
func Optimised(g *graph.Graph) bool {
	return slices.ContainsFunc(g.Nodes, func(n *graph.Node) bool {
		return n.Op == "com.microsoft:FusedConv" || strings.HasPrefix(n.Op, "com.microsoft.nchwc:") || n.Op == "com.microsoft:QLinearConv"
	})
}

// Fuse merges what the runtime runs as one kernel. The graph stays as it is.
func Fuse(g *graph.Graph, on Target, lowered bool) *Fused {
	f := &Fused{Graph: g.Clone(), runs: map[*graph.Node]*How{}, free: map[*graph.Node]string{}, scale: map[*graph.Value]float64{}, Lowered: lowered, Target: on}
	f.postponed = postpone(f.Graph)
	for _, n := range f.Nodes {
		switch {
		case !n.Gone:
		case n.Op == "Shape" || n.Op == "Size":
			f.free[n] = network.FreeShape
		default:
			f.free[n] = network.FreeConstant
		}
	}
	if !lowered {
		f.ownDequantisations()
		f.shareEqual(false)
		if slices.ContainsFunc(f.Nodes, func(n *graph.Node) bool { return n.Decided }) {
			f.fuseNorms()
			f.shareEqual(true)
		}
	}
	f.dynamic()
	if !lowered {
		f.simplify()
		f.quantise()
	}
	f.fuse()
	f.channelsLast()
	return f
}

// Last is a shape N,C,… as N,…,C.
func Last(s []int) []int { return slices.Concat(s[:1], s[2:], s[1:2]) }

// channelsFirst is a shape N,…,C as N,C,….
func channelsFirst(s []int) []int {
	k := len(s)
	return slices.Concat(s[:1], s[k-1:], s[1:k-1])
}

package ortmodel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx/graph"
	"github.com/isocost/isocost/lut"
)

// Laid is a fused graph whose maps have a layout.
type Laid struct {
	fused  *Fused
	batch  int
	Places []Place // of every node that is not merged into another, in order
}

// Place is a node among the layouts of its tensors, and with that its kernel.
type Place struct {
	Node *graph.Node
	In   []Layout // of each input as the node finds it
	Out  Layout   // of its first output

	kernel lut.Op
	beside []lut.Op // more kernels that run because of it: changes of layout, conversions
	free   string   // why it costs nothing
	lacks  string   // why it has no key
}

// Layout says how a tensor lies in memory.
type Layout string

// Layouts of maps; everything else is Plain.
const (
	Plain        Layout = "plain"
	Blocks       Layout = "in blocks"     // of channels, NCHWc
	ChannelsLast Layout = "channels last" // NHWC, whatever the shape in the file says
)

// LayOut decides where each map lies, node by node in the order in which they run. A map
// stays in the layout that its kernel likes until one does not know that; so what a
// node's kernel is and where its result lies follow from each other and are found
// together. The maps are of network.Batch items, where batch is the one asked for.
func (g *Fused) LayOut(batch int) *Laid {
	p := &pricer{g: g, blocked: map[*graph.Value]bool{}, last: map[*graph.Value]bool{}, inner: map[*graph.Value]bool{}, leads: map[*graph.Value]bool{}, turned: map[*graph.Value]bool{}, ran: map[*graph.Node]bool{}, batch: g.batch(batch)}
	l := &Laid{fused: g, batch: p.batch}
	for _, n := range g.Nodes {
		if n.Gone {
			if why := g.free[n]; why != "" {
				l.Places = append(l.Places, Place{Node: n, free: why})
			}
			continue
		}
		at := Place{Node: n, In: make([]Layout, len(n.In))}
		for i, v := range n.In {
			at.In[i] = p.layout(v)
		}
		p.also = p.also[:0]
		at.kernel, at.lacks = p.node(n)
		if at.lacks == "" && at.kernel.Kind != "" {
			if _, err := lut.ParseOp(at.kernel.String()); err != nil { // a damaged file's shape of billions
				at.lacks = "no key can say its sizes"
			}
		}
		if at.lacks == "" {
			if at.kernel.Kind == "" {
				at.free = p.free
			}
			p.wideConstants(n, at.kernel)
			p.lateSizes(n)
			at.beside = slices.Clone(p.also)
		}
		if len(n.Out) > 0 {
			at.Out = p.layout(n.Out[0])
		}
		l.Places = append(l.Places, at)
	}
	return l
}

// channelsLast warns of the layouts that are not read: see Target.
func (g *Fused) channelsLast() {
	if g.Target.ChannelsLast && !g.Lowered && slices.ContainsFunc(g.Nodes, func(n *graph.Node) bool {
		return !n.Gone && n.Op == "Conv" && !g.How(n).Int8 && n.Int("group", 1) == 1
	}) {
		g.warn("this device computes some float convolutions with the channels last, and transposes maps around them; agent lower, there, shows which")
	}
}

// batch returns the number of items the graph takes at once.
func (g *Fused) batch(asked int) int {
	var inputs, maps [][]int
	for _, v := range g.Values {
		if v.From == nil && !v.Constant && !v.Default && v.Known && len(v.To) > 0 {
			inputs = append(inputs, v.Shape)
		}
	}
	for _, n := range g.Nodes {
		for _, v := range n.Out {
			if v != nil && !n.Gone && !v.Constant && v.Known && len(v.Shape) == 4 {
				maps = append(maps, v.Shape)
			}
		}
	}
	for _, s := range inputs {
		if len(s) == 4 {
			maps = append(maps, s)
		}
	}
	return network.Batch(inputs, maps, asked)
}

func (p *pricer) layout(v *graph.Value) Layout {
	switch {
	case v == nil:
		return Plain
	case p.last[v], p.inner[v], p.blocked[v] && isBytes(v.Type):
		return ChannelsLast
	case p.blocked[v]:
		return Blocks
	}
	return Plain
}

// String lists the nodes whose tensors do not all lie plain, one per line, and how many do.
func (l *Laid) String() string {
	var b strings.Builder
	plain := 0
	for _, at := range l.Places {
		if at.lacks == "" && at.kernel.Kind == "" && at.In == nil {
			continue // it does not run
		}
		if at.Out == Plain && !slices.ContainsFunc(at.In, func(l Layout) bool { return l != Plain }) && len(at.beside) == 0 {
			plain++
			continue
		}
		in := make([]string, 0, len(at.In))
		for i, lie := range at.In {
			if v := at.Node.In[i]; v != nil && !v.Constant {
				in = append(in, string(lie))
			}
		}
		fmt.Fprintf(&b, "%s: %s → %s", at.Node, strings.Join(in, ", "), at.Out)
		for _, op := range at.beside {
			fmt.Fprintf(&b, " + %s", op)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "%d nodes on plain tensors alone\n", plain)
	return b.String()
}

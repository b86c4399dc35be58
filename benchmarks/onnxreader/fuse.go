package onnxreader

import (
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx"
)

// fuse applies the rules: idioms of several nodes become one, constants and batch
// norms go into the convolution before them, biases into the matrix product,
// activations into what computes their input.
func (g *graph) fuse() {
	g.unused()
	for _, n := range g.nodes {
		if !n.dead {
			g.noop(n)
		}
	}
	// Layer norms first: a root mean square norm is a part of them.
	for _, first := range []bool{true, false} {
		for _, n := range g.nodes {
			g.applyRules(n, first)
		}
	}
	g.mergeCuts()
	g.mergeIntoMatMul()
	for _, n := range g.nodes {
		if !n.dead && n.op == "Pad" {
			g.mergePad(n)
		}
	}
	for _, n := range g.nodes {
		switch {
		case n.dead:
		case n.op == "BatchNormalization":
			g.foldBatchNorm(n)
		case n.op == "Add":
			g.bias(n)
		case n.op == "Mul":
			g.layerScale(n)
		}
	}
	blocked := g.scales()
	for _, n := range g.nodes {
		if !n.dead {
			g.fuseActivation(n, blocked)
			g.skipNorm(n)
		}
	}
}

// skipNorm merges an addition of two equal sequences into the layer normalisation
// that alone wants their sum (ONNX Runtime's SkipLayerNormFusion).
func (g *graph) skipNorm(n *node) {
	if n.op != "LayerNormalization" && !strings.HasPrefix(n.op, "@layernorm") {
		return
	}
	x := n.input(0)
	if !only(x) || x.from == nil || x.from.dead || x.from.op != "Add" || x.from.int8 || x.dtype != onnx.Float || len(x.from.in) != 2 {
		return
	}
	for _, v := range x.from.in {
		if v == nil || v.constant || !v.known || len(v.shape) != 3 || !slices.Equal(v.shape, x.shape) {
			return
		}
	}
	n.skip = true
	g.enter(n, 0, x.from, x.from.in[0])
}

// unused marks nodes nothing depends on, last to first.
func (g *graph) unused() {
	for i := len(g.nodes) - 1; i >= 0; i-- {
		n := g.nodes[i]
		used := false
		for _, v := range n.out {
			if v != nil && v.from == n && (v.output || len(v.to) > 0) {
				used = true
			}
		}
		if !used && !n.dead {
			n.dead, n.why = true, network.FreeUnused
			for _, v := range n.in {
				if v != nil {
					unlink(v, n)
				}
			}
		}
	}
}

// noop removes a node that adds or subtracts 0, multiplies or divides by 1 (ONNX
// Runtime's NoopElimination): Python's sum() leaves 0 + x.
func (g *graph) noop(n *node) {
	neutral, ok := map[string]float64{"Add": 0, "Sub": 0, "Mul": 1, "Div": 1}[n.op]
	if !ok || len(n.in) != 2 || n.int8 || len(n.out) == 0 || n.out[0] == nil || n.out[0].output {
		return
	}
	x, c := n.in[0], n.in[1]
	if (n.op == "Add" || n.op == "Mul") && x != nil && x.constant {
		x, c = c, x
	}
	if x == nil || c == nil || x.constant || !c.constant || !c.hasData || len(c.data) != 1 || c.data[0] != neutral || !x.known || !n.out[0].known || !slices.Equal(x.shape, n.out[0].shape) {
		return
	}
	n.dead, n.why = true, network.FreeNoop
	unlink(x, n)
	for _, user := range n.out[0].to {
		for i, v := range user.in {
			if v == n.out[0] {
				user.in[i] = x
				x.to = append(x.to, user)
			}
		}
	}
	n.out[0].to = nil
}

func (g *graph) applyRules(root *node, layerNorms bool) {
	if root.dead {
		return
	}
	for _, r := range compiledRules[root.op] {
		if strings.HasPrefix(r.op, "@layernorm") != layerNorms {
			continue
		}
		m := &match{vars: map[string]*value{}}
		if !m.matchNode(r.tree, root) || !m.inside(root) {
			continue
		}
		x := m.vars["x"]
		if x == nil {
			x = m.vars["d"]
		}
		if x == nil || !x.known {
			continue
		}
		g.replace(root, m, x, r.op)
		return
	}
}

// replace makes root the fused node of everything matched, on the input x.
func (g *graph) replace(root *node, m *match, x *value, op string) {
	var parts []string
	for _, n := range m.nodes {
		for _, v := range n.in {
			if v != nil {
				unlink(v, n)
			}
		}
	}
	for i := len(m.nodes) - 1; i >= 0; i-- {
		n := m.nodes[i]
		parts = append(parts, n.parts...)
		if n != root {
			n.dead = true
		}
	}
	root.op, root.src, root.in, root.parts = op, nil, []*value{x}, parts
	x.to = append(x.to, root)
}

// only reports that v is used once and is no output of the network, so that its
// producer can take its consumer in.
func only(v *value) bool { return v != nil && len(v.to) == 1 && !v.output }

// absorb merges next, which alone uses out 0 of n, into n.
func (g *graph) absorb(n, next *node) {
	n.parts = append(n.parts, next.parts...)
	for _, v := range next.in {
		if v != nil {
			unlink(v, next)
		}
	}
	next.dead = true
	n.out[0] = next.out[0]
	n.out[0].from = n
}

// scaleConv is a batch norm that stays one among blocked maps: the runtime makes it
// a depthwise 1×1 convolution (NchwcTransformer), which additions and activations
// go into as into any other.
const scaleConv = "@scaleconv"

// scales finds them: batch norms of constants on maps that lie blocked since a float
// convolution. It returns these maps.
func (g *graph) scales() map[*value]bool {
	blocked := map[*value]bool{}
	all := func(in []*value) bool {
		return !slices.ContainsFunc(in, func(v *value) bool { return v == nil || !blocked[v] && !v.cutOff() })
	}
	for _, n := range g.nodes {
		if n.dead || n.int8 || len(n.in) == 0 || n.in[0].rank() != 4 || n.in[0].dtype != onnx.Float || len(n.out) == 0 {
			continue
		}
		on := false
		switch n.op {
		case "Conv":
			w := n.input(1)
			on = n.groups == 1 || w.rank() == 4 && w.shape[1] == 1
		case "Relu", "Sigmoid", "Tanh", "MaxPool", "AveragePool", "GlobalAveragePool":
			on = blocked[n.in[0]]
		case "Add", "Mul", "Concat":
			on = all(n.in)
		case "BatchNormalization":
			if on = len(n.in) == 5 && blocked[n.in[0]] && !slices.ContainsFunc(n.in[1:], func(v *value) bool { return v == nil || !v.constant }); on {
				n.op = scaleConv
			}
		}
		blocked[n.out[0]] = on
	}
	return blocked
}

func isConv(op string) bool {
	switch op {
	case "Conv", scaleConv, "com.microsoft:FusedConv", "com.microsoft.nchwc:Conv", "com.microsoft:NhwcConv", "com.microsoft:NhwcFusedConv":
		return true
	}
	return false
}

func isMatrix(n *node) bool {
	switch n.op {
	case "Gemm", "com.microsoft:FusedGemm", "com.microsoft:MatMulNBits":
		return true
	case "MatMul", "com.microsoft:FusedMatMul":
		b := n.input(1)
		return b != nil && b.constant && len(b.shape) == 2
	}
	return false
}

// foldBatchNorm merges a batch norm of constants into the convolution before it,
// whose weights and bias it scales when the model is loaded.
func (g *graph) foldBatchNorm(n *node) {
	x := n.input(0)
	if x == nil || x.from == nil || x.from.dead || !only(x) || n.int8 || len(n.in) < 5 {
		return
	}
	for _, v := range n.in[1:] {
		if v == nil || !v.constant {
			return
		}
	}
	if c := x.from; (c.op == "Conv" || c.op == "ConvTranspose") && !c.int8 && c.act == "" && c.input(1) != nil && c.input(1).constant {
		g.absorb(c, n)
	}
}

// bias merges Add of a constant vector into a matrix product without one, and
// into a convolution (ConvAddFusion).
func (g *graph) bias(n *node) {
	if len(n.in) != 2 || n.int8 {
		return
	}
	for i, x := range n.in {
		c := n.in[1-i]
		if x == nil || c == nil || !c.constant || x.constant || !only(x) || x.from == nil || x.from.dead || len(n.out) == 0 || n.out[0] == nil {
			continue
		}
		p := x.from
		switch {
		case (p.op == "MatMul" || p.op == "com.microsoft:FusedMatMul" || p.op == "com.microsoft:MatMulNBits") && isMatrix(p) && x.known && len(x.shape) > 0 && lastVector(c, x.shape[len(x.shape)-1]),
			p.foldable() && x.known && len(x.shape) == 4 && elements(c.shape) == x.shape[1] && channelVector(c.shape):
			if p.act == "" && p.int8 == n.int8 {
				g.absorb(p, n)
				return
			}
		}
	}
}

// layerScale merges Mul by a constant number, or by one for each channel, into the
// convolution before it, whose weights and bias it scales when the model is loaded
// (ConvMulFusion).
func (g *graph) layerScale(n *node) {
	if len(n.in) != 2 || n.int8 || len(n.out) == 0 || n.out[0] == nil {
		return
	}
	for i, x := range n.in {
		c := n.in[1-i]
		if x == nil || c == nil || !c.constant || x.constant || !only(x) || x.from == nil || !x.from.foldable() || !x.known || len(x.shape) != 4 {
			continue
		}
		if len(c.shape) == 0 || elements(c.shape) == x.shape[1] && channelVector(c.shape) {
			g.absorb(x.from, n)
			return
		}
	}
}

// foldable reports a float convolution of constants that no activation follows yet.
func (n *node) foldable() bool {
	return n.op == "Conv" && !n.dead && !n.int8 && n.act == "" && n.input(1) != nil && n.in[1].constant && (n.input(2) == nil || n.in[2].constant)
}

func lastVector(c *value, dim int) bool {
	return len(c.shape) >= 1 && c.shape[len(c.shape)-1] == dim && elements(c.shape) == dim
}

func channelVector(s []int) bool {
	return len(s) == 3 && s[1] == 1 && s[2] == 1 || len(s) == 4 && s[0] == 1 && s[2] == 1 && s[3] == 1
}

// activationOf is the catalogue's activation that a node computes, "" if none.
func activationOf(n *node) string {
	if n.op == "Clip" {
		switch lo, hi, ok := clipBounds(n); {
		case ok && lo == 0 && hi == 6:
			return "relu6"
		case ok && lo == 0 && hi > 1e30:
			return "relu"
		}
		return ""
	}
	if n.op == "Gelu" && n.src != nil && n.src.Str("approximate", "none") == "tanh" {
		return "gelutanh"
	}
	return elementwise[n.op]
}

// fuseActivation merges an activation into the convolution or linear layer whose
// only user it is.
func (g *graph) fuseActivation(n *node, blocked map[*value]bool) {
	act := activationOf(n)
	x := n.input(0)
	if !fusedActs[act] || x == nil || !only(x) || x.from == nil || x.from.dead || len(n.out) == 0 || n.out[0] == nil {
		return
	}
	p := x.from
	if p.act != "" || p.int8 != n.int8 || p.out[0] != x || runtimeAct(p) != "" {
		return
	}
	if n.int8 && act != "relu" && act != "relu6" {
		return // between quantised tensors only a clamp is no operator of its own
	}
	if (act == "relu" || act == "relu6") && inConv(p) && blocked[p.out[0]] && elements(p.in[0].shape) == elements(p.in[1].shape) { // the convolution's own activation
		g.absorb(p, n)
		return
	}
	if isConv(p.op) || p.op == "ConvTranspose" || isMatrix(p) {
		p.act = act
		g.absorb(p, n)
	}
}

// mergeIntoMatMul merges into a product of two computed matrices what the runtime
// does inside it: products with scalars (its alpha) and transpositions of the last
// two dimensions (MatMulScaleFusion, MatmulTransposeFusion).
func (g *graph) mergeIntoMatMul() {
	for _, n := range g.nodes {
		if n.dead || n.op != "MatMul" || n.int8 {
			continue
		}
		for again := true; again; {
			again = false
			for i, v := range n.in {
				if v == nil || !only(v) || v.from == nil || v.from.dead || v.from.int8 {
					continue
				}
				s := v.from
				if s.op == "Transpose" && s.input(0) != nil && s.in[0].known && swapsLast(s.perm()) {
					g.enter(n, i, s, s.in[0])
					again = true
					continue
				}
				if s.op != "Mul" && s.op != "Div" || len(s.in) != 2 {
					continue
				}
				x, c := s.in[0], s.in[1]
				if s.op == "Mul" && x != nil && x.constant {
					x, c = c, x
				}
				if x == nil || c == nil || x.constant || !c.constant || elements(c.shape) != 1 {
					continue
				}
				g.enter(n, i, s, x)
				again = true
			}
		}
		if v := n.out[0]; only(v) && v.to[0].op == "Mul" && !v.to[0].dead && len(v.to[0].in) == 2 {
			s := v.to[0]
			c := s.in[0]
			if c == v {
				c = s.in[1]
			}
			if c != nil && c.constant && elements(c.shape) == 1 {
				g.absorb(n, s)
			}
		}
	}
}

// enter merges s, the producer of n's input i, into n, which then takes x.
func (g *graph) enter(n *node, i int, s *node, x *value) {
	unlink(x, s)
	s.dead = true
	n.parts = append(n.parts, s.parts...)
	n.in[i] = x
	x.to = append(x.to, n)
}

func swapsLast(p []int) bool {
	k := len(p)
	if k < 2 {
		return false
	}
	for i, v := range p {
		want := i
		switch i {
		case k - 1:
			want = k - 2
		case k - 2:
			want = k - 1
		}
		if v != want {
			return false
		}
	}
	return true
}

// mergePad merges a Pad of zeros around a map into the convolution that alone
// uses it (ONNX Runtime's PadFusion).
func (g *graph) mergePad(n *node) {
	if n.int8 || len(n.out) == 0 || !only(n.out[0]) || n.src == nil || n.src.Str("mode", "constant") != "constant" || n.input(0) == nil || !n.in[0].known || n.in[0].constant {
		return
	}
	if v, ok := n.data(2); n.input(2) != nil && (!ok || len(v) != 1 || v[0] != 0) || n.src.Float("value", 0) != 0 {
		return
	}
	c := n.out[0].to[0]
	if c.dead || c.int8 || c.op != "Conv" || c.in[0] != n.out[0] || c.src.Str("auto_pad", "NOTSET") != "NOTSET" {
		return
	}
	pads, ok := n.padsOf()
	rank := len(n.in[0].shape)
	if !ok || rank < 3 || pads[0] != 0 || pads[1] != 0 || pads[rank] != 0 || pads[rank+1] != 0 {
		return
	}
	for _, p := range pads {
		if p < 0 {
			return
		}
	}
	c.pad = slices.Concat(pads[2:rank], pads[rank+2:])
	g.enter(c, 0, n, n.in[0])
}

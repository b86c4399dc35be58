package ortmodel

import (
	"math"
	"slices"
	"strings"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/benchmarks/network"
	"github.com/isocost/isocost/internal/onnx"
	"github.com/isocost/isocost/internal/onnx/graph"
)

// fuse applies the rules: idioms of several nodes become one, constants and batch
// norms go into the convolution before them, biases into the matrix product,
// activations into what computes their input.
func (g *Fused) fuse() {
	if g.Lowered {
		g.compose()
		return
	}
	// Layer norms first: a root mean square norm is a part of them.
	for _, first := range []bool{true, false} {
		for _, n := range g.Nodes {
			g.applyRules(n, first)
		}
	}
	g.mergeCuts()
	g.mergeIntoMatMul()
	blocked := g.scales()
	for _, n := range g.Nodes {
		if !n.Gone {
			g.fuseActivation(n, blocked)
			g.skipNorm(n)
			g.biasGelu(n)
		}
	}
}

// simplify applies the rules that the runtime applies before it looks for quantised operators.
func (g *Fused) simplify() {
	g.unused()
	for _, n := range g.Nodes {
		if !n.Gone {
			g.noop(n)
		}
	}
	for _, n := range g.Nodes {
		g.reluClip(n)
	}
	for _, n := range g.Nodes {
		if !n.Gone && n.Op == "Pad" {
			g.mergePad(n)
		}
	}
	for _, n := range g.Nodes {
		switch {
		case n.Gone:
		case n.Op == "BatchNormalization":
			g.foldBatchNorm(n)
		case n.Op == "Add":
			g.bias(n)
		case n.Op == "Mul":
			g.layerScale(n)
		}
	}
	for _, n := range g.Nodes {
		if !n.Gone && n.Op == "Add" {
			g.productBias(n)
		}
	}
	g.fuseNorms()
}

// fuseNorms fuses layer normalisations where ONNX has one: before conversions spread and before
// equal nodes are looked for a second time.
func (g *Fused) fuseNorms() {
	if g.Opset < 17 {
		return
	}
	for _, n := range g.Nodes {
		g.applyRules(n, true)
	}
}

// compose applies to a graph that the runtime wrote the rules by which the catalogue prices several of its
// kernels as one. All others are the runtime's: it has applied them, and had a reason where
// it did not. Behind a product of integers quantised at run time the runtime leaves bias and
// activation apart, which the catalogue's kernels of precision int8dyn hold.
func (g *Fused) compose() {
	for _, n := range g.Nodes {
		g.applyRules(n, false)
	}
	for _, n := range g.Nodes {
		if !n.Gone && n.Op == "Add" && g.ofDynamic(n) {
			g.bias(n)
		}
	}
	for _, n := range g.Nodes {
		if !n.Gone && (g.ofDynamic(n) || !benchmarks.IsClamp(activationOf(n))) {
			g.fuseActivation(n, nil)
		}
	}
}

// ofDynamic says whether a product of integers that are quantised at run time computes an input of n.
func (g *Fused) ofDynamic(n *graph.Node) bool {
	return slices.ContainsFunc(n.In, func(v *graph.Value) bool { return v != nil && v.From != nil && g.How(v.From).Dynamic })
}

// skipNorm merges an addition of two equal sequences into the layer normalisation
// that alone wants their sum (ONNX Runtime's SkipLayerNormFusion).
func (g *Fused) skipNorm(n *graph.Node) {
	if n.Op != "LayerNormalization" && !strings.HasPrefix(n.Op, "@layernorm") {
		return
	}
	x := n.Input(0)
	if !graph.Only(x) || x.From == nil || x.From.Gone || x.From.Op != "Add" || g.How(x.From).Int8 || x.Type != onnx.Float || len(x.From.In) != 2 {
		return
	}
	for _, v := range x.From.In {
		if v == nil || v.Constant || !v.Known || len(v.Shape) != 3 || !slices.Equal(v.Shape, x.Shape) {
			return
		}
	}
	g.How(n).Skip = true
	g.skippedBias(x.From)
	graph.Enter(n, 0, x.From, x.From.In[0])
}

// skippedBias merges into the sum the addition of a constant vector to one of its parts: the
// normalisation behind adds one such, too.
func (g *Fused) skippedBias(sum *graph.Node) {
	for part, v := range sum.In {
		b := v.From
		if !graph.Only(v) || b == nil || b.Gone || b.Op != "Add" || len(b.In) != 2 || g.How(b).Int8 {
			continue
		}
		for i, x := range b.In {
			c := b.In[1-i]
			if x != nil && c != nil && c.Constant && !x.Constant && len(c.Shape) == 1 && lastVector(c, v.Shape[len(v.Shape)-1]) {
				graph.Enter(sum, part, b, x)
				return
			}
		}
	}
}

// biasGelu merges an addition of one constant for each feature into the gelu that alone wants
// the sum (BiasGeluFusion).
func (g *Fused) biasGelu(n *graph.Node) {
	x := n.Input(0)
	if n.Gone || !takesBias(activationOf(n)) || !graph.Only(x) || x.From == nil || x.From.Gone || x.From.Op != "Add" || len(x.From.In) != 2 || g.How(x.From).Int8 || !x.Known || len(x.Shape) == 0 {
		return
	}
	for i, v := range x.From.In {
		if c := x.From.In[1-i]; v != nil && c != nil && c.Constant && len(c.Shape) == 1 && lastVector(c, x.Shape[len(x.Shape)-1]) {
			graph.Enter(n, 0, x.From, v)
			return
		}
	}
}

// unused marks nodes nothing depends on, last to first.
func (g *Fused) unused() {
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		n := g.Nodes[i]
		used := false
		for _, v := range n.Out {
			if v != nil && v.From == n && (v.Output || len(v.To) > 0) {
				used = true
			}
		}
		if !used && !n.Gone {
			n.Gone, g.free[n] = true, network.FreeUnused
			for _, v := range slices.Concat(n.In, n.Takes) {
				if v != nil {
					graph.Unlink(v, n)
				}
			}
		}
	}
}

// noop removes an Identity (EliminateIdentity) and a node that adds or subtracts 0, multiplies or divides by 1 (ONNX
// Runtime's NoopElimination): Python's sum() leaves 0 + x.
func (g *Fused) noop(n *graph.Node) {
	if n.Op == "Identity" && len(n.In) == 1 && len(n.Out) == 1 && n.Out[0] != nil && !n.Out[0].Output && n.In[0] != nil && !n.In[0].Constant && !bothInBody(n.Out[0], n.In[0]) {
		g.bypass(n, n.In[0])
		return
	}
	neutral, ok := map[string]float64{"Add": 0, "Sub": 0, "Mul": 1, "Div": 1}[n.Op]
	if !ok || len(n.In) != 2 || g.How(n).Int8 || len(n.Out) == 0 || n.Out[0] == nil || n.Out[0].Output {
		return
	}
	x, c := n.In[0], n.In[1]
	if (n.Op == "Add" || n.Op == "Mul") && x != nil && x.Constant {
		x, c = c, x
	}
	if x == nil || x.From == nil { // what a node with two inputs gives is passed on from a node alone (graph_utils::CanRemoveNode)
		return
	}
	if c == nil || x.Constant || !isInitializer(c) || !c.HasData || len(c.Data) != 1 || c.Data[0] != neutral || !x.Known || !n.Out[0].Known || !slices.Equal(x.Shape, n.Out[0].Shape) || bothInBody(n.Out[0], x) {
		return
	}
	g.bypass(n, x)
}

// bothInBody reports that a body takes both tensors: the runtime cannot give it one by the
// name of the other then (CanUpdateImplicitInputNameInSubgraphs).
func bothInBody(v, x *graph.Value) bool {
	return slices.ContainsFunc(v.To, func(n *graph.Node) bool { return slices.Contains(n.Takes, v) && slices.Contains(n.Takes, x) })
}

// bypass gives the users of n's result the tensor x.
func (g *Fused) bypass(n *graph.Node, x *graph.Value) {
	n.Gone, g.free[n] = true, network.FreeNoop
	graph.Unlink(x, n)
	for _, e := range g.uses(n.Out[0]) {
		e.to.In[e.i] = x
		x.To = append(x.To, e.to)
	}
	for _, user := range n.Out[0].To {
		for i, v := range user.Takes {
			if v == n.Out[0] {
				user.Takes[i] = x
				x.To = append(x.To, user)
			}
		}
	}
	n.Out[0].To = nil
}

// reluClip removes a Relu before a Clip that alone uses it: the runtime raises the lower bound
// to 0 instead (its ReluClipFusion).
func (g *Fused) reluClip(n *graph.Node) {
	if n.Gone || n.Op != "Clip" || g.How(n).Int8 {
		return
	}
	lo, hi, ok := graph.ClipBounds(n)
	relu := func() *graph.Node {
		if x := n.Input(0); ok && graph.Only(x) && x.From != nil && !x.From.Gone && x.From.Op == "Relu" && !g.How(x.From).Int8 && x.From.Input(0) != nil {
			return x.From
		}
		return nil
	}
	if relu() == nil {
		return
	}
	for r := relu(); r != nil; r = relu() {
		graph.Enter(n, 0, r, r.In[0])
	}
	graph.SetClipBounds(n, max(lo, 0), hi)
}

func (g *Fused) applyRules(root *graph.Node, layerNorms bool) {
	if root.Gone {
		return
	}
	for _, r := range compiledRules[root.Op] {
		if strings.HasPrefix(r.op, "@layernorm") != layerNorms || g.Lowered && !r.composed {
			continue
		}
		m := graph.Find(r.tree, root, func(n *graph.Node) bool { return g.How(n).Int8 })
		if m == nil {
			continue
		}
		x := m.Vars["x"]
		if x == nil {
			x = m.Vars["d"]
		}
		if x == nil || !x.Known || r.notOfProduct && (g.multiplied(x) || fusedLate(x) && g.scalesNext(root)) {
			continue
		}
		m.Replace(root, x, r.op)
		return
	}
}

// multiplied reports a tensor that the runtime has a Mul compute, one that goes into no
// convolution before.
func (g *Fused) multiplied(x *graph.Value) bool {
	n := x.From
	if n == nil || n.Gone {
		return false
	}
	if act := activationOf(n); g.Opset >= 20 && act != "" && !g.Functions { // ONNX has a Gelu, which is fused before its own functions are taken apart and others fused
		return isFusedLate(act) || endsInProduct(act) && n.Op != "HardSwish"
	}
	return n.Op == "Mul" && g.scaledConv(n) == nil && !g.scalesProduct(n) || endsInProduct(activationOf(n))
}

// fusedLate reports what becomes one kernel only after the runtime has looked at its users a first
// time.
func fusedLate(x *graph.Value) bool {
	return x.From != nil && !x.From.Gone && isFusedLate(activationOf(x.From))
}

// scalesNext reports a product whose number a product of matrices behind it takes in, one that
// becomes no Gemm with an addition.
func (g *Fused) scalesNext(n *graph.Node) bool {
	return slices.ContainsFunc(n.Out[0].To, func(user *graph.Node) bool {
		return user.Op == "MatMul" && !g.How(user).Added && !(graph.Only(user.Out[0]) && user.Out[0].To[0].Op == "Add")
	})
}

// scalesProduct reports a product with one number that goes into a product of matrices before it.
func (g *Fused) scalesProduct(n *graph.Node) bool {
	for i, x := range n.In {
		if c := n.In[len(n.In)-1-i]; graph.Only(x) && x.From != nil && x.From.Op == "MatMul" && !g.How(x.From).Added && c != nil && c.Constant && graph.Elements(c.Shape) == 1 {
			return true
		}
	}
	return false
}

// scaleConv is a batch norm that stays one among blocked maps: the runtime makes it
// a depthwise 1×1 convolution (NchwcTransformer), which additions and activations
// go into as into any other.
const scaleConv = "@scaleconv"

// scales finds them: batch norms of constants, and products with one constant for each
// channel, of maps that lie in blocks. It returns these maps.
func (g *Fused) scales() map[*graph.Value]bool {
	blocked := map[*graph.Value]bool{}
	if !g.Target.Blocks() {
		return blocked
	}
	lies := func(v *graph.Value) bool { return v != nil && (blocked[v] || cutOff(v)) }
	all := func(in []*graph.Value) bool {
		return !slices.ContainsFunc(in, func(v *graph.Value) bool { return !lies(v) })
	}
	for _, n := range g.Nodes {
		if n.Gone || g.How(n).Int8 || len(n.In) == 0 || n.In[0].Rank() != 4 || n.In[0].Type != onnx.Float || len(n.Out) == 0 {
			continue
		}
		on := false
		switch o := operators[n.Op]; {
		case n.Op == "Conv":
			on = !g.How(n).Dynamic && g.convInBlocks(n)
		case n.Op == "BatchNormalization":
			if on = len(n.In) == 5 && blocked[n.In[0]] && !slices.ContainsFunc(n.In[1:], func(v *graph.Value) bool { return v == nil || !v.Constant }); on {
				n.Op = scaleConv
			}
		case n.Op == "Mul" && blocked[n.In[0]] && g.ofChannels(n.In[1], n.In[0]):
			n.Op, on = scaleConv, true
		case o.Blocked == InBlocks && n.Op != "Clip", g.insideConv(n):
			on = blocked[n.In[0]]
		case o.Blocked == WholeBlocks: // plain ones are put into blocks for it
			on = n.In[0].Known && n.In[0].Shape[1]%g.Target.Block() == 0 && len(n.Out) == 1
		case o.Blocked == GlobalBlocks:
			on = n.In[0].Known && n.In[0].Shape[1]%g.Target.Block() == 0 && (n.In[0].From == nil || blocked[n.In[0]])
		case o.Blocked == EqualBlocks:
			on = all(n.In)
		case o.Blocked == JoinedBlocks:
			on = all(n.In) && n.Int("axis", 1) == 1 && !slices.ContainsFunc(n.In, func(v *graph.Value) bool { return v.Shape[1]%g.Target.Block() != 0 })
		}
		blocked[n.Out[0]] = on
	}
	return blocked
}

// convInBlocks says whether a float convolution computes in blocks (TransformConv of the
// runtime's core/optimizer/nchwc_transformer.cc).
func (g *Fused) convInBlocks(n *graph.Node) bool {
	w, b, block := n.Input(1), n.Input(2), g.Target.Block()
	if w == nil || !isInitializer(w) || w.Rank() != 4 || b != nil && !isInitializer(b) {
		return false
	}
	out, in, groups := w.Shape[0], w.Shape[1], n.Int("group", 1)
	switch {
	case groups > 1 && out%block != 0:
		return false
	case groups > 1 && in == 1 && out == groups:
		return true
	case groups > 1:
		return in%block == 0 && out%groups == 0 && out/groups%block == 0
	}
	return in < block || in%block == 0
}

// insideConv reports an activation that the convolution before it computes.
func (g *Fused) insideConv(n *graph.Node) bool {
	x := n.Input(0)
	return graph.Only(x) && x.From != nil && x.From.Op == "Conv" && g.How(x.From).Act == "" && (n.Op == "Clip" || benchmarks.CanFuse(activationOf(n)))
}

// ofChannels reports a constant of one number for each channel of the map x.
func (g *Fused) ofChannels(c, x *graph.Value) bool {
	return c != nil && c.Constant && x.Known && channelVector(c.Shape) && graph.Elements(c.Shape) == x.Shape[1]
}

// IsConv says whether an operator is a float convolution.
func IsConv(op string) bool {
	switch op {
	case "Conv", scaleConv, "com.microsoft:FusedConv", "com.microsoft.nchwc:Conv", "com.microsoft:NhwcConv", "com.microsoft:NhwcFusedConv":
		return true
	}
	return false
}

// IsMatrix says whether a node is a linear layer: a product with a constant matrix.
func IsMatrix(n *graph.Node) bool {
	switch n.Op {
	case "Gemm", "com.microsoft:FusedGemm", "com.microsoft:MatMulNBits":
		return true
	case "MatMul", "com.microsoft:FusedMatMul":
		b := n.Input(1)
		return b != nil && b.Constant && len(b.Shape) == 2
	}
	return false
}

// foldBatchNorm merges a batch norm of constants into the convolution before it,
// whose weights and bias it scales when the model is loaded.
func (g *Fused) foldBatchNorm(n *graph.Node) {
	x := n.Input(0)
	if x == nil || x.From == nil || x.From.Gone || !graph.Only(x) || g.How(n).Int8 || len(n.In) < 5 {
		return
	}
	for _, v := range n.In[1:] {
		if v == nil || !v.Constant {
			return
		}
	}
	if c := x.From; (c.Op == "Conv" || c.Op == "ConvTranspose") && !g.How(c).Int8 && !g.How(c).Dynamic && g.How(c).Act == "" && c.Input(1) != nil && isInitializer(c.In[1]) {
		graph.Absorb(c, n)
	}
}

// productBias merges Add of a constant vector into a matrix product, which becomes a Gemm
// (MatMulAddFusion): the product then takes in nothing else but an activation.
func (g *Fused) productBias(n *graph.Node) {
	if len(n.In) != 2 || g.How(n).Int8 || g.matrixBias(n) {
		return
	}
	for i, x := range n.In {
		c := n.In[1-i]
		if !added(n, x, c) || !x.Known || len(x.Shape) == 0 || !lastVector(c, x.Shape[len(x.Shape)-1]) {
			continue
		}
		p := x.From
		if p.In[0].Rank() != 2 && len(c.Shape) > 1 {
			continue // only of a matrix the runtime takes a row for a bias
		}
		if (p.Op == "MatMul" || p.Op == "com.microsoft:MatMulNBits") && IsMatrix(p) && !g.How(p).Added && g.How(p).Act == "" && !g.How(p).Int8 && (!g.How(p).Dynamic || isInitializer(c)) {
			g.addTo(p, n, c)
			return
		}
	}
}

// addTo makes of the product p and the addition n of c a product with a bias.
func (g *Fused) addTo(p, n *graph.Node, c *graph.Value) {
	g.How(p).Added = true
	graph.Absorb(p, n)
	p.In = append(slices.Clone(p.In), c)
	c.To = append(c.To, p)
}

// added reports that n adds the constant c to the computed tensor x, which nothing else uses.
func added(n *graph.Node, x, c *graph.Value) bool {
	return x != nil && c != nil && c.Constant && !x.Constant && graph.Only(x) && x.From != nil && !x.From.Gone && len(n.Out) > 0 && n.Out[0] != nil
}

// bias merges Add of a constant for each channel into a convolution (ConvAddFusion).
func (g *Fused) bias(n *graph.Node) {
	if len(n.In) != 2 || g.How(n).Int8 {
		return
	}
	for i, x := range n.In {
		c := n.In[1-i]
		if added(n, x, c) && g.foldable(x.From) && x.Known && len(x.Shape) == 4 && graph.Elements(c.Shape) == x.Shape[1] && channelVector(c.Shape) {
			graph.Absorb(x.From, n)
			return
		}
	}
}

// matrixBias merges Add of what else was computed, a matrix or a row or column of one, into a
// product of matrices: Gemm takes it (MatMulAddFusion).
func (g *Fused) matrixBias(n *graph.Node) bool {
	for i, x := range n.In {
		c := n.In[1-i]
		if c == nil || c.Constant || !c.Known || !graph.Only(x) || x.From == nil || x.From.Gone || len(x.Shape) != 2 || x.Type != onnx.Float || len(c.Shape) == 0 {
			continue
		}
		if s, ok := graph.Broadcast(x.Shape, c.Shape); !ok || !slices.Equal(s, x.Shape) {
			continue
		}
		if p := x.From; p.Op == "MatMul" && p.In[0].Rank() == 2 && p.In[1].Rank() == 2 && !g.How(p).Int8 && !g.How(p).Dynamic && !g.How(p).Added && g.How(p).Act == "" {
			g.addTo(p, n, c)
			return true
		}
	}
	return false
}

// layerScale merges Mul by a constant number, or by one for each channel, into the
// convolution before it, whose weights and bias it scales when the model is loaded
// (ConvMulFusion).
func (g *Fused) layerScale(n *graph.Node) {
	if c := g.scaledConv(n); c != nil {
		graph.Absorb(c, n)
	}
}

// scaledConv is the convolution that the product n scales, nil when it scales none.
func (g *Fused) scaledConv(n *graph.Node) *graph.Node {
	if len(n.In) != 2 || g.How(n).Int8 || len(n.Out) == 0 || n.Out[0] == nil {
		return nil
	}
	for i, x := range n.In {
		c := n.In[1-i]
		if x == nil || c == nil || !c.Constant || x.Constant || !graph.Only(x) || x.From == nil || !g.foldable(x.From) || g.How(x.From).Dynamic || !x.Known || len(x.Shape) != 4 {
			continue
		}
		if len(c.Shape) == 0 || graph.Elements(c.Shape) == x.Shape[1] && channelVector(c.Shape) {
			return x.From
		}
	}
	return nil
}

// foldable reports a float convolution of constants that no activation follows yet.
func (g *Fused) foldable(n *graph.Node) bool {
	return n.Op == "Conv" && !n.Gone && !g.How(n).Int8 && g.How(n).Act == "" && n.Input(1) != nil && isInitializer(n.In[1]) && (n.Input(2) == nil || isInitializer(n.In[2]))
}

func lastVector(c *graph.Value, dim int) bool {
	return len(c.Shape) >= 1 && c.Shape[len(c.Shape)-1] == dim && graph.Elements(c.Shape) == dim
}

func channelVector(s []int) bool {
	return len(s) == 3 && s[1] == 1 && s[2] == 1 || len(s) == 4 && s[0] == 1 && s[2] == 1 && s[3] == 1
}

// activationOf is the catalogue's activation that a node computes, "" if none.
func activationOf(n *graph.Node) string {
	if n.Op == "Clip" {
		if lo, hi, ok := graph.ClipBounds(n); ok {
			return benchmarks.Clamp(lo, unbounded(hi))
		}
		return ""
	}
	return elementwise(n)
}

// unbounded makes the largest numbers of a model infinite: exporters write those for no bound.
func unbounded(hi float64) float64 {
	if hi > 1e30 {
		return math.Inf(1)
	}
	return hi
}

// fuseActivation merges an activation into the convolution or linear layer whose
// only user it is.
func (g *Fused) fuseActivation(n *graph.Node, blocked map[*graph.Value]bool) {
	act := activationOf(n)
	x := n.Input(0)
	if _, _, clips := graph.ClipBounds(n); act == "" && n.Op == "Clip" && clips && x != nil && x.From != nil && (IsConv(x.From.Op) || x.From.Op == "ConvTranspose" || g.inPlainConv(x.From)) {
		act = anyClamp
	}
	if !benchmarks.CanFuse(act) || x == nil || !graph.Only(x) || x.From == nil || x.From.Gone || len(n.Out) == 0 || n.Out[0] == nil {
		return
	}
	p := x.From
	if g.How(p).Act != "" || g.How(p).Int8 != g.How(n).Int8 || p.Out[0] != x || runtimeAct(p) != "" {
		return
	}
	if _, lacks := g.precision(p); lacks != "" && (n.Op == "Clip" || p.Op != "Gemm" && (!g.How(p).Added || p.In[0].Rank() != 2)) {
		return // it has no key, the activation may have one; only a Gemm the runtime fuses with it
	}
	if IsConv(p.Op) && p.Op != scaleConv && p.Input(3) != nil && !g.How(p).Int8 {
		return // its result is the sum, behind which no rule looks for another activation
	}
	if p.Op == scaleConv && benchmarks.IsClamp(act) && !runsInBlocks(act) {
		return // it became a convolution when clamps had gone into theirs
	}
	if g.How(n).Int8 && !benchmarks.IsClamp(act) {
		return // between quantised tensors only a clamp is not an operator of its own
	}
	if benchmarks.IsClamp(act) && (blocked[p.Out[0]] && runsInBlocks(act) && g.inConv(p) && equalSizes(p) || g.inPlainConv(p)) { // the convolution's own activation
		graph.Absorb(p, n)
		return
	}
	if IsConv(p.Op) || p.Op == "ConvTranspose" || IsMatrix(p) {
		g.How(p).Act = act
		graph.Absorb(p, n)
	}
}

// inPlainConv reports an addition of equal shapes that goes, with a clamp behind it, into a
// convolution that does not compute in blocks (ConvAddActivationFusion).
func (g *Fused) inPlainConv(n *graph.Node) bool {
	return g.inConv(n) && equalSizes(n) && slices.ContainsFunc(n.In, func(v *graph.Value) bool {
		return graph.Only(v) && v.From != nil && g.foldable(v.From) && !g.convInBlocks(v.From)
	})
}

func equalSizes(n *graph.Node) bool {
	return graph.Elements(n.In[0].Shape) == graph.Elements(n.In[1].Shape)
}

// mergeIntoMatMul merges into a product of two computed matrices what the runtime
// does inside it: products with scalars (its alpha) and transpositions of the last
// two dimensions (MatMulScaleFusion, MatmulTransposeFusion).
func (g *Fused) mergeIntoMatMul() {
	for _, n := range g.Nodes {
		if n.Gone || n.Op != "MatMul" || g.How(n).Int8 || g.How(n).Added || g.How(n).Narrow || g.How(n).Dynamic {
			continue
		}
		for again := true; again; {
			again = false
			for i, v := range n.In {
				if v == nil || !graph.Only(v) || v.From == nil || v.From.Gone || g.How(v.From).Int8 {
					continue
				}
				s := v.From
				if s.Op == "Transpose" && s.Input(0) != nil && s.In[0].Known && swapsLast(s.Perm()) {
					graph.Enter(n, i, s, s.In[0])
					again = true
					continue
				}
				if s.Op != "Mul" && s.Op != "Div" || len(s.In) != 2 {
					continue
				}
				x, c := s.In[0], s.In[1]
				if s.Op == "Mul" && x != nil && x.Constant {
					x, c = c, x
				}
				if x == nil || c == nil || x.Constant || !c.Constant || graph.Elements(c.Shape) != 1 {
					continue
				}
				graph.Enter(n, i, s, x)
				again = true
			}
		}
		for v := n.Out[0]; graph.Only(v) && (v.To[0].Op == "Mul" || v.To[0].Op == "Div" && v.To[0].In[0] == v) && !v.To[0].Gone && len(v.To[0].In) == 2; v = n.Out[0] {
			s := v.To[0]
			c := s.In[0]
			if c == v {
				c = s.In[1]
			}
			if c == nil || !c.Constant || graph.Elements(c.Shape) != 1 {
				break
			}
			graph.Absorb(n, s)
		}
	}
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
func (g *Fused) mergePad(n *graph.Node) {
	if g.How(n).Int8 || len(n.Out) == 0 || !graph.Only(n.Out[0]) || n.Src == nil || n.Src.Str("mode", "constant") != "constant" || n.Input(0) == nil || !n.In[0].Known || n.In[0].Constant {
		return
	}
	if v, ok := n.Data(2); n.Input(2) != nil && (!ok || len(v) != 1 || v[0] != 0) || n.Src.Float("value", 0) != 0 {
		return
	}
	c := n.Out[0].To[0]
	if c.Gone || g.How(c).Int8 || c.Op != "Conv" || c.In[0] != n.Out[0] || c.Src.Str("auto_pad", "NOTSET") != "NOTSET" {
		return
	}
	pads, ok := n.Pads()
	rank := len(n.In[0].Shape)
	if !ok || rank < 3 || pads[0] != 0 || pads[1] != 0 || pads[rank] != 0 || pads[rank+1] != 0 {
		return
	}
	for _, p := range pads {
		if p < 0 {
			return
		}
	}
	all := c.Ints("pads")
	if len(all) != 2*(rank-2) {
		all = make([]int, 2*(rank-2))
	}
	for i, p := range slices.Concat(pads[2:rank], pads[rank+2:]) {
		all[i] += p
	}
	c.Src = graph.WithInts(c.Src, "pads", all)
	graph.Enter(c, 0, n, n.In[0])
}

// SumInto is the addition that goes into the convolution n, nil when none does.
func (g *Fused) SumInto(n *graph.Node) *graph.Node {
	if n.Op != "Conv" || g.How(n).Int8 || len(n.Out) == 0 || !graph.Only(n.Out[0]) {
		return nil
	}
	if sum := n.Out[0].To[0]; !sum.Gone && len(sum.In) == 2 && sum.In[0] != nil && sum.In[1] != nil && g.inConv(sum) {
		return sum
	}
	return nil
}

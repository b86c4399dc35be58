package benchmarks

import (
	"fmt"
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
)

// transformerKinds are the operators and blocks of vision transformers, on
// sequences of shape [seq dim].
var transformerKinds = map[string]kind{
	// skip=1: of the sum with a shortcut that nothing else wants, which runtimes
	// compute in one operator.
	"layernorm": {
		attrs: []string{"skip"}, axes: []string{"seq", "dim"}, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			if a.str("skip") == "1" {
				x = b.add(x, b.operand(a, x), "skip", "")
			}
			return b.layerNorm(x, "layernorm")
		},
	},
	"rmsnorm": {
		axes: []string{"seq", "dim"}, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			d := a.axis("dim")
			n := b.node(graph.RMSNorm, b.layer+".rmsnorm", x.Shape, stat{0, 1}, x, b.vector(b.layer+".rmsnorm.gamma", d, 1, 0.1))
			return b.float(n, "eps", 1e-6).Out[0]
		},
	},
	// Over n of m rows; with axis=inner over m of b×m×n.
	"softmax": {
		attrs: []string{"axis"}, axesOf: rowsOrInner, in: rowsOrInnerShape, out: rowsOrInnerShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value { return b.softmax(x, "softmax", reducedAxis) },
	},
	// Batched product of two activations; the second is a graph input.
	"matmul": {
		axes: []string{"b", "m", "k", "n"},
		in:   func(a args) Shape { return Shape{a.axis("b"), a.axis("m"), a.axis("k")} },
		out:  func(a args) Shape { return Shape{a.axis("b"), a.axis("m"), a.axis("n")} },
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			y := b.second("operand", Shape{a.axis("b"), a.axis("k"), a.axis("n")})
			return b.matMul(x, y, "matmul", false, 1/math.Sqrt(float64(a.axis("k"))))
		},
	},
	// Scaled dot products of heads (Vaswani et al. 2017) without projections: the
	// queries are the chain's value, keys and values graph inputs. With win = s the
	// sequence is a row of windows of s×s tokens (Liu et al. 2021), each attending to
	// itself; bringing it into that order is patch partitioning, which encoder does.
	"attention": {
		attrs: []string{"heads!", "win"}, axes: []string{"seq", "dim"}, in: mapShape, out: mapShape, check: checkHeads,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			s := Shape{a.axis("seq"), a.axis("dim")}
			q, k, v := x, b.second("key", s), b.second("value", s)
			if w := a.int("win", 0); w > 0 {
				shape := []int{x.Shape[0] * s[0] / (w * w), w * w, s[1]}
				q = b.move(graph.Reshape, q, b.layer+".q.win", shape).Out[0]
				k = b.move(graph.Reshape, k, b.layer+".k.win", shape).Out[0]
				v = b.move(graph.Reshape, v, b.layer+".v.win", shape).Out[0]
			}
			y := b.attention(q, k, v, a.int("heads", 1))
			if len(q.Shape) == 3 && q.Shape[0] != x.Shape[0] {
				y = b.move(graph.Reshape, y, b.layer+".unwin", x.Shape).Out[0]
			}
			return y
		},
	},
	// Dosovitskiy et al. 2021, pre-norm: x + MHSA(LN(x)), then x + MLP(LN(x)) with mid
	// hidden features and act (gelu when left out); with win, attention in windows as
	// Liu et al. 2021 without the cyclic shift.
	"encoder": {
		attrs: []string{"heads!", "win", "act"}, axes: []string{"seq", "dim", "mid"}, in: mapShape, out: mapShape, check: checkHeads,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			act := a.str("act")
			if act == "" {
				act = "gelu"
			}
			y := b.layerNorm(x, "norm1")
			side, win := int(math.Sqrt(float64(a.axis("seq")))), a.int("win", 0)
			if win > 0 {
				y = b.partition(y, side, win)
			}
			d := a.axis("dim")
			qkv := b.linear(y, "qkv", 3*d, "")
			parts := b.split(qkv, "qkv.part", 2, a.axis("dim"), a.axis("dim"), a.axis("dim"))
			y = b.attention(parts[0], parts[1], parts[2], a.int("heads", 1))
			y = b.linear(y, "proj", d, "")
			if win > 0 {
				y = b.unpartition(y, side, win)
			}
			x = b.add(x, y, "add1", "")
			y = b.layerNorm(x, "norm2")
			y = b.linear(y, "mlp.1", a.axis("mid"), act)
			y = b.linear(y, "mlp.2", d, "")
			return b.add(x, y, "add2", "")
		},
	},
	// A convolution of kernel k and stride s, its map flattened to a sequence.
	"patchembed": {
		attrs: []string{"k!", "s", "p"}, axes: []string{"h", "w", "cin", "dim"}, in: convIn,
		out: func(a args) Shape {
			win := a.slide(a.axis("h"), a.axis("w"))
			return Shape{win.h * win.w, a.axis("dim")}
		},
		check: func(a args) error {
			if win := a.slide(a.axis("h"), a.axis("w")); win.h < 1 || win.w < 1 {
				return fmt.Errorf("the kernel is larger than the padded map")
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			win := a.slide(a.axis("h"), a.axis("w"))
			y := b.conv(x, convSpec{name: "embed", cout: a.axis("dim"), win: &win, plain: true})
			return b.toSequence(y, "seq")
		},
	},
	// Liu et al. 2021: 2×2 neighbouring tokens become one of 4·cin features, then
	// layer norm and a linear layer.
	"patchmerge": {
		axes: []string{"h", "w", "cin", "cout"},
		in:   func(a args) Shape { return Shape{a.axis("h") * a.axis("w"), a.axis("cin")} },
		out:  func(a args) Shape { return Shape{a.axis("h") / 2 * (a.axis("w") / 2), a.axis("cout")} },
		check: func(a args) error {
			if a.axis("h")%2 != 0 || a.axis("w")%2 != 0 {
				return fmt.Errorf("%d×%d tokens do not merge by 2×2", a.axis("h"), a.axis("w"))
			}
			return nil
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			n, h, w, c := x.Shape[0], a.axis("h"), a.axis("w"), a.axis("cin")
			y := b.move(graph.Reshape, x, b.layer+".grid", []int{n, h / 2, 2, w / 2, 2 * c}).Out[0]
			y = b.transpose(y, "gather", 0, 1, 3, 2, 4)
			y = b.move(graph.Reshape, y, b.layer+".merge", []int{n, h * w / 4, 4 * c}).Out[0]
			y = b.layerNorm(y, "norm")
			return b.linear(y, "reduce", a.axis("cout"), "")
		},
	},
}

func checkHeads(a args) error {
	heads, win, seq := a.int("heads", 1), a.int("win", 0), a.axis("seq")
	if a.axis("dim")%heads != 0 {
		return fmt.Errorf("%d heads do not divide %d features", heads, a.axis("dim"))
	}
	if win == 0 {
		return nil
	}
	side := int(math.Sqrt(float64(seq)))
	if a.op.Kind == "encoder" && (side*side != seq || side%win != 0) {
		return fmt.Errorf("windows of side %d do not tile a square of %d tokens", win, seq)
	}
	if seq%(win*win) != 0 {
		return fmt.Errorf("%d tokens are no whole number of windows of side %d", seq, win)
	}
	return nil
}

// second adds a further graph input in the current precision.
func (b *builder) second(name string, s Shape) *graph.Value {
	v := b.input(b.layer+"."+name, s, floatType(b.prec))
	return b.convert(v, activationType(b.prec), b.layer+"."+name+".in")
}

func (b *builder) layerNorm(x *graph.Value, name string) *graph.Value {
	d := x.Shape[len(x.Shape)-1]
	name = b.layer + "." + name
	n := b.node(graph.LayerNorm, name, x.Shape, stat{0, 1}, x, b.vector(name+".gamma", d, 1, 0.1), b.vector(name+".beta", d, 0, 0.1))
	return b.float(n, "eps", 1e-5).Out[0]
}

// softmax of near-normal logits: the largest of n is about √(2 ln n) standard
// deviations out, but what matters for scales is fixed: results lie in [0, 1].
func (b *builder) softmax(x *graph.Value, name string, axis int) *graph.Value {
	n := float64(x.Shape[axis])
	y := b.ints(b.node(graph.Softmax, b.layer+"."+name, x.Shape, stat{1 / n, math.E / (n * n)}, x), "axis", axis).Out[0]
	if y.Quant != nil {
		y.Quant = actRange("softmax", b.stats[y])
	}
	return y
}

// matMul is alpha·x·y, or alpha·x·yᵀ.
func (b *builder) matMul(x, y *graph.Value, name string, transposed bool, alpha float64) *graph.Value {
	r := len(x.Shape)
	k, cols := x.Shape[r-1], y.Shape[r-1]
	if transposed {
		cols = y.Shape[r-2]
	}
	shape := append(append([]int{}, x.Shape[:r-1]...), cols)
	s, t := b.stats[x], b.stats[y]
	n := b.node(graph.MatMul, b.layer+"."+name, shape, stat{0, alpha * alpha * float64(k) * s.ms * t.ms}, x, y)
	if transposed {
		b.ints(n, "transb", 1)
	}
	if alpha != 1 {
		b.float(n, "alpha", float32(alpha))
	}
	return n.Out[0]
}

// attention of q, k, v [B,S,D]: heads split off, softmax(q·kᵀ/√d)·v, joined.
func (b *builder) attention(q, k, v *graph.Value, heads int) *graph.Value {
	batch, s, d := q.Shape[0], q.Shape[1], q.Shape[2]
	split := func(x *graph.Value, name string) *graph.Value {
		x = b.move(graph.Reshape, x, b.layer+"."+name+".heads", []int{batch, s, heads, d / heads}).Out[0]
		return b.transpose(x, name, 0, 2, 1, 3)
	}
	scores := b.matMul(split(q, "q"), split(k, "k"), "scores", true, 1/math.Sqrt(float64(d/heads)))
	y := b.matMul(b.softmax(scores, "softmax", len(scores.Shape)-1), split(v, "v"), "context", false, 1)
	y = b.transpose(y, "join", 0, 2, 1, 3)
	return b.move(graph.Reshape, y, b.layer+".joined", []int{batch, s, d}).Out[0]
}

// partition cuts a square of side² tokens into windows: [N,S,D] → [N·n,win²,D].
func (b *builder) partition(x *graph.Value, side, win int) *graph.Value {
	n, d, k := x.Shape[0], x.Shape[2], side/win
	y := b.move(graph.Reshape, x, b.layer+".win.grid", []int{n, k, win, k, win * d}).Out[0]
	y = b.transpose(y, "win.cut", 0, 1, 3, 2, 4)
	return b.move(graph.Reshape, y, b.layer+".win", []int{n * k * k, win * win, d}).Out[0]
}

func (b *builder) unpartition(x *graph.Value, side, win int) *graph.Value {
	d, k := x.Shape[2], side/win
	n := x.Shape[0] / (k * k)
	y := b.move(graph.Reshape, x, b.layer+".unwin.grid", []int{n, k, k, win, win * d}).Out[0]
	y = b.transpose(y, "unwin.join", 0, 1, 3, 2, 4)
	return b.move(graph.Reshape, y, b.layer+".unwin", []int{n, side * side, d}).Out[0]
}

// toSequence turns a map into tokens: [N,C,H,W] → [N,H·W,C].
func (b *builder) toSequence(x *graph.Value, name string) *graph.Value {
	n, c, hw := x.Shape[0], x.Shape[1], x.Shape[2]*x.Shape[3]
	y := b.move(graph.Reshape, x, b.layer+"."+name+".flat", []int{n, c, hw}).Out[0]
	return b.transpose(y, name, 0, 2, 1)
}

// toMap is the reverse of toSequence.
func (b *builder) toMap(x *graph.Value, name string, h, w int) *graph.Value {
	n, c := x.Shape[0], x.Shape[2]
	y := b.transpose(x, name+".t", 0, 2, 1)
	return b.move(graph.Reshape, y, b.layer+"."+name, []int{n, c, h, w}).Out[0]
}

func (b *builder) transpose(x *graph.Value, name string, perm ...int) *graph.Value {
	shape := make([]int, len(perm))
	for i, p := range perm {
		shape[i] = x.Shape[p]
	}
	return b.ints(b.move(graph.Transpose, x, b.layer+"."+name, shape), "perm", perm...).Out[0]
}

// split cuts x into equal parts along an axis.
func (b *builder) split(x *graph.Value, name string, axis int, sizes ...int) []*graph.Value {
	n := &graph.Node{Op: graph.Split, Name: b.layer + "." + name, In: []*graph.Value{x}}
	for i, size := range sizes {
		shape := append([]int{}, x.Shape...)
		shape[axis] = size
		y := &graph.Value{Name: fmt.Sprintf("%s%d", n.Name, i), DType: x.DType, Shape: shape, Quant: x.Quant}
		b.stats[y] = b.stats[x]
		n.Out = append(n.Out, y)
	}
	b.g.Nodes = append(b.g.Nodes, b.ints(n, "axis", axis))
	return n.Out
}

package benchmarks

import "github.com/isocost/isocost/benchmarks/graph"

func init() {
	define(kind{
		// Liu et al. 2022: k×k depthwise, layer norm over channels, linear to mid, gelu,
		// linear back, a scale per channel, residual.
		name: "convnext", block: true, doc: "depthwise, layer norm, linear, gelu, linear, scale, residual (Liu et al. 2022)",
		attrs: []attribute{need(kernel)}, axes: []string{"h", "w", "c", "mid"}, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			c := a.axis("c")
			win := a.slide(a.axis("h"), a.axis("w"))
			y := b.conv(x, convSpec{name: "dw", cout: c, groups: c, win: &win, plain: true})
			y = b.toSequence(y, "seq")
			y = b.layerNorm(y, "norm")
			y = b.linear(y, "mlp.1", a.axis("mid"), "gelu")
			y = b.linear(y, "mlp.2", c, "")
			scale := b.vector(b.layer+".scale", c, 1, 0.1)
			b.stats[scale] = stat{1, 1.01}
			y = b.mul(y, b.int8Constant(scale), "scaled")
			y = b.toMap(y, "map", a.axis("h"), a.axis("w"))
			return b.add(x, y, "add", "")
		},
		frame: alone, weights: builtWeights, shortcut: func(args) bool { return true }, grid: gridOf(convnextGrid),
		example: "convnext[k=7]/P@c=16,h=16,mid=64,w=16",
	})
}

// int8Constant gives a constant operand of an element-wise operator the number
// format of the current precision.
func (b *builder) int8Constant(v *graph.Value) *graph.Value {
	if activationType(b.prec) == graph.Int8 {
		v.DType, v.Quant = graph.Int8, symmetric(b.stats[v])
	}
	return v
}

func convnextGrid(add func(gridAttrs, gridCoords)) {
	for _, l := range pyramid {
		for _, e := range []int{2, 3, 4} {
			add(gridAttrs{"k": "7"}, gridCoords{"h": l.side, "w": l.side, "c": l.c, "mid": e * l.c})
		}
	}
}

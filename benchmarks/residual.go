package benchmarks

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
)

// residualBlocks are the blocks of ResNets and ConvNeXts, and squeeze-excite alone.
var residualBlocks = map[string]kind{
	// He et al. 2016: two 3×3 convolutions, the first with the stride; act after the
	// first and after the sum. proj=1 puts a 1×1 convolution into the shortcut.
	"resbasic": {
		attrs: []string{"s", "act", "proj"}, axes: []string{"h", "w", "cin", "mid", "cout"}, in: convIn, out: resOut, check: checkRes,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			y := b.conv(x, convSpec{name: "conv1", cout: a.axis("mid"), k: 3, s: a.int("s", 1), act: a.str("act")})
			y = b.conv(y, convSpec{name: "conv2", cout: a.axis("cout"), k: 3})
			return b.shortcut(a, x, y)
		},
	},
	// 1×1, 3×3 with the stride (torchvision's placing), 1×1.
	"resbottleneck": {
		attrs: []string{"s", "act", "proj"}, axes: []string{"h", "w", "cin", "mid", "cout"}, in: convIn, out: resOut, check: checkRes,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			y := b.conv(x, convSpec{name: "conv1", cout: a.axis("mid"), k: 1, act: a.str("act")})
			y = b.conv(y, convSpec{name: "conv2", cout: a.axis("mid"), k: 3, s: a.int("s", 1), act: a.str("act")})
			y = b.conv(y, convSpec{name: "conv3", cout: a.axis("cout"), k: 1})
			return b.shortcut(a, x, y)
		},
	},
	// Liu et al. 2022: k×k depthwise, layer norm over channels, linear to mid, gelu,
	// linear back, a scale per channel, residual.
	"convnext": {
		attrs: []string{"k!"}, axes: []string{"h", "w", "c", "mid"}, in: mapShape, out: mapShape,
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
	},
	"se": {
		attrs: []string{"r!", "act"}, axes: []string{"c", "h", "w"}, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.squeezeExcite(x, a.int("r", 4), a.str("act"))
		},
	},
}

// int8Constant gives a constant operand of an element-wise operator the number
// format of the current precision.
func (b *builder) int8Constant(v *graph.Value) *graph.Value {
	if activationType(b.prec) == graph.Int8 {
		v.DType, v.Quant = graph.Int8, symmetric(b.stats[v])
	}
	return v
}

func resOut(a args) Shape {
	s := a.int("s", 1)
	return Shape{a.axis("cout"), (a.axis("h") + s - 1) / s, (a.axis("w") + s - 1) / s}
}

func checkRes(a args) error {
	if a.str("proj") == "" && !convIn(a).equal(resOut(a)) {
		return fmt.Errorf("the shortcut of %v → %v needs proj=1", convIn(a), resOut(a))
	}
	return nil
}

func (b *builder) shortcut(a args, x, y *graph.Value) *graph.Value {
	if a.str("proj") == "1" {
		x = b.conv(x, convSpec{name: "proj", cout: a.axis("cout"), k: 1, s: a.int("s", 1)})
	}
	return b.add(x, y, "add", a.str("act"))
}

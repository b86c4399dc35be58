package benchmarks

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
)

func init() {
	define(kind{
		// He et al. 2016: the first convolution with the stride; act after the first and
		// after the sum. proj=1 puts a 1×1 convolution into the shortcut.
		name: "resbasic", block: true, doc: "two 3×3 convolutions (He et al. 2016)",
		attrs: []attribute{stride, activation(), projection}, axes: bottleneckAxes, in: convIn, out: resOut, check: checkRes,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			y := b.conv(x, convSpec{name: "conv1", cout: a.axis("mid"), k: 3, s: a.int("s", 1), act: a.str("act")})
			y = b.conv(y, convSpec{name: "conv2", cout: a.axis("cout"), k: 3})
			return b.shortcut(a, x, y)
		},
		frame: repeats, weights: builtWeights, shortcut: hasIdentity, grid: gridOf(residualGrid),
		example: "resbasic[act=relu,s=1]/P@cin=16,cout=16,h=16,mid=16,w=16",
	})
	define(kind{
		// The stride is torchvision's placing.
		name: "resbottleneck", block: true, doc: "1×1, 3×3 with the stride, 1×1",
		attrs: []attribute{stride, activation(), projection}, axes: bottleneckAxes, in: convIn, out: resOut, check: checkRes,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			y := b.conv(x, convSpec{name: "conv1", cout: a.axis("mid"), k: 1, act: a.str("act")})
			y = b.conv(y, convSpec{name: "conv2", cout: a.axis("mid"), k: 3, s: a.int("s", 1), act: a.str("act")})
			y = b.conv(y, convSpec{name: "conv3", cout: a.axis("cout"), k: 1})
			return b.shortcut(a, x, y)
		},
		frame: repeats, weights: builtWeights, shortcut: hasIdentity, grid: gridOf(residualGrid),
		example: "resbottleneck[act=relu,s=1]/P@cin=32,cout=32,h=16,mid=8,w=16",
	})
}

var projection = flag("proj", "`1`: a convolution in the shortcut", "identity")

func hasIdentity(a args) bool { return a.str("proj") == "" }

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

func residualGrid(add func(gridAttrs, gridCoords)) {
	for _, l := range pyramid {
		for _, mid := range widths(l.c) {
			add(gridAttrs{"s": "1", "act": "relu"}, gridCoords{"h": l.side, "w": l.side, "cin": l.c, "mid": mid, "cout": l.c})
		}
	}
}

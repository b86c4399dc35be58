package benchmarks

import "github.com/isocost/isocost/benchmarks/graph"

func init() {
	define(kind{
		name: "se", block: true, doc: "squeeze-excite alone: relu and hsigmoid inside, silu and sigmoid with act=silu",
		attrs: []attribute{need(squeeze.named("r", "squeeze-excite with 1/r of the channels inside, rounded to a multiple of 8", "–")), activation()},
		axes:  mapAxes, in: mapShape, out: mapShape,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			return b.squeezeExcite(x, a.int("r", 4), a.str("act"))
		},
		frame: alone, weights: builtWeights, grid: asInModel, example: "se[act=hsigmoid,r=4]/P@c=32,h=16,w=16",
	})
}

// squeezeExcite is Hu et al. 2018 with a hidden layer of mid/r channels rounded
// to a multiple of 8 (Howard et al. 2019): gap, 1×1, relu (silu in a silu block),
// 1×1, hard sigmoid (sigmoid in a silu block), times the map.
func (b *builder) squeezeExcite(x *graph.Value, r int, act string) *graph.Value {
	c := x.Shape[1]
	inner, gate := "relu", "hsigmoid"
	if act == "silu" {
		inner, gate = "silu", "sigmoid"
	}
	s := b.gap(x, "se.pool")
	s = b.conv(s, convSpec{name: "se.squeeze", cout: squeezed(c, r), k: 1, act: inner, plain: true})
	s = b.conv(s, convSpec{name: "se.excite", cout: c, k: 1, act: gate, plain: true})
	return b.mul(x, s, "se.scale")
}

// squeezed is the hidden width of a squeeze-excite: a multiple of 8, at least 8,
// and never below 90 % of c/r (make_divisible of the MobileNet code).
func squeezed(c, r int) int {
	v := max(8, (c/r+4)/8*8)
	if 10*v < 9*(c/r) {
		v += 8
	}
	return v
}

// squeeze is the attribute se of blocks.
var squeeze = attribute{name: "se", doc: "squeeze-excite with 1/se of the channels inside, rounded to a multiple of 8", absent: "none", valid: isCount}

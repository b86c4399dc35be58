package benchmarks

import (
	"fmt"
	"math"

	"github.com/isocost/isocost/benchmarks/graph"
)

func init() {
	define(kind{
		// Dosovitskiy et al. 2021, pre-norm: x + MHSA(LN(x)), then x + MLP(LN(x)) with mid
		// hidden features and act (gelu when left out); with win, attention in windows as
		// Liu et al. 2021 without the cyclic shift. With map the tokens are the pixels of a map, which
		// comes and goes as convolutions want it: so one layer may attend or convolve.
		name: "encoder", block: true,
		doc:   "pre-norm transformer encoder, gelu unless act says else (Dosovitskiy et al. 2021); windows without shift (Liu et al. 2021)",
		attrs: []attribute{need(heads), windows, activation(), flag("map", "`1`: of a square map, whose pixels are the tokens", "of a sequence")},
		axes:  []string{"seq", "dim", "mid"}, in: encoderShape, out: encoderShape,
		check: func(a args) error {
			seq, win, side := a.axis("seq"), a.int("win", 0), tokensSide(a)
			if a.str("map") != "" && side*side != seq {
				return fmt.Errorf("%d pixels are no square map", seq)
			}
			if win > 0 && a.axis("dim")%a.int("heads", 1) == 0 && (side*side != seq || side%win != 0) {
				return fmt.Errorf("windows of side %d do not tile a square of %d tokens", win, seq)
			}
			return checkHeads(a)
		},
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			act := a.str("act")
			if act == "" {
				act = "gelu"
			}
			side, win := tokensSide(a), a.int("win", 0)
			if a.str("map") != "" {
				x = b.toSequence(x, "tokens")
			}
			y := b.layerNorm(x, "norm1")
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
			y = b.add(x, y, "add2", "")
			if a.str("map") != "" {
				y = b.toMap(y, "map", side, side)
			}
			return y
		},
		frame: alone, weights: builtWeights, grid: gridOf(encoderGrid), example: "encoder[act=gelu,heads=2]/P@dim=32,mid=64,seq=16",
	})
}

// tokensSide is the side of the square that an encoder's tokens make, where they make one.
func tokensSide(a args) int { return int(math.Sqrt(float64(a.axis("seq")))) }

func encoderShape(a args) Shape {
	if a.str("map") != "" {
		return Shape{a.axis("dim"), tokensSide(a), tokensSide(a)}
	}
	return mapShape(a)
}

// partition cuts a square of side² tokens into windows: [N,S,D] → [N·n,win²,D].
func (b *builder) partition(x *graph.Value, side, win int) *graph.Value {
	n, d, k := x.Shape[0], x.Shape[2], side/win
	y := b.as(x, b.layer+".win.grid", []int{n, k, win, k, win * d})
	y = b.transpose(y, "win.cut", 0, 1, 3, 2, 4)
	return b.as(y, b.layer+".win", []int{n * k * k, win * win, d})
}

func (b *builder) unpartition(x *graph.Value, side, win int) *graph.Value {
	d, k := x.Shape[2], side/win
	n := x.Shape[0] / (k * k)
	y := b.as(x, b.layer+".unwin.grid", []int{n, k, k, win, win * d})
	y = b.transpose(y, "unwin.join", 0, 1, 3, 2, 4)
	return b.as(y, b.layer+".unwin", []int{n, side * side, d})
}

func encoderGrid(add func(gridAttrs, gridCoords)) {
	sequences(func(seq, dim int) {
		for _, e := range []int{2, 3, 4} {
			for _, a := range attentions(dim) {
				add(a, gridCoords{"seq": seq, "dim": dim, "mid": e * dim})
			}
		}
	})
}

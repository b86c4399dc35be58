package benchmarks

import (
	"fmt"
	"math"
	"strconv"

	"github.com/isocost/isocost/benchmarks/graph"
)

func init() {
	define(kind{
		// Scaled dot products of heads (Vaswani et al. 2017). With win = s the sequence is a
		// row of windows of s×s tokens (Liu et al. 2021), each attending to itself; bringing
		// it into that order is patch partitioning, which encoder does.
		name: "attention", doc: "softmax(q·kᵀ/√d)·v by heads, without projections; k and v are graph inputs; windows are consecutive",
		attrs: []attribute{need(heads), windows}, axes: []string{"seq", "dim"}, in: mapShape, out: mapShape, check: checkHeads,
		build: func(b *builder, a args, x *graph.Value) *graph.Value {
			s := Shape{a.axis("seq"), a.axis("dim")}
			q, k, v := x, b.second("key", s), b.second("value", s)
			if w := a.int("win", 0); w > 0 {
				shape := []int{x.Shape[0] * s[0] / (w * w), w * w, s[1]}
				q = b.as(q, b.layer+".q.win", shape)
				k = b.as(k, b.layer+".k.win", shape)
				v = b.as(v, b.layer+".v.win", shape)
			}
			y := b.attention(q, k, v, a.int("heads", 1))
			if len(q.Shape) == 3 && q.Shape[0] != x.Shape[0] {
				y = b.as(y, b.layer+".unwin", x.Shape)
			}
			return y
		},
		frame: alone, weights: builtWeights, grid: gridOf(attentionGrid), example: "attention[heads=2]/P@dim=32,seq=16",
	})
}

func checkHeads(a args) error {
	heads, win, seq := a.int("heads", 1), a.int("win", 0), a.axis("seq")
	if a.axis("dim")%heads != 0 {
		return fmt.Errorf("%d heads do not divide %d features", heads, a.axis("dim"))
	}
	if win == 0 {
		return nil
	}
	if seq%(win*win) != 0 {
		return fmt.Errorf("%d tokens are not a whole number of windows of side %d", seq, win)
	}
	return nil
}

// attention of q, k, v [B,S,D]: heads split off, softmax(q·kᵀ/√d)·v, joined.
func (b *builder) attention(q, k, v *graph.Value, heads int) *graph.Value {
	batch, s, d := q.Shape[0], q.Shape[1], q.Shape[2]
	split := func(x *graph.Value, name string) *graph.Value {
		x = b.as(x, b.layer+"."+name+".heads", []int{batch, s, heads, d / heads})
		return b.transpose(x, name, 0, 2, 1, 3)
	}
	scores := b.matMul(split(q, "q"), split(k, "k"), "scores", true, 1/math.Sqrt(float64(d/heads)))
	y := b.matMul(b.softmax(scores, "softmax", len(scores.Shape)-1), split(v, "v"), "context", false, 1)
	y = b.transpose(y, "join", 0, 2, 1, 3)
	return b.as(y, b.layer+".joined", []int{batch, s, d})
}

func attentionGrid(add func(gridAttrs, gridCoords)) {
	sequences(func(seq, dim int) {
		for _, a := range attentions(dim) {
			add(a, gridCoords{"seq": seq, "dim": dim})
		}
	})
}

// attentions are the forms of attention: over the whole sequence and in windows of 7×7 (Swin).
func attentions(dim int) []gridAttrs {
	heads := strconv.Itoa(dim / headDim)
	return []gridAttrs{{"heads": heads}, {"heads": heads, "win": "7"}}
}

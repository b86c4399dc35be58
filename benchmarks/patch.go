package benchmarks

import (
	"fmt"

	"github.com/isocost/isocost/benchmarks/graph"
)

func init() {
	define(kind{
		name: "patchembed", block: true, doc: "convolution, then the map as a sequence",
		attrs: []attribute{need(kernel), stride, padding}, axes: []string{"h", "w", "cin", "dim"}, in: convIn,
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
		frame: alone, weights: builtWeights, grid: asInModel, example: "patchembed[k=4,s=4]/P@cin=3,dim=32,h=16,w=16",
	})
	define(kind{
		// Liu et al. 2021: 2×2 neighbouring tokens become one of 4·cin features, then
		// layer norm and a linear layer.
		name: "patchmerge", block: true, doc: "2×2 tokens joined, layer norm, linear; h and w are the tokens' grid",
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
			y := b.as(x, b.layer+".grid", []int{n, h / 2, 2, w / 2, 2 * c})
			y = b.transpose(y, "gather", 0, 1, 3, 2, 4)
			y = b.as(y, b.layer+".merge", []int{n, h * w / 4, 4 * c})
			y = b.layerNorm(y, "norm")
			return b.linear(y, "reduce", a.axis("cout"), "")
		},
		frame: alone, weights: builtWeights, grid: asInModel, example: "patchmerge/P@cin=16,cout=32,h=8,w=8",
	})
}

// toSequence turns a map into tokens: [N,C,H,W] → [N,H·W,C].
func (b *builder) toSequence(x *graph.Value, name string) *graph.Value {
	n, c, hw := x.Shape[0], x.Shape[1], x.Shape[2]*x.Shape[3]
	y := b.as(x, b.layer+"."+name+".flat", []int{n, c, hw})
	return b.transpose(y, name, 0, 2, 1)
}

// toMap is the reverse of toSequence.
func (b *builder) toMap(x *graph.Value, name string, h, w int) *graph.Value {
	n, c := x.Shape[0], x.Shape[2]
	y := b.transpose(x, name+".t", 0, 2, 1)
	return b.as(y, b.layer+"."+name, []int{n, c, h, w})
}

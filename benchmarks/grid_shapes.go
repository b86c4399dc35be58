package benchmarks

import "strconv"

// pyramid is a mobile network's ladder of resolutions and channels (MobileNetV2,
// EfficientNet-B0 at 224): where the standard grids of map operators lie.
var pyramid = []struct{ side, c int }{{112, 16}, {56, 24}, {28, 40}, {14, 112}, {7, 320}}

type (
	gridAttrs  = map[string]string
	gridCoords = map[string]int
	// grid is a kind's standard shapes, or why it has none. The zero value says nothing.
	grid struct {
		// shapes calls add with the attributes and coordinates of each shape.
		shapes func(add func(gridAttrs, gridCoords))
		why    string
	}
)

func gridOf(shapes func(add func(gridAttrs, gridCoords))) grid { return grid{shapes: shapes} }

// asInModel is no grid.
var asInModel = grid{why: "a space or a model says which shapes it has"}

func gridWindow(k, s string) gridAttrs { return gridAttrs{"k": k, "s": s} }

// widths are the channels around a step of the pyramid.
func widths(c int) []int { return []int{c / 2, c, c * 2} }

func convGrid(variants ...gridAttrs) grid {
	return grid{shapes: func(add func(gridAttrs, gridCoords)) {
		for _, l := range pyramid {
			for _, cout := range widths(l.c) {
				for _, v := range variants {
					add(v, gridCoords{"h": l.side, "w": l.side, "cin": l.c, "cout": cout})
				}
			}
		}
	}}
}

func dwconvGrid(add func(gridAttrs, gridCoords)) {
	for _, l := range pyramid {
		for _, c := range widths(4 * l.c) {
			for _, k := range []string{"3", "5", "7"} {
				for _, s := range []string{"1", "2"} {
					add(gridWindow(k, s), gridCoords{"h": l.side, "w": l.side, "c": c})
				}
			}
		}
	}
}

func linearGrid(add func(gridAttrs, gridCoords)) {
	for _, cin := range []int{256, 512, 1024} {
		for _, cout := range []int{100, 256, 1000, 1024} {
			for _, rows := range []int{1, 49, 196} {
				add(nil, gridCoords{"m": rows, "cin": cin, "cout": cout})
			}
		}
	}
}

// mapGrid is of operators on maps.
func mapGrid(attrs gridAttrs) grid {
	return grid{shapes: func(add func(gridAttrs, gridCoords)) {
		for _, l := range pyramid {
			for _, c := range widths(l.c) {
				add(attrs, gridCoords{"h": l.side, "w": l.side, "c": c})
			}
		}
	}}
}

func invertedGrid(add func(gridAttrs, gridCoords)) {
	for _, l := range pyramid {
		for _, e := range []int{3, 4, 6} {
			for _, k := range []string{"3", "5"} {
				add(gridAttrs{"k": k, "s": "1", "act": "relu6", "res": "1"}, gridCoords{"h": l.side, "w": l.side, "cin": l.c, "mid": e * l.c, "cout": l.c})
			}
		}
	}
}

func residualGrid(add func(gridAttrs, gridCoords)) {
	for _, l := range pyramid {
		for _, mid := range widths(l.c) {
			add(gridAttrs{"s": "1", "act": "relu"}, gridCoords{"h": l.side, "w": l.side, "cin": l.c, "mid": mid, "cout": l.c})
		}
	}
}

func convnextGrid(add func(gridAttrs, gridCoords)) {
	for _, l := range pyramid {
		for _, e := range []int{2, 3, 4} {
			add(gridAttrs{"k": "7"}, gridCoords{"h": l.side, "w": l.side, "c": l.c, "mid": e * l.c})
		}
	}
}

// headDim is the width of a head of attention in the grids (DeiT's is 64, Swin's and MobileViT's 32).
const headDim = 32

// sequences calls on with the lengths and widths of vision transformers' sequences:
// patches of 32, 16 and 8 pixels at 224, DeiT-Tiny's width, its half and its double.
func sequences(on func(seq, dim int)) {
	for _, seq := range []int{49, 196, 784} {
		for _, dim := range []int{96, 192, 384} {
			on(seq, dim)
		}
	}
}

func sequenceGrid(add func(gridAttrs, gridCoords)) {
	sequences(func(seq, dim int) { add(nil, gridCoords{"seq": seq, "dim": dim}) })
}

func scoresGrid(add func(gridAttrs, gridCoords)) {
	sequences(func(seq, dim int) { add(nil, gridCoords{"m": seq * dim / headDim, "n": seq}) })
}

func productGrid(add func(gridAttrs, gridCoords)) {
	sequences(func(seq, dim int) { add(nil, gridCoords{"b": dim / headDim, "m": seq, "k": headDim, "n": seq}) })
}

func attentionGrid(add func(gridAttrs, gridCoords)) {
	sequences(func(seq, dim int) {
		for _, a := range attentions(dim) {
			add(a, gridCoords{"seq": seq, "dim": dim})
		}
	})
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

// attentions are the forms of attention: over the whole sequence and in windows of 7×7 (Swin).
func attentions(dim int) []gridAttrs {
	heads := strconv.Itoa(dim / headDim)
	return []gridAttrs{{"heads": heads}, {"heads": heads, "win": "7"}}
}

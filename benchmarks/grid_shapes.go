package benchmarks

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

// asInModel is not a grid.
var asInModel = grid{why: "a space or a model says which shapes it has"}

func gridWindow(k, s string) gridAttrs { return gridAttrs{"k": k, "s": s} }

// widths are the channels around a step of the pyramid.
func widths(c int) []int { return []int{c / 2, c, c * 2} }

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

package staircase

import (
	"slices"

	"github.com/isocost/isocost/lut"
)

// Line is knots that differ along one axis alone, sorted.
type Line struct {
	Axis int
	Rest []int // the coordinates; Rest[Axis] means nothing
	Xs   []int
	Pos  []float64 // where staircases and areas put the Xs
	Ys   []float64 // costs without their staircases' factors
	Half []float64 // 95 % half-widths of the Ys
}

// Lines lists the lines of at least two knots along every axis. In families of
// square images h stands for both axes, linear in the area.
func Lines(fam *lut.Family) []Line {
	h, w, square := fam.Square()
	var out []Line
	factor := make([]float64, len(fam.Knots))
	for i, k := range fam.Knots {
		factor[i] = FactorAt(fam, k.At)
	}
	for axis, name := range fam.Axes {
		if square && axis == w {
			continue
		}
		position := func(x int) float64 {
			if square && axis == h {
				return float64(x) * float64(x)
			}
			return float64(x)
		}
		for i := range fam.Stairs {
			if s := &fam.Stairs[i]; s.Axis == name {
				position = func(x int) float64 { return float64(s.Position(x)) }
			}
		}
		groups := map[string]*Line{}
		var order []*Line
		for i, k := range fam.Knots { // sorted, so xs ascend
			rest := slices.Clone(k.At)
			rest[axis] = 0
			if square && axis == h {
				rest[w] = 0
			}
			key := Key(rest)
			l := groups[key]
			if l == nil {
				l = &Line{Axis: axis, Rest: rest}
				groups[key] = l
				order = append(order, l)
			}
			l.Xs = append(l.Xs, k.At[axis])
			l.Pos = append(l.Pos, position(k.At[axis]))
			l.Ys = append(l.Ys, k.Corrected/factor[i])
			l.Half = append(l.Half, (k.Hi-k.Lo)/2/factor[i])
		}
		for _, l := range order {
			if len(l.Xs) > 1 {
				out = append(out, *l)
			}
		}
	}
	return out
}

// Key packs coordinates into a string, to name a line by.
func Key(at []int) string {
	b := make([]byte, 0, 4*len(at))
	for _, x := range at {
		b = append(b, byte(x), byte(x>>8), byte(x>>16), byte(x>>24))
	}
	return string(b)
}

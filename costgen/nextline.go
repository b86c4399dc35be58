package costgen

import (
	"cmp"
	"math"
	"slices"

	"github.com/isocost/isocost/lut"
)

// line is knots that differ along one axis alone, sorted.
type line struct {
	axis  int
	rest  []int // the coordinates; rest[axis] means nothing
	xs    []int
	pos   []float64 // where staircases and areas put the xs
	ys    []float64 // costs without their staircases' factors
	half  []float64 // 95 % half-widths of the ys
	trust []float64 // per interval between xs, how much of the gap is doubt
	// inside is what knots between the two ends, off the line, have shown.
	inside []float64
	shown  []float64 // per inner x, how far it is off its neighbours' line; see prove
}

// How much of a gap stays in doubt where the knots at its ends lie on the straight
// line of their neighbours: one such end has shown less than two. Ten times as much
// makes the plan refine slopes that hold before it has found the steps (2.3 times
// fewer measurements than a uniform grid instead of 3.1 on the simulated device).
const (
	trustOne = 0.02
	trustTwo = 0.01
)

// linesOf lists the lines of at least two knots along every axis. In families of
// square images h stands for both axes, linear in the area.
func linesOf(fam lut.Family) []line {
	h, w, square := squareAxes(fam)
	var out []line
	factor := make([]float64, len(fam.Knots))
	for i, k := range fam.Knots {
		factor[i] = stairFactor(fam, k.At)
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
		groups := map[string]*line{}
		var order []*line
		for i, k := range fam.Knots { // sorted, so xs ascend
			rest := slices.Clone(k.At)
			rest[axis] = 0
			if square && axis == h {
				rest[w] = 0
			}
			key := string(encodeInts(rest))
			l := groups[key]
			if l == nil {
				l = &line{axis: axis, rest: rest}
				groups[key] = l
				order = append(order, l)
			}
			l.xs = append(l.xs, k.At[axis])
			l.pos = append(l.pos, position(k.At[axis]))
			l.ys = append(l.ys, k.Corrected/factor[i])
			l.half = append(l.half, (k.Hi-k.Lo)/2/factor[i])
		}
		for _, l := range order {
			if len(l.xs) > 1 {
				l.prove()
				out = append(out, *l)
			}
		}
	}
	return out
}

// prove finds the trust of every interval. An inner knot is compared with the
// straight line through its neighbours; what is off beyond noise, as a share of the
// uniform error of their gap, speaks for both intervals that meet in it. A step
// inside an interval disturbs both of its ends, so the better end decides.
func (l *line) prove() {
	n := len(l.xs)
	ends := make([][]float64, n-1)
	for i := 1; i < n-1; i++ {
		r := 0.5
		if l.pos[i+1] > l.pos[i-1] {
			r = (l.pos[i] - l.pos[i-1]) / (l.pos[i+1] - l.pos[i-1])
		}
		noise := math.Sqrt(l.half[i]*l.half[i] + (1-r)*(1-r)*l.half[i-1]*l.half[i-1] + r*r*l.half[i+1]*l.half[i+1])
		off := max(0, math.Abs(l.ys[i]-(l.ys[i-1]+r*(l.ys[i+1]-l.ys[i-1])))-noise)
		gap := math.Abs(l.ys[i+1]-l.ys[i-1]) / math.Sqrt(12)
		share := 0.0
		if off > 0 {
			share = min(1, off/max(gap, off))
		}
		ends[i-1] = append(ends[i-1], share)
		ends[i] = append(ends[i], share)
		l.shown = append(l.shown, share)
	}
	for _, e := range ends {
		switch len(e) {
		case 0:
			l.trust = append(l.trust, 1)
		case 1:
			l.trust = append(l.trust, max(trustOne, e[0]))
		default:
			l.trust = append(l.trust, max(trustTwo, min(e[0], e[1])))
		}
	}
}

// lend gives intervals that have shown nothing what other families have shown along
// the same axis: the root mean square of their shares, with one prior share of 1.
func lend(fronts []*front) {
	sum, n := map[string]float64{}, map[string]float64{}
	for _, f := range fronts {
		for _, l := range f.proven {
			for _, s := range l.shown {
				sum[f.fam.Axes[l.axis]] += s * s
				n[f.fam.Axes[l.axis]]++
			}
		}
	}
	for _, f := range fronts {
		for i := range f.proven {
			l := &f.proven[i]
			if len(l.shown) == 0 && len(l.inside) > 0 {
				l.trust[0] = max(trustOne, slices.Max(l.inside))
			} else if len(l.shown) == 0 {
				a := f.fam.Axes[l.axis]
				l.trust[0] = max(trustOne, math.Sqrt((1+sum[a])/(1+n[a])))
			}
		}
	}
}

// nearest is the line along an axis that brackets the point and lies closest to it
// on the other axes, with the interval; nil when none brackets it. A point at the
// last knot belongs to no interval: its index is the knot's when xs[i] is its value.
func nearest(lines []line, axis int, at []lut.Coord) (best *line, interval int) {
	dist := math.Inf(1)
	for n := range lines {
		l := &lines[n]
		if l.axis != axis {
			continue
		}
		x := at[axis].Value
		if x < l.xs[0] || x > l.xs[len(l.xs)-1] {
			continue
		}
		d := 0.0
		for a, r := range l.rest {
			if a != axis && r > 0 {
				d += math.Abs(math.Log(float64(at[a].Value) / float64(r)))
			}
		}
		if d >= dist {
			continue
		}
		i, found := slices.BinarySearchFunc(l.xs, x, func(a, b int) int { return cmp.Compare(a, b) })
		if !found {
			i--
		}
		best, interval, dist = l, i, d
	}
	return best, interval
}

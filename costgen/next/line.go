package next

import (
	"cmp"
	"math"
	"slices"

	"github.com/isocost/isocost/costgen/staircase"
	"github.com/isocost/isocost/lut"
)

// line is knots that differ along one axis alone, and what they show of interpolation.
type line struct {
	staircase.Line
	trust []float64 // per interval between Xs, how much of the gap is doubt
	// inside holds what knots between the two ends, off the line, have shown.
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

// linesOf lists the lines of a family, each with its trust.
func linesOf(fam *lut.Family) []line {
	var out []line
	for _, l := range staircase.Lines(fam) {
		one := line{Line: l}
		one.prove()
		out = append(out, one)
	}
	return out
}

// prove finds the trust of every interval. An inner knot is compared with the
// straight line through its neighbours; what is off beyond noise, as a share of the
// uniform error of their gap, speaks for both intervals that meet in it. A step
// inside an interval disturbs both of its ends, so the better end decides.
func (l *line) prove() {
	n := len(l.Xs)
	ends := make([][]float64, n-1)
	for i := 1; i < n-1; i++ {
		r := 0.5
		if l.Pos[i+1] > l.Pos[i-1] {
			r = (l.Pos[i] - l.Pos[i-1]) / (l.Pos[i+1] - l.Pos[i-1])
		}
		noise := math.Sqrt(l.Half[i]*l.Half[i] + (1-r)*(1-r)*l.Half[i-1]*l.Half[i-1] + r*r*l.Half[i+1]*l.Half[i+1])
		off := max(0, math.Abs(l.Ys[i]-(l.Ys[i-1]+r*(l.Ys[i+1]-l.Ys[i-1])))-noise)
		gap := math.Abs(l.Ys[i+1]-l.Ys[i-1]) / math.Sqrt(12)
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
				sum[f.fam.Axes[l.Axis]] += s * s
				n[f.fam.Axes[l.Axis]]++
			}
		}
	}
	for _, f := range fronts {
		for i := range f.proven {
			l := &f.proven[i]
			if len(l.shown) == 0 && len(l.inside) > 0 {
				l.trust[0] = max(trustOne, slices.Max(l.inside))
			} else if len(l.shown) == 0 {
				a := f.fam.Axes[l.Axis]
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
		if l.Axis != axis {
			continue
		}
		x := at[axis].Value
		if x < l.Xs[0] || x > l.Xs[len(l.Xs)-1] {
			continue
		}
		d := 0.0
		for a, r := range l.Rest {
			if a != axis && r > 0 {
				d += math.Abs(math.Log(float64(at[a].Value) / float64(r)))
			}
		}
		if d >= dist {
			continue
		}
		i, found := slices.BinarySearchFunc(l.Xs, x, func(a, b int) int { return cmp.Compare(a, b) })
		if !found {
			i--
		}
		best, interval, dist = l, i, d
	}
	return best, interval
}

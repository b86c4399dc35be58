package costgen

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/internal/isotonic"
	"github.com/isocost/isocost/internal/stats"
	"github.com/isocost/isocost/lut"
)

// significance is the level below which a violation of monotonicity counts as
// real, after Holm's correction over the steps of a family.
const significance = 0.01

// step is two knots next to each other on a line of one axis.
type step struct {
	lo, hi int // indices of knots
	axis   int
	p      float64 // one-sided, of a fall in cost by chance; 1 when there is none
}

// families groups cells and makes each family monotone under the policy. It fails only when ctx
// ends, by its error.
func families(ctx context.Context, cells []cell, policy lut.Policy) (out []lut.Family, sweep lut.Sweep, warnings []lut.Warning, err error) {
	type job struct {
		cells []cell
		fam   lut.Family
		sweep lut.Sweep
		warn  []lut.Warning
	}
	var jobs []*job
	for start := 0; start < len(cells); {
		end := start + 1
		for end < len(cells) && cells[start].family == cells[end].family {
			end++
		}
		jobs = append(jobs, &job{cells: cells[start:end]})
		start = end
	}
	// Families are independent; the result does not depend on who computes it.
	var wg sync.WaitGroup
	next := make(chan *job)
	for range min(runtime.GOMAXPROCS(0), max(1, len(jobs))) {
		wg.Go(func() {
			for j := range next {
				if ctx.Err() == nil {
					j.fam, j.sweep, j.warn = monotone(ctx, j.cells, policy)
				}
			}
		})
	}
	for _, j := range jobs {
		next <- j
	}
	close(next)
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return nil, sweep, nil, err
	}
	for _, j := range jobs {
		out = append(out, j.fam)
		warnings = append(warnings, j.warn...)
		sweep.Lines += j.sweep.Lines
		sweep.Steps += j.sweep.Steps
		sweep.Reversed += j.sweep.Reversed
		sweep.Significant += j.sweep.Significant
		sweep.Worst = max(sweep.Worst, j.sweep.Worst)
	}
	return out, sweep, warnings, nil
}

// monotone compiles one family. Cells are sorted by coordinates. When ctx ends the result means
// nothing.
func monotone(ctx context.Context, cells []cell, policy lut.Policy) (lut.Family, lut.Sweep, []lut.Warning) {
	fam := lut.FamilyOf(cells[0].op)
	y, w := make([]float64, len(cells)), make([]float64, len(cells))
	for i, c := range cells {
		k := lut.Knot{At: c.op.Point(), Raw: stats.Significant(c.value), N: c.n, Reason: lut.Measured, Records: c.cases}
		k.Lo, k.Hi = min(k.Raw, stats.Significant(c.lo)), max(k.Raw, stats.Significant(c.hi))
		if c.censored {
			k.Reason = lut.Censored
		}
		fam.Knots = append(fam.Knots, k)
		y[i] = k.Raw
		w[i] = 1 / (c.se() * c.se())
	}
	steps, lines := stepsOf(fam)
	sweep, bad := judge(fam, steps, lines)
	var warnings []lut.Warning
	for _, s := range bad {
		warnings = append(warnings, lut.Warning{Code: "violation", Key: cells[s.hi].op.String(), P: stats.Significant(s.p),
			Detail: fmt.Sprintf("costs %.4g, less than %.4g at the smaller %s=%d", y[s.hi], y[s.lo],
				fam.Axes[s.axis], fam.Knots[s.lo].At[s.axis])})
	}
	if policy == lut.PolicyRaw {
		for i := range fam.Knots {
			fam.Knots[i].Corrected = fam.Knots[i].Raw
		}
		return fam, sweep, warnings
	}
	var x []float64
	if lines == 1 && len(steps) == len(cells)-1 && (len(bad) == 0 || policy == lut.PolicyStrict) {
		x = isotonic.Chain(y, w)
	} else {
		at := make([][]int, len(cells))
		for i := range fam.Knots {
			at[i] = fam.Knots[i].At
		}
		var err error
		if x, err = isotonic.Product(ctx, y, w, at, order(fam, bad, policy)); err != nil {
			return fam, sweep, warnings
		}
	}
	for i := range fam.Knots {
		k := &fam.Knots[i]
		k.Corrected = stats.Significant(x[i])
		if k.Corrected != k.Raw {
			k.Reason = lut.Isotonic
		}
	}
	if policy != lut.PolicyStrict {
		for _, s := range bad {
			if k := &fam.Knots[s.hi]; k.Reason == lut.Measured {
				k.Reason = lut.Regime
			}
		}
	}
	return fam, sweep, warnings
}

// order says which pairs of the product order of a family's axes stay in order against
// the evidence; nil stands for all. Under the policy regime a significant fall splits its
// axis for the whole family. Under isotonic it frees the points below it from those above,
// but for those that a way around it leads to: the order is given by the steps from point to
// next point imply, without the falls among them.
func order(fam lut.Family, bad []step, policy lut.Policy) func(i, j int) bool {
	if len(bad) == 0 || policy == lut.PolicyStrict {
		return nil
	}
	at := func(i int) []int { return fam.Knots[i].At }
	if policy == lut.PolicyRegime {
		return func(i, j int) bool {
			return !slices.ContainsFunc(bad, func(s step) bool {
				cut := at(s.hi)[s.axis]
				return at(i)[s.axis] < cut && cut <= at(j)[s.axis]
			})
		}
	}
	points := make([][]int, len(fam.Knots))
	for i := range points {
		points[i] = at(i)
	}
	return newWays(points, bad).lead
}

// judge tests every step of a family for a fall of the raw cost.
func judge(fam lut.Family, steps []step, lines int) (lut.Sweep, []step) {
	sweep := lut.Sweep{Lines: lines, Steps: len(steps)}
	se := func(k lut.Knot) float64 { c := cell{value: k.Raw, lo: k.Lo, hi: k.Hi}; return c.se() }
	for i := range steps {
		s := &steps[i]
		a, b := fam.Knots[s.lo], fam.Knots[s.hi]
		s.p = 1
		if fall := a.Raw - b.Raw; fall > 0 {
			sweep.Reversed++
			sweep.Worst = max(sweep.Worst, stats.Significant(fall/a.Raw))
			s.p = stats.NormalUpper(fall / math.Hypot(se(a), se(b)))
		}
	}
	bad := holm(steps)
	sweep.Significant = len(bad)
	return sweep, bad
}

// sweepOf judges the monotonicity of a compiled family's raw costs.
func sweepOf(fam lut.Family) lut.Sweep {
	steps, lines := stepsOf(fam)
	s, _ := judge(fam, steps, lines)
	return s
}

// stepsOf lists the neighbours along each axis: knots that agree on all other
// axes, sorted. Square images (h = w throughout) move along both at once.
func stepsOf(fam lut.Family) (steps []step, lines int) {
	h, w, square := fam.Square()
	order := make([]int, len(fam.Knots))
	for axis := range fam.Axes {
		if square && axis == w {
			continue
		}
		fixed := func(d int) bool { return d != axis && !(square && axis == h && d == w) }
		for i := range order {
			order[i] = i
		}
		same := func(a, b []int) bool {
			for d := range a {
				if fixed(d) && a[d] != b[d] {
					return false
				}
			}
			return true
		}
		slices.SortStableFunc(order, func(i, j int) int {
			a, b := fam.Knots[i].At, fam.Knots[j].At
			for d := range a {
				if fixed(d) && a[d] != b[d] {
					return cmp.Compare(a[d], b[d])
				}
			}
			return cmp.Compare(a[axis], b[axis])
		})
		open := false
		for n := 1; n < len(order); n++ {
			if !same(fam.Knots[order[n-1]].At, fam.Knots[order[n]].At) {
				open = false
				continue
			}
			if !open {
				lines++
				open = true
			}
			steps = append(steps, step{lo: order[n-1], hi: order[n], axis: axis})
		}
	}
	return steps, lines
}

// holm returns the steps whose fall is significant at the level over all steps
// together (Holm, Scand. J. Statist. 6, 1979), in order of their upper knots.
func holm(steps []step) []step {
	s := slices.Clone(steps)
	slices.SortStableFunc(s, func(a, b step) int { return cmp.Compare(a.p, b.p) })
	n := 0
	for n < len(s) && s[n].p < significance/float64(len(s)-n) {
		n++
	}
	s = s[:n]
	slices.SortFunc(s, func(a, b step) int { return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.axis, b.axis)) })
	return s
}

// precisionOrder compares families that differ in precision alone: cheaper
// arithmetic is often not cheaper (int8 without dot-product instructions), so it
// is tested and reported, never assumed.
func precisionOrder(fams []lut.Family) []lut.Warning {
	rank := map[lut.Precision]int{lut.FP32: 0, lut.FP16: 1, lut.BF16: 1, lut.INT8W: 2, lut.INT8Dyn: 3, lut.INT8: 4}
	groups := map[string][]int{}
	for i, f := range fams {
		if benchmarks.Converts(f.Op) {
			continue
		}
		key := f.Op.WithPrecision(lut.FP32).Family() + fmt.Sprint(f.Axes)
		groups[key] = append(groups[key], i)
	}
	var out []lut.Warning
	for _, g := range slices.Sorted(maps.Keys(groups)) {
		for _, i := range groups[g] {
			for _, j := range groups[g] {
				a, b := fams[i], fams[j]
				if rank[a.Op.Precision] >= rank[b.Op.Precision] {
					continue
				}
				common, reversed, worst, p := 0, 0, 1.0, 1.0
				for _, kb := range b.Knots {
					n, ok := slices.BinarySearchFunc(a.Knots, kb.At, func(k lut.Knot, at []int) int { return slices.Compare(k.At, at) })
					if !ok {
						continue
					}
					ka := a.Knots[n]
					common++
					se := math.Hypot((ka.Hi-ka.Lo)/3.92, (kb.Hi-kb.Lo)/3.92)
					if kb.Raw > ka.Raw {
						if q := stats.NormalUpper((kb.Raw - ka.Raw) / max(se, 1e-3*ka.Raw)); q < significance {
							reversed++
							worst = max(worst, kb.Raw/ka.Raw)
							p = min(p, q)
						}
					}
				}
				if reversed > 0 {
					out = append(out, lut.Warning{Code: "precision-order", Key: b.Name(), P: stats.Significant(p),
						Detail: fmt.Sprintf("more expensive than in %s in %d of %d common cells, up to %.2f times", a.Op.Precision, reversed, common, worst)})
				}
			}
		}
	}
	return out
}

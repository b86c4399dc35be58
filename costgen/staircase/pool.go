package staircase

import (
	"cmp"
	"context"
	"maps"
	"math"
	"slices"

	"github.com/isocost/isocost/lut"
)

const (
	// priorSD is the prior standard deviation of μ, in logarithms of cost: a
	// residue may cost anything between a third and three times as much.
	priorSD = 0.5
	// spreadShare is that of φ and of δ, as a share of the size of μ: the spread of the
	// int8 inverted residuals of decision 0403 over families and over lines. A residue
	// that costs nothing extra on most lines does so on all.
	spreadShare = 0.25
	// Curve is the relative error of a straight line between knots by itself.
	Curve = 0.03
	// pays says how much smaller the error of left-out knots must be before a
	// staircase replaces plain slopes; needs is how many knots must say so.
	pays  = 0.6
	needs = 4
	// maxParams and maxKnots bound the work: beyond maxParams parameters, lines and
	// then families have none of their own, and fewer still do to judge a form; more
	// knots tell nothing new.
	maxParams = 200
	maxJudged = 60
	maxKnots  = 4000
	// folds is in how many parts the positions of a residue are left out.
	folds = 8
	// steps says how often the model is linearised: the third hardly moves it.
	steps = 4
	// noise is an error that no form must explain: a good measurement's interval.
	noise = 0.01
)

// Form is one form a staircase can take; period 1 is a plain slope.
type Form struct {
	Period int
	Whole  bool // blocks are paid in full
}

var plainSlope = Form{Period: 1}

// forms are the candidates: 8, 16 and 32 are the blocks of fp32 and int8
// channels in vector units of 128 to 512 bits.
var forms = []Form{{8, false}, {8, true}, {16, false}, {16, true}, {32, false}, {32, true}}

// Position says where the form puts a coordinate.
func (s Form) Position(x int) float64 {
	if s.Whole {
		return float64((x + s.Period - 1) / s.Period * s.Period)
	}
	return float64(x)
}

// Place says where a cost stands in a pool: a line of a family, and the position
// along the pool's axis.
type Place struct {
	Family string // Op.Grid
	Line   string // Key of the other coordinates
	X      int
}

// knot is a knot of a line, with its cost and relative standard error.
type knot struct {
	x       int
	cost, e float64
}

// run is the knots of one line, sorted.
type run struct {
	family, line string
	at           []int // the line's coordinates, 0 for the pool's axis
	knots        []knot
}

// Pool holds the lines along one axis of all families of a kind and precision.
type Pool struct {
	axis string
	runs []run
}

// PoolName names the pool of an operator's axis; "" for image sizes, whose costs have
// other reasons to jump.
func PoolName(op lut.Op, axis string) string {
	if axis == "h" || axis == "w" {
		return ""
	}
	return op.Kind + "/" + string(op.Precision) + "@" + axis
}

// Pools gathers the lines of families, which are sorted, by PoolName.
func Pools(fams []lut.Family) map[string]*Pool {
	pools := map[string]*Pool{}
	inner := map[string]int{}
	for i := range fams {
		fam := fams[i]
		op := fam.Op
		open := slices.ContainsFunc(fam.Axes, func(a string) bool { n := PoolName(op, a); return n != "" && inner[n] < maxKnots })
		if !open {
			continue
		}
		fam.Stairs = nil
		for _, l := range Lines(&fam) {
			name := PoolName(op, fam.Axes[l.Axis])
			if name == "" {
				continue
			}
			if pools[name] == nil {
				pools[name] = &Pool{axis: fam.Axes[l.Axis]}
			}
			at := slices.Clone(l.Rest)
			at[l.Axis] = 0
			run := run{family: fam.Grid(), line: Key(at), at: at}
			for i, x := range l.Xs {
				run.knots = append(run.knots, knot{x, l.Ys[i], l.Half[i] / 1.96 / l.Ys[i]})
			}
			pools[name].runs = append(pools[name].runs, run)
			inner[name] += len(run.knots) - 2
		}
	}
	return pools
}

// Best is the form that predicts knots it has not seen best, and whether it is worth
// having.
func (p *Pool) Best() (Form, bool) { return p.best(context.Background()) }

// best is Best. When ctx ends the answer means nothing.
func (p *Pool) best(ctx context.Context) (Form, bool) {
	// Below the resolution of a measurement there is nothing to explain.
	score := func(f *Fit) float64 { return math.Hypot(f.off, noise) }
	plain := score(p.fit(plainSlope, maxJudged, nil))
	best, off, n := plainSlope, plain, 0
	for _, form := range forms {
		if ctx.Err() != nil {
			break
		}
		if f := p.fit(form, maxJudged, nil); score(f) < off {
			best, off, n = form, score(f), f.n
		}
	}
	return best, n >= needs && off < pays*plain
}

// Add adds the staircases that pay to families, which are sorted. It fails only when ctx ends, by
// its error.
func Add(ctx context.Context, fams []lut.Family) error {
	pools := Pools(fams)
	for _, name := range slices.Sorted(maps.Keys(pools)) {
		if err := ctx.Err(); err != nil {
			return err
		}
		p := pools[name]
		form, pays := p.best(ctx)
		if !pays {
			continue
		}
		f := p.Fit(form, nil)
		for i := range fams {
			if slices.Contains(fams[i].Axes, p.axis) && PoolName(fams[i].Op, p.axis) == name {
				fams[i].Stairs = append(fams[i].Stairs, f.staircase(p, fams[i].Grid()))
				slices.SortFunc(fams[i].Stairs, func(a, b lut.Staircase) int { return cmp.Compare(a.Axis, b.Axis) })
			}
		}
	}
	return ctx.Err()
}

// FactorAt is the factor of a point over all staircases of its family.
func FactorAt(fam *lut.Family, at []int) float64 {
	sum := 0.0
	for i := range fam.Stairs {
		s := &fam.Stairs[i]
		sum += s.On(at, slices.Index(fam.Axes, s.Axis)).Log
	}
	return math.Exp(sum)
}

package costgen

import (
	"math"
	"slices"

	"github.com/isocost/isocost/internal/stats"
)

// A cell that cannot be told from zero still costs something, and a network may have
// a hundred of them: what stands for one must be right on average. Half of its upper
// bound is not; it is too high by about a standard error (decision 0407). Such a cell
// borrows from its family: a line a + b·size through all measurements of the family,
// with their signs, says what is expected of it and how far members lie from that, and
// what it measured itself is weighed against it (parametric empirical Bayes; Morris,
// J. Am. Stat. Assoc. 78, 1983).

// borrowFrom is the fewest members of a family whose line is believed.
const borrowFrom = 4

// borrow gives the cells marked as censored their values and intervals. Cells are
// sorted by family.
func borrow(cells []cell) {
	for start := 0; start < len(cells); {
		end := start + 1
		for end < len(cells) && cells[end].family == cells[start].family {
			end++
		}
		borrowWithin(cells[start:end])
		start = end
	}
}

func borrowWithin(fam []cell) {
	if !slices.ContainsFunc(fam, func(c cell) bool { return c.censored }) {
		return
	}
	size, se := make([]float64, len(fam)), make([]float64, len(fam))
	for i, c := range fam {
		size[i] = 1
		for _, at := range c.op.At {
			size[i] *= float64(at.Value)
		}
		se[i] = c.se()
	}
	expect, doubt := make([]float64, len(fam)), make([]float64, len(fam))
	if len(fam) >= borrowFrom {
		expect, doubt = throughAll(fam, size, se)
	}
	for i := range fam {
		c := &fam[i]
		if !c.censored {
			continue
		}
		mean, sd := c.value, se[i]
		if e := doubt[i]; e > 0 {
			w := e * e / (e*e + sd*sd)
			mean, sd = w*mean+(1-w)*expect[i], sd*math.Sqrt(w)
		}
		c.value = positivePart(mean, sd)
		c.lo, c.hi = max(0, mean-1.96*sd), max(mean+1.96*sd, c.value)
		c.lo = min(c.lo, c.value)
	}
}

// throughAll fits a + b·size, neither negative, and says what it expects of every
// member and how far, as a standard deviation, a member may lie from that: how far
// members lie from the line in relation to it, beyond their noise, and how well the
// line is known. Weights and spread depend on each other: a few rounds settle them. All
// of doubt is 0 when the family's measurements are noise.
func throughAll(fam []cell, size, se []float64) (expect, doubt []float64) {
	expect, doubt = make([]float64, len(fam)), make([]float64, len(fam))
	for i, c := range fam {
		expect[i] = max(c.value, se[i])
	}
	spread := 0.3
	for range 10 {
		var sw, sx, sy, sxx, sxy float64
		for i, c := range fam {
			w := 1 / (se[i]*se[i] + spread*spread*expect[i]*expect[i])
			sw, sx, sy = sw+w, sx+w*size[i], sy+w*c.value
			sxx, sxy = sxx+w*size[i]*size[i], sxy+w*size[i]*c.value
		}
		a, b := 0.0, sxy/sxx
		variance := func(x float64) float64 { return x * x / sxx }
		if d := sw*sxx - sx*sx; d > 1e-9*sw*sxx {
			a, b = (sxx*sy-sx*sxy)/d, (sw*sxy-sx*sy)/d
			variance = func(x float64) float64 { return (sxx - 2*x*sx + x*x*sw) / d }
			switch {
			case b < 0:
				a, b = sy/sw, 0
			case a < 0:
				a, b = 0, sxy/sxx
			}
		}
		if !(a > 0 || b > 0) {
			return expect, make([]float64, len(fam))
		}
		var ratios []float64
		for i := range fam {
			expect[i] = max(0, a) + max(0, b)*size[i]
			r, noise := (fam[i].value-expect[i])/expect[i], se[i]/expect[i]
			ratios = append(ratios, r*r-noise*noise)
		}
		// The median, for members that a line does not describe; 0.4549 is the median of
		// the square of a standard normal number. At least a tenth: no line holds exactly.
		spread = max(0.1, math.Sqrt(max(0, stats.Median(ratios)/0.4549)))
		for i := range fam {
			doubt[i] = math.Sqrt(spread*spread*expect[i]*expect[i] + variance(size[i]))
		}
	}
	return expect, doubt
}

// positivePart is the mean of a normal number that is known to be positive.
func positivePart(mean, sd float64) float64 {
	z := mean / sd
	if z < -8 {
		return sd / -z // the tail's mean (Mills)
	}
	return mean + sd*math.Exp(-z*z/2)/math.Sqrt(2*math.Pi)/stats.NormalUpper(-z)
}

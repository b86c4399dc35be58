package lut

import (
	"fmt"
	"math"
	"slices"
	"sync"
)

// Table answers what operators and networks cost. It is safe for concurrent use.
type Table struct {
	file     File
	families []family
	byGrid   map[string]int // by Op.Grid of a member
	knots    index
	once     sync.Once
	beyond   Pricer // by the model; nil without one
}

// Pricer prices a sum of operators by a table's model of the device, with their joint
// interval, and says of how many kernels it is; ok is false where the model knows nothing of
// one's kind.
type Pricer func(ops ...Op) (c Cost, kernels int, ok bool)

var newPricer func(*File) (Pricer, error)

// RegisterPricer says how tables price by their models; costgen/pricer does when it is
// imported, as image formats are registered. A program without it answers by knots alone.
func RegisterPricer(f func(*File) (Pricer, error)) { newPricer = f }

// byModel is the price by the table's model, where there is one and a program that reads it.
func (t *Table) byModel(ops ...Op) (c Cost, kernels int, ok bool) {
	if t.file.Model == nil || newPricer == nil {
		return Cost{}, 0, false
	}
	t.once.Do(func() {
		if p, err := newPricer(&t.file); err == nil {
			t.beyond = p
		}
	})
	if t.beyond == nil {
		return Cost{}, 0, false
	}
	return t.beyond(ops...)
}

// Cost is the cost of an operator or a network in the table's unit with a 95 %
// interval.
type Cost struct {
	Value float64
	Lo    float64
	Hi    float64
	// Extrapolated marks a value from outside the measured range; it is only ever
	// true when extrapolation was asked for, or for a network whose sum lies
	// outside the sums the calibration was fitted on.
	Extrapolated bool
}

// New validates a table and prepares it for queries. The data is not copied and
// must not be changed afterwards.
func New(f File) (*Table, error) {
	f.normalise()
	if err := f.Validate(); err != nil {
		return nil, err
	}
	t := &Table{file: f, byGrid: make(map[string]int, len(f.Families))}
	for i, fam := range f.Families {
		t.byGrid[fam.Grid()] = i
		t.families = append(t.families, newFamily(fam))
	}
	t.knots = newIndex(t.families)
	return t, nil
}

// cost is the knot's corrected value with the interval of the raw one shifted
// along: the evidence says how sharp the value is, the correction where it lies.
func (k Knot) cost() Cost {
	c := Cost{Value: k.Corrected, Lo: k.Lo, Hi: k.Hi}
	if k.Raw != k.Corrected {
		c.Lo = min(k.Lo, max(0, k.Corrected-(k.Raw-k.Lo)))
		c.Hi = max(k.Hi, k.Corrected+(k.Hi-k.Raw))
	}
	return c
}

// File returns the table's data; it must not be changed.
func (t *Table) File() *File { return &t.file }

// Cost is the marginal cost of one operator: by its knot, between knots, else by the table's model
// of the device (see RegisterPricer). It fails with ErrUnknownOp or ErrOutOfRange; it never
// guesses.
func (t *Table) Cost(op Op) (Cost, error) {
	c, err := t.byKnots(&op)
	if err != nil {
		if m, _, ok := t.byModel(op); ok {
			return m, nil
		}
	}
	return c, err
}

func (t *Table) byKnots(op *Op) (Cost, error) {
	if p := t.knots.find(t.families, op); p != nil {
		return Cost{Value: p.value, Lo: p.lo, Hi: p.hi}, nil
	}
	fam, err := t.family(*op)
	if err != nil {
		return Cost{}, err
	}
	return fam.interpolate(*op)
}

// Extrapolate is Cost, but beyond the measured range it continues the nearest
// points in proportion and marks the result. It still fails with ErrUnknownOp.
func (t *Table) Extrapolate(op Op) (Cost, error) {
	c, err := t.Cost(op)
	if err == nil {
		return c, nil
	}
	fam, ferr := t.family(op)
	if ferr != nil {
		return Cost{}, ferr
	}
	return fam.extrapolate(op), nil
}

// Network is the calibrated cost of a network that runs these operators: by the table's
// model, if it has one that prices them all (see RegisterPricer), else the sum of what each
// costs. For a memory table it is the largest, since a chain's operators live one at a time.
func (t *Table) Network(ops []Op) (Cost, error) {
	if c, kernels, ok := t.byModel(ops...); ok {
		total := t.TotalByModel(c.Value, c, kernels)
		total.Extrapolated = total.Extrapolated || c.Extrapolated
		return total, nil
	}
	var sum, varLo, varHi float64
	for _, op := range ops {
		c, err := t.Cost(op)
		if err != nil {
			return Cost{}, err
		}
		if t.file.Metric == Memory {
			if c.Value > sum {
				sum, varLo, varHi = c.Value, square(c.Value-c.Lo), square(c.Hi-c.Value)
			}
			continue
		}
		sum += c.Value
		varLo += square(c.Value - c.Lo)
		varHi += square(c.Hi - c.Value)
	}
	return t.Total(sum, math.Sqrt(varLo), math.Sqrt(varHi), len(ops)), nil
}

// Total is the calibrated cost of a network from the sum of its kernels' values
// and the lower and upper half-widths of that sum (kernels' half-widths added in
// quadrature). The interval also holds the calibration's own residual.
func (t *Table) Total(sum, lower, upper float64, kernels int) Cost {
	y := t.Calibrate(sum, kernels)
	c := Cost{Value: y}
	slope, rest := 1.0, 0.0
	if o := t.file.Overhead; o != nil {
		sum += o.Value
		lower, upper = math.Hypot(lower, o.Value-o.Lo), math.Hypot(upper, o.Hi-o.Value)
	}
	if cal := t.file.Calibration; cal != nil {
		if sum > 0 {
			slope = y / sum
		}
		rest = cal.Residual95 * y
		c.Extrapolated = sum < cal.SumLo || sum > cal.SumHi
	}
	lower, upper = slope*lower, slope*upper
	if rest > 0 {
		lower, upper = math.Hypot(lower, rest), math.Hypot(upper, rest)
	}
	c.Lo, c.Hi = max(0, y-lower), y+upper
	return c
}

// TotalByModel is Total of kernels that the table's model priced together: their sum, to
// which what no kernel carries may have been added, and the model's own price with its
// joint interval. Where networks have widened the model's intervals these hold what the
// calibration leaves.
func (t *Table) TotalByModel(sum float64, by Cost, kernels int) Cost {
	if t.file.Model == nil || t.file.Model.Networks == 0 {
		return t.Total(sum, by.Value-by.Lo, by.Hi-by.Value, kernels)
	}
	c := t.Total(sum, 0, 0, kernels)
	slope := 1.0
	if raw := t.Raw(sum); raw > 0 {
		slope = c.Value / raw
	}
	c.Lo, c.Hi = max(0, c.Value-slope*(by.Value-by.Lo)), c.Value+slope*(by.Hi-by.Value)
	return c
}

// Raw is the uncalibrated cost of a network whose kernels cost sum: the sum plus
// the fixed overhead of one inference.
func (t *Table) Raw(sum float64) float64 {
	if t.file.Overhead != nil {
		sum += t.file.Overhead.Value
	}
	return sum
}

// Calibrate turns the sum of a network's kernel costs into its cost. Without a
// calibration it is Raw.
func (t *Table) Calibrate(sum float64, kernels int) float64 {
	sum = t.Raw(sum)
	if t.file.Calibration == nil {
		return sum
	}
	return t.file.Calibration.Apply(sum, kernels)
}

// Apply evaluates the calibration at a raw sum (overhead included).
func (c *Calibration) Apply(sum float64, kernels int) float64 {
	rest := c.B + c.C*float64(kernels)
	y := c.A*sum + rest
	if rest < 0 && sum < c.SumLo {
		// Below the fitted sums a negative intercept would reach zero and less: go
		// to the origin in proportion instead, which keeps the order and the sign.
		y = max(c.A*c.SumLo+rest, c.A*c.SumLo/2) * sum / c.SumLo
	}
	return correct(c.Curve, y)
}

// correct evaluates the monotone curve: linear between points, in proportion
// outside.
func correct(curve []Point, y float64) float64 {
	if len(curve) == 0 {
		return y
	}
	if first := curve[0]; y <= first.X {
		return y * first.Y / first.X
	}
	if last := curve[len(curve)-1]; y >= last.X {
		return y * last.Y / last.X
	}
	i := 1
	for curve[i].X < y {
		i++
	}
	p, q := curve[i-1], curve[i]
	return p.Y + (q.Y-p.Y)*(y-p.X)/(q.X-p.X)
}

func (t *Table) family(op Op) (*family, error) {
	var buf [128]byte
	if i, ok := t.byGrid[string(op.appendGrid(buf[:0]))]; ok {
		return &t.families[i], nil
	}
	return nil, &UnknownOpError{op.String(), t.near(op)}
}

// near names the family of the same kind that shares most attributes.
func (t *Table) near(op Op) string {
	best, score := "", -1
	for _, fam := range t.families {
		if fam.Op.Kind != op.Kind {
			continue
		}
		s := 0
		if fam.Op.Precision == op.Precision {
			s++
		}
		for _, a := range op.Attrs {
			if slices.Contains(fam.Op.Attrs, a) {
				s++
			}
		}
		if s > score {
			best, score = fam.Name(), s
			if best == op.Family() {
				best += fmt.Sprintf(" over the axes %v", fam.Axes)
			}
		}
	}
	return best
}

func square(x float64) float64 { return x * x }

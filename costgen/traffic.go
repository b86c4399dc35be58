package costgen

import (
	"errors"
	"math"
	"slices"

	"github.com/isocost/isocost/benchmarks"
	"github.com/isocost/isocost/lut"
)

// moved holds the bytes that a network moves in one inference.
type moved struct {
	linear, conv float64 // weights of linear layers, of convolutions
	spill        float64 // of tensors, what goes beyond the nearest cache
	live         float64 // of the largest operator's input and output
	unknown      bool    // a module among them, whose weights are in a file
}

// nearShare is the part of a core's cache that a tensor keeps between two operators: an
// operator's input, its output, its weights and the tensors of other branches share it.
const nearShare = 4

// movedBy adds up what operators move, of each tensor what goes beyond near bytes. One that
// the catalogue does not know adds nothing: the table does not price it either.
func movedBy(ops []lut.Op, near int) moved {
	var sum moved
	for _, op := range ops {
		m, err := benchmarks.MemoryOf(op)
		if err != nil {
			sum.unknown = sum.unknown || errors.Is(err, benchmarks.ErrNoModule)
			continue
		}
		if m.Streamed {
			sum.linear += float64(m.Weights)
		} else {
			sum.conv += float64(m.Weights)
		}
		sum.spill += float64(max(0, m.In-near) + max(0, m.Out-near))
		sum.live = max(sum.live, float64(m.In+m.Out))
	}
	return sum
}

// trafficOf is the cost of what operators move, as a calibration prices it.
func trafficOf(c *lut.Calibration, ops []lut.Op) float64 {
	if c == nil || c.Traffic == nil {
		return 0
	}
	return beyond(c, movedBy(ops, c.Traffic.Near))
}

// share says how much of a network's traffic goes beyond the last cache.
func share(m moved, from, to int) float64 {
	return min(1, max(0, (m.linear+m.conv+m.live-float64(from))/float64(to-from)))
}

// beyond is the cost of a network's traffic, in terms of the sum that the
// calibration scales.
func beyond(c *lut.Calibration, m moved) float64 {
	t := c.Traffic
	if t == nil {
		return 0
	}
	return share(m, t.From, t.To) * (t.Linear*m.linear + t.Conv*m.conv + t.Spill*m.spill) / c.A
}

// reach says where caches end, in bytes: what of a tensor the nearest keeps, and where the share
// of a network's traffic may begin and end to leave the last.
type reach struct {
	near     int
	from, to []int
}

// reachOf is that of a device's caches. The share's ends are eighths of the last cache, or of a tenant's
// part of it; of the usual one as well, since a system's cache is in no file of a phone's kernel. The pair
// that suits the networks best is taken.
func reachOf(c lut.Caches) reach {
	r := reach{near: int(c.Usual().Core / nearShare)}
	for _, last := range []int64{c.Usual().Last, lut.Caches{}.Usual().Last} {
		for _, eighths := range []int64{1, 2, 3} {
			r.from = append(r.from, int(last*eighths/8))
		}
		for _, eighths := range []int64{4, 6, 8, 12} {
			r.to = append(r.to, int(last*eighths/8))
		}
	}
	for _, ends := range []*[]int{&r.from, &r.to} {
		slices.Sort(*ends)
		*ends = slices.Compact(*ends)
	}
	return r
}

// reach is where the caches of a table's device end, nil where no calibration prices traffic.
func (opt Options) reach(device lut.Device) *reach {
	if !opt.Traffic || opt.Metric != lut.Latency {
		return nil
	}
	r := reachOf(device.Caches)
	return &r
}

// moved is what operators move, as far as a calibration prices it.
func (r *reach) moved(ops []lut.Op) moved {
	if r == nil {
		return moved{}
	}
	return movedBy(ops, r.near)
}

// Relative to a byte of a linear layer's weights, which is streamed, what a byte of a
// convolution's weights and of a tensor costs when all have one price. Measured on a
// server core by profiles of sixteen networks against their cells: 33, 24 and 12
// microseconds per megabyte. The price itself is fitted.
const (
	convBeside  = 0.7
	spillBeside = 0.35
)

// besideSpread says how far, relative to itself, a kind's price is believed to lie from
// what stands beside the common one: the three profiled prices varied by a third
// between networks.
const besideSpread = 1.0 / 3

// fitTraffic minimises the squared relative error Σ w·((A·x + traffic − y)/y)² over A
// and prices that are not negative, for each pair of cache sizes: every subset of the
// prices is solved with the others at zero, which for so few is the exact
// non-negative solution. The weights w are Tukey's bisquare: one network whose kernels
// are mispriced must not set the price per byte. ok is false where what some network
// moves is not known.
func fitTraffic(form int, at reach, points []point) (best lut.Calibration, ok bool) {
	if slices.ContainsFunc(points, func(p point) bool { return p.moved.unknown }) {
		return best, false
	}
	of, _ := weighted(points)
	weights := startingWeights(points, of)
	for range 8 { // the weights settle in three or four
		if best, ok = weightedTraffic(form, at, points, weights); !ok {
			return best, false
		}
		weights = bisquare(of, offBy(points, func(p point) float64 { return best.A * (p.x + beyond(&best, p.moved)) }))
	}
	best.SumLo = math.Inf(1)
	for _, p := range points {
		best.SumLo = min(best.SumLo, p.x)
		best.SumHi = max(best.SumHi, p.x)
	}
	return best, ok
}

// weightedTraffic is one step of fitTraffic.
func weightedTraffic(form int, at reach, points []point, weights []float64) (best lut.Calibration, ok bool) {
	least := math.Inf(1)
	rows := make([][5]float64, len(points))
	prices := 1
	if form == 2 {
		prices = 3
		common, found := weightedTraffic(1, at, points, weights)
		if !found || common.Traffic.Linear == 0 {
			return common, found // where no byte has a price, no kind of byte has its own
		}
		rows = append(rows, beside(common, points, weights)...)
	}
	for _, from := range at.from {
		for _, to := range at.to {
			if to <= from {
				continue
			}
			for i, p := range points {
				w := math.Sqrt(weights[i])
				s := w * share(p.moved, from, to) / p.y
				if form == 1 {
					rows[i] = [5]float64{w * p.x / p.y, s * (p.moved.linear + convBeside*p.moved.conv + spillBeside*p.moved.spill), 0, 0, w}
				} else {
					rows[i] = [5]float64{w * p.x / p.y, s * p.moved.linear, s * p.moved.conv, s * p.moved.spill, w}
				}
			}
			for subset := range 1 << prices {
				beta, ss, solved := subsetSquares(rows, subset, prices)
				if !solved || ss >= least {
					continue
				}
				least = ss
				t := &lut.Traffic{Linear: beta[1], Conv: beta[2], Spill: beta[3], Near: at.near, From: from, To: to}
				if form == 1 {
					t.Conv, t.Spill = convBeside*beta[1], spillBeside*beta[1]
				}
				best, ok = lut.Calibration{A: beta[0], Traffic: t}, true
			}
		}
	}
	return best, ok
}

// beside holds the prior of the prices, before the networks are seen, as further
// equations (ridge regression, Hoerl and Kennard 1970): each kind's price is the common
// one's part, give or take besideSpread of itself, weighed against what the common
// prices leave of the networks. Without it a network that streams more of one kind
// than all others together was predicted at twice its latency.
func beside(common lut.Calibration, points []point, weights []float64) [][5]float64 {
	ss := 0.0
	for i, p := range points {
		r := (common.A*(p.x+beyond(&common, p.moved)) - p.y) / p.y
		ss += weights[i] * r * r
	}
	w := math.Sqrt(ss/float64(len(points))) / besideSpread
	t := common.Traffic
	return [][5]float64{
		{0, w / t.Linear, 0, 0, w},
		{0, 0, w / t.Conv, 0, w},
		{0, 0, 0, w / t.Spill, w},
	}
}

// subsetSquares fits the first four columns of rows times beta to the fifth, with only those prices that subset has a bit for.
// ok is false when it is singular, a price negative or the scale not positive.
func subsetSquares(rows [][5]float64, subset, prices int) (beta [4]float64, ss float64, ok bool) {
	columns := []int{0}
	for c := range prices {
		if subset>>c&1 == 1 {
			columns = append(columns, c+1)
		}
	}
	// Bytes and microseconds are many powers of ten apart: columns get length one.
	var unit [4]float64
	for _, c := range columns {
		for _, r := range rows {
			unit[c] += r[c] * r[c]
		}
		if unit[c] = math.Sqrt(unit[c]); !(unit[c] > 0) {
			return beta, 0, false
		}
	}
	var normal [4][5]float64
	for _, r := range rows {
		for i, ci := range columns {
			for j, cj := range columns {
				normal[i][j] += r[ci] / unit[ci] * r[cj] / unit[cj]
			}
			normal[i][4] += r[ci] / unit[ci] * r[4]
		}
	}
	x, ok := solve(normal, len(columns))
	if !ok {
		return beta, 0, false
	}
	for i, c := range columns {
		beta[c] = x[i] / unit[c]
		if beta[c] < 0 {
			return beta, 0, false
		}
	}
	for _, r := range rows {
		e := -r[4]
		for c := range beta {
			e += r[c] * beta[c]
		}
		ss += e * e
	}
	return beta, ss, beta[0] > 0
}
